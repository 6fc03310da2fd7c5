"""Workflows inside workflows: they behave as on their own, however deep, and never without end."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from graphflow.errors import DocumentError, Problem
from graphflow.graph import Graph, build
from graphflow.templates import load_inner
from graphflow.workflow import LIMITS, from_raw, with_values
from tests.support.engine import REGISTRY, World, keys, raw

INNER: dict[str, Any] = {
    **raw({"out": "d"}, n=("num", {"value": 1}), d=("double", {"plus": 5}, {"x": "n"})),
    "parameters": {"x": {"to": "d.x"}, "plus": {"to": "d.plus"}, "value": {"to": "n.value", "default": 4}},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    write(tmp_path / "project", inner=INNER)
    return tmp_path / "project"


def write(folder: Path, **documents: Any) -> None:
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document))


def opened(folder: Path, outputs: dict[str, str] | None = None, **nodes: Any) -> Graph:
    return build(from_raw(raw(outputs, **nodes)), REGISTRY, folder=folder, load=load_inner)


def problems(folder: Path, outputs: dict[str, str] | None = None, **nodes: Any) -> list[Problem]:
    with pytest.raises(DocumentError) as caught:
        opened(folder, outputs, **nodes)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    "reference", ["workflow:inner", "./inner.json", "../project/inner.json", "inner.json"]
)
def test_a_workflow_is_a_node_by_name_or_by_relative_path(folder: Path, reference: str) -> None:
    graph = opened(folder, {"o": "w"}, w=reference)
    assert list(graph.nodes) == ["w/n", "w/d"] and graph.outputs["o"].node == "w/d"


def test_its_parameters_are_settings(folder: Path) -> None:
    graph = opened(folder, {"o": "w.out"}, w=("workflow:inner", {"plus": 7, "value": 9}))
    assert graph.nodes["w/d"].settings == {"plus": 7} and graph.nodes["w/n"].settings == {"value": 9}


def test_its_parameters_are_ports_and_a_wire_replaces_what_was_inside(folder: Path) -> None:
    graph = opened(
        folder, {"o": "w"}, m=("num", {"value": 2}), w=("workflow:inner", {}, {"x": "m", "plus": "m"})
    )
    assert {name: wire.node for name, wire in graph.nodes["w/d"].sources()} == {"x": "m", "plus": "m"}


def test_it_computes_the_same_as_a_node_and_on_its_own(folder: Path) -> None:
    for values in ({}, {"plus": 3}, {"value": 8}):
        inside = opened(folder, {"o": "w"}, w=("workflow:inner", values))
        alone = build(with_values(from_raw(INNER), values), REGISTRY)
        assert keys(World().plan(inside))["w/d"] == keys(World().plan(alone))["d"]


def test_a_default_replaces_a_wire_inside_as_it_does_on_its_own(folder: Path) -> None:
    document = {**INNER, "parameters": {"plus": {"to": "d.plus", "default": 2}}}
    document["nodes"] = {**INNER["nodes"], "d": {"type": "test/double", "inputs": {"x": "n", "plus": "n"}}}
    write(folder, wired=document)
    inside = opened(folder, {"o": "w"}, w="workflow:wired")
    assert inside.nodes["w/d"].settings == {"plus": 2} and "plus" not in inside.nodes["w/d"].inputs
    given = opened(folder, {"o": "w"}, w=("workflow:wired", {"plus": 3}))
    assert given.nodes["w/d"].settings == {"plus": 3}


def test_three_deep_with_wires_and_settings_passed_through(folder: Path) -> None:
    for name, inside in (("middle", "inner"), ("top", "middle")):
        document = raw({"out": "w"}, w=f"workflow:{inside}")
        document["parameters"] = {"x": {"to": "w.x"}, "plus": {"to": "w.plus"}}
        write(folder, **{name: document})
    graph = opened(folder, {"o": "t.out"}, m="num", t=("workflow:top", {"plus": 8}, {"x": "m"}))
    node = graph.nodes["t/w/w/d"]
    assert node.settings == {"plus": 8} and graph.outputs["o"].node == "t/w/w/d"
    assert [wire.node for _, wire in node.sources()] == ["m"]


def test_a_list_of_wires_may_name_workflows(folder: Path) -> None:
    graph = opened(
        folder,
        {"o": "t"},
        a="workflow:inner",
        b=("workflow:inner", {"plus": 1}),
        t=("total", {}, {"items": ["a", "b.out"]}),
    )
    assert [wire.node for _, wire in graph.nodes["t"].sources()] == ["a/d", "b/d"]


def test_a_workflow_that_contains_itself_is_refused_with_the_loop(folder: Path) -> None:
    write(folder, a=raw(b="workflow:b"), b=raw(a="./a.json"))
    (problem,) = problems(folder, a="workflow:a")
    assert problem.code == "workflow.recursion" and "a -> b -> a" in problem.message
    assert problem.path == "nodes.a/b/a.type"


def test_nesting_ends_at_the_limit(folder: Path) -> None:
    for i in range(LIMITS.nesting + 2):
        write(folder, **{f"w{i}": raw(w=f"workflow:w{i + 1}")})
    assert problems(folder, w="workflow:w0")[0].code == "workflow.recursion"


def test_workflows_that_multiply_are_stopped_in_time(folder: Path) -> None:
    """Ten workflows in each of ten levels and no node at all would be ten thousand million."""
    for i in range(10):
        write(folder, **{f"w{i}": raw(**{f"n{j}": f"workflow:w{i + 1}" for j in range(10)})})
    write(folder, w10=raw())
    started = time.process_time()
    assert {p.code for p in problems(folder, w="workflow:w0")} == {"limit.nodes"}
    assert time.process_time() - started < 5


def test_wires_that_multiply_are_stopped_in_time(folder: Path) -> None:
    write(folder, wide=raw(n="num", t=("total", {}, {"items": ["n"] * 10_000})))
    found = problems(folder, **{f"w{i}": "workflow:wide" for i in range(50)})
    assert {p.code for p in found} == {"limit.edges"}


def test_an_unknown_parameter_is_told_with_a_hint(folder: Path) -> None:
    found = problems(folder, n="num", w=("workflow:inner", {"pluss": 1}, {"y": "n"}))
    assert [(p.code, p.path) for p in found] == [
        ("param.unknown", "nodes.w.params.pluss"),
        ("param.unknown", "nodes.w.inputs.y"),
    ]
    assert found[0].hint == "did you mean 'plus'?"


def test_an_unknown_output_is_told_at_the_wire(folder: Path) -> None:
    found = problems(folder, {"o": "w.video"}, w="workflow:inner", d=("double", {}, {"x": "w.nope"}))
    assert {(p.code, p.path) for p in found} == {
        ("wire.output", "nodes.d.inputs.x"),
        ("wire.output", "outputs.o"),
    }


def test_a_parameter_that_points_at_nothing_inside_is_told(folder: Path) -> None:
    write(folder, bad={**INNER, "parameters": {"p": {"to": "nobody.x"}}})
    assert [p.code for p in problems(folder, w="workflow:bad")] == ["parameter.target"]


def test_a_parameter_of_the_whole_that_points_at_no_parameter_inside_is_told(folder: Path) -> None:
    document = {**raw(w="workflow:inner"), "parameters": {"p": {"to": "w.pluss"}}}
    with pytest.raises(DocumentError) as caught:
        build(from_raw(document), REGISTRY, folder=folder, load=load_inner)
    (problem,) = caught.value.problems
    assert (problem.code, problem.path, problem.hint) == (
        "parameter.target",
        "parameters.p.to",
        "did you mean 'plus'?",
    )


def test_a_literal_and_a_wire_for_one_parameter_are_one_too_many(folder: Path) -> None:
    found = problems(folder, n="num", w=("workflow:inner", {"plus": 1}, {"plus": "n"}))
    assert [p.code for p in found] == ["setting.twice"]


@pytest.mark.parametrize(
    "reference",
    [
        "workflow:nobody",
        "./nobody.json",
        "workflow:",
        "workflow:../inner",
        "workflow:..",
        "./in\0ner.json",
        "../../outside.json",
        "/etc/hosts.json",
        "../../../../etc/hosts.json",
        "./inner.json/../../../x.json",
        "./" + "x" * 240 + ".json",
        "./inner.txt",
        "./link.json",
    ],
)
def test_what_is_not_there_or_lies_outside_is_one_problem_and_its_wires_are_not_told_again(
    folder: Path, reference: str
) -> None:
    (folder.parent.parent / "outside.json").write_text(json.dumps(INNER))
    (folder / "link.json").symlink_to(folder.parent.parent / "outside.json")
    (problem,) = problems(folder, {"o": "w.out"}, w=(reference, {"plus": 1}), d=("double", {}, {"x": "w"}))
    assert problem.code in ("workflow.missing", "workflow.path") and problem.path == "nodes.w.type"


def test_mistakes_inside_are_told_with_the_way_there(folder: Path) -> None:
    (folder / "broken.json").write_text('{"graphflow": 1, "nodes": {"a": {"type": 5}}}')
    (problem,) = problems(folder, w="workflow:broken")
    assert problem.path == "nodes.w.type -> nodes.a.type"
    write(folder, typed=raw(n="num", d=("double", {"plus": "x"}, {"x": "n"})))
    assert [p.path for p in problems(folder, w="workflow:typed")] == ["nodes.w/d.params.plus"]


def test_without_a_folder_a_relative_path_means_nothing() -> None:
    with pytest.raises(DocumentError, match="relative"):
        build(from_raw(raw(w=("./inner.json", {}))), REGISTRY, load=load_inner)
