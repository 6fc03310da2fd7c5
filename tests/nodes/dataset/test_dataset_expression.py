"""Conditions over columns: what they mean, and that nothing else is ever run."""

from __future__ import annotations

import contextlib

import pytest
from graphflow_nodes.dataset.expression import condition
from hypothesis import given
from hypothesis import strategies as st

from graphflow.errors import NodeError

ROW = {"motion": 3.0, "count": 2, "camera": "pan_left", "clear": True, "text": None, "score.a": 1}

TRUE = (
    "motion > 2",
    "2 <= motion <= 3 < 4",
    "motion == 3 and count != 3",
    "camera in ('static', \"pan_left\")",
    "camera not in ('static')",
    "not camera == 'static' and not (motion < 1 or count > 5)",
    "motion * 2 - count / 2 == 5",
    "-motion < 0 and - - motion > 0",
    "clear",
    "clear == true and text == none",
    "motion < 1 or count == 2 and clear",
    "score.a >= 1e0",
    "not not clear",
)
FALSE = (
    "text > 1",  # an empty cell is on no side of anything
    "text <= 1",
    "text + 1 > 0",
    "motion / 0 > 1",
    "motion > 2 and count > 2",
    "camera == 'PAN_LEFT'",
)
NOT_UNDERSTOOD = (
    "",
    "motion >",
    "motion > 2 motion",
    "(motion > 2",
    "motion in 3",
    "camera == 'open",
    "motion = 3",
    "__import__('os')",
    "motion.__class__ == 1 if motion else 2",
    "and",
    "motion not 3",
)


@pytest.mark.parametrize("text", TRUE)
def test_what_holds(text: str) -> None:
    assert condition(text)(ROW) is True


@pytest.mark.parametrize("text", FALSE)
def test_what_does_not_hold(text: str) -> None:
    assert condition(text)(ROW) is False


@pytest.mark.parametrize("text", NOT_UNDERSTOOD)
def test_what_is_not_understood_is_said_with_the_place(text: str) -> None:
    with pytest.raises(NodeError, match="not understood"):
        condition(text)


def test_a_column_that_is_not_there_is_named_with_a_likely_one() -> None:
    with pytest.raises(NodeError, match="no column 'moton'") as caught:
        condition("moton > 2")(ROW)
    assert "motion" in caught.value.hint


@pytest.mark.parametrize("text", ["motion", "count + 1", "motion and clear", "camera < 3", "camera * 2 == 4"])
def test_what_makes_no_sense_for_these_cells(text: str) -> None:
    with pytest.raises(NodeError):
        condition(text)(ROW)


def test_brackets_without_end_do_not_exhaust_the_stack() -> None:
    for text in ("(" * 5000 + "clear", "-" * 5000 + "motion > 1", "not " * 5000 + "clear"):
        try:
            assert condition(text)(ROW) is True
        except NodeError as error:
            assert "nested" in error.message or "missing" in error.message


@given(st.text(alphabet="motion camera()<>=!'\"0123456789.+-*/,andornti_ ", max_size=60))
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    with contextlib.suppress(NodeError):
        condition(text)(ROW)


@given(st.integers(-20, 20), st.integers(-20, 20), st.integers(-20, 20))
def test_sums_and_comparisons_are_those_of_arithmetic(a: int, b: int, c: int) -> None:
    row = {"a": a, "b": b, "c": c}
    assert condition("a + b * c < a * b - c")(row) is (a + b * c < a * b - c)
    assert condition("a < b and b < c or a == c")(row) is ((a < b < c) or a == c)
