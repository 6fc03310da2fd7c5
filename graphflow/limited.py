"""Handles bytes from strangers in a short-lived child process that may do little: a decoder that crashes,
hangs or eats memory costs that child only.

One helper process imports what is needed once and forks a child for each question, which takes milliseconds.
It is started when somebody first asks, and ends with this process. What a child says is checked by who
asked: it may have been taken over. Where processes cannot be forked (Windows), the work is done in place.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any, NoReturn, TypeAlias

import msgpack

from graphflow.errors import GraphflowError, StorageError, describe, from_code

MEMORY_BYTES = 4 * 2**30
"""Data that a child may hold."""

OPEN_FILES = 64
SILENT_SECONDS = 60
"""A child that says nothing for so long is stopped."""

POLL_SECONDS = 0.2
"""How often who waits for a child looks whether the work was cancelled."""

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that this process gets when the thread that started it ends."""

MAX_FIELDS = 2**20
"""Longest packed map, in bytes."""

_HEAD = struct.Struct(">IQ")
"""Before each message: bytes of its map, and of the data behind it."""

_BUFFER_BYTES = 4 * 2**20
"""Of the socket, so that a child can decode the next frame while the last one is taken."""

_NONSENSE = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    StopIteration,
    msgpack.UnpackException,
)
"""What taking the answers of a child that crashed, or says anything, may raise."""

Fields: TypeAlias = Mapping[str, Any]
"""Plain data by name."""

Work: TypeAlias = Callable[[Fields, bytes], Iterator[tuple[Fields, Any]]]
"""What a child does: yields answers, each plain data by name and any buffer. Raises GraphflowError."""

POSSIBLE = hasattr(os, "fork") and hasattr(socket, "send_fds")


@dataclass(frozen=True)
class Answer:
    """One thing that a child says. The data must be taken before the next answer is asked for."""

    fields: Fields
    size: int
    """Bytes of data."""
    _fill: Callable[[memoryview], None]

    def into(self, place: Any) -> None:
        """Write the data into a buffer of its size, such as an array. Raises ValueError for another size."""
        view = _bytes_of(place)
        if view.nbytes != self.size:
            raise ValueError(f"{self.size} bytes came for a place of {view.nbytes}")
        self._fill(view)


@contextmanager
def asked(
    work: str, fields: Fields, data: bytes = b"", *, needs: Sequence[str] = (), where: str = "",
    silent_seconds: int = SILENT_SECONDS, idle: Callable[[], None] = lambda: None,
) -> Iterator[Iterator[Answer]]:  # fmt: skip
    """The answers of `work`, a function named `module:name`, to plain data by name and bytes.

    needs: other modules that it imports. where: what errors name, such as the file. silent_seconds: how long
    it may take to its next answer. idle: called while nothing comes, may raise to cancel. Leaving the block
    ends the child.
    Raises what the work raises, and StorageError if the child crashes, hangs, or says what makes no sense.
    """
    if not POSSIBLE:
        yield (_in_place(*answer) for answer in _function(work)(fields, data))
        return
    path = [os.path.abspath(folder) for folder in sys.path]
    first = {"work": work, "needs": list(needs), "path": path, "silent_seconds": silent_seconds}
    with _NURSERY.child(first) as child, ExitStack() as stack:
        try:
            child.settimeout(POLL_SECONDS)
            _, born = _receive_fields(child, idle)
            stack.callback(_end, _handle(born["pid"]))  # before it sees what strangers sent
            child.settimeout(None)
            _send(child, fields, data)
            child.settimeout(POLL_SECONDS)
            yield _answers(child, where, idle)
        except _NONSENSE as error:
            raise StorageError(
                "the process that decoded it was stopped, or crashed",
                where=where,
                hint=f"it may hold {MEMORY_BYTES >> 30} GB and be silent for {silent_seconds} s; get a whole "
                "copy of the file, or convert it with another program",
            ) from error


def _handle(pid: int) -> int | None:
    """A process by a name that no other process gets; None where there is no such thing, or it is gone."""
    try:
        return os.pidfd_open(pid) if sys.platform == "linux" else None
    except OSError:
        return None


def _end(process: int | None) -> None:
    """Kill a child, whatever it does; without a handle it ends when it next says something."""
    if process is not None and sys.platform == "linux":
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGKILL)
        os.close(process)


def _bytes_of(buffer: Any) -> memoryview:
    view = memoryview(buffer)
    return view.cast("B") if view.nbytes else memoryview(b"")


def _in_place(fields: Fields, data: Any) -> Answer:
    view = _bytes_of(data)

    def fill(place: memoryview) -> None:
        place[:] = view

    return Answer(fields, view.nbytes, fill)


def _answers(child: socket.socket, where: str, idle: Callable[[], None]) -> Iterator[Answer]:
    while True:
        size, fields = _receive_fields(child, idle)
        if "end" in fields:
            return
        if "error" in fields:
            code, message, place, hint = map(str, fields["error"])
            raise from_code(code, message, where=where or place, hint=hint)
        left = [size]

        def fill(place: memoryview, left: list[int] = left) -> None:
            left[0] = 0
            _receive_into(child, place, idle)

        yield Answer(fields, size, fill)
        if left[0]:
            raise ValueError("data that was not taken")


# --------------------------------------------------------------------------------------- messages


def _send(to: socket.socket, fields: Fields, data: Any = b"") -> None:
    packed = msgpack.packb(fields)
    view = _bytes_of(data)
    to.sendall(_HEAD.pack(len(packed), view.nbytes) + packed)
    if view.nbytes:  # who has all that was said may be gone already
        to.sendall(view)


