"""What the server says on the websocket: one answer to each request, and what is told unasked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from graphflow.difference import Difference
from graphflow.events import Event
from graphflow.queued import State
from graphflow.server.requests import Ask, Message


class ProblemText(Message):
    """One thing that is wrong with a workflow."""

    code: str
    path: str
    message: str
    hint: str = ""


class RunInfo(Message):
    """A run as it stands in the queue."""

    run: str
    state: State
    name: str
    client: str
    priority: int
    accepted: float
    started: float | None = None
    ended: float | None = None
    attempt: int = 0
    seq: int = 0
    """Number of its last stored event; 0 in lists, where it is not looked up."""
    retry_of: str | None = None
    code: str = ""
    message: str = ""
    results: dict[str, Any] = Field(default_factory=dict)


class NodeStory(Message):
    """What would happen to one node."""

    node: str
    type: str
    state: str
    """`cached`, `run`, `folded`, `not needed`, `waiting` or `failed`."""
    reasons: list[str] = Field(default_factory=list)
    hint: str = ""
    port: str = ""
    """The input that a failure is about, if it is about one."""
    steps: int = 0
    cached: int = 0
    seconds: float | None = None
    """How long what would run is expected to take; None if nothing like it was measured."""
    basis: Literal["node", "type", ""] = ""
    """Measured on this node of this workflow, or on nodes of its type."""
    scaled: list[str] = Field(default_factory=list)
    """What the measured time was multiplied by, since it is other than then: `frames`, `steps` and so on."""
    memory: int | None = None
    """Bytes expected on the device while it runs."""
    keys: dict[str, str] = Field(default_factory=dict)
    """Addresses of its results, by item such as `0.2`; under `` if it is not mapped."""


class Total(Message):
    """What a whole run would take."""

    steps: int
    cached: int
    seconds: float | None = None
    """Expected; without the `unknown` nodes."""
    unknown: int = 0
    """Nodes to run of which nothing was measured yet."""
    device_bytes: int | None = None
    """Expected peak on the device; None if no model is used."""
    host_bytes: int | None = None
    fullest: str = ""
    """The node at which the device is fullest."""


class AssetInfo(Message):
    """An uploaded file. A workflow names it `asset:ID` where a node wants a path."""

    asset: str
    name: str
    media_type: str
    size: int
    facts: dict[str, Any] = Field(default_factory=dict)
    """What was found inside: kind, width, height, frames, fps, seconds."""
    url: str = ""
    time: float = 0.0
    """When it came, in seconds since 1970."""


class Series(Message):
    """Numbers over the frames of a clip, the steps of a training or the like, in order and evenly spread."""

    name: str
    unit: str = ""
    values: list[float | None]
    """None where there is no finite number."""


class Shown(Message):
    """One output of a node for people to see; see `graphflow.server.showing`."""

    type: str
    """Name of the value's type."""
    kind: Literal["image", "video", "audio", "text", "number", "plot", "table", "file", "list", "none"]
    url: str = ""
    """Where to get it, in ranges if wanted; empty if `value` is all, or nothing can be shown."""
    media_type: str = ""
    value: Any = None
    """A plain value, if it is short; of a table its rows."""
    series: list[Series] = Field(default_factory=list)
    """The curves of a plot."""
    count: int | None = None
    """Items of a list; each is at the list's address with `item=`."""
    facts: dict[str, Any] = Field(default_factory=dict)


class WorkflowInfo(Message):
    """A workflow that the server keeps."""

    name: str
    version: str
    """Names its content."""
    time: float
    """When it was saved, in seconds since 1970."""
    size: int
    nodes: int = 0
    description: str = ""


class VersionInfo(Message):
    """One version of a workflow."""

    version: str
    time: float
    size: int
    nodes: int = 0


class TrashInfo(Message):
    """A deleted workflow."""

    id: str
    name: str
    time: float
    """When it was deleted."""


class DraftInfo(Message):
    """Work that was not saved."""

    draft: str
    title: str
    name: str
    """The kept workflow that it is a change of; empty if it was never saved."""
    version: str
    """The version from which it departs."""
    time: float
    """When it was last changed, in seconds since 1970."""
    client: str
    nodes: int = 0
    live: bool = False
    """The client that keeps it is connected: somebody is at work on it."""


class NodeResult(Message):
    """An earlier result of a node, with the settings that made it."""

    run: str
    time: float
    key: str
    item: str = ""
    seconds: float | None = None
    """None if it was found in the cache."""
    settings: dict[str, Any] = Field(default_factory=dict)


