"""How a run ended: its status, its outputs, what failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from graphflow.errors import GraphflowError, NodeError, from_code
from graphflow.execute import MissingInput
from graphflow.refs import Const, Gone, Ref, without_gone
from graphflow.runners import Runner
from graphflow.steps import Plan


@dataclass
class Failure:
    """A node that failed, with its own text."""

    node: str
    item: tuple[int, ...]
    code: str
    message: str
    hint: str = ""


@dataclass
class Result:
    """How a run ended."""

    status: Literal["finished", "failed", "cancelled"]
    plan: Plan
    runner: Runner
    seconds: float = 0.0
    computed: int = 0
    failures: list[Failure] = field(default_factory=list)

    def ref(self, name: str) -> Ref:
        return without_gone(self.plan.outputs[name])

    def peek(self, name: str) -> Any:
        """A plain output without loading tensors; None if it has any or is not there."""
        ref = self.ref(name)
        if isinstance(ref, Const):
            return ref.value
        try:
            return self.runner.fetch(ref) if not isinstance(ref, Gone) else None
        except MissingInput:
            return None

    def value(self, name: str) -> Any:
        """An output. Raises NodeError if the run failed to make it."""
        ref = self.ref(name)
        if isinstance(ref, Gone):
            text = self.failures[0].message if self.failures else "it was not made"
            raise NodeError(
                f"output {name!r} is missing: {text}", where=self.failures[0].node if self.failures else ""
            )
        return self.runner.fetch(ref)


def first_error(result: Result) -> GraphflowError | None:
    """The first failure of a run as an exception, or None."""
    if not result.failures:
        return None
    failure = result.failures[0]
    return from_code(failure.code, failure.message, where=failure.node, hint=failure.hint)
