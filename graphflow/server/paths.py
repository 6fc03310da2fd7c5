"""Names of nodes inside inner workflows: a run's document is flat, its events speak of `outer/inner`.

The flat document of a run carries a table from its own ids to those of the workflow that was asked for. It
is taken out again before anything is built or shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from graphflow.events import Event
from graphflow.graph import Graph
from graphflow.record import flat_names
from graphflow.workflow import Document

PATHS = "graphflow.paths"
"""Where the table is in the document's `ui`."""


def with_paths(graph: Graph, raw: dict[str, Any]) -> dict[str, Any]:
    """The resolved document with its table, if it has inner workflows."""
    paths = {name: id for id, name in flat_names(graph).items() if name != id}
    return {**raw, "ui": {**raw.get("ui", {}), PATHS: paths}} if paths else raw


def without_paths(document: Document) -> tuple[Document, dict[str, str]]:
    """The document without its table, and the table: ids that were asked for, by ids in the document."""
    paths = document.ui.get(PATHS)
    if not isinstance(paths, dict):
        return document, {}
    ui = {name: value for name, value in document.ui.items() if name != PATHS}
    return document.model_copy(update={"ui": ui}), {str(id): str(path) for id, path in paths.items()}


def renamed(listen: Callable[[Event], None], paths: Mapping[str, str]) -> Callable[[Event], None]:
    """A listener that hears of nodes by the ids that were asked for."""
    if not paths:
        return listen

    def hear(event: Event) -> None:
        node: str = getattr(event, "node", "")
        listen(replace(event, node=paths[node]) if node in paths else event)  # type: ignore[arg-type]

    return hear
