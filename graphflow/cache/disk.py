"""Results on disk: a folder of immutable entries named by key, safe for many processes at once.

    entries/ab/<key>.safetensors      finished results, see `format`
    checkpoints/<key>.safetensors     the last state of a computation that is not finished
    leases/<key>.lock                 who computes what; the kernel frees a dead owner's lock
    quarantine/                       files that failed a check, kept for a look, never read

The folder is the index: there is no database that could disagree with it.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Literal, TypeVar

from graphflow import files
from graphflow.cache import format
from graphflow.cache.format import Corrupt, EntryInfo, Head, OtherFormat
from graphflow.errors import StorageError
from graphflow.values import CodecError, decode, encode

HALF_LIFE = 24 * 3600.0
"""Seconds unused after which an entry counts half: one twice as dear per byte outlives another by a day."""

ROOM_AFTER_EVICTION = 0.9
"""Share of the limit that eviction leaves filled, so that the next writes do not scan the folder again."""

QUARANTINE_FILES = 16
"""Bad files kept for a look; the oldest go. Rot is rare, so this is many."""

MIN_FREE_BYTES = 64 * 2**20
"""Free disk left to others; a result file or a database must still fit when the cache may not grow."""

_KEY = re.compile(r"[0-9a-f]{64}")
_SUFFIX = ".safetensors"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoreNotice:
    """Something happened in the store that people may want to know; nothing failed."""

    kind: Literal["quarantined", "unreadable", "full", "unstorable"]
    key: str
    message: str
    hint: str = ""


Notify = Callable[[StoreNotice], None]


def ignore(notice: StoreNotice) -> None:
    """Where notices go that nobody asked for."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored file, as a listing shows it."""

    key: str
    size: int
    """Bytes."""
    used: float
    """When last used, in seconds since 1970."""
    info: EntryInfo

    def worth(self, now: float) -> float:
        """log2 of the seconds saved per byte, less one for each half-life unused; the lowest goes first."""
        density = max(self.info.seconds, 1e-6) / max(self.size, 1)
        return math.log2(density) - max(now - self.used, 0.0) / HALF_LIFE


@dataclass(frozen=True, slots=True)
class Loaded:
    """An entry read back: its outputs by name, and what it cost."""

    outputs: dict[str, Any]
    info: EntryInfo


@dataclass(frozen=True, slots=True)
class Stats:
    """What the store holds, in files and bytes."""

    entries: int
    entry_bytes: int
    checkpoints: int
    checkpoint_bytes: int
    quarantined: int
    quarantined_bytes: int
    limit_bytes: int | None


@dataclass(frozen=True, slots=True)
class Verified:
    """What `verify` found: files checked, keys of the bad ones, orphaned temporary files removed."""

    checked: int
    bad: tuple[str, ...]
    swept: int


