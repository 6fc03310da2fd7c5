"""Everything a run says, as one typed union: delta only, numbered, msgpack on the wire, JSON for people.

A node that hits the cache emits `node.cached` and never `node.started`; folded nodes emit nothing.
Events are plain dataclasses, since a run makes two for every step; what comes in as bytes is checked.
"""

from __future__ import annotations

import base64
import functools
import json
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Literal

import msgpack
from pydantic import ConfigDict, Field, TypeAdapter


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    run: str
    seq: int = 0
    """1, 2, 3, ... within the run; set when the event is emitted."""
    time: float = 0.0
    """Seconds since the run was accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _NodeEvent(_Event):
    node: str
    item: tuple[int, ...] = ()
    """Which item of a mapped node; empty if it is not mapped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAccepted(_Event):
    type: Literal["run.accepted"] = "run.accepted"
    workflow: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(_Event):
    type: Literal["run.started"] = "run.started"
    steps: int
    """Steps to compute, as far as known."""
    cached: int
    """Steps found in the cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCached(_NodeEvent):
    type: Literal["node.cached"] = "node.cached"
    key: str = ""
    """Names the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStarted(_NodeEvent):
    type: Literal["node.started"] = "node.started"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeProgress(_NodeEvent):
    type: Literal["node.progress"] = "node.progress"
    done: int
    total: int
    eta: float | None = None
    """Seconds left for this step, if it can be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePreview(_NodeEvent):
    type: Literal["node.preview"] = "node.preview"
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeNotice(_NodeEvent):
    type: Literal["node.notice"] = "node.notice"
    message: str
    """What people should know of the step's work, such as a size that it changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFinished(_NodeEvent):
    type: Literal["node.finished"] = "node.finished"
    seconds: float
    bytes: int
    stored: str
    """Where the result is kept: memory, disk, both or none."""
    key: str = ""
    """Names the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFailed(_NodeEvent):
    type: Literal["node.failed"] = "node.failed"
    code: str
    message: str
    hint: str = ""
    port: str = ""
    """The input that it is about, if it is about one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSkipped(_NodeEvent):
    type: Literal["node.skipped"] = "node.skipped"
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheNotice(_Event):
    type: Literal["cache.notice"] = "cache.notice"
    kind: str
    """`corrupt`, `full`, ..."""
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(_Event):
    type: Literal["run.finished"] = "run.finished"
    seconds: float
    computed: int
    cached: int
    failed: int = 0
    """Items that failed although every output could be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailed(_Event):
    type: Literal["run.failed"] = "run.failed"
    seconds: float
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
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
    | NodeNotice
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
    return bytes(msgpack.packb(_raw(event), use_bin_type=True))


def from_msgpack(data: bytes) -> Event:
    """The event in a msgpack map. Raises ValueError if it is none."""
    raw = msgpack.unpackb(data, raw=False, max_map_len=64, max_array_len=64)
    return _adapter().validate_python(raw)


@functools.cache
def _adapter() -> TypeAdapter[Event]:
    """Checks any event; building it takes as long as checking thousands."""
    return TypeAdapter(_Tagged)


def to_json(event: Event) -> str:
    """One event as one line of JSON; preview bytes as base64."""
    raw = _raw(event)
    ordered = {"type": raw.pop("type"), **raw}
    if isinstance(ordered.get("data"), bytes):
        ordered["data"] = base64.b64encode(ordered["data"]).decode("ascii")
    return json.dumps(ordered, ensure_ascii=False, allow_nan=False)


def _raw(event: Event) -> dict[str, Any]:
    return {field.name: getattr(event, field.name) for field in fields(event)}
