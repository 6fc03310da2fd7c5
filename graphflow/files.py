"""The one place that writes files: whole or not at all, synced, never outside the folder they belong to."""

from __future__ import annotations

import errno
import os
import re
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from graphflow.errors import StorageError

if TYPE_CHECKING:
    from filelock import BaseFileLock

if sys.platform != "win32":
    import fcntl

MAX_NAME_BYTES = 255
"""Longest part of a name, in UTF-8 bytes: the limit of ext4, xfs, btrfs, APFS and NTFS."""

MAX_PATH_BYTES = 1024
"""Longest name with its folders, in UTF-8 bytes: macOS allows no more, Linux four times that."""

UNLOCKED_AGE = 24 * 3600.0
"""Seconds after which a temporary file is an orphan where files cannot be locked: longer than any write."""

LOCK_POLL = 0.1
"""Seconds between looks at a lock that another holds: short beside any work worth a lock."""

LOCK_AGE = 24 * 3600.0
"""Seconds after which a free lock file is removed: nobody who saw it made still waits to open it."""

FAULTPOINTS = (
    "file.created",
    "file.written",
    "file.synced",
    "file.renamed",
    "entry.head_written",
    "entry.tensor_written",
    "entry.before_crc",
    "entry.after_crc",
    "store.before_quarantine",
    "store.before_remove",
    "checkpoint.after_write",
    "history.before_commit",
    "history.after_commit",
)
"""Every place where a test may kill the process; see `faultpoint`."""

FREE_SPACE = "free some space, or run 'graphflow cache gc'"

_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]')
_TEMPORARY = re.compile(r"graphflow-[0-9a-f]{16}\.tmp(\.[A-Za-z0-9]{1,16})?")

_REASONS = {
    errno.ENOSPC: ("storage.full", "the disk is full", FREE_SPACE),
    errno.EDQUOT: ("storage.full", "the disk quota is used up", FREE_SPACE),
    errno.EFBIG: ("storage.full", "the file is larger than the file system allows", "choose another folder"),
    errno.EACCES: ("storage.denied", "permission denied", "check who owns the folder, or choose another one"),
    errno.EPERM: ("storage.denied", "not permitted", "check who owns the folder, or choose another one"),
    errno.EROFS: ("storage.denied", "the file system is read-only", "choose another folder"),
    errno.EIO: ("storage.broken", "the disk reported an error", "check the disk; choose another folder"),
    errno.EMFILE: ("storage.busy", "too many open files", "raise the limit with 'ulimit -n'"),
    errno.ENFILE: ("storage.busy", "too many open files on this machine", "close other programs"),
    errno.ENOENT: ("storage.missing", "no such file or folder", "check the path"),
    errno.ENOTDIR: ("storage.missing", "a part of the path is not a folder", "check the path"),
    errno.EISDIR: ("storage.exists", "a folder of this name is in the way", "choose another name"),
    errno.EEXIST: ("storage.exists", "a file of this name is in the way", "choose another name"),
    errno.ENAMETOOLONG: ("storage.name", "the name is too long", "choose a shorter name"),
}
"""errno to code, message and hint, for the errors that people meet."""


def faultpoint(name: str) -> None:
    """Die here, as by `kill -9`, if the environment's GRAPHFLOW_FAULT names this point; else do nothing.

    Lets tests put a crash at every place that matters. Costs one environment look-up, under a microsecond.
    """
    if os.environ.get("GRAPHFLOW_FAULT") == name:
        os.kill(os.getpid(), signal.SIGKILL)


# --------------------------------------------------------------------------------------- names


