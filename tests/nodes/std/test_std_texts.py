"""Text nodes: fill, join, split, replace."""

from __future__ import annotations

import pytest
from graphflow_nodes.std import format_text, join, replace, split_lines
from hypothesis import given
from hypothesis import strategies as st

from graphflow.errors import NodeError
from graphflow.testing import run_node


def test_names_are_replaced_and_double_braces_stay() -> None:
    assert run_node(format_text, "ball", 7, template="{a} {{x}} {b}") == "ball {x} 7"


@pytest.mark.parametrize(
    "template", ["{a.__class__}", "{0}", "{a!r}", "{a:>9}", "{", "}", "{}", "{ a}", "{a[0]}"]
)
def test_anything_but_a_plain_name_is_refused(template: str) -> None:
    with pytest.raises(NodeError) as caught:
        run_node(format_text, "x", template=template)
    assert caught.value.hint


def test_an_unwired_name_is_named() -> None:
    with pytest.raises(NodeError, match=r"\{b\}") as caught:
        run_node(format_text, "x", template="{a} {b}")
    assert "{a}" in caught.value.hint


@given(st.text())
def test_any_text_survives_when_its_braces_are_doubled(text: str) -> None:
    assert format_text(template=text.replace("{", "{{").replace("}", "}}")) == text


@given(st.text())
def test_a_value_is_never_taken_for_a_template(value: str) -> None:
    assert format_text(value, template="<{a}>") == f"<{value}>"


@given(st.text(alphabet="{}ab "))
def test_any_template_gives_a_text_or_a_clear_error(template: str) -> None:
    try:
        assert isinstance(format_text("x", template=template), str)
    except NodeError as error:
        assert "template" in error.message


def test_join_leaves_out_what_is_empty() -> None:
    assert run_node(join, ["a", "", "b"], separator="; ") == "a; b"


def test_split_lines_trims() -> None:
    assert run_node(split_lines, " a \n\n\tb\r\n") == ["a", "b"]


def test_replace() -> None:
    assert run_node(replace, "red ball, red box", find="red", by="blue") == "blue ball, blue box"
    assert run_node(replace, "abc", find="", by="x") == "abc"
