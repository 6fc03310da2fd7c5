"""Everything a run says, as one typed union: delta only, numbered, msgpack on the wire, JSON for people.

A node that hits the cache emits `node.cached` and never `node.started`; folded nodes emit nothing.
"""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any, Literal

import msgpack
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    seq: int = 0
    """1, 2, 3, ... within the run; set when the event is emitted."""
    time: float = 0.0
    """Seconds since the run was accepted."""


class _NodeEvent(_Event):
    node: str
    item: tuple[int, ...] = ()
    """Which item of a mapped node; empty if it is not mapped."""


class RunAccepted(_Event):
    type: Literal["run.accepted"] = "run.accepted"
    workflow: str = ""


class RunStarted(_Event):
    type: Literal["run.started"] = "run.started"
    steps: int
    """Steps to compute, as far as known."""
    cached: int
    """Steps found in the cache."""


class NodeCached(_NodeEvent):
    type: Literal["node.cached"] = "node.cached"


class NodeStarted(_NodeEvent):
    type: Literal["node.started"] = "node.started"


class NodeProgress(_NodeEvent):
    type: Literal["node.progress"] = "node.progress"
    done: int
    total: int
    eta: float | None = None
    """Seconds left for this step, if it can be told."""


class NodePreview(_NodeEvent):
    type: Literal["node.preview"] = "node.preview"
    media_type: str
    data: bytes


class NodeFinished(_NodeEvent):
    type: Literal["node.finished"] = "node.finished"
    seconds: float
    bytes: int
    stored: str
    """Where the result is kept: memory, disk, both or none."""


class NodeFailed(_NodeEvent):
    type: Literal["node.failed"] = "node.failed"
    code: str
    message: str
    hint: str = ""


class NodeSkipped(_NodeEvent):
    type: Literal["node.skipped"] = "node.skipped"
    reason: str = ""


class CacheNotice(_Event):
    type: Literal["cache.notice"] = "cache.notice"
    kind: str
    """`corrupt`, `full`, ..."""
    message: str


class RunFinished(_Event):
    type: Literal["run.finished"] = "run.finished"
    seconds: float
    computed: int
    cached: int
    failed: int = 0
    """Items that failed although every output could be made."""


class RunFailed(_Event):
    type: Literal["run.failed"] = "run.failed"
    seconds: float
    code: str
    message: str


class RunCancelled(_Event):
    type: Literal["run.cancelled"] = "run.cancelled"
    seconds: float


Event = (
    RunAccepted
    | RunStarted
    | NodeCached
    | NodeStarted
    | NodeProgress
    | NodePreview
    | NodeFinished
    | NodeFailed
    | NodeSkipped
    | CacheNotice
    | RunFinished
    | RunFailed
    | RunCancelled
)

_Tagged = Annotated[Event, Field(discriminator="type")]


def to_msgpack(event: Event) -> bytes:
    """One event as one msgpack map."""
    return bytes(msgpack.packb(event.model_dump(), use_bin_type=True))


def from_msgpack(data: bytes) -> Event:
    """The event in a msgpack map. Raises ValueError if it is none."""
    adapter: TypeAdapter[Event] = TypeAdapter(_Tagged)
    raw = msgpack.unpackb(data, raw=False, max_map_len=64, max_array_len=64)
    return adapter.validate_python(raw)


def to_json(event: Event) -> str:
    """One event as one line of JSON; preview bytes as base64."""
    raw: dict[str, Any] = event.model_dump()
    ordered = {"type": raw.pop("type"), **raw}
    if isinstance(ordered.get("data"), bytes):
        ordered["data"] = base64.b64encode(ordered["data"]).decode("ascii")
    return json.dumps(ordered, ensure_ascii=False, allow_nan=False)
