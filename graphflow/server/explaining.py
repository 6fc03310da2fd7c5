"""What a run would do, how long it would take and how much memory: a plan with what earlier runs measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Literal, NamedTuple

from graphflow import explain
from graphflow.context import Settings
from graphflow.errors import GraphflowError
from graphflow.explain import Story
from graphflow.forecast import Model, Peak, forecast
from graphflow.graph import Graph
from graphflow.history import History
from graphflow.outputs import is_plain, plain
from graphflow.record import resolved
from graphflow.refs import Const
from graphflow.run import Run
from graphflow.server.answers import NodeStory, Total
from graphflow.server.dispatch import Dispatch, identity
from graphflow.server.sizes import Sizes, expected, scaled_by, sizes
from graphflow.steps import Plan
from graphflow.types import name_of
from graphflow.workspace import Workspace

MAX_KEYS = 1_000
"""Results of one mapped node whose addresses are told."""

MAX_VALUE = 2_000
"""Characters of a value that is told."""

MAX_MODELS = 1_000
"""Models whose weights are remembered, so that explaining again does not weigh them again."""


class Explanation(NamedTuple):
    """What would happen, as `Explained` tells it."""

    nodes: list[NodeStory]
    document: dict[str, Any]
    total: Total
    types: dict[str, dict[str, str]]
    values: dict[str, dict[str, Any]]


class Explainer:
    """Explains graphs. Its method may be called from any thread."""

    def __init__(self, workspace: Workspace, history: History, dispatch: Dispatch) -> None:
        self._space, self._history, self._dispatch = workspace, history, dispatch
        self._models: Mapping[bytes, Model] = {}

    def explain(self, graph: Graph, name: str, targets: Iterable[str] | None) -> Explanation:
        """name: under which the workflow's history is kept."""
        space, out_dir = self._space, self._dispatch.out_dir
        planned = self.plan(graph, targets)
        last = explain.read(space.data_dir, identity(name))
        stories = explain.stories(graph, planned, space.environment, last, out_dir=str(out_dir))
        peak = self._peak(planned)
        times = self._times(stories, planned, name)
        keys = _keys(planned)
        told = [_told(story, times.get(story.node), peak, keys.get(story.node, {})) for story in stories]
        return Explanation(told, resolved(graph), _total(told, peak), _types(graph), _values(planned))

    def plan(self, graph: Graph, targets: Iterable[str] | None) -> Plan:
        """What would run now, with what cannot work refused."""
        space, settings = self._space, Settings(self._dispatch.out_dir)
        environment, known = space.environment, space.known
        run = Run(graph, space.runner, settings, environment=environment, known=known, targets=targets)
        return run.plan()

    def _peak(self, planned: Plan) -> Peak | None:
        """The memory at the highest point; None if no model is used or a model tells nothing."""
        with suppress(GraphflowError):
            found = forecast(planned, planned.todo, known=self._models)
            if found.models:
                self._models = {**self._models, **found.models} if len(self._models) < MAX_MODELS else {}
            return found.peak(shared=self._space.device == "cpu") if found.needs else None
        return None

    def _times(self, stories: Iterable[Story], planned: Plan, name: str) -> dict[str, Time]:
        """How long each node to run is expected to take, as far as anything like it was measured."""
        to_run = [story for story in stories if story.state == "run"]
        if not to_run:
            return {}
        of_nodes, declared, todo = self._history.measured(name), sizes(planned), set(planned.todo)
        now: dict[str, list[Sizes]] = {}
        for key in todo:
            now.setdefault(planned.steps[key].node, []).append(declared[key])
        types = {story.type for story in to_run if story.node not in of_nodes}
        of_type = {type: self._history.measured_of_type(type) for type in types}
        found: dict[str, Time] = {}
        for story in to_run:
            measured = of_nodes.get(story.node) or of_type[story.type]
            steps = now.get(story.node, ())
            if measured and steps:
                basis: Literal["node", "type"] = "node" if story.node in of_nodes else "type"
                seconds = sum(expected(one, measured) for one in steps)
                found[story.node] = Time(seconds, basis, scaled_by(steps[0], measured))
        return found


class Time(NamedTuple):
    """Seconds that a node is expected to take, what was measured, and what that was scaled by."""

    seconds: float
    basis: Literal["node", "type"]
    scaled: list[str]


def _told(story: Story, time: Time | None, peak: Peak | None, keys: Mapping[str, str]) -> NodeStory:
    return NodeStory(
        node=story.node, type=story.type, state=story.state, reasons=list(story.reasons), hint=story.hint,
        port=story.port, steps=story.steps, cached=story.cached,
        seconds=time.seconds if time is not None else None, basis=time.basis if time is not None else "",
        scaled=time.scaled if time is not None else [],
        memory=peak.by_node.get(story.node) if peak is not None else None, keys=dict(keys),
    )  # fmt: skip


def _total(told: Iterable[NodeStory], peak: Peak | None) -> Total:
    told = list(told)
    known = [one.seconds for one in told if one.seconds is not None]
    to_run = [one for one in told if one.state == "run"]
    return Total(
        steps=sum(one.steps for one in told),
        cached=sum(one.cached for one in told),
        seconds=sum(known) if known or not to_run else None,
        unknown=len(to_run) - len(known),
        device_bytes=peak.device if peak is not None else None,
        host_bytes=peak.host if peak is not None else None,
        fullest=peak.node if peak is not None else "",
    )


def _keys(planned: Plan) -> dict[str, dict[str, str]]:
    """Addresses of the results of every node, by item."""
    found: dict[str, dict[str, str]] = {}
    for step in planned.steps.values():
        for node, item in ((step.node, step.item), *planned.twins.get(step.key, ())):
            items = found.setdefault(node, {})
            if len(items) < MAX_KEYS:
                items[".".join(map(str, item))] = step.key
    return found


def _types(graph: Graph) -> dict[str, dict[str, str]]:
    return {
        id: {output: name_of(hint) for output, hint in node.outputs.items()}
        for id, node in graph.nodes.items()
    }


def _values(planned: Plan) -> dict[str, dict[str, Any]]:
    """Plain values that are known while planning."""
    found: dict[str, dict[str, Any]] = {}
    for id, refs in planned.refs.items():
        known = {
            output: plain(ref.value, MAX_VALUE)
            for output, ref in refs.items()
            if isinstance(ref, Const) and is_plain(ref.value)
        }
        if known:
            found[id] = known
    return found
