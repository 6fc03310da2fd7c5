"""graphflow from Python: load and call, build in code, save, listen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import graphflow
from graphflow import workflow
from graphflow.api import Builder, Workflow, load
from graphflow.errors import DocumentError, NodeError, StorageError
from graphflow.workspace import Workspace
from tests.support.engine import (
    REGISTRY,
    add,
    boom,
    both,
    double,
    either,
    limited,
    num,
    numbers,
    print_,
    raw,
    total,
)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path / "data", registry=REGISTRY, device="cpu") as made:
        yield made


DOUBLE: dict[str, Any] = {
    **raw({"out": "d"}, n=("num", {"value": 2}), d=("double", {}, {"x": "n"})),
    "name": "twice",
    "parameters": {"value": {"to": "n.value"}, "plus": {"to": "d.plus", "default": 1}},
}


def twice(workspace: Workspace) -> Workflow:
    return Workflow(workflow.from_raw(DOUBLE), workspace)


def test_a_workflow_is_a_function_of_its_parameters(workspace: Workspace) -> None:
    function = twice(workspace)
    assert function() == {"out": 5}
    assert function(value=10, plus=0) == {"out": 20}
    assert repr(function) == "<workflow twice(value, plus) -> out>"


def test_a_wrong_parameter_is_a_document_error(workspace: Workspace) -> None:
    for values in ({"vale": 1}, {"value": "1"}, {"value": 1.5}, {"value": float("nan")}, {"value": object()}):
        with pytest.raises(DocumentError):
            twice(workspace)(**values)


def test_a_node_that_fails_raises_its_own_text(workspace: Workspace) -> None:
    document = workflow.from_raw(raw({"out": "b"}, n="num", b=("boom", {}, {"x": "n"})))
    with pytest.raises(NodeError, match="no 0") as caught:
        Workflow(document, workspace)()
    assert caught.value.where == "b" and caught.value.hint == "take another"


def test_a_listener_hears_the_run(workspace: Workspace) -> None:
    heard: list[str] = []
    twice(workspace)(on_event=lambda event: heard.append(event.type))
    assert heard[0] == "run.accepted" and heard[-1] == "run.finished"


def test_what_was_computed_in_one_workspace_is_found_by_the_next(tmp_path: Path) -> None:
    for computed in (1, 0):
        with Workspace(tmp_path, registry=REGISTRY, device="cpu") as workspace:
            result = workspace.run(twice(workspace).graph())
            assert (result.computed, result.value("out")) == (computed, 5)


def test_loading_by_path_and_saving_gives_the_same_bytes(tmp_path: Path, workspace: Workspace) -> None:
    twice(workspace).save(tmp_path / "w.json")
    loaded = load(tmp_path / "w.json", workspace)
    loaded.save(tmp_path / "again.json")
    assert (tmp_path / "w.json").read_bytes() == (tmp_path / "again.json").read_bytes()
    assert loaded() == {"out": 5} and loaded.folder == tmp_path


def test_what_cannot_be_found_is_told_with_a_hint(workspace: Workspace) -> None:
    with pytest.raises(StorageError) as caught:
        load("text_to_vdeo", workspace)
    assert caught.value.error_code == "workflow.missing" and "text_to_video" in caught.value.hint


def test_the_interface_is_loaded_when_it_is_asked_for() -> None:
    assert graphflow.load is load and graphflow.Builder is Builder and graphflow.Workspace is Workspace
    with pytest.raises(AttributeError):
        graphflow.nothing  # noqa: B018


# ------------------------------------------------------------------------------------- building


def test_a_graph_built_in_code_runs(workspace: Workspace) -> None:
    build = Builder("sum", "doubles and adds")
    items = build(numbers, values=[1, 2, 3])
    build.output("sum", build(total, build(double, items, plus=1)))
    build.parameter("plus", "double.plus", description="added to each")
    function = build.workflow(workspace)
    assert function() == {"sum": 15} and function(plus=0) == {"sum": 12}
    assert (
        json.loads(workflow.dump(function.document))["parameters"]["plus"]["description"] == "added to each"
    )


def test_outputs_are_attributes_or_items_of_a_node(workspace: Workspace) -> None:
    build = Builder()
    pair = build(both, build(num, value=5))
    build.output("sum", build(add, pair.low, pair["high"]))
    assert build.workflow(workspace)() == {"sum": 10}
    with pytest.raises(AttributeError, match="it has low, high"):
        pair.middle  # noqa: B018
    with pytest.raises(KeyError):
        pair["middle"]


def test_an_output_given_to_a_setting_is_a_wire_and_not_a_text(workspace: Workspace) -> None:
    build = Builder()
    pair = build(both, build(num, value=5))
    build.output("a", build(limited, amount=pair.low))
    build.output("b", build(limited, amount=build(num, value=3)))
    assert build.workflow(workspace)() == {"a": 4, "b": 3}


def test_a_list_of_nodes_is_a_list_of_wires(workspace: Workspace) -> None:
    build = Builder()
    ones = [build(num, value=i) for i in range(3)]
    build.output("sum", build(total, ones))
    build.output("list", build(numbers, values=ones))
    assert build.workflow(workspace)() == {"sum": 3, "list": [0, 1, 2]}


def test_a_port_may_stay_open(workspace: Workspace) -> None:
    build = Builder()
    build.output("o", build(either, build(num, value=4), None, condition=True))
    assert build.workflow(workspace)() == {"o": 4}


def test_nodes_get_names_of_their_own(workspace: Workspace) -> None:
    build = Builder()
    assert [build(num).id, build(num).id, build(num, id="mine").id, build(print_, build(num)).id] == [
        "num",
        "num_2",
        "mine",
        "print",
    ]
    with pytest.raises(ValueError, match="already"):
        build(num, id="mine")


def test_a_node_and_a_result_are_shown_in_a_line(workspace: Workspace) -> None:
    build = Builder()
    assert repr(build(num)) == "<node num: test/num -> out>"
    graph = workspace.graph(workflow.from_raw(raw({"o": "n"}, n="num")))
    assert repr(workspace.run(graph)).startswith("<result finished: o, 0 computed")


def test_mistakes_in_code_are_told_where_they_are_made() -> None:
    build = Builder()
    with pytest.raises(TypeError, match="not declared"):
        build(len)
    with pytest.raises(TypeError, match="1 ports, 2"):
        build(boom, build(num), build(num))
    with pytest.raises(TypeError, match=r"test/num\.value is not JSON"):
        build(num, value=object())
    with pytest.raises(TypeError, match=r"test/num\.value is not JSON"):
        build(num, value=float("nan"))
    build.output("o", "no wire!")
    with pytest.raises(DocumentError):
        build.document()
