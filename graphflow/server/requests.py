"""What a client may ask on the websocket; each request has an `id` that its one answer repeats."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(max_length=1_000)]
RunId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
NodeName = Annotated[str, Field(max_length=1_000)]
WorkflowName = Annotated[str, Field(min_length=1, max_length=1_000)]
"""Of a workflow kept on the server; what makes a good one is the library's to say."""
Version = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
"""Names the content of a workflow."""
Priority = Annotated[int, Field(ge=-100, le=100)]


class Message(BaseModel):
    """Base of everything that is said, by either side."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Ask(Message):
    """Base of every request, and of its answer."""

    id: Annotated[int, Field(ge=0, le=2**53 - 1)]
    """Chosen by the client; the answer repeats it."""


class _WorkflowRequest(Ask):
    workflow: Text = ""
    """Name of a workflow; beside a document only what its history is kept under."""
    document: dict[str, Any] | None = None
    values: dict[str, Any] = Field(default_factory=dict)
    """Parameters as plain JSON."""
    targets: Annotated[list[NodeName], Field(max_length=1_000)] | None = None


class Hello(Ask):
    """First message of a client."""

    type: Literal["hello"] = "hello"
    protocol: int
    client: Annotated[str, Field(max_length=64)] = ""
    """The queue is fair between clients of different names."""


class Submit(_WorkflowRequest):
    """Queue a run. Answered by Accepted when it is stored for good."""

    type: Literal["submit"] = "submit"
    priority: Priority = 0
    on_error: Literal["skip", "stop"] = "skip"
    request: Annotated[str, Field(min_length=8, max_length=64)] | None = None
    """Sent again with the same value, a submission is the same run."""


class Validate(_WorkflowRequest):
    """Every problem of a workflow. Answered by Validated."""

    type: Literal["validate"] = "validate"


class Explain(_WorkflowRequest):
    """What would run, why, for how long and in how much memory. Answered by Explained."""

    type: Literal["explain"] = "explain"


class Cancel(Ask):
    """Cancel one run, or all that wait or run. Answered by Done."""

    type: Literal["cancel"] = "cancel"
    run: RunId | None = None


class Retry(Ask):
    """Queue a failed or cancelled run once more. Answered by Accepted."""

    type: Literal["retry"] = "retry"
    run: RunId


class Move(Ask):
    """Put a waiting run before another, or at the end. Answered by Done."""

    type: Literal["move"] = "move"
    run: RunId
    before: RunId | None = None


class Prioritise(Ask):
    """Set a waiting run's priority. Answered by Done."""

    type: Literal["prioritise"] = "prioritise"
    run: RunId
    priority: Priority


class Pause(Ask):
    """Start no further run, or go on. Answered by Done."""

    type: Literal["pause"] = "pause"
    on: bool


class Watch(Ask):
    """Be told of a run's events behind number `after`, or all; previews only if asked for.

    Answered by Watching; then come the missed events, or one Snapshot that stands for them.
    """

    type: Literal["watch"] = "watch"
    run: RunId
    after: Annotated[int, Field(ge=0, le=2**53 - 1)] = 0
    previews: bool = False


class Unwatch(Ask):
    """Be told of a run no more. Answered by Done."""

    type: Literal["unwatch"] = "unwatch"
    run: RunId


class Upload(Ask):
    """Begin to send a file. Answered by Uploading."""

    type: Literal["upload"] = "upload"
    name: Annotated[str, Field(min_length=1, max_length=255)]
    size: Annotated[int, Field(ge=1)]


class Chunk(Ask):
    """The next bytes of a file. Answered by Done; the last one by Uploaded."""

    type: Literal["chunk"] = "chunk"
    upload: Annotated[str, Field(max_length=64)]
    offset: Annotated[int, Field(ge=0)]
    data: bytes


class Inspect(Ask):
    """The workflow that a file carries: an uploaded one, or one that a run made. Answered by Inspected."""

    type: Literal["inspect"] = "inspect"
    asset: Annotated[str, Field(max_length=64)] | None = None
    run: RunId | None = None
    file: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Its number in the results of `run`."""


class NodeHistory(Ask):
    """Earlier results of one node of the workflows run under a name. Answered by NodeResults."""

    type: Literal["node_history"] = "node_history"
    name: WorkflowName
    node: NodeName
    limit: Annotated[int, Field(ge=1, le=200)] = 20


# ------------------------------------------------------------------------------ kept workflows


class Library(Ask):
    """The workflows kept on the server. Answered by Listed."""

    type: Literal["library"] = "library"


class Open(Ask):
    """A kept workflow, as it is or was. Answered by Opened."""

    type: Literal["open"] = "open"
    name: WorkflowName
    version: Version | None = None


class Save(Ask):
    """Keep a workflow. Answered by Saved; refused if the kept one is not the version that was seen."""

    type: Literal["save"] = "save"
    name: WorkflowName
    document: dict[str, Any]
    seen: Version | None = None
    """The version that this one replaces; null if there was none."""


class Versions(Ask):
    """The versions of a workflow that are still there. Answered by VersionList."""

    type: Literal["versions"] = "versions"
    name: WorkflowName


class Rename(Ask):
    """Give a workflow another name; its versions go with it. Answered by Saved."""

    type: Literal["rename"] = "rename"
    name: WorkflowName
    to: WorkflowName


class Duplicate(Ask):
    """Keep a copy of a workflow under another name. Answered by Saved."""

    type: Literal["duplicate"] = "duplicate"
    name: WorkflowName
    to: WorkflowName


class Delete(Ask):
    """Put a workflow into the trash. Answered by Deleted."""

    type: Literal["delete"] = "delete"
    name: WorkflowName


class Restore(Ask):
    """Take a workflow out of the trash, perhaps under another name. Answered by Saved."""

    type: Literal["restore"] = "restore"
    trash: Annotated[str, Field(max_length=64)]
    name: WorkflowName | None = None


# -------------------------------------------------------------------------------------- drafts

DraftId = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{8,64}$")]
"""Chosen by the client: one for each workflow that it has open."""


class KeepDraft(Ask):
    """Keep what somebody works on and has not saved, instead of what was kept of it. Answered by Done."""

    type: Literal["keep_draft"] = "keep_draft"
    draft: DraftId
    title: Text
    name: Annotated[str, Field(max_length=1_000)] = ""
    """The kept workflow that it is a change of; empty if it was never saved."""
    version: Version | Literal[""] = ""
    """The version from which it departs."""
    document: dict[str, Any]


class Drafts(Ask):
    """What was not saved. Answered by DraftList."""

    type: Literal["drafts"] = "drafts"


class OpenDraft(Ask):
    """A draft as it was kept last. Answered by DraftOpened."""

    type: Literal["open_draft"] = "open_draft"
    draft: DraftId


class DropDraft(Ask):
    """Give a draft up. Answered by Done, also if it is gone already."""

    type: Literal["drop_draft"] = "drop_draft"
    draft: DraftId


class Side(Message):
    """One of two workflows that are compared: a kept one, as it is or was, or a document."""

    name: WorkflowName | None = None
    version: Version | None = None
    document: dict[str, Any] | None = None


class Compare(Ask):
    """What differs between two workflows. Answered by Compared."""

    type: Literal["compare"] = "compare"
    old: Side
    new: Side


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
    | Chunk
    | Inspect
    | NodeHistory
    | Library
    | Open
    | Save
    | Versions
    | Rename
    | Duplicate
    | Delete
    | Restore
    | KeepDraft
    | Drafts
    | OpenDraft
    | DropDraft
    | Compare,
    Field(discriminator="type"),
]
