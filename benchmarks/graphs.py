"""Engine overhead on trivial graphs: chain, fan and layered, cold and cached, against no peer but ourselves.

    python -m benchmarks.graphs            # 10 to 1000 nodes
    python -m benchmarks.graphs --large    # also 10 000

Shapes follow the ones ComfyUI was measured with (chain: each node adds to the one before; fan: one source,
many adders, one sum; layered: a square graph whose nodes add two random nodes of the layer above). Times
are CPU milliseconds of the whole process, the median of several runs; nothing is written to disk. Cold is a
run of which nothing is known, in an engine that has run another graph. MB is what a first run and all its
results take at the peak, as tracemalloc counts it; the graph itself is there before.
"""

from __future__ import annotations

import argparse
import functools
import random
import statistics
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from graphflow.cache.memory import MemoryCache
from graphflow.cache.tiers import Cache
from graphflow.context import Settings
from graphflow.events import Event
from graphflow.graph import Graph, build
from graphflow.node import node
from graphflow.plan import plan
from graphflow.pool import Pool
from graphflow.registry import Registry
from graphflow.run import Run
from graphflow.runners.inline import InlineRunner
from graphflow.steps import Facts
from graphflow.workflow import Document, from_raw


@node("bench/const")
def const(*, value: int = 1) -> int:
    """A source that is not folded, so that the engine really runs it."""
    return value


@node("bench/add")
def add(a: int, b: int | None = None, *, amount: int = 0) -> int:
    """a + b + amount."""
    return a + (b or 0) + amount


@node("bench/total")
def total(items: list[int]) -> int:
    """The sum of all."""
    return sum(items)


REGISTRY = Registry().with_nodes([const, add, total])

OTHER = 10**9
"""A root that makes every node of a graph another one."""


def chain(count: int, root: int = 1, leaf: int = 0) -> dict[str, Any]:
    nodes: dict[str, Any] = {"n0": {"type": "bench/const", "params": {"value": root}}}
    for i in range(1, count):
        amount = leaf if i == count - 1 else i
        nodes[f"n{i}"] = {"type": "bench/add", "params": {"amount": amount}, "inputs": {"a": f"n{i - 1}"}}
    return _document(nodes, f"n{count - 1}")


def fan(count: int, root: int = 1, leaf: int = 0) -> dict[str, Any]:
    width = count - 2
    nodes: dict[str, Any] = {"n0": {"type": "bench/const", "params": {"value": root}}}
    for i in range(width):
        amount = leaf if i == width - 1 else 10**6 + i
        nodes[f"m{i}"] = {"type": "bench/add", "params": {"amount": amount}, "inputs": {"a": "n0"}}
    nodes["sum"] = {"type": "bench/total", "inputs": {"items": [f"m{i}" for i in range(width)]}}
    return _document(nodes, "sum")


def layered(count: int, root: int = 1, leaf: int = 0) -> dict[str, Any]:
    width = max(2, round(count**0.5))
    draw = random.Random(0)
    nodes: dict[str, Any] = {
        f"l0_{w}": {"type": "bench/const", "params": {"value": root if w == 0 else 100 + w}}
        for w in range(width)
    }
    layer = 0
    while len(nodes) + width + 2 <= count:
        layer += 1
        for w in range(width):
            parents = {port: f"l{layer - 1}_{draw.randrange(width)}" for port in ("a", "b")}
            nodes[f"l{layer}_{w}"] = {"type": "bench/add", "params": {"amount": w}, "inputs": parents}
    nodes["leaf"] = {"type": "bench/add", "params": {"amount": leaf}, "inputs": {"a": f"l{layer}_0"}}
    last = ["leaf", *(f"l{layer}_{w}" for w in range(1, width))]
    nodes["sum"] = {"type": "bench/total", "inputs": {"items": last}}
    return _document(nodes, "sum")


def _document(nodes: dict[str, Any], output: str) -> dict[str, Any]:
    return {"graphflow": 1, "nodes": nodes, "outputs": {"out": output}}


SHAPES: dict[str, Callable[..., dict[str, Any]]] = {"chain": chain, "fan": fan, "layered": layered}


class Engine:
    """A fresh engine without a disk."""

    def __init__(self) -> None:
        self.runner = InlineRunner(Cache(MemoryCache(2**30)), Pool("cpu", 0))
        self.heard = 0

    def listen(self, event: Event) -> None:
        """Events are made and handed over as in a real run, but nothing keeps them."""
        self.heard += event.seq > 0

    def run(self, graph: Graph) -> int:
        result = Run(graph, self.runner, Settings(Path("unused")), on_event=self.listen).execute()
        assert result.status == "finished", result.failures
        return result.computed


def cpu_ms(action: Callable[[], Any], repeats: int) -> float:
    return statistics.median(_timed(action) for _ in range(repeats))


def _timed(action: Callable[[], Any]) -> float:
    before = time.process_time()
    action()
    return (time.process_time() - before) * 1000


def cold_ms(graph: Graph, repeats: int) -> float:
    """Each time in an engine that knows nothing of the graph; its threads stand already."""
    times = []
    for _ in range(repeats):
        engine = Engine()
        engine.run(build(from_raw(fan(4, root=OTHER)), REGISTRY))
        times.append(_timed(functools.partial(engine.run, graph)))
        engine.runner.close()
    return statistics.median(times)


def traced_mb(graph: Graph) -> float:
    engine = Engine()
    tracemalloc.start()
    engine.run(graph)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    engine.runner.close()
    return peak / 2**20


def measure(shape: str, count: int, repeats: int) -> list[str]:
    document = from_raw(SHAPES[shape](count))
    nodes = len(document.nodes)
    engine = Engine()
    graph = build(document, REGISTRY)
    grown = traced_mb(build(document, REGISTRY))
    loading = cpu_ms(lambda: build(Document.model_validate(document.model_dump()), REGISTRY), 1)
    cold = cold_ms(graph, repeats)
    planning = cpu_ms(lambda: plan(graph, Facts(lambda _: False, lambda _: None)), max(1, repeats // 2))
    engine.run(graph)
    assert engine.run(graph) == 0
    rerun = cpu_ms(lambda: engine.run(graph), repeats)
    cached = cpu_ms(lambda: engine.run(build(document, REGISTRY)), repeats)
    leaf = from_raw(SHAPES[shape](count, leaf=7))
    one = cpu_ms(lambda: engine.run(build(leaf, REGISTRY)), 1)
    engine.runner.close()
    return [
        f"{shape} {nodes}",
        f"{loading:.1f}",
        f"{planning:.1f}",
        f"{cold:.1f}",
        f"{cold / nodes * 1000:.0f}",
        f"{rerun:.1f}",
        f"{cached:.1f}",
        f"{one:.1f}",
        f"{grown:.1f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--large", action="store_true", help="also 10 000 nodes")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    columns = (
        "load ms | plan ms | cold ms | cold us/node | cached ms | load + cached ms | leaf changed ms | MB"
    )
    print(f"| graph | {columns} |")
    print("|---|---|---|---|---|---|---|---|---|")
    cases = [(shape, count) for count in (10, 100, 1000) for shape in SHAPES]
    if options.large:
        cases += [("chain", 10_000), ("layered", 10_000)]
    for shape, count in cases:
        repeats = max(options.repeats, 3000 // count) if count <= 1000 else 1
        print("| " + " | ".join(measure(shape, count, repeats)) + " |", flush=True)


if __name__ == "__main__":
    main()