def inside(root: Path, name: str) -> Path:
    """The path of `name` under `root`, links resolved: the only join for names that are not ours.

    `name` is relative, with `/` between folders; it is taken literally (no `~`, no `%2e`). Refused are
    absolute names, drives, `..`, links that lead out, control characters, names reserved by an operating
    system and names too long for one, so that what is accepted means the same on every machine.
    Raises StorageError, code `storage.name`.
    """
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        raise _bad_name(name, "is not valid text") from None
    if not name or len(encoded) > MAX_PATH_BYTES:
        raise _bad_name(name, f"must have 1 to {MAX_PATH_BYTES} bytes")
    for reason in map(wrong_part, name.split("/")):
        if reason:
            raise _bad_name(name, reason)
    try:
        base = root.resolve()
        path = (base / name).resolve()
    except (OSError, RuntimeError):  # RuntimeError: a circle of links, before Python 3.13
        raise _bad_name(name, "cannot be resolved") from None
    if path == base or not path.is_relative_to(base):
        raise _bad_name(name, "leads out of its folder")
    return path


def wrong_part(part: str) -> str:
    """Why a text cannot be one part of a name, on some system; empty if it can.

    The first test also refuses absolute names and doubled slashes.
    """
    if part in ("", ".", ".."):
        return "must be a plain relative name"
    if _FORBIDDEN.search(part):
        return "has a forbidden character"
    if part[-1] in ". " or part[0] == " ":
        return "starts or ends with a space, or ends with a dot"
    if _RESERVED.fullmatch(part.split(".")[0].rstrip()):
        return "is reserved by an operating system"
    if len(part.encode()) > MAX_NAME_BYTES:
        return f"has a part longer than {MAX_NAME_BYTES} bytes"
    return ""


def _bad_name(name: str, reason: str) -> StorageError:
    hint = "use a simple name such as 'clips/dog.mp4'"
    return StorageError(f"the name {name[:80]!r} {reason}", code="storage.name", hint=hint)


# ------------------------------------------------------------------------------------- writing


def storage_error(error: OSError, path: Path) -> StorageError:
    """What an OSError means for the person who wanted `path`: a stable code, a message and a hint."""
    code, reason, hint = _REASONS.get(error.errno or 0, ("storage", error.strerror or str(error), ""))
    return StorageError(reason, where=str(path), hint=hint, code=code)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn every OSError inside the block into a StorageError about `path`."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, path) from error


def make_folder(path: Path) -> None:
    """Create a folder and those above it; the new names survive a power cut. Raises StorageError."""
    with storage_errors(path):
        if path.is_dir():
            return
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        _sync_folder(path.parent)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write every byte: `os.write` alone may stop early. Raises OSError."""
    view = memoryview(data)
    while view.nbytes:
        view = view[os.write(fd, view) :]


def write_atomic(path: Path, data: bytes) -> None:
    """Make `path` hold exactly `data`: after a crash it has the old bytes or the new.

    Raises StorageError.
    """
    with replacing_file(path) as fd:
        write_all(fd, data)


def move(source: Path, target: Path) -> None:
    """Give a file or folder another name on the same disk; after a crash it has the old one or the new.

    A file that has the new name is replaced, a folder only if it is empty. Raises StorageError.
    """
    make_folder(target.parent)
    with storage_errors(target):
        os.replace(source, target)
        for folder in {source.parent, target.parent}:
            _sync_folder(folder)


@contextmanager
def replacing(path: Path, *, suffix: str = "") -> Iterator[Path]:
    """A temporary path beside `path`, named `*.tmp`, that becomes `path` when the block succeeds.

    suffix: put after `.tmp` for writers that choose a format by the name, such as `.mp4`.
    The file is synced, renamed over `path`, and its folder synced; if the block fails it is removed and
    `path` is as before. The file exists, empty, when the block starts. Raises StorageError.
    """
    with _replacing(path, suffix) as (_, temporary):
        yield temporary


@contextmanager
def replacing_file(path: Path) -> Iterator[int]:
    """As `replacing`, but gives an open file descriptor (read and write); do not close it."""
    with _replacing(path, "") as (fd, _):
        yield fd


@contextmanager
def _replacing(path: Path, suffix: str) -> Iterator[tuple[int, Path]]:
    make_folder(path.parent)
    with storage_errors(path):
        fd, temporary = _create_temporary(path.parent, suffix)
    try:
        faultpoint("file.created")
        with _writer_errors(path, temporary):
            yield fd, temporary
        faultpoint("file.written")
        with storage_errors(path):
            _sync_file(temporary)
            faultpoint("file.synced")
            os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    finally:
        os.close(fd)
    faultpoint("file.renamed")
    with storage_errors(path):
        _sync_folder(path.parent)


@contextmanager
def _writer_errors(path: Path, temporary: Path) -> Iterator[None]:
    """As `storage_errors`, but errors about other files or a network are the writer's own and pass."""
    try:
        yield
    except OSError as error:
        if error.errno in _REASONS and error.filename in (None, os.fspath(temporary)):
            raise storage_error(error, path) from error
        raise


