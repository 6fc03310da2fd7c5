"""What runs steps: in this process, in one child process per device. All call one and the same `execute`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event as Flag
from typing import Any, Protocol

from graphflow.context import Settings
from graphflow.execute import Done, Failed, Missed, Work
from graphflow.refs import Ref


@dataclass(frozen=True, slots=True)
class Started:
    """A step left the queue and runs."""

    key: str


@dataclass(frozen=True, slots=True)
class Progressed:
    """A step's progress."""

    key: str
    done: int
    total: int
    eta: float | None


@dataclass(frozen=True, slots=True)
class Previewed:
    """A picture of a step's work so far."""

    key: str
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Stopped:
    """A step ended because the run was cancelled."""

    key: str


@dataclass(frozen=True, slots=True)
class Noticed:
    """The cache has something to say."""

    kind: str
    message: str


Message = Started | Progressed | Previewed | Stopped | Noticed | Done | Failed | Missed
Post = Callable[[Message], None]


class Session(Protocol):
    """One run's use of a runner."""

    def submit(self, work: Work) -> None:
        """Start a step; every outcome is posted."""

    def cancel(self) -> None:
        """Ask running steps to stop; each posts Stopped or its outcome."""

    def close(self) -> None:
        """The run is over; nothing is posted any more."""


class Runner(Protocol):
    """Runs steps and holds their results. Lives longer than a run, so that models stay open."""

    @property
    def slots(self) -> Mapping[str, int]:
        """How many steps of each lane (`device`, `cpu`) may run at once."""

    def start(self, settings: Settings, post: Post, watched: Flag) -> Session:
        """Begin a run. `post` may be called from any thread; `watched` says if previews are wanted."""

    def warm(self) -> None:
        """Make ready: a run will come soon. Call it from a thread that lives as long as the runner."""

    def has(self, key: str) -> bool:
        """Whether the result of a step can be had."""

    def peek(self, key: str) -> Mapping[str, Any] | None:
        """The plain structure of a result, tensors perhaps left out."""

    def notices(self, key: str) -> Sequence[str]:
        """What the node told when it made a result."""

    def fetch(self, ref: Ref) -> Any:
        """A value. Raises MissingInput if it was lost."""

    def pin(self, key: str) -> None:
        """Hold a result until `unpin`."""

    def unpin(self, key: str) -> None: ...

    def discard(self, key: str) -> None:
        """Forget a result."""

    def close(self) -> None:
        """Stop all workers."""
