"""Constants, arithmetic and choices."""

from __future__ import annotations

import subprocess
import sys

import graphflow_nodes.std as std
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from graphflow.errors import NodeError
from graphflow.node import spec_of
from graphflow.testing import run_node
from graphflow.values import MAX_SEED


def test_every_name_is_a_node_and_none_is_hidden() -> None:
    specs = [spec_of(getattr(std, name)) for name in std.__all__]
    assert all(spec is not None and spec.doc for spec in specs)
    assert len({spec.id for spec in specs if spec}) == len(std.__all__)


def test_the_pack_loads_without_torch() -> None:
    code = "import sys, graphflow_nodes.std, graphflow_nodes.media; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_constants_give_their_value() -> None:
    assert run_node(std.number, value=2.5) == 2.5
    assert run_node(std.integer, value=-3) == -3
    assert run_node(std.text, value="a") == "a"
    assert run_node(std.boolean, value=True) is True
    assert run_node(std.seed, value=MAX_SEED) == MAX_SEED
    for wrong in (-1, MAX_SEED + 1):
        with pytest.raises(ValidationError):
            run_node(std.seed, value=wrong)


def test_whole_numbers_stay_whole() -> None:
    for result in (std.add(2, 3), std.multiply(2, 3), run_node(std.clamp, 7, low=0.5, high=3.5)):
        assert type(result) is int
    assert run_node(std.clamp, 7, low=0.5, high=3.5) == 3


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9), st.floats(0, 1e9))
def test_clamp_stays_inside_and_changes_nothing_inside(value: float, low: float, span: float) -> None:
    result = std.clamp(value, low=low, high=low + span)
    assert low <= result <= low + span
    assert result == value or not low <= value <= low + span


def test_numbers_out_of_range_are_errors() -> None:
    with pytest.raises(NodeError):
        std.multiply(1e300, 1e300)
    with pytest.raises(NodeError, match="nothing lies between"):
        run_node(std.clamp, 1, low=0.2, high=0.8)


@pytest.mark.parametrize(
    ("relation", "expected"),
    [("<", True), ("<=", True), ("==", False), ("!=", True), (">=", False), (">", False)],
)
def test_compare(relation: str, expected: bool) -> None:
    assert run_node(std.compare, 1, 2.5, relation=relation) is expected
    assert run_node(std.compare, "a", "b", relation=relation) is expected


def test_a_number_is_not_compared_with_a_text() -> None:
    with pytest.raises(NodeError, match="number and a text"):
        run_node(std.compare, 1, "a")


def test_a_text_is_given_if_it_says_anything() -> None:
    assert std.given(text="clips") and not std.given() and not std.given(text=" \n")


@pytest.mark.parametrize("condition", [True, False])
def test_choose_names_the_port_whose_value_it_gives(condition: bool) -> None:
    spec = spec_of(std.choose)
    assert spec is not None and spec.branch is not None
    ports = {"then": "A", "otherwise": "B"}
    assert std.choose(**ports, condition=condition) == ports[spec.branch(condition=condition)]


@pytest.mark.parametrize("index", range(4))
def test_select_names_the_port_whose_value_it_gives(index: int) -> None:
    spec = spec_of(std.select)
    assert spec is not None and spec.branch is not None
    assert std.select("A", "B", "C", "D", index=index).lower() == spec.branch(index=index)
    if index:
        with pytest.raises(NodeError, match="nothing is wired"):
            std.select("A", index=index)
