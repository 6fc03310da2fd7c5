"""One worker process, seen from the program: started, written to, read from, and its end explained."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO, Any, BinaryIO, cast

from graphflow.errors import shorten
from graphflow.runners.wire import Frame, Link, pack

LAST_LINES = 40
"""Lines of the worker's standard error that are kept to explain its end."""

LINE_BYTES = 10_000
"""Longest piece of a line that is kept or passed on at once."""

END_SECONDS = 1.0
"""How long a worker that closed its pipe may take to end, and its pipes to run dry once it has ended."""

FATAL = "Fatal Python error"
"""How `faulthandler` begins, which writes where a dying interpreter was."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a worker process ended."""

    status: int
    """As in `subprocess`: the exit code, or minus the signal."""
    words: str
    """The last it wrote to standard error, shortened."""

    def __str__(self) -> str:
        if self.status >= 0:
            return f"the worker process exited with code {self.status}"
        try:
            name = f" ({signal.Signals(-self.status).name})"
        except ValueError:
            name = ""
        return f"the worker process died with signal {-self.status}{name}"

    @property
    def hint(self) -> str:
        """What a person may make of it."""
        if self.words:
            return f"its last words: {self.words}"
        if self.status == -9:
            return "probably the system ran out of memory; use fewer frames, a smaller size or offloading"
        return ""


class Worker:
    """A child process that serves steps. Starts at once, in the background; sending never waits.

    receive: called with each frame. ended: called once, when the process is gone and all it sent was
    received. Both are called from threads of this object. echo: pass its standard error on to ours.
    """

    def __init__(
        self,
        receive: Callable[[Worker, Frame], None],
        ended: Callable[[Worker, Ending], None],
        *,
        echo: bool = True,
    ) -> None:
        self.ready = False
        self._receive = receive
        self._ended = ended
        self._echo = echo
        self._outbox: SimpleQueue[bytes | None] = SimpleQueue()
        self._lines: deque[str] = deque(maxlen=LAST_LINES)
        self._process: subprocess.Popen[bytes] | None = None
        self._unwanted = False
        # The kernel ends the worker together with the thread that started it: this one lives as long.
        self._owner = _thread(self._own, "owner")

    def send(self, do: str, **values: Any) -> None:
        """Queue a frame. Raises ValueError for one that is too long."""
        self._outbox.put(pack(do, **values))

    def kill(self) -> None:
        """End the process now; `ended` tells when it is gone."""
        self._unwanted = True
        if self._process is not None:
            self._process.kill()

    def close(self, seconds: float) -> None:
        """Let the process end by itself, kill it after `seconds`, and wait until it is gone."""
        self._outbox.put(None)
        self._owner.join(seconds)
        self.kill()
        self._owner.join()

    # ------------------------------------------------------------------------ threads

    def _own(self) -> None:
        """Start the process, wait for its end, tell of it."""
        command = [sys.executable, "-P", "-m", "graphflow.runners.child"]
        pipe = subprocess.PIPE
        try:
            process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)
        except OSError as error:
            self._ended(self, Ending(1, f"it cannot be started: {error}"))
            return
        self._process = process
        if self._unwanted:
            process.kill()
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        link = Link(cast("BinaryIO", process.stdout), cast("BinaryIO", process.stdin))
        threads = [
            _thread(self._write, "write", link),
            _thread(self._read, "read", link),
            _thread(self._listen, "listen", process.stderr),
        ]
        status = process.wait()
        self._outbox.put(None)
        for thread in threads:  # what a node has started may still hold a pipe: its thread stays until then
            thread.join(END_SECONDS)
        self._ended(self, Ending(status, last_words(list(self._lines))))

    def _write(self, link: Link) -> None:
        """Send what is queued, together what came together, until None closes the pipe."""
        going = True
        with link.outgoing, contextlib.suppress(OSError):  # the worker is gone: its owner tells
            while going:
                frames = [self._outbox.get()]
                with contextlib.suppress(Empty):
                    while frames[-1] is not None:
                        frames.append(self._outbox.get_nowait())
                going = frames[-1] is not None
                link.write([frame for frame in frames if frame is not None])

    def _read(self, link: Link) -> None:
        try:
            with link.incoming:
                for frame in link.receive():
                    self._receive(self, frame)
        finally:  # it closed its end, or sent what is no frame
            self._end_soon()

    def _end_soon(self) -> None:
        assert self._process is not None
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _listen(self, stream: IO[bytes]) -> None:
        """Keep the last lines of standard error, and show them here."""
        with stream:
            while line := stream.readline(LINE_BYTES):
                text = line.decode("utf-8", "replace")
                self._lines.append(text.rstrip("\n"))
                if self._echo:
                    with contextlib.suppress(OSError, ValueError):  # ours is closed
                        sys.stderr.write(text)


def last_words(lines: list[str]) -> str:
    """What explains the end best: where the interpreter was if it could tell, else the last line."""
    lines = [line.strip() for line in lines if line.strip()]
    for place, line in enumerate(lines):
        if line.startswith(FATAL):
            where = [later for later in lines[place:] if later.startswith("File ")][:3]
            return shorten("; ".join([line, *where]), 600)
    return shorten(lines[-1], 400) if lines else ""


def _thread(target: Callable[..., None], name: str, *args: Any) -> Thread:
    thread = Thread(target=target, args=args, name=f"graphflow-worker-{name}", daemon=True)
    thread.start()
    return thread
