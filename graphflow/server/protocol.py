"""What is said on the websocket: one msgpack map a frame, tagged by `type`, the same models on both sides.

Every request has an `id` that its one answer repeats; what has no `id` is told without being asked.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgpack
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from graphflow.events import Event
from graphflow.queued import State

PROTOCOL = 1
"""Raised when a message changes so that an older side would misread it."""

MAX_MAP, MAX_ARRAY = 20_000, 200_000
"""Entries of one map or array: a small frame must not unpack to much memory."""

Text = Annotated[str, Field(max_length=1_000)]
RunId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
NodeName = Annotated[str, Field(max_length=1_000)]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


# ------------------------------------------------------------------------------------- requests


class _Request(_Message):
    id: Annotated[int, Field(ge=0, le=2**53 - 1)]
    """Chosen by the client; the answer repeats it."""


class _WorkflowRequest(_Request):
    workflow: Text = ""
    """Name of a template; or the workflow itself:"""
    document: dict[str, Any] | None = None
    values: dict[str, Any] = Field(default_factory=dict)
    """Parameters as plain JSON."""
    targets: Annotated[list[NodeName], Field(max_length=1_000)] | None = None


class Hello(_Request):
    """First message of a client."""

    type: Literal["hello"] = "hello"
    protocol: int
    client: Annotated[str, Field(max_length=64)] = ""
    """The queue is fair between clients of different names."""


class Submit(_WorkflowRequest):
    """Queue a run. Answered by Accepted when it is stored for good."""

    type: Literal["submit"] = "submit"
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    on_error: Literal["skip", "stop"] = "skip"
    request: Annotated[str, Field(min_length=8, max_length=64)] | None = None
    """Sent again with the same value, a submission is the same run."""


class Validate(_WorkflowRequest):
    """Every problem of a workflow. Answered by Validated."""

    type: Literal["validate"] = "validate"


class Explain(_WorkflowRequest):
    """What would run, and why. Answered by Explained."""

    type: Literal["explain"] = "explain"


class Cancel(_Request):
    """Cancel one run, or all that wait or run. Answered by Done."""

    type: Literal["cancel"] = "cancel"
    run: RunId | None = None


class Retry(_Request):
    """Queue a failed or cancelled run once more. Answered by Accepted."""

    type: Literal["retry"] = "retry"
    run: RunId


class Move(_Request):
    """Put a waiting run before another, or at the end. Answered by Done."""

    type: Literal["move"] = "move"
    run: RunId
    before: RunId | None = None


class Prioritise(_Request):
    """Set a waiting run's priority. Answered by Done."""

    type: Literal["prioritise"] = "prioritise"
    run: RunId
    priority: Annotated[int, Field(ge=-100, le=100)]


class Pause(_Request):
    """Start no further run, or go on. Answered by Done."""

    type: Literal["pause"] = "pause"
    on: bool


class Watch(_Request):
    """Be told of a run's events behind number `after`, or all; previews only if asked for.

    Answered by Watching; then come the missed events, or one Snapshot that stands for them.
    """

    type: Literal["watch"] = "watch"
    run: RunId
    after: Annotated[int, Field(ge=0, le=2**53 - 1)] = 0
    previews: bool = False


class Unwatch(_Request):
    """Be told of a run no more. Answered by Done."""

    type: Literal["unwatch"] = "unwatch"
    run: RunId


class Upload(_Request):
    """Begin to send a file. Answered by Uploading."""

    type: Literal["upload"] = "upload"
    name: Annotated[str, Field(min_length=1, max_length=255)]
    size: Annotated[int, Field(ge=1)]


class Chunk(_Request):
    """The next bytes of a file. Answered by Done; the last one by Uploaded."""

    type: Literal["chunk"] = "chunk"
    upload: Annotated[str, Field(max_length=64)]
    offset: Annotated[int, Field(ge=0)]
    data: bytes


Request = Annotated[
    Hello
    | Submit
    | Validate
    | Explain
    | Cancel
    | Retry
    | Move
    | Prioritise
    | Pause
    | Watch
    | Unwatch
    | Upload
    | Chunk,
    Field(discriminator="type"),
]

# -------------------------------------------------------------------------------------- answers


class ProblemText(_Message):
    """One thing that is wrong with a workflow."""

    code: str
    path: str
    message: str
    hint: str = ""


class RunInfo(_Message):
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


class NodeStory(_Message):
    """What would happen to one node."""

    node: str
    type: str
    state: str
    reasons: list[str] = Field(default_factory=list)
    steps: int = 0
    cached: int = 0


