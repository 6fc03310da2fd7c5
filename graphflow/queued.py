"""A run in the queue: what was asked, how it stands, what may go wrong with asking."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from graphflow.errors import GraphflowError

State = Literal["queued", "running", "finished", "failed", "cancelled"]

STATES: tuple[State, ...] = get_args(State)


class Unknown(GraphflowError):
    """There is no such run."""

    code = "run.unknown"


class Refused(GraphflowError):
    """A run is not in a state in which that can be done, or the queue is full."""

    code = "run.refused"


@dataclass(frozen=True, slots=True)
class Submission:
    """What somebody wants to have run. document: canonical JSON with all seeds drawn and parameters set."""

    document: bytes
    name: str = ""
    client: str = ""
    """Who asks; the queue is fair between clients."""
    targets: tuple[str, ...] | None = None
    on_error: Literal["skip", "stop"] = "skip"
    priority: int = 0
    request: str | None = None
    """Chosen by the client: a submission sent twice with the same one is one run."""
    retry_of: str | None = None


@dataclass(frozen=True, slots=True)
class QueuedRun:
    """One accepted run as it stands."""

    number: int
    id: str
    request: str | None
    state: State
    name: str
    client: str
    document: bytes
    targets: tuple[str, ...] | None
    on_error: Literal["skip", "stop"]
    priority: int
    position: float
    accepted: float
    """Seconds since 1970."""
    started: float | None
    ended: float | None
    attempt: int
    """How often it was begun."""
    deaths: int
    """How often the program died meanwhile."""
    cancelling: bool
    retry_of: str | None
    code: str
    """Of the error that it failed with."""
    message: str
    results: dict[str, Any]

    @property
    def over(self) -> bool:
        return self.state not in ("queued", "running")


def read_run(row: Mapping[str, Any]) -> QueuedRun:
    """A run from its row in the history."""
    fields = dict(row)
    targets = fields["targets"]
    fields["targets"] = None if targets is None else tuple(json.loads(targets))
    fields["cancelling"] = bool(fields["cancelling"])
    fields["results"] = json.loads(fields["results"])
    return QueuedRun(**fields)