def _create_temporary(folder: Path, suffix: str) -> tuple[int, Path]:
    """A new locked file. Its lock tells `sweep` that the writer lives; the kernel frees a dead one's."""
    while True:
        temporary = folder / f"graphflow-{secrets.token_hex(8)}.tmp{suffix}"
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        if _try_lock(fd) is not False and os.fstat(fd).st_nlink:
            return fd, temporary
        os.close(fd)  # a sweep took it between being made and being locked


def _try_lock(fd: int) -> bool | None:
    """Lock an open file without waiting: True, False if another has it, None where locks do not exist."""
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _sync_file(path: Path) -> None:
    """Sync by name: the block may have put another file in the temporary one's place."""
    fd = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":  # it cannot open folders; NTFS journals names itself
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


# ------------------------------------------------------------------------------------- locking


@contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[bool]:
    """Hold the lock file `path` among all threads and processes; the kernel frees a dead holder's lock.

    Gives True if it was free, False if another held it first. `waiting` is called ten times a second
    meanwhile and may raise, which ends the wait. Where nothing can be locked (a read-only folder) it gives
    True and excludes nobody.
    """
    from filelock import FileLock

    lock = FileLock(path)
    at_once = got = _acquire(lock, 0)
    while not got:
        waiting()
        got = _acquire(lock, LOCK_POLL)
    try:
        yield at_once
    finally:
        lock.release()


def _acquire(lock: BaseFileLock, seconds: float) -> bool:
    """Whether the lock is ours, or cannot be anybody's."""
    from filelock import Timeout

    try:
        make_folder(Path(lock.lock_file).parent)
        lock.acquire(timeout=seconds, poll_interval=LOCK_POLL / 2)
    except Timeout:
        return False
    except (OSError, NotImplementedError, StorageError):
        return True
    return True


def remove_free_locks(folder: Path) -> None:
    """Remove lock files that nobody holds and that are older than LOCK_AGE."""
    for path in folder.glob("*.lock"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > LOCK_AGE:
                _remove_if_free(path)


# ------------------------------------------------------------------------------------ sweeping


def sweep(root: Path) -> int:
    """Remove temporary files whose writer is dead, anywhere under `root`; gives how many.

    Only files named by `replacing` are touched. Safe beside live writers: theirs are locked. Where the
    file system has no locks, files older than UNLOCKED_AGE go.
    """
    return sum(sweep_folder(Path(folder), names) for folder, _, names in os.walk(root))


def sweep_folder(folder: Path, names: Iterable[str] | None = None) -> int:
    """As `sweep`, in one folder alone; a folder that is not there holds nothing. names: of its files."""
    if names is None:
        try:
            names = os.listdir(folder)
        except OSError:
            return 0
    return sum(_remove_orphan(folder / name) for name in names if _TEMPORARY.fullmatch(name))


def _remove_orphan(path: Path) -> bool:
    with suppress(OSError):
        free = _remove_if_free(path)
        if free is None and time.time() - path.stat().st_mtime > UNLOCKED_AGE:
            path.unlink()
            return True
        return bool(free)
    return False


def _remove_if_free(path: Path) -> bool | None:
    """Remove a file that nobody has locked: True if removed, False if it is held, None without locks."""
    fd = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    try:
        free = _try_lock(fd)
        if free:
            path.unlink()
        return free
    finally:
        os.close(fd)
