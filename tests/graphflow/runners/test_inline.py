"""The inline runner's threads: as few as the work at hand needs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphflow.graph import Graph
from graphflow.node import node
from tests.support.engine import REGISTRY, Lab, built, lab


@node("here/where")
def where(x: list[int], *, meet: int = 1, number: int = 0) -> list[int]:
    """The threads so far and this one; waits until `meet` of these run at the same time."""
    BARRIERS[meet].wait(timeout=20)
    return [*x, threading.get_ident()]


BARRIERS = {count: threading.Barrier(count) for count in (1, 2)}
NODES = REGISTRY.with_nodes([where])


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Lab]:
    with lab(tmp_path, slots=4) as made:
        yield made


def row(length: int, first: int = 0) -> Graph:
    """Nodes that each need the one before."""
    start = {"w0": ("here/where", {"number": first}, {"x": "n"})}
    rest = {f"w{i}": ("here/where", {}, {"x": f"w{i - 1}"}) for i in range(1, length)}
    return built({"o": f"w{length - 1}"}, registry=NODES, n=("numbers", {"values": []}), **start, **rest)


def test_steps_that_follow_one_another_stay_in_one_thread(bench: Lab) -> None:
    threads = bench.run(row(20)).value("o")
    assert len(threads) == 20 and len(set(threads)) == 1 and threads[0] != threading.get_ident()


def test_steps_side_by_side_have_a_thread_each(bench: Lab) -> None:
    graph = built(
        {"a": "a", "b": "b"},
        registry=NODES,
        n=("numbers", {"values": []}),
        a=("here/where", {"meet": 2, "number": 1}, {"x": "n"}),
        b=("here/where", {"meet": 2, "number": 2}, {"x": "n"}),
    )
    result = bench.run(graph)
    assert result.value("a") != result.value("b")


def test_a_runner_that_was_closed_starts_new_threads_when_asked_again(bench: Lab) -> None:
    bench.run(row(2))
    bench.runner.close()
    assert bench.run(row(2, first=1)).status == "finished"
