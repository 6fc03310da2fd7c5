"""A difference names all that changed in what a workflow means, and nothing else."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from graphflow import workflow
from graphflow.difference import Change, Difference, NodeChange, difference
from graphflow.workflow import Document
from tests.support.engine import raw


def document(**fields: Any) -> Document:
    return workflow.from_raw({"graphflow": 1, **fields})


OLD = {
    **raw({"out": "b"}, a=("num", {"value": 1}), b=("double", {"plus": 2}, {"x": "a"})),
    "name": "old",
    "parameters": {"value": {"to": "a.value"}},
}


def test_nodes_settings_wires_outputs_and_parameters_are_named() -> None:
    new = {
        **raw(
            {"first": "b.out"},
            b=("plus", {"by": 2}, {"x": ["c"]}),
            c=("num", {"value": None}),
        ),
        "name": "new",
        "parameters": {"value": {"to": "c.value", "default": 3}},
    }
    found = difference(workflow.from_raw(OLD), workflow.from_raw(new))
    assert found.name == Change(old="old", new="new")
    assert (found.added, found.removed) == ({"c": "test/num"}, {"a": "test/num"})
    assert found.changed == {
        "b": NodeChange(
            type=Change(old="test/double", new="test/plus"),
            settings={"plus": Change(old=2, stays=False), "by": Change(new=2, was=False)},
            wires={"x": Change(old="a", new=["c"])},
        )
    }
    assert found.outputs == {"out": Change(old="b", stays=False), "first": Change(new="b.out", was=False)}
    assert found.parameters["value"].new["default"] == 3
    assert not found.layout and not found.same


def test_moving_nodes_about_is_layout_and_no_more() -> None:
    new = {**OLD, "nodes": {**OLD["nodes"], "a": {**OLD["nodes"]["a"], "ui": {"x": 100}}}}
    found = difference(workflow.from_raw(OLD), workflow.from_raw(new))
    assert found == Difference(layout=True) and found.same


def test_numbers_of_different_kinds_differ_and_an_absent_setting_is_not_null() -> None:
    def of(params: dict[str, Any]) -> Document:
        return workflow.from_raw(raw(a=("num", params)))

    for old, new in ((1, 1.0), (1, True), (0, False), ([1], [1.0]), ({"a": 1}, {"a": True})):
        found = difference(of({"value": old}), of({"value": new}))
        assert found.changed["a"].settings["value"] == Change(old=old, new=new)
    assert not difference(of({}), of({"value": None})).same


# --------------------------------------------------------------------------------- laws

ids = st.sampled_from(["a", "b", "c", "d"])
leaves = (
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, 2.5]) | st.text(max_size=2)
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(ids, inner, max_size=2)
)
wires = ids | st.sampled_from(["a.out", "b.low"])
nodes = st.fixed_dictionaries(
    {"type": st.sampled_from(["x/one", "x/two"])},
    optional={
        "version": st.integers(1, 2),
        "params": st.dictionaries(ids, values, max_size=3),
        "inputs": st.dictionaries(ids, wires | st.lists(wires, max_size=2), max_size=2),
        "ui": st.dictionaries(ids, st.integers(0, 1), max_size=1),
    },
)
documents = st.fixed_dictionaries(
    {"graphflow": st.just(1)},
    optional={
        "name": st.sampled_from(["", "x"]),
        "description": st.sampled_from(["", "y"]),
        "nodes": st.dictionaries(ids, nodes, max_size=3),
        "outputs": st.dictionaries(ids, wires, max_size=2),
        "parameters": st.dictionaries(ids, st.fixed_dictionaries({"to": st.just("a.b")}, optional={
            "default": values, "description": st.sampled_from(["", "z"]),
        }), max_size=2),
        "ui": st.dictionaries(ids, st.integers(0, 1), max_size=1),
    },
).map(workflow.from_raw)  # fmt: skip


def applied(old: dict[str, Any], changes: dict[str, Change]) -> dict[str, Any]:
    """What was there, with the changes made: each must find what it says was there."""
    new = dict(old)
    for name, change in changes.items():
        assert (name in old) == change.was
        if change.was:
            assert new.pop(name) == change.old
        if change.stays:
            new[name] = change.new
    return new


def meaning(one: Document) -> bytes:
    """All of a document but its layout, as canonical text, so that 1 and True differ."""
    plain = one.model_copy(
        update={"ui": {}, "nodes": {id: node.model_copy(update={"ui": {}}) for id, node in one.nodes.items()}}
    )
    return workflow.dump(plain)


@given(old=documents, new=documents)
@settings(max_examples=300, deadline=None)
def test_a_difference_is_enough_to_make_the_new_one_from_the_old(old: Document, new: Document) -> None:
    found = difference(old, new)
    made: dict[str, Any] = {id: node for id, node in old.nodes.items() if id not in found.removed}
    for id, change in found.changed.items():
        node = old.nodes[id]
        made[id] = node.model_copy(
            update={
                "type": change.type.new if change.type else node.type,
                "version": change.version.new if change.version else node.version,
                "params": applied(dict(node.params), change.settings),
                "inputs": applied(dict(node.inputs), change.wires),
            }
        )
    for id, type in found.added.items():
        assert id not in old.nodes and new.nodes[id].type == type
        made[id] = new.nodes[id]
    parameters = {name: one.model_dump(mode="json") for name, one in old.parameters.items()}
    rebuilt = {
        "graphflow": 1,
        "name": found.name.new if found.name else old.name,
        "description": found.description.new if found.description else old.description,
        "nodes": {id: node.model_dump(mode="json") for id, node in made.items()},
        "outputs": applied(dict(old.outputs), found.outputs),
        "parameters": applied(parameters, found.parameters),
    }
    assert meaning(in_order(workflow.from_raw(rebuilt))) == meaning(in_order(new))


def in_order(one: Document) -> Document:
    """Parameters and outputs sorted: their order is that of a form."""
    return one.model_copy(
        update={
            "parameters": dict(sorted(one.parameters.items())),
            "outputs": dict(sorted(one.outputs.items())),
        }
    )


@given(one=documents)
@settings(max_examples=100, deadline=None)
def test_nothing_differs_from_itself(one: Document) -> None:
    assert difference(one, workflow.parse(workflow.dump(one))) == Difference()


@given(old=documents, new=documents)
@settings(max_examples=200, deadline=None)
def test_same_is_what_means_the_same(old: Document, new: Document) -> None:
    assert difference(old, new).same == (meaning(in_order(old)) == meaning(in_order(new)))
