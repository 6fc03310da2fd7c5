"""Documents against the nodes there are: every mistake at once, with its place and what to do."""

from __future__ import annotations

import itertools
import time
from typing import Any, TypeVar

import pytest

from graphflow.errors import DocumentError, Problem
from graphflow.graph import Graph, Wire, build
from graphflow.node import node
from graphflow.registry import PackFailure, Registry
from graphflow.values import MAX_SEED
from graphflow.workflow import from_raw, with_values
from tests.support.engine import REGISTRY, built, raw

T = TypeVar("T")


def problems(
    outputs: dict[str, str] | None = None, registry: Registry = REGISTRY, **nodes: Any
) -> list[Problem]:
    with pytest.raises(DocumentError) as caught:
        built(outputs, registry, **nodes)
    return list(caught.value.problems)


def only(
    outputs: dict[str, str] | None = None, registry: Registry = REGISTRY, **nodes: Any
) -> tuple[str, str]:
    (problem,) = problems(outputs, registry, **nodes)
    return problem.code, problem.path


NUM: dict[str, Any] = {"n": "num"}


# ------------------------------------------------------------------------------------- nodes


def test_an_unknown_node_type_is_answered_with_the_nearest_one() -> None:
    (problem,) = problems(a=("test/duble", {}))
    assert (problem.code, problem.path) == ("node.unknown", "nodes.a.type")
    assert problem.hint == "did you mean 'test/double'?"


def test_a_node_of_a_pack_that_did_not_load_says_why() -> None:
    registry = Registry(REGISTRY.specs, (PackFailure("wan", "ImportError: no torch"),))
    (problem,) = problems(registry=registry, a=("wan/denoise", {}))
    assert problem.hint == "its pack did not load: ImportError: no torch"


def test_every_unknown_node_is_told_not_only_the_first() -> None:
    found = problems(a=("x/a", {}), b=("x/b", {}), c=("double", {}, {"x": "a"}))
    assert [p.path for p in found] == ["nodes.a.type", "nodes.b.type"]


def test_a_node_of_a_pack_that_is_not_here_says_how_packs_are_named() -> None:
    (problem,) = problems(a=("zoo/zebra", {}))
    assert "no pack 'zoo'" in problem.hint and "--packs" in problem.hint


def test_an_unknown_node_that_no_output_needs_is_told_too() -> None:
    assert only({"o": "n"}, **NUM, stray=("x/a", {}, {"y": "nobody"})) == ("node.unknown", "nodes.stray.type")


# ------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize("value", ["12", 1.9, 1.0, None, True, [], {}, 11, -1, 10**40, "abc"], ids=repr)
def test_a_setting_is_never_coerced(value: Any) -> None:
    (problem,) = problems(a=("limited", {"amount": value}))
    assert (problem.code, problem.path) == ("setting.invalid", "nodes.a.params.amount")
    assert problem.hint == "amount: int, >= 0, <= 10"


def test_a_whole_number_is_a_number_with_a_fraction_too() -> None:
    @node("here/scale", fold=True)
    def scale(*, by: float = 1.0) -> float:
        return by

    registry = REGISTRY.with_nodes([scale])
    assert built(registry=registry, a=("here/scale", {"by": 2})).nodes["a"].settings == {"by": 2.0}


def test_all_wrong_settings_of_a_node_are_told_also_when_one_is_wired() -> None:
    found = problems(a=("limited", {"amount": 99, "mode": "z"}))
    assert [p.path for p in found] == ["nodes.a.params.amount", "nodes.a.params.mode"]
    assert only(**NUM, a=("limited", {"mode": "z"}, {"amount": "n"})) == (
        "setting.invalid",
        "nodes.a.params.mode",
    )


def test_a_setting_that_is_wired_keeps_the_others_checked_and_filled() -> None:
    graph = built(**NUM, a=("limited", {}, {"amount": "n"}))
    assert graph.nodes["a"].settings == {"mode": "a"} and graph.nodes["a"].inputs["amount"] == Wire(
        "n", "out"
    )


