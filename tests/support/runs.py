"""Short ways to run a graph of the test packs with either runner, and to look at what was said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from graphflow import workflow
from graphflow.cache.entryfile import read_head
from graphflow.events import Event
from graphflow.graph import Graph
from graphflow.registry import Registry, load_registry
from graphflow.result import Result
from graphflow.run import Run
from graphflow.runners.limits import Limits
from graphflow.runners.process import ProcessRunner
from graphflow.workspace import Workspace
from tests.support.engine import Entry, raw

PACKS = Path(__file__).parent / "packs"
"""The folder of node packs that workers load too."""


@cache
def registry() -> Registry:
    """The test packs and the installed ones, loaded once."""
    return load_registry([PACKS])


class Shop:
    """A data folder and a runner; runs graphs and keeps what was said in the last run."""

    def __init__(self, data_dir: Path, kind: str = "process", limits: Limits | None = None) -> None:
        self.data_dir = data_dir
        self.workspace = Workspace(data_dir, packs=[PACKS], registry=registry(), device="cpu")
        if kind == "process":
            self.workspace.use_runner(
                ProcessRunner(self.workspace.cache, packs=[PACKS], limits=limits, cpu_slots=2)
            )
        self.events: list[Event] = []

    def __enter__(self) -> Shop:
        return self

    def __exit__(self, *_: object) -> None:
        self.workspace.close()

    def graph(self, outputs: Mapping[str, str] | None = None, **nodes: Entry) -> Graph:
        return self.workspace.graph(workflow.from_raw(raw(outputs, **nodes)))

    def run(
        self, graph: Graph, until: Callable[[Event, Run], object] | None = None, **options: Any
    ) -> Result:
        """Run to the end. until: told each event and the run, which it may cancel."""
        self.events = []

        def listen(event: Event) -> None:
            self.events.append(event)
            if until is not None:
                until(event, run)

        run = self.workspace.prepare(graph, out_dir=self.data_dir / "out", on_event=listen, **options)
        return run.execute()

    def said(self, *kinds: str) -> list[str]:
        """Names of the nodes and items of all events of these types, in order."""
        return [
            ".".join([e.node, *map(str, e.item)])  # type: ignore[union-attr]
            for e in self.events
            if e.type in kinds
        ]

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    def payloads(self) -> dict[str, tuple[bytes, bytes]]:
        """Header and tensor bytes of every stored entry, by key; when and how fast it was made left out."""
        found = {}
        for path in sorted((self.data_dir / "cache" / "entries").rglob("*.safetensors")):
            head = read_head(path)
            found[head.key] = (head.header, path.read_bytes()[head.data_start :])
        return found


def failed(result: Result) -> dict[str, str]:
    """Codes of the failures by node and item."""
    return {".".join([f.node, *map(str, f.item)]): f.code for f in result.failures}
