"""Planning: what runs, in which order, under which key; folding, lists, choices, and planning again."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphflow.errors import NodeError
from graphflow.keys import Environment
from graphflow.node import node
from graphflow.refs import Const, Gone, Many, Out, Waiting, without_gone
from graphflow.values import MAX_SEED
from tests.support.engine import REGISTRY, World, built, keys, raw, todo

CHAIN: dict[str, Any] = {
    "a": ("num", {"value": 3}),
    "b": ("double", {}, {"x": "a"}),
    "c": ("double", {}, {"x": "b"}),
}


def value_of(ref: Any) -> Any:
    assert isinstance(ref, Const), ref
    return ref.value


# ------------------------------------------------------------------------------------- folding


def test_a_folded_node_is_evaluated_while_planning_and_is_no_step() -> None:
    planned = World().plan(built({"o": "b"}, a=("num", {"value": 3}), b=("plus", {"by": 2}, {"x": "a"})))
    assert value_of(planned.outputs["o"]) == 5
    assert not planned.steps and not planned.todo


def test_a_folded_node_is_evaluated_once_for_each_distinct_input() -> None:
    calls: Counter[int] = Counter()

    @node("here/count", fold=True)
    def count(x: int) -> int:
        calls[x] += 1
        return x

    graph = built(
        registry=REGISTRY.with_nodes([count]),
        items=("numbers", {"values": [1, 2, 1, 1]}),
        same=("num", {"value": 2}),
        a=("here/count", {}, {"x": "items"}),
        b=("here/count", {}, {"x": "same"}),
    )
    world = World()
    for _ in range(2):
        world.plan(graph)
    assert calls == {1: 1, 2: 1}


def test_two_ways_to_the_same_value_meet_in_one_key() -> None:
    typed = keys(World().plan(built(a=("num", {"value": 4}), d=("double", {}, {"x": "a"}))))
    added = keys(
        World().plan(
            built(a=("num", {"value": 3}), b=("plus", {"by": 1}, {"x": "a"}), d=("double", {}, {"x": "b"}))
        )
    )
    assert typed["d"] == added["d"]


def test_the_placement_of_a_model_is_not_in_the_keys_below_it() -> None:
    def key(**params: str) -> list[str]:
        graph = built(m=("model", params), n="num", t=("think", {}, {"x": "n", "model": "m"}))
        return keys(World().plan(graph))["t"]

    assert key(name="a", where="cuda:0") == key(name="a", where="disk")
    assert key(name="a") != key(name="b")


def test_a_folded_node_that_fails_is_a_failed_node_and_its_dependents_are_gone() -> None:
    planned = World().plan(
        built({"o": "d"}, a="num", b=("fold_boom", {}, {"x": "a"}), d=("double", {}, {"x": "b"}))
    )
    assert planned.failures["b"].message == "no 0" and planned.failures["b"].hint == "take another"
    assert planned.gone == {"d"} and planned.outputs["o"] == Gone() and not planned.todo


def test_an_item_that_fails_to_fold_does_not_stop_the_other_items() -> None:
    planned = World().plan(
        built(
            {"o": "t"},
            a=("numbers", {"values": [1, 2, 3]}),
            b=("fold_boom", {"on": 2}, {"x": "a"}),
            t=("total", {}, {"items": "b"}),
        )
    )
    (step,) = planned.steps.values()
    assert value_of(without_gone(step.inputs["items"])) == [1, 3]
    assert [(place, e.message) for place, e in planned.failed_items.items()] == [(("b", (1,)), "no 2")]


@pytest.mark.parametrize(
    "error", [ValueError("bad"), KeyError("k"), SystemExit(3), StopIteration()], ids=repr
)
def test_whatever_a_folded_node_raises_is_that_nodes_failure(error: BaseException) -> None:
    @node("here/raises", fold=True)
    def raises() -> int:
        raise error

    planned = World().plan(built(registry=REGISTRY.with_nodes([raises]), a="here/raises"))
    assert planned.failures["a"].where == "a" and type(error).__name__ in planned.failures["a"].message


@pytest.mark.parametrize(
    "result", [float("nan"), object(), 3, None, 10**9000], ids=["nan", "object", "int", "none", "huge"]
)
def test_a_folded_node_that_returns_what_it_does_not_declare_is_a_failed_node(result: Any) -> None:
    @node("here/lies", fold=True)
    def lies() -> list[int]:
        return result  # type: ignore[no-any-return]

    graph = built(registry=REGISTRY.with_nodes([lies]), a="here/lies", b=("double", {}, {"x": "a"}))
    planned = World().plan(graph)
    assert set(planned.failures) == {"a"} and planned.gone == {"b"}


# ------------------------------------------------------------------------------------- keys


def test_names_places_titles_and_the_order_of_nodes_are_not_in_keys() -> None:
    first = keys(World().plan(built(**CHAIN)))
    document = raw(z=("double", {}, {"x": "y"}), y=("double", {}, {"x": "x"}), x=("num", {"value": 3}))
    document["nodes"]["z"]["ui"] = {"x": 5, "title": "hello"}
    document["name"] = "other"
    from graphflow import workflow
    from graphflow.graph import build

    second = keys(World().plan(build(workflow.from_raw(document), REGISTRY)))
    assert (first["b"], first["c"]) == (second["y"], second["z"])


def test_a_setting_at_its_default_and_one_left_out_are_the_same() -> None:
    graphs = [built(a="num", b=("double", p, {"x": "a"})) for p in ({}, {"plus": 0})]
    assert keys(World().plan(graphs[0])) == keys(World().plan(graphs[1]))


def test_a_setting_that_is_wired_to_a_known_value_differs_only_by_its_wire() -> None:
    graph = built(a="num", n=("num", {"value": 7}), b=("double", {}, {"x": "a", "plus": "n"}))
    other = built(a="num", n=("num", {"value": 8}), b=("double", {}, {"x": "a", "plus": "n"}))
    assert keys(World().plan(graph))["b"] != keys(World().plan(other))["b"]


def test_the_environment_is_in_every_key() -> None:
    a = keys(World().plan(built(**CHAIN), environment=Environment(torch="2.1")))
    b = keys(World().plan(built(**CHAIN), environment=Environment(torch="2.2")))
    assert not set(a["b"]) & set(b["b"])


def test_results_that_must_not_be_kept_have_a_key_of_their_own_in_every_run() -> None:
    @node("here/now", cache=False)
    def now() -> int:
        return 1

    graph = built(registry=REGISTRY.with_nodes([now]), a="here/now", b=("double", {}, {"x": "a"}))
    first, second = (keys(World().plan(graph, nonce=n)) for n in "12")
    assert first["a"] != second["a"] and first["b"] != second["b"]


@st.composite
def dags(draw: st.DrawFn) -> dict[str, Any]:
    """Random graphs of steps: each node doubles or adds earlier ones."""
    nodes: dict[str, Any] = {"n0": ("num", {"value": draw(st.integers(0, 3))})}
    for i in range(1, draw(st.integers(2, 12))):
        earlier = st.sampled_from(sorted(nodes))
        if draw(st.booleans()):
            nodes[f"n{i}"] = ("double", {"plus": i}, {"x": draw(earlier)})
        else:
            nodes[f"n{i}"] = ("add", {}, {"a": draw(earlier), "b": draw(earlier)})
    return nodes


def downstream(nodes: dict[str, Any], start: str) -> set[str]:
    found = {start}
    for id, entry in nodes.items():  # written in topological order
        if found & set((*entry, {}, {})[2].values()):
            found.add(id)
    return found


@given(dags(), st.data())
def test_changing_one_setting_changes_exactly_the_keys_downstream(nodes: dict[str, Any], data: Any) -> None:
    changed = data.draw(st.sampled_from([id for id, n in nodes.items() if n[0] == "double"] or ["n0"]))
    type_, params, *inputs = nodes[changed]
    name = "plus" if type_ == "double" else "value"
    after = {**nodes, changed: (type_, {name: params[name] + 100}, *inputs)}
    before_keys, after_keys = (keys(World().plan(built(**n), n)) for n in (nodes, after))
    different = {id for id in before_keys if before_keys[id] != after_keys[id]}
    assert different == downstream(nodes, changed) & before_keys.keys()


@given(dags(), st.data())
def test_a_plan_runs_what_is_asked_and_what_it_needs_in_order_and_nothing_stored(
    nodes: dict[str, Any], data: Any
) -> None:
    graph = built(**nodes)
    world = World()
    everything = world.plan(graph, nodes)
    stored = data.draw(st.sets(st.sampled_from(sorted(everything.steps) or ["none"])))
    world.results = {key: {"out": 1} for key in stored}
    target = data.draw(st.sampled_from(sorted(nodes)))
    planned = world.plan(graph, [target])
    assert not set(planned.todo) & stored
    available = set(stored)
    for key in planned.todo:
        assert set(planned.steps[key].deps) <= available
        available.add(key)
    needed = {key for step in planned.steps.values() if step.node == target for key in [step.key]}
    assert needed <= available


# ------------------------------------------------------------------------------------- demand


def test_only_what_the_outputs_need_is_planned() -> None:
    graph = built({"o": "b"}, **CHAIN, d=("double", {"plus": 9}, {"x": "a"}))
    assert todo(World().plan(graph)) == ["b"]


def test_without_outputs_and_effects_the_ends_of_the_graph_are_wanted() -> None:
    assert todo(World().plan(built(**CHAIN))) == ["b", "c"]


def test_a_target_in_the_middle_runs_nothing_below_it() -> None:
    planned = World().plan(built({"o": "c"}, **CHAIN), ["b"])
    assert todo(planned) == ["b"] and not planned.outputs


def test_a_target_that_is_folded_needs_no_step() -> None:
    planned = World().plan(built({"o": "c"}, **CHAIN), ["a"])
    assert not planned.todo and value_of(planned.targets["a"]["out"]) == 3


def test_a_target_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        World().plan(built(**CHAIN), ["nobody"])


def test_an_empty_graph_has_an_empty_plan() -> None:
    planned = World().plan(built())
    assert not planned.todo and not planned.outputs and not planned.waiting


def test_what_is_stored_hides_all_that_led_to_it() -> None:
    world = World()
    graph = built({"o": "c"}, **CHAIN)
    world.results[keys(world.plan(graph))["c"][0]] = {"out": 12}
    assert todo(world.plan(graph)) == []


def test_an_effect_without_outputs_is_wanted_and_mapped() -> None:
    graph = built(a=("numbers", {"values": [1, 2]}), p=("print", {}, {"x": "a"}))
    assert todo(World().plan(graph)) == ["p.0", "p.1"]


def test_two_nodes_that_do_the_same_work_are_one_step() -> None:
    planned = World().plan(
        built({"x": "b", "y": "c"}, a="num", b=("double", {}, {"x": "a"}), c=("double", {}, {"x": "a"}))
    )
    assert len(planned.todo) == 1 and planned.outputs["x"] == planned.outputs["y"]


def test_a_chain_of_ten_thousand_nodes_is_planned_without_recursion() -> None:
    nodes: dict[str, Any] = {"n0": "num"}
    nodes |= {f"n{i}": ("double", {"plus": i}, {"x": f"n{i - 1}"}) for i in range(1, 10_000)}
    graph = built({"o": "n9999"}, **nodes)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(400)
    try:
        assert len(World().plan(graph).todo) == 9_999
    finally:
        sys.setrecursionlimit(limit)


# ------------------------------------------------------------------------------------- lists


def test_a_list_runs_the_node_for_each_item_stage_by_stage() -> None:
    graph = built(
        a=("numbers", {"values": [5, 6]}), b=("double", {}, {"x": "a"}), c=("double", {}, {"x": "b"})
    )
    assert todo(World().plan(graph)) == ["b.0", "b.1", "c.0", "c.1"]


def test_an_item_at_the_front_makes_one_item_new() -> None:
    def items(values: list[int]) -> list[str]:
        graph = built(
            a=("numbers", {"values": values}), b=("double", {}, {"x": "a"}), c=("double", {}, {"x": "b"})
        )
        return keys(World().plan(graph))["c"]

    before, after = items([5, 6]), items([4, 5, 6])
    assert after[1:] == before and after[0] not in before


def test_a_port_for_a_list_collects_the_items() -> None:
    graph = built(
        a=("numbers", {"values": [5, 6]}), b=("double", {}, {"x": "a"}), t=("total", {}, {"items": "b"})
    )
    planned = World().plan(graph)
    step = planned.steps[planned.todo[-1]]
    assert todo(planned) == ["b.0", "b.1", "t"] and isinstance(step.inputs["items"], Many)
    assert set(step.deps) == set(planned.todo[:2])


def test_mapped_inputs_go_together_and_the_others_to_every_item() -> None:
    graph = built(
        a=("numbers", {"values": [1, 2]}),
        b=("numbers", {"values": [10, 20]}),
        c=("num", {"value": 7}),
        pairs=("add", {}, {"a": "a", "b": "b"}),
        same=("add", {}, {"a": "a", "b": "c"}),
    )
    planned = World().plan(graph)
    found = [
        [value_of(step.inputs["a"]), value_of(step.inputs["b"])]
        for step in (planned.steps[key] for key in planned.todo)
    ]
    assert found == [[1, 10], [2, 20], [1, 7], [2, 7]]


def test_lists_of_unequal_length_name_both_inputs() -> None:
    graph = built(
        a=("numbers", {"values": [1, 2]}),
        b=("numbers", {"values": [1]}),
        c=("add", {}, {"a": "a", "b": "b"}),
        d=("double", {}, {"x": "c"}),
    )
    planned = World().plan(graph)
    assert "'a' has 2 items, 'b' has 1" in planned.failures["c"].message
    assert planned.gone == {"d"} and not planned.todo


def test_unequal_lists_in_one_row_do_not_stop_the_other_rows() -> None:
    graph = built(
        a=("grid", {"values": [[1, 2], [3]]}),
        b=("grid", {"values": [[1, 2], [3, 4]]}),
        c=("add", {}, {"a": "a", "b": "b"}),
    )
    planned = World().plan(graph)
    assert todo(planned) == ["c.0.0", "c.0.1"] and set(planned.failures) == {"c"}


def test_lists_in_lists_are_mapped_level_by_level() -> None:
    graph = built({"o": "b"}, a=("grid", {"values": [[1], [], [2, 3]]}), b=("double", {}, {"x": "a"}))
    planned = World().plan(graph)
    assert todo(planned) == ["b.0.0", "b.2.0", "b.2.1"]
    rows = planned.outputs["o"]
    assert isinstance(rows, Many) and [
        len(r.items) if isinstance(r, Many) else value_of(r) for r in rows.items
    ] == [1, [], 2]


def test_a_list_of_nothing_gives_a_list_of_nothing() -> None:
    graph = built(
        {"o": "t", "l": "b"},
        a=("numbers", {"values": []}),
        b=("double", {}, {"x": "a"}),
        t=("total", {}, {"items": "b"}),
    )
    planned = World().plan(graph)
    assert todo(planned) == ["t"] and value_of(planned.outputs["l"]) == []


def test_a_mapped_setting_is_checked_item_by_item() -> None:
    graph = built({"o": "b"}, a=("numbers", {"values": [1, 11, 2]}), b=("limited", {}, {"amount": "a"}))
    planned = World().plan(graph)
    assert todo(planned) == ["b.0", "b.2"]
    assert planned.failed_items["b", (1,)].error_code == "setting.invalid"


def test_more_items_than_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from graphflow import plan as module
    from graphflow.workflow import Limits

    monkeypatch.setattr(module, "LIMITS", Limits(mapped_items=3))
    for kind in ("double", "plus"):
        graph = built(a=("numbers", {"values": [1, 2, 3, 4]}), b=(kind, {}, {"x": "a"}))
        planned = World().plan(graph)
        assert planned.failures["b"].error_code == "limit.steps"


# ------------------------------------------------------------------------------------- dynamic


def test_a_list_whose_length_a_run_decides_is_waited_for_and_then_planned_again() -> None:
    world = World()
    graph = built(
        {"o": "t"},
        a="num",
        s=("spread", {"count": 3}, {"x": "a"}),
        d=("double", {}, {"x": "s"}),
        t=("total", {}, {"items": "d"}),
    )
    first = world.plan(graph)
    (key,) = first.waiting
    assert todo(first) == ["s"] and first.steps[key].node == "s" and isinstance(first.outputs["o"], Waiting)
    world.results[key] = {"out": [0, 1, 2]}
    second = world.plan(graph)
    assert todo(second) == ["d.0", "d.1", "d.2", "t"] and not second.waiting


def test_items_of_a_dynamic_list_that_are_plain_data_are_known_by_value() -> None:
    world = World()
    graph = built(a="num", s=("spread", {}, {"x": "a"}), d=("double", {}, {"x": "s"}))
    (key,) = world.plan(graph).waiting
    world.results[key] = {"out": [7, object()]}
    planned = world.plan(graph)
    refs = [planned.steps[k].inputs["x"] for k in planned.todo]
    assert isinstance(refs[0], Const) and refs[1] == Out(key, "out", (1,))


def test_a_result_that_is_not_the_list_it_should_be_is_that_nodes_failure() -> None:
    world = World()
    graph = built(a="num", s=("spread", {}, {"x": "a"}), d=("double", {}, {"x": "s"}))
    (key,) = world.plan(graph).waiting
    world.results[key] = {"out": 7}
    planned = world.plan(graph)
    assert set(planned.failures) == {"d"} and "list" in planned.failures["d"].message


def test_a_failed_step_is_gone_and_its_collector_gets_the_rest() -> None:
    world = World()
    graph = built(
        {"o": "t"},
        a=("numbers", {"values": [1, 2]}),
        b=("boom", {"on": 1}, {"x": "a"}),
        t=("total", {}, {"items": "b"}),
    )
    first = world.plan(graph)
    bad, good = keys(first)["b"]
    world.failed.add(bad)
    world.results[good] = {"out": 2}
    second = world.plan(graph)
    (key,) = second.todo
    assert second.steps[key].deps == (good,) and key not in first.steps


def test_a_collector_of_which_every_item_failed_is_gone_but_one_of_no_items_is_not() -> None:
    world = World()
    graph = built(
        {"o": "t"},
        a=("numbers", {"values": [1]}),
        b=("boom", {}, {"x": "a"}),
        t=("total", {}, {"items": "b"}),
    )
    world.failed |= set(keys(world.plan(graph))["b"])
    planned = world.plan(graph)
    assert planned.outputs["o"] == Gone() and planned.gone >= {"t"}


def test_the_twin_of_a_failed_step_is_gone_too() -> None:
    world = World()
    graph = built({"x": "b", "y": "c"}, a="num", b=("boom", {}, {"x": "a"}), c=("boom", {}, {"x": "a"}))
    world.failed |= set(world.plan(graph).todo)
    planned = world.plan(graph)
    assert planned.outputs == {"x": Gone(), "y": Gone()} and planned.gone >= {"b", "c"}


# ------------------------------------------------------------------------------------- choices

SIDES: dict[str, Any] = {
    "n": ("num", {"value": 2}),
    "yes": ("double", {"plus": 1}, {"x": "n"}),
    "no": ("double", {"plus": 2}, {"x": "n"}),
}


@pytest.mark.parametrize(("condition", "side"), [(True, "yes"), (False, "no")])
def test_a_choice_plans_only_the_chosen_side(condition: bool, side: str) -> None:
    graph = built(
        {"o": "e"}, **SIDES, e=("either", {"condition": condition}, {"then": "yes", "otherwise": "no"})
    )
    planned = World().plan(graph)
    assert todo(planned) == [side] and planned.outputs["o"] == Out(planned.todo[0], "out")


def test_a_choice_that_a_step_decides_is_waited_for() -> None:
    world = World()
    graph = built(
        {"o": "e"},
        **SIDES,
        q=("even", {}, {"x": "n"}),
        e=("either", {}, {"then": "yes", "otherwise": "no", "condition": "q"}),
    )
    first = world.plan(graph)
    assert todo(first) == ["q"]
    world.results[first.todo[0]] = {"out": False}
    assert todo(world.plan(graph)) == ["no"]


def test_a_mapped_choice_plans_only_what_its_items_choose() -> None:
    nodes: dict[str, Any] = {
        "a": ("numbers", {"values": [1, 2, 3]}),
        "yes": ("double", {"plus": 1}, {"x": "a"}),
        "no": ("double", {"plus": 2}, {"x": "a"}),
    }
    wires = {"then": "yes", "otherwise": "no", "condition": "f"}
    for values, expected in (
        ([True, False, True], ["yes.0", "yes.2", "no.1"]),
        ([True] * 3, ["yes.0", "yes.1", "yes.2"]),
    ):
        graph = built({"o": "e"}, **nodes, f=("flags", {"values": values}), e=("either", {}, wires))
        assert todo(World().plan(graph)) == expected


def test_an_item_does_not_care_about_the_side_that_other_items_took() -> None:
    world = World()
    graph = built(
        {"o": "e"},
        **SIDES,
        f=("flags", {"values": [True, False]}),
        e=("either", {}, {"then": "yes", "otherwise": "no", "condition": "f"}),
    )
    yes, no = keys(world.plan(graph))["yes"][0], keys(world.plan(graph))["no"][0]
    world.failed.add(no)
    ref = world.plan(graph).outputs["o"]
    assert isinstance(ref, Many) and ref.items == (Out(yes, "out"), Gone())


def test_a_choice_of_a_port_that_is_not_wired_is_a_failed_node() -> None:
    graph = built({"o": "e"}, **SIDES, e=("either", {"condition": False}, {"then": "yes"}))
    planned = World().plan(graph)
    assert "'otherwise'" in planned.failures["e"].message and planned.outputs["o"] == Gone()


def test_whatever_goes_wrong_while_choosing_is_that_nodes_failure() -> None:
    def worst(*, index: int) -> str:
        return ["a"][index]

    @node("here/worst", branch=worst)
    def choose(a: int, *, index: int = 0) -> int:
        return a

    def wrong(*, index: int) -> str:
        return "nowhere"

    @node("here/wrong", branch=wrong)
    def mistake(a: int, *, index: int = 0) -> int:
        return a

    registry = REGISTRY.with_nodes([choose, mistake])
    for entry in (("here/worst", {"index": 5}), ("here/wrong", {})):
        graph = built({"o": "c"}, registry, n="num", c=(*entry, {"a": "n"}), d=("double", {}, {"x": "n"}))
        planned = World().plan(graph, ["c", "d"])
        assert set(planned.failures) == {"c"} and todo(planned) == ["d"]


def test_a_wired_choice_outside_its_limits_is_a_failed_node() -> None:
    from graphflow_nodes.std.logic import select

    graph = built(
        {"o": "s"},
        REGISTRY.with_nodes([select]),
        n="num",
        i=("num", {"value": 9}),
        s=("std/select", {}, {"a": "n", "index": "i"}),
    )
    planned = World().plan(graph)
    assert planned.failures["s"].error_code == "setting.invalid"


# ------------------------------------------------------------------------------------- outside


def test_what_a_node_reads_outside_stands_in_its_key() -> None:
    state = {"v": 1}

    @node("here/read", fingerprint=lambda name: state["v"])
    def read(*, name: str = "f") -> int:
        return 1

    graph = built(registry=REGISTRY.with_nodes([read]), a="here/read")
    before = keys(World().plan(graph))
    assert before == keys(World().plan(graph))
    state["v"] = 2
    assert before != keys(World().plan(graph))


@pytest.mark.parametrize(
    "error", [FileNotFoundError(2, "no such file"), TypeError("t"), NodeError("mine"), SystemExit()], ids=repr
)
def test_an_outside_that_cannot_be_read_is_a_failed_node(error: BaseException) -> None:
    def fingerprint() -> int:
        raise error

    @node("here/reads", fingerprint=fingerprint)
    def reads() -> int:
        return 1

    planned = World().plan(built(registry=REGISTRY.with_nodes([reads]), a="here/reads"))
    assert planned.failures["a"].where == "a"


def test_the_folder_that_an_effect_writes_to_stands_in_its_key_and_in_no_other() -> None:
    graph = built(n="num", d=("double", {}, {"x": "n"}), p=("print", {}, {"x": "d"}))
    here, there = (keys(World().plan(graph, out_dir=f)) for f in "ab")
    assert here["p"] != there["p"] and here["d"] == there["d"]


@settings(max_examples=50)
@given(st.lists(st.integers(0, MAX_SEED), max_size=6))
def test_planning_twice_with_the_same_facts_gives_the_same_plan(values: list[int]) -> None:
    graph = built({"o": "b"}, a=("numbers", {"values": values}), b=("double", {}, {"x": "a"}))
    first, second = World().plan(graph), World().plan(graph)
    assert (first.todo, first.outputs) == (second.todo, second.outputs)


def test_a_value_of_endlessly_many_items_is_refused_before_it_fills_the_memory() -> None:
    """A million lists of a million numbers are quickly written and share all their items."""
    from graphflow_nodes.std import range_of, repeat

    graph = built(
        registry=REGISTRY.with_nodes([range_of, repeat]),
        r=("std/range", {"count": 100_000}),
        a=("std/repeat", {"times": 100_000}, {"item": "r"}),
        b=("std/repeat", {"times": 100_000}, {"item": "a"}),
    )
    planned = World().plan(graph)
    assert planned.failures["a"].error_code == "limit.value" and planned.gone == {"b"}