def test_a_required_setting_that_is_missing_is_told_unless_it_is_wired() -> None:
    assert only(a="flags") == ("setting.missing", "nodes.a.params.values")

    @node("here/must")
    def must(*, count: int, other: int) -> int:
        return count

    registry = REGISTRY.with_nodes([must])
    assert only(registry=registry, **NUM, a=("here/must", {}, {"count": "n"})) == (
        "setting.missing",
        "nodes.a.params.other",
    )
    assert built(registry=registry, **NUM, a=("here/must", {}, {"count": "n", "other": "n"}))


def test_an_unknown_setting_is_answered_with_the_nearest_one() -> None:
    (problem,) = problems(a=("limited", {"amuont": 1}))
    assert (problem.code, problem.hint) == ("setting.unknown", "did you mean 'amount'?")


def test_a_literal_for_a_port_and_a_wire_for_nothing_are_told_apart() -> None:
    found = problems(**NUM, a=("double", {"x": 5}, {"xx": "n"}))
    assert {(p.code, p.path) for p in found} == {
        ("setting.unknown", "nodes.a.params.x"),
        ("port.unknown", "nodes.a.inputs.xx"),
        ("port.missing", "nodes.a.inputs.x"),
    }


def test_a_setting_with_a_literal_and_a_wire_is_one_too_many() -> None:
    assert only(**NUM, a=("limited", {"amount": 1}, {"amount": "n"})) == (
        "setting.twice",
        "nodes.a.inputs.amount",
    )


# ------------------------------------------------------------------------------------- wires


@pytest.mark.parametrize(
    ("wire", "hint"),
    [("m", "known: b, d, n"), ("n.put", "did you mean 'out'?"), ("b", "write 'b.NAME'; known: high, low")],
)
def test_a_wire_from_nowhere_is_told_with_what_there_is(wire: str, hint: str) -> None:
    found = problems(**NUM, b=("both", {}, {"x": "n"}), d=("double", {}, {"x": wire}))
    assert [(p.path, p.hint) for p in found] == [("nodes.d.inputs.x", hint)]


def test_a_wire_from_a_node_without_outputs_is_told() -> None:
    assert only(**NUM, p=("print", {}, {"x": "n"}), d=("double", {}, {"x": "p"})) == (
        "wire.output",
        "nodes.d.inputs.x",
    )


@pytest.mark.parametrize("wire", ["n.0", "n.-1", "n.1", "n.", ".out"])
def test_an_output_has_a_name_and_never_a_number(wire: str) -> None:
    with pytest.raises(DocumentError) as caught:
        from_raw(raw(**NUM, d=("double", {}, {"x": wire})))
    assert caught.value.problems[0].path == "nodes.d.inputs.x"


def test_a_port_that_is_not_wired_says_what_to_wire() -> None:
    (problem,) = problems(a="double")
    assert (problem.code, problem.hint) == ("port.missing", "wire something of type int into it")


def test_an_output_of_the_workflow_from_nowhere_is_told() -> None:
    assert only({"o": "nobody"}, **NUM) == ("wire.node", "outputs.o")


def test_types_that_do_not_fit_name_both() -> None:
    (problem,) = problems(m="model", d=("double", {}, {"x": "m"}))
    assert problem.code == "wire.type" and problem.message == "'x' takes int, but m.out gives Toy"


def test_one_value_for_a_list_is_answered_with_how_to_write_it() -> None:
    (problem,) = problems(**NUM, t=("total", {}, {"items": "n"}))
    assert problem.hint == 'to pass one value as a list, write ["n.out"]'


def test_a_list_of_wires_is_a_list() -> None:
    graph = built(**NUM, t=("total", {}, {"items": ["n", "n.out"]}), e=("total", {}, {"items": []}))
    assert graph.nodes["t"].inputs["items"] == (Wire("n", "out"), Wire("n", "out"))
    assert graph.nodes["e"].inputs["items"] == ()