def _receive_fields(from_: socket.socket, idle: Callable[[], None]) -> tuple[int, dict[str, Any]]:
    """Bytes of the data that follows, and the plain data."""
    length, size = _HEAD.unpack(_received(from_, _HEAD.size, idle))
    if length > MAX_FIELDS:
        raise ValueError(f"{length} bytes of plain data")
    fields = msgpack.unpackb(_received(from_, length, idle))
    if not isinstance(fields, dict):
        raise ValueError("no map")
    return size, fields


def _received(from_: socket.socket, size: int, idle: Callable[[], None]) -> bytearray:
    data = bytearray(size)
    _receive_into(from_, memoryview(data), idle)
    return data


def _receive_into(from_: socket.socket, place: memoryview, idle: Callable[[], None]) -> None:
    while place.nbytes:
        try:
            count = from_.recv_into(place)
        except TimeoutError:
            idle()
            continue
        if not count:
            raise EOFError
        place = place[count:]


# --------------------------------------------------------------------------------- the helper process


class _Nursery:
    """The process that forks children, started when first needed and again if it died."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._control = -1
        """Our end of the line to it."""

    def child(self, first: Fields) -> socket.socket:
        """The line to a new child. Raises StorageError if none can be started."""
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        try:
            with theirs, self._lock:
                if not self._handed(theirs):
                    self._control = _started()
                    self._hand(theirs)
                _send(ours, first)
        except OSError as error:
            ours.close()
            raise StorageError(
                f"no process can be started to decode in: {error.strerror}",
                hint="close other programs, or allow more processes and open files",
            ) from error
        return ours

    def _handed(self, line: socket.socket) -> bool:
        """Whether there is a process that takes a line."""
        if self._control < 0:
            return False
        try:
            self._hand(line)
        except OSError:  # it is gone
            os.close(self._control)
            return False
        return True

    def _hand(self, line: socket.socket) -> None:
        control = socket.socket(fileno=self._control)
        try:
            socket.send_fds(control, [b"+"], [line.fileno()])
        finally:
            control.detach()


_NURSERY = _Nursery()
"""One for this process; it holds nothing but the line to its helper."""


def _started() -> int:
    """The descriptor of the line to a new helper, which ends with it, so also when this process dies."""
    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, "-P", "-m", "graphflow.limited"]
        quiet = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
        actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0), quiet]
        single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # a process with threads must not fork
        os.posix_spawn(sys.executable, command, {**os.environ, **single}, file_actions=actions)
    return ours.detach()


def main() -> NoReturn:
    """The helper's work: forks a child for each line that comes, until no more can come."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program, which then lets go of us
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how children ended
    for name in ("ctypes", "resource"):  # of every child
        with suppress(ImportError):
            importlib.import_module(name)
    os.chdir("/")  # holds no folder that somebody wants to remove
    control, helper = socket.socket(fileno=0), os.getpid()
    while True:
        said, lines, _, _ = socket.recv_fds(control, 1, 1)
        if not said:
            os._exit(0)
        for line in lines:
            with socket.socket(fileno=line) as asker, suppress(OSError, EOFError):
                _, first = _receive_fields(asker, lambda: None)
                sys.path.extend(path for path in first["path"] if path not in sys.path)
                for name in (*first["needs"], first["work"].partition(":")[0]):
                    with suppress(ImportError):  # told by the child, which tries again
                        importlib.import_module(name)
                gc.freeze()  # a child's collector leaves the helper's pages alone, which stay shared
                if os.fork() == 0:
                    die_with(helper)
                    control.close()
                    _serve(asker, first["work"], first["silent_seconds"])


def _serve(asker: socket.socket, work: str, silent_seconds: int) -> NoReturn:
    """The child's work."""
    try:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # who asked does not listen any more
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        os.dup2(1, 2)  # into nothing; a log in a file could not be written anyway
        limit(MEMORY_BYTES)
        _send(asker, {"pid": os.getpid()})
        size, fields = _receive_fields(asker, lambda: None)
        data = bytes(_received(asker, size, lambda: None))
        try:
            signal.alarm(silent_seconds)
            for answer, buffer in _function(work)(fields, data):
                signal.alarm(0)  # who asked may take their time
                _send(asker, answer, buffer)
                signal.alarm(silent_seconds)
            last: Fields = {"end": True}
        except GraphflowError as error:
            last = {"error": [error.error_code, error.message, error.where, error.hint]}
        except Exception as error:  # border: decoders may raise anything
            hint = "get a whole copy of the file, or convert it with another program"
            last = {"error": [StorageError.code, f"cannot be decoded: {describe(error)}", "", hint]}
        _send(asker, last)
    finally:
        os._exit(0)


def _function(work: str) -> Work:
    module, _, name = work.partition(":")
    found: Work = getattr(importlib.import_module(module), name)
    return found


def die_with(parent: int) -> None:
    """Ask the kernel to kill this process with its parent, even while something holds the interpreter."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def limit(memory_bytes: int, cpu_seconds: int | None = None) -> None:
    """Take from this process what a decoder does not need: much memory, files to write.

    Does nothing on systems without such limits.
    """
    try:
        import resource
    except ImportError:
        return
    wanted = {
        resource.RLIMIT_DATA: memory_bytes,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        **({} if cpu_seconds is None else {resource.RLIMIT_CPU: cpu_seconds}),
    }
    for kind, value in wanted.items():
        hard = resource.getrlimit(kind)[1]
        lower = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (lower, lower))


if __name__ == "__main__":
    main()
