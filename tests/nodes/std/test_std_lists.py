"""Laws of the list nodes."""

from __future__ import annotations

import itertools

import pytest
from graphflow_nodes.std import (
    concat,
    flatten,
    length,
    list_of,
    pick,
    product,
    product3,
    range_of,
    repeat,
    seeds,
    slice_of,
)
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from graphflow.errors import NodeError
from graphflow.node import spec_of
from graphflow.testing import run_node
from graphflow.values import MAX_SEED

SHORT = st.lists(st.integers() | st.text(max_size=3), max_size=8)


@given(SHORT, SHORT)
def test_product_is_every_pair_once_and_aligned(a: list[object], b: list[object]) -> None:
    left, right = product(a, b)
    assert list(zip(left, right, strict=True)) == list(itertools.product(a, b))


@given(SHORT, SHORT, SHORT)
def test_product3_is_product_twice(a: list[object], b: list[object], c: list[object]) -> None:
    assert list(zip(*product3(a, b, c), strict=True)) == list(itertools.product(a, b, c))


def test_product_refuses_what_is_too_large() -> None:
    with pytest.raises(NodeError, match="1002001 combinations"):
        product([0] * 1001, [0] * 1001)


@given(st.lists(SHORT, max_size=5))
def test_flatten_keeps_order_and_number(lists: list[list[object]]) -> None:
    flat = flatten(lists)
    assert len(flat) == sum(map(length, lists))
    assert flat == [item for items in lists for item in items]


@given(SHORT, SHORT)
def test_concat_is_flatten_of_two(a: list[object], b: list[object]) -> None:
    assert concat(a, b) == flatten([a, b])


@given(SHORT, st.integers(-9, 9))
def test_slices_before_and_after_a_place_make_the_whole(items: list[object], at: int) -> None:
    assert concat(run_node(slice_of, items, stop=at), run_node(slice_of, items, start=at)) == items


@given(SHORT, st.integers(1, 4))
def test_a_step_takes_every_nth(items: list[object], step: int) -> None:
    assert run_node(slice_of, items, step=step) == items[::step]


@given(SHORT, st.integers(-10, 10))
def test_pick_gives_the_item_or_says_there_is_none(items: list[object], index: int) -> None:
    if -len(items) <= index < len(items):
        assert run_node(pick, items, index=index) == items[index]
    else:
        with pytest.raises(NodeError, match=f"no item {index} in a list of {len(items)}"):
            run_node(pick, items, index=index)


@given(st.integers(0, MAX_SEED), st.integers(0, 40), st.integers(0, 40))
def test_seeds_differ_fit_and_grow_at_the_end(seed: int, few: int, more: int) -> None:
    found = run_node(seeds, seed=seed, count=few + more)
    assert len(set(found)) == few + more
    assert all(0 <= one <= MAX_SEED for one in found)
    assert found[:few] == run_node(seeds, seed=seed, count=few)
    assert not found or found[0] == seed


def test_seeds_are_the_same_for_ever() -> None:
    assert run_node(seeds, seed=7, count=3) == [7, 227494588231907, 4120374752360716]


def test_range_and_repeat_and_list() -> None:
    assert run_node(range_of, start=5, count=3, step=-2) == [5, 3, 1]
    assert run_node(repeat, "x", times=3) == ["x"] * 3
    assert run_node(list_of, ["a", "b"]) == ["a", "b"]
    with pytest.raises(ValidationError):
        run_node(range_of, count=10**9)


def test_outputs_keep_their_item_types() -> None:
    spec = spec_of(product)
    assert spec is not None and list(spec.outputs) == ["a", "b"] and spec.fold