# -------------------------------------------------------------------------------------- answers


class Welcome(Ask):
    type: Literal["welcome"] = "welcome"
    protocol: int
    version: str
    paused: bool
    queue: list[RunInfo]


class Accepted(Ask):
    type: Literal["accepted"] = "accepted"
    run: RunInfo


class Validated(Ask):
    type: Literal["validated"] = "validated"
    problems: list[ProblemText]


class Explained(Ask):
    type: Literal["explained"] = "explained"
    nodes: list[NodeStory]
    document: dict[str, Any]
    """The workflow with all parameters set and seeds drawn: what was explained."""
    total: Total
    types: dict[str, dict[str, str]] = Field(default_factory=dict)
    """By node and output: the type that leaves it, lists of mapping included."""
    values: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """By node and output: plain values that are known before anything runs."""


class Watching(Ask):
    type: Literal["watching"] = "watching"
    run: RunInfo


class Uploading(Ask):
    type: Literal["uploading"] = "uploading"
    upload: str


class Uploaded(Ask):
    type: Literal["uploaded"] = "uploaded"
    asset: AssetInfo


class Inspected(Ask):
    """What a file says of how it was made; `document` is None if no workflow is inside."""

    type: Literal["inspected"] = "inspected"
    document: dict[str, Any] | None
    key: str = ""
    """Of the step that saved it."""
    node: str = ""
    versions: dict[str, str] = Field(default_factory=dict)


class NodeResults(Ask):
    type: Literal["node_results"] = "node_results"
    results: list[NodeResult]
    """Newest first, each key once."""


class Listed(Ask):
    type: Literal["listed"] = "listed"
    workflows: list[WorkflowInfo]
    trash: list[TrashInfo]


class Opened(Ask):
    type: Literal["opened"] = "opened"
    workflow: WorkflowInfo
    document: dict[str, Any]


class Saved(Ask):
    type: Literal["saved"] = "saved"
    workflow: WorkflowInfo


class VersionList(Ask):
    type: Literal["versions"] = "versions"
    name: str
    versions: list[VersionInfo]
    """Newest first."""


class Deleted(Ask):
    type: Literal["deleted"] = "deleted"
    trash: str
    """By which it can be restored."""


class DraftList(Ask):
    type: Literal["drafts"] = "drafts"
    drafts: list[DraftInfo]
    """Last changed first."""


class DraftOpened(Ask):
    type: Literal["draft"] = "draft"
    draft: DraftInfo
    document: dict[str, Any]


class Compared(Ask):
    type: Literal["compared"] = "compared"
    difference: Difference


class Done(Ask):
    type: Literal["done"] = "done"


class Failure(Ask):
    """A request that was refused. With id 0 if it could not even be read."""

    type: Literal["failure"] = "failure"
    code: str
    message: str
    hint: str = ""
    problems: list[ProblemText] = Field(default_factory=list)


# ------------------------------------------------------------------------------- told unasked


class Told(Message):
    """An event of a run that is watched. Stored events are numbered without a gap; progress and previews
    carry the number of the last stored event before them."""

    type: Literal["event"] = "event"
    event: Annotated[Event, Field(discriminator="type")]


class Snapshot(Message):
    """Stands for all events of a run up to number `seq`."""

    type: Literal["snapshot"] = "snapshot"
    run: str
    seq: int
    state: State
    nodes: dict[str, dict[str, int]]
    """By node: how many of its steps are `cached`, `running`, `done`, `failed` or `skipped`."""
    notices: dict[str, list[str]]
    """By node: what it told people, each thing once."""


class Changed(Message):
    """A run's place or state changed; only the newest of each run is sent."""

    type: Literal["run"] = "run"
    run: RunInfo


class Paused(Message):
    """The queue was paused or goes on."""

    type: Literal["paused"] = "paused"
    on: bool


class Kept(Message):
    """A kept workflow changed: it has this version now, or is gone."""

    type: Literal["workflow"] = "workflow"
    name: str
    version: str | None


Answer = Annotated[
    Welcome
    | Accepted
    | Validated
    | Explained
    | Watching
    | Uploading
    | Uploaded
    | Inspected
    | NodeResults
    | Listed
    | Opened
    | Saved
    | VersionList
    | Deleted
    | DraftList
    | DraftOpened
    | Compared
    | Done
    | Failure
    | Told
    | Snapshot
    | Changed
    | Paused
    | Kept,
    Field(discriminator="type"),
]
