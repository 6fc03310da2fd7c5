"""Results on disk: a folder of immutable entries named by key, safe for many processes at once.

    entries/ab/<key>.safetensors      finished results, see `entryfile`
    checkpoints/<key>.safetensors     the last state of a computation that is not finished
    leases/<key>.lock                 who computes what; the kernel frees a dead owner's lock
    quarantine/                       files that failed a check, kept for a look, never read

The folder is the index: there is no database that could disagree with it.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from graphflow import files
from graphflow.cache import entryfile
from graphflow.cache.entryfile import Corrupt, Head, OtherFormat
from graphflow.cache.records import (
    Entry,
    EntryInfo,
    Freed,
    Loaded,
    Notify,
    Stats,
    StoreNotice,
    Verified,
    ignore,
)
from graphflow.errors import StorageError
from graphflow.values import CodecError, decode, encode

SLACK = 0.1
"""Share of the limit that eviction frees beyond it, and that is written between two counts of the folder: a
count reads every head, so it must be rare; other processes may exceed the limit by this much unseen."""

QUARANTINE_FILES = 16
"""Bad files kept for a look; the oldest go. Rot is rare, so this is many."""

MIN_FREE_BYTES = 64 * 2**20
"""Free disk left to others; a result file or a database must still fit when the cache may not grow."""

_KEY = re.compile(r"[0-9a-f]{64}")
_SUFFIX = ".safetensors"

T = TypeVar("T")

__all__ = ["DiskStore", "Entry", "EntryInfo", "Freed", "Loaded", "Stats", "StoreNotice", "Verified", "ignore"]


class DiskStore:
    """Entries and checkpoints in one folder, created when first written to.

    limit_bytes: size of all entries above which the least worthy are evicted; None is no limit.
    notify: called, perhaps from any thread, with what people may want to know.
    Reading never raises for what is on the disk: a file that cannot be used is a miss and a notice.
    Keys are 64 hexadecimal characters, lower case; others raise ValueError.
    """

    def __init__(self, root: Path, *, limit_bytes: int | None = None, notify: Notify = ignore) -> None:
        self.root = root
        self.limit = limit_bytes
        self._notify = notify
        self._entries = os.path.join(root, "entries", "")
        self._lock = Lock()
        self._proved: dict[str, tuple[int, int, int]] = {}
        """Files whose checksum was proved by this process: name to (inode, size, time in ns)."""
        self._unusable: set[str] = set()
        """Whole entries that this process cannot decode; for it they are absent."""
        self._held: set[str] = set()
        self._room = -1
        """Bytes that may be written before the entries are counted again."""
        self._swept = False

    # ---------------------------------------------------------------------------------- reading

    def has(self, key: str) -> bool:
        """Whether there is a file for `key`: one look-up. Its bytes are checked when read."""
        name = self._name(key)
        return os.path.exists(name) and name not in self._unusable

    def read(self, key: str) -> dict[str, Any] | None:
        """The outputs by name, tensors mapped from the file; None on a miss or a bad entry."""
        found = self.load(key)
        return None if found is None else found.outputs

    def load(self, key: str) -> Loaded | None:
        """As `read`, with the entry's EntryInfo."""
        return self._load(self._name(key), "entry", key)

    def peek(self, key: str) -> dict[str, Any] | None:
        """As `read`, but from the header alone: tensors are TensorRef, values plain dicts. No torch."""
        name = self._name(key)

        def peek() -> dict[str, Any]:
            head = _head_of(name, "entry", key)
            outputs: dict[str, Any] = decode(head.header, None, head.tensors)
            return outputs

        return self._guarded(name, key, peek)

    def info(self, key: str) -> EntryInfo | None:
        """Who made the entry of `key`, from its head alone; None on a miss or a bad entry."""
        name = self._name(key)
        return self._guarded(name, key, lambda: _head_of(name, "entry", key).info)

    def entries(self) -> Iterator[Entry]:
        """Every entry with a whole header; bad ones go to quarantine."""
        return self._listing(self._paths("entries"), "entry")

    def stats(self) -> Stats:
        """Count everything."""
        entries, checkpoints, quarantined = (
            [_size(path) for path in self._paths(folder)]
            for folder in ("entries", "checkpoints", "quarantine")
        )
        return Stats(
            entries=len(entries),
            entry_bytes=sum(entries),
            checkpoints=len(checkpoints),
            checkpoint_bytes=sum(checkpoints),
            quarantined=len(quarantined),
            quarantined_bytes=sum(quarantined),
            limit_bytes=self.limit,
        )

    def _load(self, name: str, kind: entryfile.Kind, key: str) -> Loaded | None:
        def load() -> Loaded:
            head = _head_of(name, kind, key)
            self._prove(name, head)
            return Loaded(decode(head.header, entryfile.map_tensors(name, head)), head.info)

        return self._guarded(name, key, load)

    def _prove(self, name: str, head: Head) -> None:
        """Check the tensors once per file and process, and mark the file as used now.

        One without tensors is checked at a glance and not remembered: there may be ten thousand.
        """
        if not head.tensors:
            entryfile.check_tensors(name, head)
            with suppress(OSError):
                os.utime(name)
            return
        found = os.stat(name)
        identity = (found.st_ino, found.st_size, found.st_mtime_ns)
        if self._proved.get(name) == identity:
            return
        entryfile.check_tensors(name, head)
        now = time.time_ns()
        with suppress(OSError):  # a folder that may only be read
            os.utime(name, ns=(now, now))
            identity = (found.st_ino, found.st_size, now)
        self._proved[name] = identity

    def _guarded(self, name: str, key: str, read: Callable[[], T]) -> T | None:
        """What `read` gives; None if the file is missing, cannot be used (notice) or is bad (quarantine)."""
        try:
            return read()
        except FileNotFoundError:
            return None
        except (OtherFormat, CodecError) as error:  # whole, but not for this program: another may read it
            self._unusable.add(name)
            self._notify(StoreNotice("unreadable", key, f"cannot use a cache entry: {error}"))
        except (Corrupt, OSError) as error:
            if _is_rot(error):
                self._quarantine(name, key, error)
            else:
                self._notify(StoreNotice("unreadable", key, f"cannot read a cache entry: {error}"))
        return None

    def _quarantine(self, name: str, key: str, error: Exception) -> None:
        files.faultpoint("store.before_quarantine")
        self._proved.pop(name, None)
        target = self.root / "quarantine" / f"{time.time_ns():020d}-{os.path.basename(name)}"
        with suppress(OSError, StorageError):
            files.make_folder(target.parent)
            os.replace(name, target)
            for old in sorted(self._paths("quarantine"))[:-QUARANTINE_FILES]:
                _remove(old)
        self._notify(StoreNotice("quarantined", key, f"a broken cache entry was set aside: {error}"))

    # ---------------------------------------------------------------------------------- writing

    def write(self, key: str, outputs: Mapping[str, Any], info: EntryInfo) -> int:
        """Store the outputs of `key`, whole and synced; gives the bytes written.

        Raises StorageError (disk or limit full, no permission, ...) or CodecError; the store is as before.
        """
        name = self._name(key)
        size = self._write(name, "entry", key, dict(outputs), info)
        self._unusable.discard(name)
        if self.limit is not None:
            self._keep_to_limit(size, key, self.limit)
        return size

    def discard(self, key: str) -> None:
        """Remove the entry of `key`, if there is one."""
        _remove(self._name(key))

    def write_checkpoint(self, key: str, state: Mapping[str, Any]) -> int:
        """Replace the checkpoint of `key`; until this returns the old one stands. Raises as `write`."""
        return self._write(
            self._checkpoint(key), "checkpoint", key, dict(state), EntryInfo("", 0, 0.0, time.time())
        )

    def read_checkpoint(self, key: str) -> dict[str, Any] | None:
        """The last whole checkpoint of `key`, or None."""
        found = self._load(self._checkpoint(key), "checkpoint", key)
        return None if found is None else found.outputs

    def drop_checkpoint(self, key: str) -> None:
        """Remove the checkpoint of `key`, if there is one."""
        _remove(self._checkpoint(key))

    def checkpoints(self) -> list[Entry]:
        """Every whole checkpoint."""
        return list(self._listing(self._paths("checkpoints"), "checkpoint"))

    def _write(
        self, name: str, kind: entryfile.Kind, key: str, value: dict[str, Any], info: EntryInfo
    ) -> int:
        encoded = encode(value)
        tensor_bytes = sum(t.numel() * t.element_size() for t in encoded.tensors.values())
        self._prepare(tensor_bytes + len(encoded.header))
        with files.replacing_file(Path(name)) as fd:
            return entryfile.write(fd, kind, key, encoded, info)

    def _prepare(self, size: int) -> None:
        """Refuse what will not fit before writing gigabytes to find out; remove what a dead writer left."""
        if self.limit is not None and size > self.limit:
            raise StorageError(
                f"a result of {size:,} bytes is larger than the cache's limit of {self.limit:,}",
                code="storage.limit",
                hint="raise the limit of the cache",
            )
        files.make_folder(self.root)
        if not self._swept:
            self._swept = True
            files.sweep(self.root)
        with files.storage_errors(self.root):
            free = shutil.disk_usage(self.root).free
        if size + MIN_FREE_BYTES > free:
            raise StorageError(
                f"a result of {size:,} bytes does not fit: {free:,} are free, {MIN_FREE_BYTES:,} stay so",
                where=str(self.root),
                code="storage.full",
                hint="free some space, or run 'graphflow cache gc'",
            )

    # --------------------------------------------------------------------------------- eviction

    def hold(self, key: str) -> None:
        """Keep `key` from eviction by this process until `release`."""
        self._held.add(key)

    def release(self, key: str) -> None:
        """Take back `hold`."""
        self._held.discard(key)

    def gc(self, limit_bytes: int) -> Freed:
        """Evict least worthy entries until the rest has at most `limit_bytes`.

        Also removed: the quarantine, checkpoints whose result is stored, orphaned temporary files, old locks.
        Worth is measured seconds per byte, aged by last use (`Entry.worth`). Safe beside other processes.
        """
        files.sweep(self.root)
        files.remove_free_locks(self.root / "leases")
        rubbish = list(self._paths("quarantine"))
        rubbish += [p for p in self._paths("checkpoints") if self.has(_key_of(p))]
        freed = [size for path in rubbish if (size := _remove(path)) is not None]
        freed += self._evict(limit_bytes, self._held)
        return Freed(len(freed), sum(freed))

    def _keep_to_limit(self, written: int, key: str, limit: int) -> None:
        """Evict if this write, or those of others, went over the limit; not `key`, which is wanted now."""
        with self._lock:
            self._room -= written
            if self._room < 0:
                slack = int(limit * SLACK)
                used = sum(_size(path) for path in self._paths("entries"))
                if used > limit:
                    used -= sum(self._evict(limit - slack, self._held | {key}))
                self._room = min(limit - used, slack)

    def _evict(self, limit_bytes: int, keep: Collection[str]) -> list[int]:
        """Remove entries, least worthy first, down to `limit_bytes`; gives the sizes removed."""
        now = time.time()
        entries = sorted(self.entries(), key=lambda entry: entry.worth(now))
        excess = sum(entry.size for entry in entries) - limit_bytes
        freed: list[int] = []
        for entry in entries:
            if excess <= 0:
                break
            if entry.key not in keep and (size := _remove(self._name(entry.key))) is not None:
                freed.append(size)
                excess -= size
        return freed

    def verify(self, repair: bool = True) -> Verified:
        """Read every byte of every entry and checkpoint; with `repair`, bad ones go to quarantine."""
        checked, bad = 0, []
        for path in [*self._paths("entries"), *self._paths("checkpoints")]:
            kind: entryfile.Kind = "checkpoint" if Path(path).parent.name == "checkpoints" else "entry"
            key = _key_of(path)
            checked += 1
            try:
                entryfile.check_tensors(path, _head_of(path, kind, key))
            except OtherFormat:
                continue
            except (Corrupt, OSError) as error:
                if _is_rot(error):
                    bad.append(key)
                    if repair:
                        self._quarantine(path, key, error)
        return Verified(checked, tuple(bad), files.sweep(self.root) if repair else 0)

    # ----------------------------------------------------------------------------------- leases

    @contextmanager
    def lease(self, key: str, waiting: Callable[[], None] = lambda: None) -> Iterator[bool]:
        """Compute `key` alone, among all processes and threads on this folder.

        Gives True at once if nobody else computes it, False after waiting for another: then look again, the
        entry is probably there. `waiting` is called ten times a second meanwhile and may raise (a cancel).
        A holder that dies frees its lease. Where nothing can be locked it gives True: at worst a result is
        computed twice. Not to be asked for twice on one key in one thread.
        """
        with files.locked(self.root / "leases" / f"{_checked(key)}.lock", waiting) as at_once:
            yield at_once

    # ------------------------------------------------------------------------------------ names

    def _name(self, key: str) -> str:
        return f"{self._entries}{_checked(key)[:2]}/{key}{_SUFFIX}"

    def _checkpoint(self, key: str) -> str:
        return os.path.join(self.root, "checkpoints", f"{_checked(key)}{_SUFFIX}")

    def _paths(self, folder: str) -> Iterator[str]:
        """Every stored file below one of the store's folders."""
        for place, _, names in os.walk(self.root / folder):
            yield from (os.path.join(place, name) for name in names if name.endswith(_SUFFIX))

    def _listing(self, paths: Iterator[str], kind: entryfile.Kind) -> Iterator[Entry]:
        for path in paths:
            key = _key_of(path)
            head = self._guarded(path, key, partial(_head_of, path, kind, key))
            if head is not None:
                yield Entry(key, head.size, head.used, head.info)


def _checked(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key[:80]!r} is not a key: 64 hexadecimal characters, lower case")
    return key


def _key_of(path: str) -> str:
    return os.path.basename(path)[: -len(_SUFFIX)]


def _head_of(path: str, kind: entryfile.Kind, key: str) -> Head:
    head = entryfile.read_head(path)
    if (head.kind, head.key) != (kind, key):
        raise Corrupt(f"it holds the {head.kind} of {head.key[:12]}")
    return head


def _is_rot(error: Corrupt | OSError) -> bool:
    """Whether it is the file that is bad; no permission or too many open files say nothing about it."""
    return isinstance(error, Corrupt) or error.errno == errno.EIO


def _size(path: str) -> int:
    """Bytes of a file; 0 if another process removed it meanwhile."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _remove(path: str) -> int | None:
    """Remove a file; gives its bytes, or None if it was gone or may not be removed."""
    files.faultpoint("store.before_remove")
    size = _size(path)
    with suppress(OSError):
        os.unlink(path)
        return size
    return None