def test_a_list_of_wires_of_which_one_does_not_fit_or_for_one_value_is_told() -> None:
    assert only(**NUM, m="model", t=("total", {}, {"items": ["n", "m"]})) == (
        "wire.type",
        "nodes.t.inputs.items",
    )
    assert only(**NUM, d=("double", {}, {"x": ["n"]})) == ("wire.type", "nodes.d.inputs.x")


def test_lists_map_and_the_outputs_become_lists() -> None:
    graph = built(g=("grid", {"values": [[1]]}), b=("both", {}, {"x": "g"}))
    assert graph.nodes["b"].levels == {"x": 2}
    assert graph.nodes["b"].outputs == {"low": list[list[int]], "high": list[list[int]]}


def test_the_sides_of_a_choice_are_equally_deep() -> None:
    """Else the depth of the result would depend on what is chosen."""
    nodes: dict[str, Any] = {
        "n": "num",
        "l": ("numbers", {"values": [1]}),
        "f": ("flags", {"values": [True]}),
    }
    mixed = {"then": "n", "otherwise": "l"}
    assert only(**nodes, e=("either", {"condition": True}, mixed)) == ("wire.type", "nodes.e.inputs")
    assert built(**nodes, e=("either", {}, {**mixed, "condition": "f"}))
    assert built(**nodes, e=("either", {"condition": True}, {"then": "l", "otherwise": "l"}))


# ------------------------------------------------------------------------------------- cycles


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_circle_is_told_with_its_way(length: int) -> None:
    nodes = {f"d{i}": ("double", {}, {"x": f"d{(i + 1) % length}"}) for i in range(length)}
    (problem,) = problems(**nodes)
    assert problem.code == "graph.cycle" and problem.message.count(" -> ") == length
    way = problem.message.partition(": ")[2].split(" -> ")
    assert way[0] == way[-1] and set(way) == set(nodes)
    for a, b in itertools.pairwise(way):
        assert nodes[b][2]["x"] == a, "the way goes along the wires"


def test_a_circle_that_no_output_needs_is_told_too() -> None:
    nodes = {"a": ("double", {}, {"x": "b"}), "b": ("double", {}, {"x": "a"})}
    assert [p.code for p in problems({"o": "n"}, **NUM, **nodes)] == ["graph.cycle"]


def test_nodes_come_in_the_order_of_their_wires() -> None:
    graph = built(c=("double", {}, {"x": "b"}), b=("double", {}, {"x": "a"}), a="num")
    assert list(graph.nodes) == ["a", "b", "c"]


# ------------------------------------------------------------------------------------- parameters


def with_parameters(parameters: dict[str, Any], **nodes: Any) -> Graph:
    return build(from_raw({**raw(**nodes), "parameters": parameters}), REGISTRY)


def test_a_parameter_points_at_a_setting_or_a_port_that_is_there() -> None:
    nodes = {**NUM, "d": ("double", {}, {"x": "n"})}
    assert with_parameters({"p": {"to": ["d.plus", "d.x"]}}, **nodes)
    for target, hint in (("e.plus", "did you mean 'd'?"), ("d.puls", "did you mean 'plus'?")):
        with pytest.raises(DocumentError) as caught:
            with_parameters({"p": {"to": target}}, **nodes)
        (problem,) = caught.value.problems
        assert (problem.code, problem.path) == ("parameter.target", "parameters.p.to")
        assert problem.hint == hint or target == "e.plus"


def test_a_value_of_the_wrong_type_is_told_at_the_setting_it_reaches() -> None:
    document = from_raw({**raw(a="limited"), "parameters": {"amount": {"to": "a.amount"}}})
    with pytest.raises(DocumentError) as caught:
        build(with_values(document, {"amount": "many"}), REGISTRY)
    assert caught.value.problems[0].path == "nodes.a.params.amount"


# ------------------------------------------------------------------------------------- seeds, versions


