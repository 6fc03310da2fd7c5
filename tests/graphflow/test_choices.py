"""Effects that are there only for a branch to choose run if they are chosen, and not by themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graphflow.choices import only_offered
from graphflow.graph import Graph, build
from graphflow.templates import load_inner
from graphflow.workflow import from_raw
from tests.support.engine import REGISTRY, World, raw, todo

SIDES: dict[str, Any] = {
    "n": ("num", {"value": 1}),
    "kept": ("keep", {}, {"x": "n"}),
    "twice": ("double", {}, {"x": "kept"}),
    "other": ("keep", {}, {"x": "n"}),
}


def opened(folder: Path, outputs: dict[str, str] | None = None, **nodes: Any) -> Graph:
    return build(from_raw(raw(outputs, **nodes)), REGISTRY, folder=folder, load=load_inner)


def chosen(condition: bool) -> dict[str, Any]:
    return {**SIDES, "pick": ("either", {"condition": condition}, {"then": "twice", "otherwise": "other"})}


@pytest.mark.parametrize(("condition", "done"), [(True, ["kept", "twice"]), (False, ["other"])])
def test_only_the_effects_of_the_chosen_side_run(tmp_path: Path, condition: bool, done: list[str]) -> None:
    graph = opened(tmp_path, {"o": "pick"}, **chosen(condition))
    assert graph.default_targets() == ["pick"]
    assert sorted(todo(World().plan(graph))) == done


def test_an_effect_that_is_an_output_or_is_used_elsewhere_or_not_at_all_runs_anyway(tmp_path: Path) -> None:
    graph = opened(tmp_path, {"o": "pick", "k": "kept"}, **chosen(False))
    assert sorted(graph.default_targets()) == ["kept", "pick"]
    used = opened(tmp_path, {"o": "pick"}, **chosen(False), print=("print", {}, {"x": "twice"}))
    assert sorted(used.default_targets()) == ["kept", "pick", "print"]
    idle = opened(tmp_path, {"o": "pick"}, **chosen(False), idle=("double", {}, {"x": "kept"}))
    assert sorted(idle.default_targets()) == ["kept", "pick"]
    alone = opened(tmp_path, {"o": "pick"}, **chosen(False), alone=("keep", {}, {"x": "n"}))
    assert sorted(alone.default_targets()) == ["alone", "pick"]


def test_what_decides_a_branch_is_needed_and_so_are_its_effects(tmp_path: Path) -> None:
    nodes = {**SIDES, "even": ("even", {}, {"x": "kept"})}
    pick = ("either", {}, {"then": "n", "otherwise": "n", "condition": "even"})
    assert "kept" in opened(tmp_path, {"o": "pick"}, **nodes, pick=pick).default_targets()


def test_a_workflow_inside_is_offered_as_a_whole(tmp_path: Path) -> None:
    """Also what it writes beside that which is taken from it."""
    inner = raw(
        {"out": "d"},
        n=("num", {"value": 1}),
        d=("double", {}, {"x": "n"}),
        p=("print", {}, {"x": "d"}),
    )
    (tmp_path / "inner.json").write_text(json.dumps(inner))
    sides = {"then": "n", "otherwise": "w"}
    nodes: dict[str, Any] = {"n": ("num", {"value": 1}), "w": "workflow:inner"}
    offered = opened(tmp_path, {"o": "pick"}, **nodes, pick=("either", {"condition": True}, sides))
    assert offered.default_targets() == ["pick"]
    taken = opened(tmp_path, {"o": "pick"}, **nodes, pick=("either", {"condition": False}, sides))
    assert todo(World().plan(taken)) == ["w/d"]
    used = opened(tmp_path, {"o": "w"}, w="workflow:inner")
    assert sorted(used.default_targets()) == ["w/d", "w/p"]
    alone = opened(tmp_path, {"o": "n"}, **nodes)
    assert "w/p" in alone.default_targets()


def test_nested_workflows_and_long_ways_to_a_branch() -> None:
    uses = {
        "a/b/save": [],
        "a/b/note": [("a/b/save", False)],
        "a/out": [("a/b/save", False)],
        "step": [("a/out", False)],
        "pick": [("step", True)],
        "last": [("pick", False)],
    }
    assert only_offered(uses, {"last"}) == {"a/b/save", "a/b/note", "a/out", "step"}
    assert only_offered(uses, {"last", "a/out"}) == {"step"}
    assert only_offered({"x": [], "y": [("x", False)]}, ()) == set()
