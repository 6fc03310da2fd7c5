"""What a run writes down replays by itself: the same document, the same keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graphflow.graph import Graph, build
from graphflow.plan import plan
from graphflow.record import MAX_KEYS, ancestors, resolved
from graphflow.steps import Facts
from graphflow.templates import load_inner
from graphflow.workflow import dump, from_raw, parse, with_values
from tests.graphflow.test_expand import INNER, write
from tests.support.engine import REGISTRY, World, built, raw


def opened(document: Any, folder: Path | None = None, **values: Any) -> Graph:
    return build(
        with_values(from_raw(document), values),
        REGISTRY,
        folder=folder,
        load=load_inner,
        draw_seed=lambda: 77,
    )


def all_keys(graph: Graph) -> set[str]:
    return set(plan(graph, Facts(stored=lambda step: False, peek=lambda key: None)).steps)


def replayed(graph: Graph) -> Graph:
    """Saved, read and built again, with nothing beside it, and another seed in the air."""
    document = parse(dump(from_raw(resolved(graph))))
    return build(with_values(document, {}), REGISTRY, draw_seed=lambda: 5)


def test_seeds_that_were_drawn_are_written_down() -> None:
    document = raw(n="num", m="model", t=("think", {"seed": None}, {"x": "n", "model": "m"}))
    graph = opened(document)
    assert resolved(graph)["nodes"]["t"]["params"] == {"seed": 77}
    assert all_keys(replayed(graph)) == all_keys(graph)


def test_a_value_that_was_given_is_not_overridden_by_the_parameters_default() -> None:
    document = {
        **raw(n="num", d=("double", {}, {"x": "n"})),
        "parameters": {"plus": {"to": "d.plus", "default": 1}},
    }
    graph = opened(document, plus=9)
    assert replayed(graph).nodes["d"].settings == {"plus": 9}


def test_workflows_in_workflows_replay_without_their_files(tmp_path: Path) -> None:
    seeded = {
        **raw(
            {"out": "t"},
            m="model",
            t=("think", {"seed": None}, {"x": "n", "model": "m"}),
            n=("num", {"value": 3}),
        ),
        "parameters": {"value": {"to": "n.value"}},
    }
    middle = {**raw({"out": "w"}, w="workflow:inner"), "parameters": {"plus": {"to": "w.plus"}}}
    write(tmp_path, inner=INNER, middle=middle, seeded=seeded)
    document = {
        **raw(
            {"a": "s", "b": "mid.out"},
            **{"s-n": ("num", {"value": 8})},
            s=("workflow:seeded", {"value": 4}),
            mid="workflow:middle",
            both=("total", {}, {"items": ["s", "mid"]}),
        ),
        "parameters": {"plus": {"to": "mid.plus", "default": 2}, "value": {"to": "s.value"}},
    }
    graph = opened(document, tmp_path, plus=6)
    again = replayed(graph)
    assert graph.seeds == {"s/t.seed": 77} and all_keys(again) == all_keys(graph)
    assert again.outputs.keys() == graph.outputs.keys()
    changed = build(with_values(from_raw(resolved(graph)), {"plus": 1, "value": 5}), REGISTRY)
    assert len(changed.nodes) == len(graph.nodes) and all_keys(changed) != all_keys(graph)


def test_the_keys_of_earlier_steps_come_nearest_first_and_not_without_end() -> None:
    nodes: dict[str, Any] = {"n0": "num"}
    nodes |= {f"n{i}": ("double", {"plus": i}, {"x": f"n{i - 1}"}) for i in range(1, 400)}
    planned = World().plan(built(**nodes))
    found = ancestors(planned.steps[planned.todo[-1]], planned.steps)
    assert list(found)[:2] == ["n398", "n397"] and len(found) == MAX_KEYS
