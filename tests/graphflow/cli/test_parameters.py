"""From a workflow's declared parameters to what the command line takes, and from text to values."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from graphflow.cli.parameters import Described, described, parse, values_from
from graphflow.errors import DocumentError
from graphflow.node import node
from graphflow.registry import Registry
from graphflow.values import Seed
from graphflow.workflow import Document, from_raw


@node("p/all")
def everything(
    word: str,
    *,
    text: Annotated[str, Field(max_length=9)] = "a",
    maybe: str | None = None,
    count: Annotated[int, Field(ge=1, lt=10)] = 2,
    weight: float | None = 0.5,
    flag: bool = False,
    choice: Literal["fast", "good"] = "fast",
    names: list[str] | None = None,
    either: int | str = 1,
    mixed: list[int] | int = 1,
    lines: str | list[str] = "",
    seed: Seed = 0,
) -> str:
    """All kinds of settings."""
    return word


SETTINGS = ("text", "maybe", "count", "weight", "flag", "choice", "names", "either", "mixed", "lines", "seed")


def document(**parameters: str) -> Document:
    named = {name: {"to": to} for name, to in parameters.items()}
    nodes = {"w": {"type": "p/word"}, "n": {"type": "p/all", "params": {"count": 3}, "inputs": {"word": "w"}}}
    return from_raw({"graphflow": 1, "parameters": named, "nodes": nodes})


REGISTRY = Registry().with_nodes([everything])
KNOWN = described(document(**{name: f"n.{name}" for name in SETTINGS}), REGISTRY)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("text", "7", "7"),
        ("text", "null", "null"),
        ("text", '"a"', '"a"'),
        ("text", "", ""),
        ("maybe", "true", "true"),
        ("count", "7", 7),
        ("weight", "2", 2),
        ("weight", "1e-3", 0.001),
        ("weight", "null", None),
        ("flag", "Yes", True),
        ("flag", "off", False),
        ("flag", "0", False),
        ("choice", "good", "good"),
        ("names", '["a", "b"]', ["a", "b"]),
        ("names", "null", None),
        ("either", "7", 7),
        ("either", "seven", "seven"),
        ("either", '"7"', '"7"'),
        ("mixed", "[1, 2]", [1, 2]),
        ("lines", '["a", "b"]', ["a", "b"]),
        ("lines", "a\nb", "a\nb"),
        ("lines", "[a", "[a"),
        ("seed", "9007199254740991", 2**53 - 1),
        ("seed", "random", None),
    ],
)
def test_text_becomes_what_the_parameter_takes(name: str, text: str, value: Any) -> None:
    found = parse(KNOWN[name], text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("text", "a" * 10),
        ("count", "1.5"),
        ("count", "10"),
        ("count", "true"),
        ("count", ""),
        ("count", '"3"'),
        ("weight", "heavy"),
        ("weight", "Infinity"),
        ("weight", "1e999"),
        ("flag", "2"),
        ("choice", "best"),
        ("names", "a"),
        ("names", "[1]"),
        ("names", "[" * 100_000),
        ("seed", "9007199254740992"),
    ],
)
def test_what_does_not_fit_names_the_parameter_and_what_it_takes(name: str, text: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse(KNOWN[name], text)
    problem = caught.value.problems[0]
    assert problem.path == name and problem.code == "param.invalid"
    assert problem.hint.startswith("it takes ") and len(str(problem)) < 400


def test_bytes_that_are_no_text_are_called_that() -> None:
    with pytest.raises(DocumentError, match="it is not UTF-8 text"):
        parse(KNOWN["text"], "\udcff")


@given(st.sampled_from(SETTINGS), st.text(max_size=30))
def test_any_text_is_a_value_or_one_clear_error(name: str, text: str) -> None:
    try:
        parse(KNOWN[name], text)
    except DocumentError as error:
        assert len(error.problems) == 1


def test_descriptions() -> None:
    assert KNOWN["count"].expected == "int, >= 1, < 10"
    assert KNOWN["count"].default == 3  # the document's, not the node's
    assert KNOWN["choice"].expected == "one of fast, good"
    assert KNOWN["seed"].expected.endswith("or random")


def test_ports_and_broken_targets_are_left_out() -> None:
    odd = document(port="n.word", nothing="n.nothing", nowhere="x.text", unknown="w.text")
    assert described(odd, REGISTRY) == {}
    with pytest.raises(DocumentError) as caught:
        values_from({}, odd, {"port": "a", "pport": "b"})
    assert [p.code for p in caught.value.problems] == ["param.port", "param.unknown"]


def test_a_parameter_of_an_inner_workflow(tmp_path: Any) -> None:
    (tmp_path / "inner.json").write_text(
        '{"graphflow": 1, "parameters": {"size": {"to": "n.count"}}, "nodes": {"n": {"type": "p/all"}}}'
    )
    outer = from_raw(
        {
            "graphflow": 1,
            "parameters": {"size": {"to": "i.size"}},
            "nodes": {"i": {"type": "./inner.json"}},
        }
    )
    found: Described = described(outer, REGISTRY, tmp_path)["size"]
    assert found.setting == "count" and parse(found, "4") == 4
    assert described(outer, REGISTRY, None) == {}


def test_the_outermost_value_of_an_inner_setting_counts(tmp_path: Any) -> None:
    (tmp_path / "inner.json").write_text(
        """{"graphflow": 1, "nodes": {"n": {"type": "p/all", "params": {"count": 3, "text": "own"}}},
            "parameters": {"size": {"to": "n.count"}, "word": {"to": "n.text", "default": "inner"}}}"""
    )
    outer = {
        "graphflow": 1,
        "parameters": {"size": {"to": "i.size"}, "word": {"to": "i.word"}},
        "nodes": {"i": {"type": "./inner.json"}},
    }
    found = described(from_raw(outer), REGISTRY, tmp_path)
    assert (found["size"].default, found["word"].default) == (3, "inner")
    outer["nodes"] = {"i": {"type": "./inner.json", "params": {"size": 7, "word": "outer"}}}
    found = described(from_raw(outer), REGISTRY, tmp_path)
    assert (found["size"].default, found["word"].default) == (7, "outer")
    assert parse(found["size"], "4") == 4
