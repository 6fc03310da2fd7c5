"""Other processes that do a part of a step: they begin, say that they are ready, and end with the step."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import IO

MEETING = "meeting"
"""The file over which the processes of a group find each other."""

LONGEST_WAIT = timedelta(hours=1)
"""How long one process waits for another."""

POLL = 0.05
"""Seconds between two looks whether all are ready."""


@dataclass(frozen=True)
class Processes:
    """All of a group but this one, which is the first. What they write last is kept in the folder."""

    folder: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    """By rank, from 1 on."""

    def alive(self) -> bool:
        """Whether none has ended."""
        return all(one.poll() is None for one in self.started)

    def await_ready(
        self, failed: Callable[[str], Exception], check: Callable[[], None] | None = None
    ) -> None:
        """Wait until each has said that it is ready; raises `failed` of its last words if one ends before.

        check: called again and again meanwhile, such as a cancel point.
        """
        waiting = {rank: one for rank, one in enumerate(self.started, start=1)}
        while waiting:
            if check is not None:
                check()
            for rank, one in [*waiting.items()]:
                if _ready(self.folder, rank).exists():
                    del waiting[rank]
                elif one.poll() is not None:
                    lines = _errors(self.folder, rank).read_text("utf-8", "replace").strip().splitlines()
                    raise failed(lines[-1] if lines else f"it ended with status {one.returncode}")
            time.sleep(POLL)


@contextmanager
def beside(folder: Path, module: str, size: int, *more: object) -> Iterator[Processes]:
    """Processes of ranks 1 to `size` - 1, each `python -m MODULE FOLDER RANK MORE...`; killed at the end."""
    found = Processes(folder)
    try:
        for rank in range(1, size):
            with _errors(folder, rank).open("wb") as errors:
                command = [sys.executable, "-m", module, str(folder), str(rank), *map(str, more)]
                found.started.append(begin(command, errors))
        yield found
    finally:
        for one in found.started:
            one.kill()
            one.wait()


def begin(command: list[str], errors: IO[bytes]) -> subprocess.Popen[bytes]:
    """A process that hears nothing and is heard in `errors` alone."""
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)


def say_ready(folder: Path, rank: int) -> None:
    """Of one of the processes: it has what it needs."""
    _ready(folder, rank).touch()


def _ready(folder: Path, rank: int) -> Path:
    return folder / f"ready-{rank}"


def _errors(folder: Path, rank: int) -> Path:
    return folder / f"errors-{rank}"
