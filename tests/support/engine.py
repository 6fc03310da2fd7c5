"""A small node pack for tests of the engine, and short ways to write, build, plan and run a graph."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from graphflow import workflow
from graphflow.cache.memory import MemoryCache
from graphflow.cache.tiers import Cache
from graphflow.context import Settings
from graphflow.errors import NodeError
from graphflow.events import Event
from graphflow.graph import Graph, build
from graphflow.node import Context, node
from graphflow.plan import plan
from graphflow.pool import Pool
from graphflow.registry import Registry
from graphflow.run import Result, Run
from graphflow.runners.inline import InlineRunner
from graphflow.steps import Facts, Plan, Step
from graphflow.values import PLACEMENT, Recipe, Seed
from graphflow.workflow import Document

MANY = 64 * 2**20


class Toy(Recipe):
    """A model: a name that counts, a device that does not."""

    name: str
    where: Annotated[str, PLACEMENT] = "cpu"

    def open(self, device: str) -> str:
        return f"{self.name}@{device}"

    def memory_bytes(self) -> int:
        return 10


class Both(NamedTuple):
    low: int
    high: int


@node("test/num", fold=True)
def num(*, value: int = 0) -> int:
    return value


@node("test/numbers", fold=True)
def numbers(*, values: list[int]) -> list[int]:
    return values


@node("test/grid", fold=True)
def grid(*, values: list[list[int]]) -> list[list[int]]:
    return values


@node("test/flag", fold=True)
def flag(*, value: bool = True) -> bool:
    return value


@node("test/flags", fold=True)
def flags(*, values: list[bool]) -> list[bool]:
    return values


@node("test/model", fold=True)
def model(*, name: str = "m", where: str = "cpu") -> Toy:
    return Toy(name=name, where=where)


@node("test/plus", fold=True)
def plus(x: int, *, by: int = 1) -> int:
    return x + by


@node("test/double")
def double(x: int, *, plus: int = 0) -> int:
    return 2 * x + plus


@node("test/add")
def add(a: int, b: int) -> int:
    return a + b


@node("test/total")
def total(items: list[int]) -> int:
    return sum(items)


@node("test/both")
def both(x: int) -> Both:
    return Both(x - 1, x + 1)


@node("test/spread")
def spread(x: int, *, count: int = 2) -> list[int]:
    """A list whose length only a run can tell."""
    return [x + i for i in range(count)]


@node("test/even")
def even(x: int) -> bool:
    return x % 2 == 0


@node("test/boom")
def boom(x: int, *, on: int = 0) -> int:
    if x == on:
        raise NodeError(f"no {x}", hint="take another")
    return x


@node("test/fold_boom", fold=True)
def fold_boom(x: int, *, on: int = 0) -> int:
    return boom(x, on=on)


@node("test/think")
def think(x: int, model: Toy, ctx: Context, *, seed: Seed = 0) -> int:
    with ctx.use(model) as live:
        assert live
        return x + seed


def _side(*, condition: bool) -> str:
    return "then" if condition else "otherwise"


@node("test/either", branch=_side)
def either(then: int, otherwise: int | None = None, *, condition: bool) -> int | None:
    return then if condition else otherwise


@node("test/print", effect=lambda outputs: True)
def print_(x: int) -> None:
    if x < 0:
        raise NodeError("cannot print that")


@node("test/keep", effect=lambda outputs: True)
def keep(x: int) -> int:
    """An effect whose result others may use."""
    return x


@node("test/limited")
def limited(*, amount: Annotated[int, Field(ge=0, le=10)] = 5, mode: Literal["a", "b"] = "a") -> int:
    return amount


PACK = (
    num, numbers, grid, flag, flags, model, plus, double, add, total, both, spread, even, boom, fold_boom,
    think, either, print_, keep, limited,
)  # fmt: skip
REGISTRY = Registry().with_nodes(PACK)

Entry = tuple[str, Mapping[str, Any], Mapping[str, Any]] | tuple[str, Mapping[str, Any]] | str


def raw(outputs: Mapping[str, str] | None = None, **nodes: Entry) -> dict[str, Any]:
    """A document as JSON: `raw(a=("num", {"value": 1}), b=("double", {}, {"x": "a"}))`."""
    found: dict[str, Any] = {}
    for id, entry in nodes.items():
        type_, params, inputs = (*((entry,) if isinstance(entry, str) else entry), {}, {})[:3]
        name = type_ if "/" in type_ or ":" in type_ or "." in type_ else f"test/{type_}"
        found[id] = {"type": name, "params": dict(params), "inputs": dict(inputs)}
    return {"graphflow": 1, "nodes": found, "outputs": dict(outputs or {})}


def document(outputs: Mapping[str, str] | None = None, **nodes: Entry) -> Document:
    return workflow.from_raw(raw(outputs, **nodes))


def built(outputs: Mapping[str, str] | None = None, registry: Registry = REGISTRY, **nodes: Entry) -> Graph:
    return build(document(outputs, **nodes), registry)


@dataclass
class World:
    """Facts for planning without a runner: results by key, and which keys failed."""

    results: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    memo: dict[bytes, Any] = field(default_factory=dict)

    def plan(self, graph: Graph, targets: Iterable[str] | None = None, **facts: Any) -> Plan:
        known = Facts(
            stored=lambda step: step.key in self.results,
            peek=self.results.get,
            failed=self.failed,
            memo=self.memo,
            **facts,
        )
        return plan(graph, known, targets)


def keys(planned: Plan) -> dict[str, list[str]]:
    """Step keys by node, in item order."""
    found: dict[str, list[str]] = {}
    for step in sorted(planned.steps.values(), key=lambda step: step.order):
        found.setdefault(step.node, []).append(step.key)
    return found


def todo(planned: Plan) -> list[str]:
    """What runs, as `node` or `node.item`."""
    return [name(planned.steps[key]) for key in planned.todo]


def name(step: Step) -> str:
    return ".".join([step.node, *map(str, step.item)])


class Lab:
    """A runner in memory; runs graphs and keeps what was said."""

    def __init__(self, out_dir: Path, memory_bytes: int = MANY, slots: int = 2) -> None:
        self.out_dir = out_dir
        self.cache = Cache(MemoryCache(memory_bytes))
        self.pool = Pool("cpu", MANY)
        self.runner = InlineRunner(self.cache, self.pool, cpu_slots=slots)
        self.events: list[Event] = []
        self.started: Run | None = None

    def run(self, graph: Graph, **options: Any) -> Result:
        """Run to the end; `events` then holds the events of this run alone."""
        self.events = []
        runner = options.pop("runner", self.runner)
        listener = options.pop("on_event", self.events.append)
        self.started = Run(graph, runner, Settings(self.out_dir), on_event=listener, **options)
        return self.started.execute()

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


@contextmanager
def lab(out_dir: Path, **options: Any) -> Any:
    made = Lab(out_dir, **options)
    try:
        yield made
    finally:
        made.runner.close()


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