class AssetInfo(_Message):
    """An uploaded file. A workflow names it `asset:ID` where a node wants a path."""

    asset: str
    name: str
    media_type: str
    size: int
    facts: dict[str, Any] = Field(default_factory=dict)
    """What was found inside: kind, width, height, frames, fps, seconds."""


class Welcome(_Request):
    type: Literal["welcome"] = "welcome"
    protocol: int
    version: str
    paused: bool
    queue: list[RunInfo]


class Accepted(_Request):
    type: Literal["accepted"] = "accepted"
    run: RunInfo


class Validated(_Request):
    type: Literal["validated"] = "validated"
    problems: list[ProblemText]


class Explained(_Request):
    type: Literal["explained"] = "explained"
    nodes: list[NodeStory]
    document: dict[str, Any]
    """The workflow with all parameters set and seeds drawn: what was explained."""


class Watching(_Request):
    type: Literal["watching"] = "watching"
    run: RunInfo


class Uploading(_Request):
    type: Literal["uploading"] = "uploading"
    upload: str


class Uploaded(_Request):
    type: Literal["uploaded"] = "uploaded"
    asset: AssetInfo


class Done(_Request):
    type: Literal["done"] = "done"


class Failure(_Request):
    """A request that was refused. With id 0 if it could not even be read."""

    type: Literal["failure"] = "failure"
    code: str
    message: str
    hint: str = ""
    problems: list[ProblemText] = Field(default_factory=list)


# ------------------------------------------------------------------------------- told unasked


class Told(_Message):
    """An event of a run that is watched. Stored events are numbered without a gap; progress and previews
    carry the number of the last stored event before them."""

    type: Literal["event"] = "event"
    event: Annotated[Event, Field(discriminator="type")]


class Snapshot(_Message):
    """Stands for all events of a run up to number `seq`."""

    type: Literal["snapshot"] = "snapshot"
    run: str
    seq: int
    state: State
    nodes: dict[str, dict[str, int]]
    """By node: how many of its steps are `cached`, `running`, `done`, `failed` or `skipped`."""


class Changed(_Message):
    """A run's place or state changed; only the newest of each run is sent."""

    type: Literal["run"] = "run"
    run: RunInfo


class Paused(_Message):
    """The queue was paused or goes on."""

    type: Literal["paused"] = "paused"
    on: bool


Answer = Annotated[
    Welcome
    | Accepted
    | Validated
    | Explained
    | Watching
    | Uploading
    | Uploaded
    | Done
    | Failure
    | Told
    | Snapshot
    | Changed
    | Paused,
    Field(discriminator="type"),
]


# ----------------------------------------------------------------------------------- the wire


class Codec:
    """Reads and writes frames; made once, since building the checks takes a while."""

    def __init__(self) -> None:
        self._requests: TypeAdapter[Request] = TypeAdapter(Request)
        self._answers: TypeAdapter[Answer] = TypeAdapter(Answer)

    def request(self, frame: bytes) -> Request:
        """A client's message. Raises ValueError with a text for people."""
        found: Request = _checked(self._requests, frame)
        return found

    def answer(self, frame: bytes) -> Answer:
        """A server's message. Raises ValueError."""
        found: Answer = _checked(self._answers, frame)
        return found


def pack(message: BaseModel) -> bytes:
    """One message as one frame. Integers beyond 64 bits, which a frame cannot hold, become text."""
    raw = message.model_dump()
    try:
        return bytes(msgpack.packb(raw, use_bin_type=True))
    except OverflowError:
        return bytes(msgpack.packb(_fitting(raw), use_bin_type=True))


def _fitting(value: Any) -> Any:
    if isinstance(value, dict):
        return {_fitting(name): _fitting(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_fitting(one) for one in value]
    return str(value) if type(value) is int and not -(2**63) <= value < 2**64 else value


def peek_id(frame: bytes) -> int:
    """The `id` of a request that may be wrong otherwise; 0 if it has none."""
    try:
        raw = _unpacked(frame)
    except ValueError:
        return 0
    id = raw.get("id") if isinstance(raw, dict) else None
    return id if type(id) is int and 0 <= id < 2**53 else 0


def _unpacked(frame: bytes) -> Any:
    try:
        return msgpack.unpackb(frame, max_map_len=MAX_MAP, max_array_len=MAX_ARRAY, max_ext_len=0)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise ValueError(f"not one msgpack map: {error}") from None


def _checked(adapter: TypeAdapter[Any], frame: bytes) -> Any:
    raw = _unpacked(frame)
    try:
        return adapter.validate_python(raw)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[:5]
        texts = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found]
        raise ValueError("; ".join(texts)[:1_000]) from None
    except RecursionError:
        raise ValueError("nested too deep") from None