@dataclass(frozen=True, slots=True)
class Freed:
    """What `gc` removed."""

    files: int
    bytes: int


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
        """Files whose checksum was proved by this process: key to (inode, size, modified)."""
        self._unusable: set[str] = set()
        """Whole entries that this process cannot decode; for it they are absent."""
        self._held: set[str] = set()
        self._size: int | None = None
        """Bytes of all entries, as far as this process knows; None before the first count."""

    # ---------------------------------------------------------------------------------- reading

    def has(self, key: str) -> bool:
        """Whether there is a file for `key`: one look-up. Its bytes are checked when read."""
        return os.path.exists(self._name(key)) and key not in self._unusable

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
        return self._guarded(name, key, lambda: decode(_head_of(name, "entry", key).header, None))

    def entries(self) -> Iterator[Entry]:
        """Every whole entry; bad ones are left out (see `verify`)."""
        return self._listing(self._paths("entries"))

    def stats(self) -> Stats:
        """Count everything."""
        entries, checkpoints, quarantined = (
            [s.st_size for p in self._paths(folder) if (s := _stat(p)) is not None]
            for folder in ("entries", "checkpoints", "quarantine")
        )
        return Stats(
            len(entries),
            sum(entries),
            len(checkpoints),
            sum(checkpoints),
            len(quarantined),
            sum(quarantined),
            self.limit,
        )

    def _load(self, name: str, kind: format.Kind, key: str) -> Loaded | None:
        def load() -> Loaded:
            head = _head_of(name, kind, key)
            self._prove(name, head)
            return Loaded(decode(head.header, format.map_tensors(name, head)), head.info)

        return self._guarded(name, key, load)

    def _prove(self, name: str, head: Head) -> None:
        """Check the tensors once per file and process, and mark the file as used now."""
        found = os.stat(name)
        identity = (found.st_ino, found.st_size, found.st_mtime_ns)
        if self._proved.get(name) == identity:
            return
        format.check_tensors(name, head)
        self._proved[name] = identity
        with suppress(OSError):  # a folder that may only be read
            os.utime(name, ns=(time.time_ns(), found.st_mtime_ns))

    def _guarded(self, name: str, key: str, read: Callable[[], T]) -> T | None:
        """What `read` gives; None if the file is missing, cannot be used (notice) or is bad (quarantine)."""
        try:
            return read()
        except FileNotFoundError:
            return None
        except PermissionError as error:
            self._notify(StoreNotice("unreadable", key, f"cannot read {name}: {error.strerror}"))
        except (OtherFormat, CodecError) as error:  # whole, but not for this program: another may read it
            self._unusable.add(key)
            self._notify(StoreNotice("unreadable", key, f"cannot use a cache entry: {error}"))
        except (Corrupt, OSError) as error:
            self._quarantine(name, key, error)
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
        self._unusable.discard(key)
        if self.limit is not None:
            self._keep_to_limit(size, key)
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
        return list(self._listing(self._paths("checkpoints")))

    def _write(self, name: str, kind: format.Kind, key: str, value: dict[str, Any], info: EntryInfo) -> int:
        encoded = encode(value)
        tensor_bytes = sum(t.numel() * t.element_size() for t in encoded.tensors.values())
        self._check_room(tensor_bytes + len(encoded.header))
        with files.replacing_file(Path(name)) as fd:
            return format.write(fd, kind, key, encoded, info)

    def _check_room(self, size: int) -> None:
        """Refuse what will not fit before writing gigabytes to find out."""
        if self.limit is not None and size > self.limit:
            raise StorageError(
                f"a result of {size:,} bytes is larger than the cache's limit of {self.limit:,}",
                code="storage.limit",
                hint="raise the limit of the cache",
            )
        files.make_folder(self.root)
        with files.storage_errors(self.root):
            free = shutil.disk_usage(self.root).free
        if size + MIN_FREE_BYTES > free:
            raise StorageError(
                f"{free:,} bytes are free, a result of {size:,} does not fit",
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

        Also removed: the quarantine, checkpoints whose result is stored, orphaned temporary files. Worth is
        measured seconds per byte, aged by last use (`Entry.worth`). Safe beside other processes.
        """
        files.sweep(self.root)
        rubbish = list(self._paths("quarantine"))
        rubbish += [p for p in self._paths("checkpoints") if self.has(os.path.basename(p)[:64])]
        freed = [size for path in rubbish if (size := _remove(path)) is not None]
        freed += self._evict(limit_bytes, self._held)
        return Freed(len(freed), sum(freed))

    def _keep_to_limit(self, written: int, key: str) -> None:
        assert self.limit is not None
        with self._lock:
            if self._size is not None:
                self._size += written
            if self._size is None or self._size > self.limit:
                self._size = sum(s.st_size for p in self._paths("entries") if (s := _stat(p)) is not None)
            if self._size > self.limit:
                self._size -= sum(self._evict(int(self.limit * ROOM_AFTER_EVICTION), self._held | {key}))

    def _evict(self, limit_bytes: int, keep: Collection[str]) -> list[int]:
        """Remove entries, least worthy first, down to `limit_bytes`; gives the sizes removed."""
        now = time.time()
        entries = sorted(self.entries(), key=lambda entry: entry.worth(now))
        excess = sum(entry.size for entry in entries) - limit_bytes
        freed: list[int] = []
        for entry in entries:
            if sum(freed) >= excess:
                break
            if entry.key not in keep and (size := _remove(self._name(entry.key))) is not None:
                freed.append(size)
        return freed

    def verify(self, repair: bool = True) -> Verified:
        """Read every byte of every entry and checkpoint; with `repair`, bad ones go to quarantine."""
        checked, bad = 0, []
        for path in [*self._paths("entries"), *self._paths("checkpoints")]:
            kind: format.Kind = "checkpoint" if Path(path).parent.name == "checkpoints" else "entry"
            key = os.path.basename(path)[: -len(_SUFFIX)]
            checked += 1
            try:
                format.check_tensors(path, _head_of(path, kind, key))
            except (FileNotFoundError, PermissionError, OtherFormat):
                continue
            except (Corrupt, OSError) as error:
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
        computed twice. Do not ask for two leases in one thread.
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

    def _listing(self, paths: Iterator[str]) -> Iterator[Entry]:
        for path in paths:
            with suppress(OSError, Corrupt, OtherFormat):
                head, found = format.read_head(path), os.stat(path)
                if os.path.basename(path) == head.key + _SUFFIX:
                    yield Entry(head.key, found.st_size, max(found.st_atime, found.st_mtime), head.info)


def _checked(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key[:80]!r} is not a key: 64 hexadecimal characters, lower case")
    return key


def _head_of(path: str, kind: format.Kind, key: str) -> Head:
    head = format.read_head(path)
    if (head.kind, head.key) != (kind, key):
        raise Corrupt(f"it holds the {head.kind} of {head.key[:12]}")
    return head


def _stat(path: str) -> os.stat_result | None:
    """None if another process removed it meanwhile."""
    try:
        return os.stat(path)
    except OSError:
        return None


def _remove(path: str) -> int | None:
    """Remove a file; gives its bytes, or None if it was gone or may not be removed."""
    files.faultpoint("store.before_remove")
    found = _stat(path)
    with suppress(OSError):
        os.unlink(path)
        return found.st_size if found is not None else 0
    return None
