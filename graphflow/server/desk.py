"""What can be asked of the server, whichever way it was asked: submit, check, explain, cancel, rearrange.

Methods may block on disk and planning; call them in a thread.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from graphflow import checks, files, templates, workflow
from graphflow.assets import Asset, AssetError, Assets, ids_in
from graphflow.errors import DocumentError, Problem, StorageError
from graphflow.expand import PREFIX
from graphflow.graph import Graph
from graphflow.history import History
from graphflow.library import Library
from graphflow.queued import QueuedRun, Submission, Unknown
from graphflow.record import flat_names, resolved
from graphflow.server.answers import NodeResult, ProblemText, RunInfo
from graphflow.server.dispatch import Dispatch
from graphflow.server.drafts import Drafts
from graphflow.server.explaining import Explainer, Explanation
from graphflow.server.infos import problem_texts, run_info
from graphflow.server.paths import with_paths, without_paths
from graphflow.server.probe import carried
from graphflow.workflow import Document, did_you_mean
from graphflow.workspace import Workspace, check_targets


@dataclass(frozen=True)
class Asked:
    """A workflow with parameters, as somebody asked for it. Beside a document, `workflow` is its name."""

    workflow: str = ""
    document: Mapping[str, Any] | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    targets: tuple[str, ...] | None = None


class Desk:
    """Answers requests; owns nothing of what it uses."""

    def __init__(
        self,
        workspace: Workspace,
        history: History,
        dispatch: Dispatch,
        assets: Assets,
        library: Library,
        drafts: Drafts,
    ) -> None:
        self.workspace = workspace
        self.history = history
        self.dispatch = dispatch
        self.assets = assets
        self.library = library
        self.drafts = drafts
        self._explainer = Explainer(workspace, history, dispatch)

    # ------------------------------------------------------------------------ workflows

    def named(self, name: str) -> Document:
        """A kept workflow, or else a template. Raises StorageError if there is neither, DocumentError."""
        return self.library.get(name).document if self.library.has(name) else template(name)

    def graph(self, asked: Asked) -> Graph:
        """The checked graph, uploads in place of their names. Raises DocumentError, AssetError."""
        raw = asked.document
        document = self.named(asked.workflow) if raw is None else workflow.from_raw(dict(raw))
        document = self.assets.resolve(workflow.with_values(document, asked.values))
        return self.workspace.graph(document, load=self._load_inner)

    def _load_inner(self, reference: str, folder: Path | None) -> tuple[Document, Path | None]:
        """A workflow that is a node: of a template those beside it, of any other kept ones first."""
        name = reference.removeprefix(PREFIX)
        if folder is None and reference.startswith(PREFIX) and self.library.has(name):
            return self.library.get(name).document, None
        return templates.load_inner(reference, folder)

    def validate(self, asked: Asked) -> list[ProblemText]:
        """Every problem of a workflow, with what nodes refuse before they run; none if it can run.

        A result in the cache is not refused: it stands, though the model that made it is gone.
        """
        try:
            with self._names_of_uploads():
                graph = self.graph(asked)
                found = checks.problems(graph, self._explainer.plan(graph, _targets(asked, graph)))
                if found:
                    raise DocumentError(found)
        except DocumentError as error:
            return problem_texts(error)
        return []

    def explain(self, asked: Asked) -> Explanation:
        """What would run and why, and the workflow with the seeds that this holds for."""
        with self._names_of_uploads():
            graph = self.graph(asked)
            found = self._explainer.explain(graph, _name(asked, graph), _targets(asked, graph))
        word = self.assets.worded
        nodes = [
            one.model_copy(update={"reasons": [word(text) for text in one.reasons], "hint": word(one.hint)})
            for one in found.nodes
        ]
        named = self.assets.named
        return found._replace(nodes=nodes, document=named(found.document), values=named(found.values))

    @contextmanager
    def _names_of_uploads(self) -> Iterator[None]:
        """Problems call uploads by the names under which they were sent."""
        word = self.assets.worded
        try:
            yield
        except DocumentError as error:
            raise DocumentError(
                [replace(one, message=word(one.message), hint=word(one.hint)) for one in error.problems]
            ) from error

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
        """Queue a run; it is stored for good when this returns. Raises DocumentError, Refused."""
        with self._names_of_uploads():
            graph = self.graph(asked)
            targets = _targets(asked, graph)
        document = workflow.dump(workflow.from_raw(with_paths(graph, resolved(graph))))
        names = flat_names(graph)
        flat = None if targets is None else tuple(names[id] for id in targets)
        run = self.history.accept(
            Submission(document, _name(asked, graph), client, flat, on_error, priority, request)
        )
        self.dispatch.wake()
        return run

    def cancel(self, id: str | None) -> list[str]:
        """Cancel one run or all that wait or run; gives those concerned. Raises Unknown."""
        ids = [id] if id is not None else [run.id for run in reversed(self.history.queue())]
        changed = self.history.cancel(*ids)
        for run in changed:
            if run.state == "running":
                self.dispatch.cancel(run.id)
        self.dispatch.tell_end([run.id for run in changed if run.state == "cancelled"])
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

    # ------------------------------------------------------------------------ upkeep

    def delete_upload(self, id: str) -> Asset:
        """Remove an upload. Raises AssetError if there is none or a run that waits or runs names it."""
        if any(id in ids_in(run.document) for run in self.history.queue()):
            raise AssetError(
                "a run that waits or runs needs it", where=id, code="asset.used",
                hint="cancel the run, or wait for its end",
            )  # fmt: skip
        return self.assets.delete(id)

    def tidy(self, days: float) -> list[str]:
        """Remove what a killed writer left, drafts older than `days`, and uploads as old that nothing names.

        Only before anybody is served. Gives the ids of the uploads; none if it cannot be read what is used.
        """
        for folder in (self.dispatch.out_dir, self.library.root, self.drafts.root):
            files.sweep(folder)
        self.drafts.tidy(days)

        def used() -> set[str]:
            told = chain(self.history.documents(), self.library.stored(), self.drafts.stored())
            return set().union(*map(ids_in, told))

        try:
            return self.assets.tidy(used, time.time() - days * 86_400)
        except StorageError:
            return []

    # ------------------------------------------------------------------------ what was run

    def info(self, id: str) -> RunInfo:
        """A run with the number of its last event. Raises Unknown."""
        return run_info(self.history.get(id), self.history.last_seq(id))

    def document_of(self, id: str) -> dict[str, Any]:
        """The workflow that a run is of, with all seeds. Raises Unknown."""
        document, _ = without_paths(workflow.parse(self.history.get(id).document))
        found: dict[str, Any] = self.assets.named(raw_document(document))
        return found

    def file_of(self, id: str, number: int) -> tuple[Path, str, str]:
        """A file that a run made, by its number in the results: path, media type, digest. Raises Unknown."""
        made = self.history.get(id).results.get("files", [])
        if number >= len(made):
            raise Unknown("the run has no such file", where=id)
        file = made[number]
        return files.inside(self.dispatch.out_dir, file["name"]), file["media_type"], file["digest"]

    def inspect(self, asset: str | None, run: str | None, number: int) -> dict[str, Any]:
        """What a file says of how it was made, as fields of `Inspected`.

        Raises AssetError, Unknown, and DocumentError if it carries a workflow that cannot be read.
        """
        if asset is None and run is None:
            raise DocumentError([Problem("server.message", "", "name an upload, or a run and its file")])
        path = self.assets.get(asset).path if asset is not None else self.file_of(str(run), number)[0]
        if path.suffix == ".json":
            try:
                return {"document": raw_document(workflow.load(path))}
            except DocumentError as error:  # without the path here, which the sender does not know
                raise DocumentError(error.problems) from None
        found = carried(path)
        if "workflow" not in found:
            return {"document": None}
        document, _ = without_paths(workflow.from_raw(found["workflow"]))
        versions = found.get("versions")
        return {
            "document": self.assets.named(raw_document(document)),
            "key": str(found.get("key", "")),
            "node": str(found.get("node", "")),
            "versions": {str(k): str(v) for k, v in versions.items()} if isinstance(versions, dict) else {},
        }

    def results_of_node(self, name: str, node: str, limit: int) -> list[NodeResult]:
        """Earlier results of a node in runs of a workflow, with the settings that made them."""
        found = []
        for made in self.history.made(name, node, limit):
            document, paths = without_paths(workflow.parse(made.document))
            ids = {path: id for id, path in paths.items()}
            entry = document.nodes.get(ids.get(node, node))
            settings = self.assets.named(entry.params) if entry is not None else {}
            found.append(
                NodeResult(
                    run=made.run, time=made.time, key=made.key, item=made.item, seconds=made.seconds,
                    settings=settings,
                )
            )  # fmt: skip
        return found


def _name(asked: Asked, graph: Graph) -> str:
    """What the runs of a workflow are kept under."""
    return asked.workflow or graph.document.name


def _targets(asked: Asked, graph: Graph) -> list[str] | None:
    """The nodes to bring to an end. Raises DocumentError."""
    return None if asked.targets is None else check_targets(graph, asked.targets, "target")


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
