"""What a worker process holds, as known here: headers of its results, and the results when asked for."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import RLock
from typing import Any

from graphflow.cache import entryfile
from graphflow.cache.tiers import Cache
from graphflow.errors import ResourceError
from graphflow.runners.wire import Frame
from graphflow.values import decode

FETCH_SECONDS = 120.0
"""How long a worker may take to hand a result over; a gigabyte takes about one."""


@dataclass(frozen=True, slots=True)
class _Held:
    header: bytes
    plain: bool
    """It has no tensors: the header is all of it."""
    notices: Sequence[str]


class Holdings:
    """Results in a worker's memory and in the disk store that it shares with this process.

    tell: sends a frame to the worker and gives False if there is none.
    lock: held while a worker is started, so that it learns of every pin once.
    """

    def __init__(self, cache: Cache, tell: Callable[..., bool], lock: RLock) -> None:
        self.cache = cache
        self._tell = tell
        self._held: dict[str, _Held] = {}
        self._pins: Counter[str] = Counter()
        self._asked: dict[int, SimpleQueue[Frame]] = {}
        self._ids = count(1)
        self._spool: Path | None = None
        self._lock = lock

    # ------------------------------------------------------------------------ reading

    def has(self, key: str) -> bool:
        """Whether a result can be had."""
        return key in self._held or (self.cache.disk is not None and self.cache.disk.has(key))

    def peek(self, key: str) -> Mapping[str, Any] | None:
        """The plain structure of a result."""
        held = self._held.get(key)
        if held is not None:
            outputs: dict[str, Any] = decode(held.header, {} if held.plain else None)
            return outputs
        return None if self.cache.disk is None else self.cache.disk.peek(key)

    def notices(self, key: str) -> Sequence[str]:
        """What the node told when it made a result."""
        held = self._held.get(key)
        return self.cache.notices(key) if held is None else held.notices

    def get(self, key: str) -> Mapping[str, Any] | None:
        """A result, mapped from the disk store or handed over by the worker; None if it was lost.

        Raises ResourceError if the worker cannot hand it over.
        """
        held = self._held.get(key)
        if held is not None and held.plain:
            return self.peek(key)
        stored = self.cache.disk.read(key) if self.cache.disk is not None else None
        return stored if stored is not None or held is None else self._hand_over(key)

    def _hand_over(self, key: str) -> dict[str, Any] | None:
        """A result by way of a file, in memory if there is room, that is removed at once."""
        answer: SimpleQueue[Frame] = SimpleQueue()
        id = next(self._ids)
        self._asked[id] = answer
        try:
            if not self._tell("fetch", id=id, key=key, folders=self._folders()):
                return None
            frame = answer.get(timeout=FETCH_SECONDS)
        except Empty:
            raise ResourceError("the worker process does not answer", code="worker.lost") from None
        finally:
            self._asked.pop(id, None)
        if frame["reason"]:
            raise ResourceError(f"the worker process cannot hand over a result: {frame['reason']}")
        return None if frame["path"] is None else _taken(frame["path"])

    def _folders(self) -> list[str]:
        with self._lock:
            if self._spool is None:
                self._spool = Path(tempfile.mkdtemp(prefix="graphflow-", dir=_memory_folder()))
            return [str(self._spool), tempfile.gettempdir()]

    # ------------------------------------------------------------------------ keeping

    def pin(self, key: str) -> None:
        """Have a result held, also by the next worker."""
        if self.cache.disk is not None:
            self.cache.disk.hold(key)
        with self._lock:
            self._pins[key] += 1
            self._tell("pin", key=key)

    def unpin(self, key: str) -> None:
        """Take back one pin."""
        with self._lock:
            self._pins[key] -= 1
            if self._pins[key] <= 0:
                del self._pins[key]
                if self.cache.disk is not None:
                    self.cache.disk.release(key)
            self._tell("unpin", key=key)

    def discard(self, key: str) -> None:
        """Forget a result everywhere."""
        self.cache.discard(key)
        self._held.pop(key, None)
        self._tell("discard", key=key)

    def pins(self) -> Iterator[str]:
        """Every pinned key, as often as it is pinned."""
        return self._pins.elements()

    # ------------------------------------------------------------------------ from the worker

    def made(self, key: str, header: bytes, plain: bool, notices: Sequence[str]) -> None:
        """The worker has a result in memory."""
        self._held[key] = _Held(header, plain, notices)

    def dropped(self, key: str) -> None:
        """The worker had to let go of a result."""
        self._held.pop(key, None)

    def answered(self, frame: Frame) -> None:
        """The worker handed a result over, or could not."""
        answer = self._asked.get(frame["id"])
        if answer is not None:
            answer.put(frame)
        elif frame["path"] is not None:  # whoever asked has given up
            _remove(frame["path"])

    def lost(self) -> None:
        """The worker is gone, and with it what was in its memory only."""
        self._held.clear()
        for answer in list(self._asked.values()):
            answer.put({"path": None, "reason": ""})

    def close(self) -> None:
        """Remove what is left of results on their way."""
        if self._spool is not None:
            shutil.rmtree(self._spool, ignore_errors=True)
            self._spool = None


def _taken(path: str) -> dict[str, Any]:
    """Map a result and remove its name: the file's memory is free when the last tensor is."""
    try:
        head = entryfile.read_head(path)
        outputs: dict[str, Any] = decode(head.header, entryfile.map_tensors(path, head))
    finally:
        _remove(path)
    return outputs


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


def _memory_folder() -> str | None:
    """A folder whose files lie in memory, if there is one."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None
