"""What clients are told of the things that the server keeps: the engine's records as messages."""

from __future__ import annotations

from graphflow.assets import Asset
from graphflow.errors import DocumentError, GraphflowError
from graphflow.library import Deleted, Kept
from graphflow.queued import QueuedRun
from graphflow.server.answers import (
    AssetInfo,
    DraftInfo,
    ProblemText,
    RunInfo,
    TrashInfo,
    VersionInfo,
    WorkflowInfo,
)
from graphflow.server.drafts import Draft


def run_info(run: QueuedRun, seq: int = 0) -> RunInfo:
    """A run; results come with their addresses."""
    results = run.results
    if results:
        files = [
            {**file, "url": f"/api/runs/{run.id}/files/{number}"}
            for number, file in enumerate(results.get("files", []))
        ]
        results = {**results, "files": files}
    return RunInfo(
        run=run.id, state=run.state, name=run.name, client=run.client, priority=run.priority,
        accepted=run.accepted, started=run.started, ended=run.ended, attempt=run.attempt, seq=seq,
        retry_of=run.retry_of, code=run.code, message=run.message, results=results,
    )  # fmt: skip


def asset_info(asset: Asset) -> AssetInfo:
    """An upload."""
    return AssetInfo(
        asset=asset.id, name=asset.name, media_type=asset.media_type, size=asset.size, facts=asset.facts,
        url=f"/api/uploads/{asset.id}", time=asset.time,
    )  # fmt: skip


def workflow_info(kept: Kept) -> WorkflowInfo:
    """A kept workflow."""
    nodes, description = kept.summary()
    return WorkflowInfo(
        name=kept.name, version=kept.version, time=kept.time, size=len(kept.data), nodes=nodes,
        description=description,
    )  # fmt: skip


def version_info(kept: Kept) -> VersionInfo:
    """One version of a kept workflow."""
    return VersionInfo(version=kept.version, time=kept.time, size=len(kept.data), nodes=kept.summary()[0])


def trash_info(deleted: Deleted) -> TrashInfo:
    """A deleted workflow."""
    return TrashInfo(id=deleted.id, name=deleted.name, time=deleted.time)


def draft_info(draft: Draft, clients: frozenset[str]) -> DraftInfo:
    """Work that was not saved. clients: those connected."""
    nodes = draft.document.get("nodes")
    return DraftInfo(
        draft=draft.id, title=draft.title, name=draft.name, version=draft.version, time=draft.time,
        client=draft.client, nodes=len(nodes) if isinstance(nodes, dict) else 0,
        live=draft.client in clients,
    )  # fmt: skip


def problem_texts(error: GraphflowError) -> list[ProblemText]:
    """The problems of a workflow."""
    found = error.problems if isinstance(error, DocumentError) else ()
    return [ProblemText(code=p.code, path=p.path, message=p.message, hint=p.hint) for p in found]