def test_an_open_seed_is_drawn_and_a_given_one_kept() -> None:
    nodes: dict[str, Any] = {"n": "num", "m": "model"}
    wires = {"x": "n", "model": "m"}
    document = from_raw(raw(**nodes, a=("think", {"seed": None}, wires), b=("think", {"seed": 5}, wires)))
    graph = build(document, REGISTRY, draw_seed=lambda: 77)
    assert graph.seeds == {"a.seed": 77}
    assert (graph.nodes["a"].settings["seed"], graph.nodes["b"].settings["seed"]) == (77, 5)
    assert only(**nodes, a=("think", {"seed": MAX_SEED + 1}, wires))[0] == "setting.invalid"


def upgradable() -> Registry:
    def first(params: dict[str, Any]) -> dict[str, Any]:
        params["nested"]["touched"] = True
        return {"size": params["width"]}

    def second(params: dict[str, Any]) -> dict[str, Any]:
        return {"size": params["size"] * 2}

    @node("here/sized", version=4, upgrades={2: first, 3: second})
    def sized(*, size: int = 0) -> int:
        return size

    return REGISTRY.with_nodes([sized])


def versioned(version: int, **params: Any) -> Any:
    document = from_raw(
        {"graphflow": 1, "nodes": {"a": {"type": "here/sized", "version": version, "params": params}}}
    )
    return build(document, upgradable()), document


def test_an_old_node_is_upgraded_version_by_version_and_its_document_stays() -> None:
    graph, document = versioned(2, width=4, nested={})
    assert graph.nodes["a"].settings == {"size": 8}
    assert document.nodes["a"].params == {"width": 4, "nested": {}}
    assert versioned(3, size=4)[0].nodes["a"].settings == {"size": 8}
    assert versioned(4, size=4)[0].nodes["a"].settings == {"size": 4}


@pytest.mark.parametrize(
    ("version", "params", "code"),
    [
        (1, {}, "node.older"),
        (5, {}, "node.newer"),
        (2, {}, "node.upgrade"),
        (3, {"size": {}}, "node.upgrade"),
    ],
)
def test_a_node_that_cannot_be_upgraded_is_told(version: int, params: dict[str, Any], code: str) -> None:
    with pytest.raises(DocumentError) as caught:
        versioned(version, **params)
    assert [p.code for p in caught.value.problems] == [code]


# ------------------------------------------------------------------------------------- all at once


def test_everything_that_is_wrong_is_told_at_once() -> None:
    found = problems(
        {"o": "nobody"},
        a=("x/unknown", {}),
        b=("limited", {"amount": 99}),
        c=("double", {}, {"x": "nowhere"}),
        d=("double", {}, {"x": "e"}),
        e=("double", {}, {"x": "d"}),
        f="double",
    )
    assert {p.code for p in found} == {
        "node.unknown",
        "setting.invalid",
        "wire.node",
        "graph.cycle",
        "port.missing",
    }
    assert all(p.path for p in found)


def test_thousands_of_mistakes_are_told_in_time() -> None:
    nodes: dict[str, Any] = {f"n{i}": "num" for i in range(3000)}
    nodes |= {f"d{i}": ("double", {}, {"x": f"m{i}"}) for i in range(3000)}
    nodes |= {f"u{i}": (f"x/u{i}", {}) for i in range(1000)}
    started = time.process_time()
    assert len(problems(**nodes)) == 4000
    assert time.process_time() - started < 5


def test_a_run_wants_the_outputs_and_the_effects_or_else_the_ends() -> None:
    nodes: dict[str, Any] = {"n": "num", "d": ("double", {}, {"x": "n"}), "e": ("double", {}, {"x": "n"})}
    effect: dict[str, Any] = {"p": ("print", {}, {"x": "n"})}
    assert built(**nodes).default_targets() == ["d", "e"]
    assert built({"o": "d"}, **nodes).default_targets() == ["d"]
    assert built({"o": "d"}, **nodes, **effect).default_targets() == ["d", "p"]
    assert built().default_targets() == []
