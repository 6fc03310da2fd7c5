"""What can be asked of the server, whichever way it was asked: submit, check, explain, cancel, rearrange.

Methods may block on disk and planning; call them in a thread.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from graphflow import explain, templates, workflow
from graphflow.assets import Asset, Assets
from graphflow.context import Settings
from graphflow.errors import DocumentError, GraphflowError, Problem, StorageError
from graphflow.graph import Graph
from graphflow.history import History
from graphflow.queued import QueuedRun, Submission
from graphflow.record import resolved
from graphflow.run import Run
from graphflow.server.dispatch import Dispatch, identity
from graphflow.server.protocol import AssetInfo, NodeStory, ProblemText, RunInfo
from graphflow.workflow import Document, did_you_mean
from graphflow.workspace import Workspace


@dataclass(frozen=True)
class Asked:
    """A workflow with parameters, as somebody asked for it."""

    workflow: str = ""
    document: Mapping[str, Any] | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    targets: tuple[str, ...] | None = None


class Desk:
    """Answers requests; owns nothing of what it uses."""

    def __init__(self, workspace: Workspace, history: History, dispatch: Dispatch, assets: Assets) -> None:
        self.workspace = workspace
        self.history = history
        self.dispatch = dispatch
        self.assets = assets

    # ------------------------------------------------------------------------ workflows

    def document(self, asked: Asked) -> Document:
        """The workflow that is meant. Raises StorageError for an unknown template, DocumentError."""
        if asked.document is not None:
            return workflow.from_raw(dict(asked.document))
        return template(asked.workflow)

    def graph(self, asked: Asked) -> Graph:
        """The checked graph, uploads in place of their names. Raises DocumentError, AssetError."""
        document = workflow.with_values(self.document(asked), asked.values)
        graph = self.workspace.graph(self.assets.resolve(document))
        unknown = [id for id in asked.targets or () if id not in graph.nodes]
        if unknown:
            nodes = dict(graph.nodes)
            raise DocumentError(
                [
                    Problem("node.missing", id, "there is no such node", did_you_mean(id, nodes))
                    for id in unknown
                ]
            )
        return graph

    def validate(self, asked: Asked) -> list[ProblemText]:
        """Every problem of a workflow; none if it can run."""
        try:
            self.graph(asked)
        except DocumentError as error:
            return problem_texts(error)
        return []

    def explain(self, asked: Asked) -> tuple[list[NodeStory], dict[str, Any]]:
        """What would run and why, and the workflow with the seeds that this holds for."""
        graph = self.graph(asked)
        space, out_dir = self.workspace, self.dispatch.out_dir
        job = Run(
            graph, space.runner, Settings(out_dir), environment=space.environment, targets=asked.targets
        )
        last = explain.read(space.data_dir, identity(self._name(asked, graph)))
        stories = explain.stories(graph, job.plan(), space.environment, last, out_dir=str(out_dir))
        told = [
            NodeStory(
                node=s.node,
                type=s.type,
                state=s.state,
                reasons=list(s.reasons),
                steps=s.steps,
                cached=s.cached,
            )
            for s in stories
        ]
        return told, resolved(graph)

    def _name(self, asked: Asked, graph: Graph) -> str:
        return asked.workflow or graph.document.name

    # ------------------------------------------------------------------------ the queue

    def submit(
        self,
        asked: Asked,
        *,
        client: str = "",
        priority: int = 0,
        on_error: Literal["skip", "stop"] = "skip",
        request: str | None = None,
    ) -> QueuedRun:
        """Check a workflow, draw its seeds and queue it for good. Raises DocumentError, Refused."""
        graph = self.graph(asked)
        document = workflow.dump(workflow.from_raw(resolved(graph)))
        run = self.history.accept(
            Submission(document, self._name(asked, graph), client, asked.targets, on_error, priority, request)
        )
        self.dispatch.wake()
        return run

    def cancel(self, id: str | None) -> list[str]:
        """Cancel one run or all that wait or run; gives those concerned. Raises Unknown."""
        ids = [id] if id is not None else [run.id for run in reversed(self.history.queue())]
        for one in ids:
            if self.history.cancel(one).state == "running":
                self.dispatch.cancel(one)
        return ids

    def retry(self, id: str, client: str) -> QueuedRun:
        """Queue a run again. Raises Unknown, Refused."""
        run = self.history.retry(id, client)
        self.dispatch.wake()
        return run

    def pause(self, on: bool) -> None:
        """Start no further run, or go on."""
        self.history.pause(on)
        self.dispatch.wake()

    def info(self, id: str) -> RunInfo:
        """A run with the number of its last event. Raises Unknown."""
        return run_info(self.history.get(id), self.history.last_seq(id))


def template(name: str) -> Document:
    """A workflow that comes with graphflow. Never a path: names from the network open no files.

    Raises StorageError, code `workflow.missing`.
    """
    known = templates.templates()
    if name not in known:
        hint = did_you_mean(name, dict.fromkeys(known))
        raise StorageError("there is no such workflow", where=name[:80], hint=hint, code="workflow.missing")
    return workflow.load(known[name])


def raw_document(document: Document) -> dict[str, Any]:
    """A document as plain JSON data."""
    raw: dict[str, Any] = json.loads(workflow.dump(document))
    return raw


def run_info(run: QueuedRun, seq: int = 0) -> RunInfo:
    """What clients are told of a run; results come with their addresses."""
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
    """What clients are told of an upload."""
    return AssetInfo(
        asset=asset.id, name=asset.name, media_type=asset.media_type, size=asset.size, facts=asset.facts
    )


def problem_texts(error: GraphflowError) -> list[ProblemText]:
    """The problems of a workflow, for the wire."""
    found = error.problems if isinstance(error, DocumentError) else ()
    return [ProblemText(code=p.code, path=p.path, message=p.message, hint=p.hint) for p in found]
