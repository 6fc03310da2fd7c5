"""How a run ended: its status, its outputs, what failed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from graphflow.errors import GraphflowError, NodeError, from_code
from graphflow.execute import MissingInput
from graphflow.graph import Graph
from graphflow.refs import Const, Gone, Ref, Waiting, without_gone
from graphflow.runners import Runner
from graphflow.steps import Plan, Step


@dataclass
class Failure:
    """A node that failed, with its own text."""

    node: str
    item: tuple[int, ...]
    code: str
    message: str
    hint: str = ""
    port: str = ""
    """The input that it is about, if it is about one."""


@dataclass(repr=False)
class Result:
    """How a run ended."""

    status: Literal["finished", "failed", "cancelled"]
    plan: Plan
    runner: Runner
    seconds: float = 0.0
    computed: int = 0
    failures: list[Failure] = field(default_factory=list)
    held: dict[str, Any] = field(default_factory=dict)
    """Outputs that are not in the cache, by name: good for this run only."""

    def __repr__(self) -> str:
        outputs = ", ".join(self.plan.outputs) or "no outputs"
        return f"<result {self.status}: {outputs}, {self.computed} computed, {len(self.failures)} failed>"

    def ref(self, name: str) -> Ref:
        return without_gone(self.plan.outputs[name])

    def peek(self, name: str) -> Any:
        """A plain output without loading tensors; None if it has any or is not there."""
        if name in self.held:
            return self.held[name]
        ref = self.ref(name)
        if isinstance(ref, Const):
            return ref.value
        try:
            return self.runner.fetch(ref) if not isinstance(ref, Gone) else None
        except MissingInput:
            return None

    def value(self, name: str) -> Any:
        """An output. Raises NodeError if the run failed to make it, or it is not in the cache any more."""
        if name in self.held:
            return self.held[name]
        ref = self.ref(name)
        if isinstance(ref, (Gone, Waiting)):
            text = self.failures[0].message if self.failures else "it was not made"
            raise NodeError(
                f"output {name!r} is missing: {text}", where=self.failures[0].node if self.failures else ""
            )
        try:
            return self.runner.fetch(ref)
        except MissingInput:
            text = f"output {name!r} is not in the cache any more"
            raise NodeError(text, hint="run the workflow again", code="cache.lost") from None


def first_error(result: Result) -> GraphflowError | None:
    """The first failure of a run as an exception, or None."""
    if not result.failures:
        return None
    failure = result.failures[0]
    return from_code(failure.code, failure.message, where=failure.node, hint=failure.hint)


def spoilt(done: Mapping[str, bool], steps: Mapping[str, Step]) -> set[str]:
    """Results that are good for one run only: of a source that changed while it was read, whose key names
    what it was before, and all that was made from them. done: whether a step's is one, in order."""
    found: set[str] = set()
    for key, volatile in done.items():
        if volatile or not found.isdisjoint(steps[key].deps):
            found.add(key)
    return found


def lost_something(plan: Plan, failures: Sequence[Failure], ended: Collection[str]) -> bool:
    """Whether an output or target as a whole could not be made; single items of it may be missing.

    ended: nodes of which at least one step has its result.
    """
    if not failures:
        return False
    refs = [*plan.outputs.values(), *(ref for found in plan.targets.values() for ref in found.values())]
    if any(isinstance(without_gone(ref), (Gone, Waiting)) for ref in refs):
        return True
    bad = {failure.node for failure in failures} | plan.gone
    return any(not found and id in bad and id not in ended for id, found in plan.targets.items())


def skipped(
    graph: Graph, plan: Plan, failures: Sequence[Failure], ended: Collection[str], pending: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Nodes that never ran because of a failure, and why. pending: nodes with steps that were not started."""
    cause = {failure.node: failure.node for failure in failures}
    for id, node in graph.nodes.items() if failures else ():
        source = next((wire.node for _, wire in node.sources() if wire.node in cause), None)
        if id in cause or id in ended or (id not in plan.gone and id not in pending):
            continue
        if source is not None:
            cause[id] = cause[source]
            yield id, f"needs {cause[id]}, which failed"
        else:
            yield id, "the same work failed elsewhere" if id in plan.gone else "the run was stopped"
