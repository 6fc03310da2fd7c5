"""Steps on their way through a worker process, and why one was ended."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Timer
from typing import TYPE_CHECKING

from graphflow.execute import Work
from graphflow.runners.wire import Frame

if TYPE_CHECKING:
    from graphflow.runners.process import ProcessSession


@dataclass(eq=False)
class Job:
    """One step that was submitted and has not ended."""

    work: Work
    session: ProcessSession
    frame: Frame
    sent: bool = False
    started: bool = False
    told: bool = False
    """Its start was posted; after a lost worker it may start again."""
    starts: int = 0
    timer: Timer | None = None

    @property
    def place(self) -> tuple[int, str]:
        return self.session.id, self.work.key

    @property
    def name(self) -> str:
        return repr(".".join([self.work.node, *map(str, self.work.item)]))

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


@dataclass
class Blame:
    """Why the program itself ended a worker."""

    jobs: list[Job]
    message: str
    code: str = ""
    """Code of the jobs' failure; empty if they count as stopped."""
