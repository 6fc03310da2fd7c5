"""What node authors get for their tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from graphflow import testing
from graphflow.errors import Cancelled, NodeError
from graphflow.node import Context, node
from graphflow.values import Seed


@node("demo/twice")
def twice(number: int, *, plus: int = 0) -> int:
    """Twice the number."""
    if number < 0:
        raise NodeError("no negative numbers")
    return 2 * number + plus


@node("demo/count")
def count(ctx: Context, *, to: int = 3, seed: Seed = 0) -> int:
    """Count, and can go on."""
    done = (ctx.restore() or {"done": 0})["done"]
    for i in range(done, to):
        ctx.progress(i + 1, to)
        ctx.checkpoint(lambda i=i: {"done": i + 1})
    return to


GRAPH = {
    "graphflow": 1,
    "nodes": {
        "start": {"type": "demo/count", "params": {"to": 4}},
        "end": {"type": "demo/twice", "params": {"plus": 1}, "inputs": {"number": "start"}},
    },
    "outputs": {"result": "end"},
}


def test_a_node_is_called_with_ports_and_settings() -> None:
    assert testing.run_node(twice, 20, plus=2) == 42


def test_settings_are_checked_as_the_engine_does() -> None:
    with pytest.raises(ValidationError):
        testing.run_node(twice, 20, plus="2")


def test_a_plain_function_is_refused() -> None:
    with pytest.raises(TypeError, match="@node"):
        testing.run_node(len, "abc")


def test_the_context_records_progress_and_checkpoints() -> None:
    context = testing.LocalContext()
    testing.run_node(count, context=context)
    assert context.progress_log == [(1, 3), (2, 3), (3, 3)]
    assert context.states[-1] == {"done": 3}


def test_a_cancelled_node_goes_on_from_its_checkpoint() -> None:
    context = testing.LocalContext(cancel_after=2)
    with pytest.raises(Cancelled):
        testing.run_node(count, context=context)
    again = testing.LocalContext(state=context.state)
    testing.run_node(count, context=again)
    assert again.progress_log == [(2, 3), (3, 3)]


def test_a_small_graph_runs_in_memory() -> None:
    assert testing.run_graph(GRAPH, [twice, count]) == {"result": 9}


def test_a_graph_that_fails_raises_the_nodes_own_error() -> None:
    graph = {"graphflow": 1, "nodes": {**GRAPH["nodes"]}, "outputs": {"result": "end"}}  # type: ignore[dict-item]
    graph["nodes"]["start"] = {"type": "demo/count", "params": {"to": -1}}  # type: ignore[index]
    with pytest.raises(NodeError, match="no negative numbers"):
        testing.run_graph(graph, [twice, count])


def test_a_schema_is_written_once_and_then_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    golden = tmp_path / "twice.json"
    with pytest.raises(AssertionError, match="no golden schema"):
        testing.check_schema(twice, golden)
    monkeypatch.setenv(testing.UPDATE_GOLDEN, "1")
    testing.check_schema(twice, golden)
    monkeypatch.delenv(testing.UPDATE_GOLDEN)
    testing.check_schema(twice, golden)
    golden.write_text(golden.read_text().replace("plus", "add"))
    with pytest.raises(AssertionError, match="raise its version"):
        testing.check_schema(twice, golden)
