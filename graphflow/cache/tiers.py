"""Memory and disk as one cache: the fast tier for this run, the lasting one for what is worth keeping."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

from graphflow.cache.disk import DiskStore
from graphflow.cache.memory import MemoryCache
from graphflow.cache.records import EntryInfo, Loaded, Notify, StoreNotice, ignore
from graphflow.errors import StorageError
from graphflow.sizes import nbytes
from graphflow.values import CodecError

Stored = Literal["memory", "disk", "both", "none"]

_PLACES: Mapping[tuple[bool, bool], Stored] = {
    (True, True): "both",
    (True, False): "memory",
    (False, True): "disk",
    (False, False): "none",
}

DISK_BYTES_PER_SECOND = 500e6
"""Assumed speed of a write and a cold read: a SATA SSD. Faster disks only make keeping cheaper."""

DISK_SECONDS = 0.005
"""Assumed fixed cost of an entry: two syncs and an open, measured 0.4 to 5 ms on shared virtual disks."""

WORTH = 4.0
"""How many times dearer than its disk access a result must be: it pays for writing now, reading later, the
space it takes from others, and the runs that never ask for it again."""

OBJECTS_BYTES = 700
"""What a result in memory holds beside its values, however small they are: its dicts, info and place in the
tier (measured: 540 to 840 bytes). Without it a budget would not bound ten thousand small results."""


def worth_the_disk(seconds: float, size: int) -> bool:
    """Whether a result of `size` bytes that took `seconds` should outlive the process.

    Computing it again must cost WORTH times what the disk does. So a 2 ms blend never goes there, a 100 MB
    clip that took a second to decode does.
    """
    return seconds > WORTH * (DISK_SECONDS + size / DISK_BYTES_PER_SECOND)


class Cache:
    """Both tiers by key. Without a disk everything stays in memory.

    A disk that is full or cannot be written is not an error here: the run goes on in memory, with one notice
    until a write succeeds again.
    """

    def __init__(
        self, memory: MemoryCache, disk: DiskStore | None = None, *, notify: Notify = ignore
    ) -> None:
        self.memory = memory
        self.disk = disk
        self.notify = notify
        """Told what people may want to know; also by a runner whose worker has a cache on the same folder."""
        self._failing = False

    def has(self, key: str) -> bool:
        """Whether either tier has it."""
        return key in self.memory or (self.disk is not None and self.disk.has(key))

    def get(self, key: str) -> dict[str, Any] | None:
        """The outputs by name, from memory or else from disk (then also kept in memory); None on a miss.

        What it gives is shared with all who ask: not to be changed.
        """
        found = self._load(key)
        return None if found is None else found.outputs

    def peek(self, key: str) -> dict[str, Any] | None:
        """As `get`, but reads only the header where only the disk has them: see `DiskStore.peek`."""
        held: Loaded | None = self.memory.get(key)
        if held is not None:
            return held.outputs
        return None if self.disk is None else self.disk.peek(key)

    def notices(self, key: str) -> tuple[str, ...]:
        """What the node told when it made a result; of one that only the disk has its head is read."""
        held: Loaded | None = self.memory.get(key)
        info = held.info if held is not None else self.disk.info(key) if self.disk is not None else None
        return () if info is None else info.notices

    def put(
        self,
        key: str,
        outputs: Mapping[str, Any],
        info: EntryInfo,
        *,
        keep: bool = False,
        size: int | None = None,
    ) -> Stored:
        """Store in memory, and on disk if `keep` or if worth it; says where this put it.

        size: `nbytes` of the outputs, if known already. Does not raise for a disk that is full, nor for a
        tensor that cannot be stored. Raises CodecError for what cannot travel.
        """
        item = Loaded(dict(outputs), info)
        if size is None:
            size = nbytes(item.outputs)
        on_disk = (keep or worth_the_disk(info.seconds, size)) and self._write(key, item)
        self.memory.put(key, item, size + OBJECTS_BYTES, info.seconds)
        self._spill()
        in_memory = key in self.memory
        if not in_memory and not on_disk:  # spilled just now, or there from an earlier run
            on_disk = self.disk is not None and self.disk.has(key)
        return _PLACES[in_memory, on_disk]

    def discard(self, key: str) -> None:
        """Forget `key` in both tiers, so that it is computed again. To free memory, `unpin` is enough."""
        self.memory.discard(key)
        if self.disk is not None:
            self.disk.discard(key)

    def pin(self, key: str) -> None:
        """Keep `key`, present or to come, until `unpin`: in memory, or on disk when memory is too small."""
        self.memory.pin(key)
        if self.disk is not None:
            self.disk.hold(key)

    def unpin(self, key: str) -> None:
        """Take back one pin."""
        self.memory.unpin(key)
        if self.disk is not None and not self.memory.pinned(key):
            self.disk.release(key)

    def lease(self, key: str, waiting: Callable[[], None] = lambda: None) -> AbstractContextManager[bool]:
        """Compute `key` alone: see `DiskStore.lease`. Without a disk there is nobody to share with."""
        return nullcontext(True) if self.disk is None else self.disk.lease(key, waiting)

    def write_checkpoint(self, key: str, state: Mapping[str, Any]) -> bool:
        """Keep a state to resume from; False if there is no disk or it cannot be written (one notice)."""
        return self.disk is not None and self._attempt(key, lambda disk: disk.write_checkpoint(key, state))

    def read_checkpoint(self, key: str) -> dict[str, Any] | None:
        """The last whole checkpoint of `key`, or None."""
        return None if self.disk is None else self.disk.read_checkpoint(key)

    def drop_checkpoint(self, key: str) -> None:
        """Remove the checkpoint of `key`, if there is one."""
        if self.disk is not None:
            self.disk.drop_checkpoint(key)

    def _load(self, key: str) -> Loaded | None:
        held: Loaded | None = self.memory.get(key)
        if held is None and self.disk is not None and (held := self.disk.load(key)) is not None:
            self.memory.put(key, held, nbytes(held.outputs) + OBJECTS_BYTES, held.info.seconds)
            if self.memory.used > self.memory.budget:  # full of pinned values; this one the disk has
                self.memory.discard(key)
        return held

    def _spill(self) -> None:
        """Move pinned values that memory has no room for to the disk; they stay in memory if it fails too."""
        for key in self.memory.overflow():
            item: Loaded | None = self.memory.get(key)
            if item is not None and self._write(key, item):
                self.memory.discard(key)

    def _write(self, key: str, item: Loaded) -> bool:
        """Whether the disk has `key` afterwards."""
        if self.disk is None or self.disk.has(key):
            return self.disk is not None
        return self._attempt(key, lambda disk: disk.write(key, item.outputs, item.info))

    def _attempt(self, key: str, write: Callable[[DiskStore], object]) -> bool:
        """Write; a failure is one notice, until a write succeeds again."""
        assert self.disk is not None
        try:
            write(self.disk)
        except CodecError as error:
            self.notify(StoreNotice("unstorable", key, str(error)))
            return False
        except StorageError as error:
            if error.error_code in ("storage.type", "storage.limit"):  # this value's fault, not the disk's
                self.notify(StoreNotice("unstorable", key, str(error), error.hint))
            elif not self._failing:
                self._failing = True
                self.notify(StoreNotice("full", key, f"results stay in memory: {error.message}", error.hint))
            return False
        self._failing = False
        return True
