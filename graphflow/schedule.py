"""Ready, running, done: which step goes next. A state machine without threads, clocks or files.

Among ready steps those go first whose models are already open, so that a batch changes models as rarely
as it can: with memory for one model, N items through three models cost three loads.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphflow.keys import canon
from graphflow.known import Recent
from graphflow.node import NodeSpec
from graphflow.refs import Const, Many, const
from graphflow.steps import Plan, Step
from graphflow.values import Recipe

Models = frozenset[bytes]
"""The models a step uses, each by the canonical bytes of what is loaded."""


@dataclass(slots=True)
class _Queue:
    """Ready steps of one lane that use the same models, in plan order."""

    models: Models
    heap: list[tuple[tuple[int, ...], str]] = field(default_factory=list)


class Schedule:
    """Feeds a run. Call `next` for work, then tell what became of it.

    slots: how many steps of each lane (`device`, `cpu`) may run at once.
    """

    def __init__(self, slots: Mapping[str, int], models: Recent[bytes] | None = None) -> None:
        self.free = dict(slots)
        self.steps: dict[str, Step] = {}
        self.available: set[str] = set()
        """Keys whose results can be read."""
        self.failed: set[str] = set()
        self.running: set[str] = set()
        self.pending: set[str] = set()
        """Keys to run that have not started."""
        self.blockers: dict[str, int] = {}
        """How many of its inputs each pending step still waits for."""
        self.dependents: dict[str, list[str]] = {}
        """Steps with blockers counted, by what they need, there or not."""
        self.queues: dict[str, dict[Models, _Queue]] = {lane: {} for lane in slots}
        self.open: Models = frozenset()
        """Models opened last."""
        self._models = models or Recent()
        self._clock = 0
        """Counts starts and ends."""
        self._begun: dict[str, int] = {}
        """When each running step was started."""
        self._made: OrderedDict[str, int] = OrderedDict()
        """When results were last made, as far back as a running step was started."""

    # ------------------------------------------------------------------------ filling

    def adopt(self, plan: Plan) -> None:
        """Take over a plan; also a later plan of the same run, which keeps what is running."""
        earlier = {key: step for key, step in self.steps.items() if key not in plan.steps}
        self.steps = {**earlier, **plan.steps} if earlier else plan.steps
        self.available.update(plan.stored)
        self.available.difference_update(plan.todo)
        self.pending = {key for key in plan.todo if key not in self.running}
        self.blockers = {}
        self.dependents = {}
        for queues in self.queues.values():
            queues.clear()
        for key in plan.todo:
            if key in self.pending:
                self._wait(key)

    def _wait(self, key: str) -> None:
        deps = self.steps[key].deps
        if key not in self.blockers:
            for dep in deps:
                if dep in self.dependents:
                    self.dependents[dep].append(key)
                else:
                    self.dependents[dep] = [key]
        self.blockers[key] = sum(dep not in self.available for dep in deps)
        if not self.blockers[key]:
            self._ready(key)

    def _ready(self, key: str) -> None:
        step = self.steps[key]
        models = self._models_of(step)
        queue = self.queues[lane_of(step.spec)].setdefault(models, _Queue(models))
        heapq.heappush(queue.heap, (step.order, key))

    # ------------------------------------------------------------------------ running

    def next(self) -> Step | None:
        """The step to start now, marked as running; None if nothing can start."""
        for lane, free in self.free.items():
            if free <= 0:
                continue
            while (queue := self._best(self.queues[lane].values())) is not None:
                _, key = heapq.heappop(queue.heap)
                if key not in self.pending or self.blockers[key]:
                    continue  # started already, or an input was lost after it was ready
                self.pending.discard(key)
                self.running.add(key)
                self._clock += 1
                self._begun[key] = self._clock
                self.free[lane] -= 1
                if queue.models:
                    self.open = queue.models
                return self.steps[key]
        return None

    def _best(self, queues: Iterable[_Queue]) -> _Queue | None:
        filled = [queue for queue in queues if queue.heap]
        if len(filled) < 2:
            return filled[0] if filled else None
        return min(filled, key=lambda queue: (len(queue.models - self.open), queue.heap[0][0]))

    def done(self, key: str) -> None:
        """The step's result is there."""
        self._release(key)
        self._clock += 1
        self._made[key] = self._clock
        self._made.move_to_end(key)
        oldest = next(iter(self._begun.values()), self._clock)
        while next(iter(self._made.values())) < oldest:
            self._made.popitem(last=False)
        if key in self.available:
            return
        self.available.add(key)
        for dependent in self.dependents.get(key, ()):
            self.blockers[dependent] -= 1
            if not self.blockers[dependent] and dependent in self.pending:
                self._ready(dependent)

    def _lacks(self, key: str) -> None:
        """The result is not there, or not any more."""
        if key in self.available:
            self.available.discard(key)
            for dependent in self.dependents.get(key, ()):
                self.blockers[dependent] += 1

    def fail(self, key: str) -> list[str]:
        """The step failed; what depends on it will not run. Returns the keys given up."""
        self._release(key)
        self._lacks(key)
        self.failed.add(key)
        return self._lose(key)

    def _lose(self, key: str) -> list[str]:
        """Give up what depends on a failed key."""
        lost: list[str] = []
        stack = [key]
        while stack:
            for dependent in self.dependents.get(stack.pop(), ()):
                if dependent in self.pending:
                    self.pending.discard(dependent)
                    lost.append(dependent)
                    stack.append(dependent)
        return lost

    def missed(self, key: str, absent: str) -> list[str]:
        """The step could not read the result `absent` after all: compute it again, then the step.

        Returns the keys that run again for it; where something that failed stands in the way, the step is
        given up.
        """
        if not self.made_since(key, absent):
            self._lacks(absent)
        self._release(key)
        deps = self.steps[key].deps
        again = [redone for dep in deps if dep not in self.available for redone in self._redo(dep)]
        if all(dep in self.available or dep in self.pending or dep in self.running for dep in deps):
            self.pending.add(key)
            self._wait(key)
        else:
            self._lose(key)
        return again

    def made_since(self, key: str, dep: str) -> bool:
        """Whether the result `dep` is there and newer than the running step's start: that it was missed tells
        nothing of it."""
        return dep in self.available and self._made.get(dep, 0) > self._begun.get(key, 0)

    def _redo(self, key: str) -> list[str]:
        """A result turned out to be unreadable: compute it, and what it needs, again."""
        found: list[str] = []
        stack = [key]
        while stack:
            again = stack.pop()
            if again in self.pending or again in self.running or again in self.available:
                continue
            if again in self.failed:
                self._lose(again)
                continue
            self.pending.add(again)
            found.append(again)
            stack.extend(dep for dep in self.steps[again].deps if dep not in self.available)
            self._wait(again)
        return found

    def _release(self, key: str) -> None:
        if key in self.running:
            self.running.discard(key)
            self._begun.pop(key, None)
            self.free[lane_of(self.steps[key].spec)] += 1

    @property
    def idle(self) -> bool:
        """Nothing runs and nothing can start."""
        return not self.running and not any(
            q.heap for queues in self.queues.values() for q in queues.values()
        )

    # ------------------------------------------------------------------------ models

    def _models_of(self, step: Step) -> Models:
        if not step.spec.device:
            return frozenset()
        found: set[bytes] = set()
        stack: list[Any] = list(step.inputs.values())
        while stack:
            match stack.pop():
                case Many(items=items):
                    stack.extend(items)
                case Const(value=Recipe() as recipe, token=token):
                    if (base := self._models.get(token)) is None:
                        self._models[token] = base = canon(recipe.base())
                    found.add(base)
                case Const(value=list() as values):
                    stack.extend(const(value) for value in values)
        return frozenset(found)


def lane_of(spec: NodeSpec) -> str:
    """The kind of slot a node takes: `device` if it uses a model, else `cpu`."""
    return "device" if spec.device else "cpu"
