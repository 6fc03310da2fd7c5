"""Independent branches run side by side: two nodes of half a second against one.

python -m benchmarks.parallel
"""

from __future__ import annotations

import time
from pathlib import Path

from graphflow.cache.memory import MemoryCache
from graphflow.cache.tiers import Cache
from graphflow.context import Settings
from graphflow.graph import build
from graphflow.node import node
from graphflow.pool import Pool
from graphflow.registry import Registry
from graphflow.run import Run
from graphflow.runners.inline import InlineRunner
from graphflow.workflow import from_raw

SECONDS = 0.5


@node("bench/wait")
def wait(*, number: int) -> int:
    """Half a second of work that leaves the interpreter free, as a codec or a kernel does."""
    time.sleep(SECONDS)
    return number


def wall(count: int) -> float:
    """Wall seconds of `count` independent nodes, by an engine that is warm."""
    nodes = {f"n{i}": {"type": "bench/wait", "params": {"number": i}} for i in range(count)}
    graph = build(from_raw({"graphflow": 1, "nodes": nodes}), Registry().with_nodes([wait]))
    runner = InlineRunner(Cache(MemoryCache(2**20)), Pool("cpu", 0), cpu_slots=4)
    started = time.perf_counter()
    result = Run(graph, runner, Settings(Path("unused"))).execute()
    taken = time.perf_counter() - started
    runner.close()
    assert result.computed == count
    return taken


def main() -> None:
    one, two, four = wall(1), wall(2), wall(4)
    print("| nodes of 0.5 s | wall s | against one |")
    print("|---|---|---|")
    for count, seconds in ((1, one), (2, two), (4, four)):
        print(f"| {count} | {seconds:.3f} | {seconds / one:.2f}x |")


if __name__ == "__main__":
    main()
