"""Which wire fits which port."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import pytest
from pydantic import Field

from graphflow.types import (
    bind,
    fits,
    item_type,
    levels,
    mentions,
    metadata_of,
    name_of,
    nested,
    wanted_name,
)
from graphflow.values import Image, Recipe, Seed, SeedMark, Value, Video
from tests.support.engine import Toy

T = TypeVar("T")
Number = TypeVar("Number", int, float)
Model = TypeVar("Model", bound=Recipe)
Short = Annotated[int, Field(le=10)]


class Clip(Video):
    title: str = ""


@pytest.mark.parametrize(
    ("want", "have"),
    [
        (int, int),
        (float, int),
        (Any, Video),
        (int, Any),
        (Value, Video),
        (Video, Clip),
        (Recipe, Toy),
        (int | None, int),
        (int | None, type(None)),
        (int | str | None, int | str),
        (Short, int),
        (int, Short),
        (list[float], list[int]),
        (list[int | None], list[int]),
        (Literal["a", "b"], Literal["a"]),
        (Literal["a", "b"], str),
        (str, Literal["a", "b"]),
        (Literal[1, None], int | None),
        (tuple[int, ...], tuple[int, int]),
        (tuple[float, ...], tuple[int, ...]),
        (tuple[int, ...], tuple[()]),
        (tuple[int, str], tuple[int, str]),
        (dict[str, float], dict[str, int]),
        (list[T], list[Video]),
        (T, list[int]),
        (Number, int),
        (Model, Toy),
    ],
)
def test_these_fit(want: Any, have: Any) -> None:
    assert fits(want, have, {})


@pytest.mark.parametrize(
    ("want", "have"),
    [
        (int, float),
        (int, bool),
        (float, bool),
        (bool, int),
        (str, int),
        (str, bytes),
        (Image, Video),
        (Clip, Video),
        (int, int | None),
        (int, int | str),
        (Literal["a"], Literal["b"]),
        (Literal[1], Literal[True]),
        (Literal["a"], int),
        (int, Literal["a", 1]),
        (list[int], int),
        (list[int], list[str]),
        (list[int], tuple[int, ...]),
        (tuple[int, int], tuple[int, ...]),
        (tuple[int, Any], tuple[int, ...]),
        (tuple[int, int], tuple[int]),
        (dict[str, int], dict[str, str]),
        (Number, str),
        (Model, Video),
    ],
)
def test_these_do_not(want: Any, have: Any) -> None:
    assert not fits(want, have, {})


@pytest.mark.parametrize(
    ("want", "have", "depth"),
    [
        (int, int, 0),
        (int, list[int], 1),
        (int, list[list[int]], 2),
        (float, list[int], 1),
        (list[int], list[list[int]], 1),
        (list[int], int, None),
        (int, list[str], None),
        (str, list[Any], 1),
        (int | None, list[int | None], 1),
        (Any, list[int], 0),
        (T, list[int], 0),
        (Number, list[float], 1),
        (int, tuple[int, ...], None),
    ],
)
def test_a_list_is_mapped_over_as_many_levels_as_it_takes(want: Any, have: Any, depth: int | None) -> None:
    assert levels(want, have, {}) == depth


def test_a_type_variable_is_one_type_in_all_places() -> None:
    found: dict[TypeVar, Any] = {}
    assert levels(T, Video, found) == 0 and found == {T: Video}
    assert levels(T, Clip, found) == 0, "a narrower type is one too"
    assert levels(T, Image, found) is None
    assert found == {T: Video}


def test_a_type_variable_widens_from_int_to_float() -> None:
    found: dict[TypeVar, Any] = {}
    assert levels(Number, int, found) == 0 and levels(Number, float, found) == 0
    assert found == {Number: float}


def test_a_type_that_did_not_fit_leaves_no_trace_in_the_variables() -> None:
    found: dict[TypeVar, Any] = {}
    assert levels(tuple[T, int], tuple[str, str], found) is None and not found


def test_outputs_take_the_type_that_the_inputs_gave() -> None:
    assert bind(list[T], {T: Video}) == list[Video]
    assert bind(T, {}) is Any
    assert bind(T | None, {T: int}) == (int | None)
    assert bind(tuple[T, ...], {T: int}) == tuple[int, ...]
    assert bind(Literal["a"], {T: int}) == Literal["a"]
    assert nested(int, 2) == list[list[int]] and item_type(list[int]) is int and item_type(int) is None


def test_types_are_written_for_people() -> None:
    assert name_of(list[Video]) == "list[Video]" and name_of(int | None) == "int | None"
    assert name_of(Literal["a", "b"]) == "'a' | 'b'" and name_of(tuple[int, ...]) == "tuple[int, ...]"
    assert name_of(Any) == name_of(T) == "any" and name_of(Short) == "int"


def test_a_port_of_a_type_variable_says_what_it_takes() -> None:
    assert wanted_name(Number) == "int or float" and wanted_name(T) == "any"
    assert wanted_name(list[int]) == "list[int]"


def test_marks_and_kinds_are_found_inside_a_type() -> None:
    assert SeedMark() in metadata_of(Seed) and SeedMark() in metadata_of(Seed | None)
    assert mentions(list[Toy | None], Recipe) and not mentions(list[Video], Recipe)
