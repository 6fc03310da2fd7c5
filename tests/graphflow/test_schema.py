"""JSON Schema of the document and of nodes: complete, plain JSON, and true to what the engine accepts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import pytest

from graphflow.node import Context, node
from graphflow.registry import Registry, load_registry
from graphflow.schema import (
    DIALECT,
    catalogue,
    converters,
    document_schema,
    node_schema,
    shape,
    shows,
    type_table,
)
from graphflow.types import levels
from graphflow.values import Image, Recipe, SavedFile, Tensor, Value, Video
from tests.support.engine import REGISTRY


def test_the_document() -> None:
    schema = document_schema()
    assert schema["$schema"] == DIALECT and schema["required"] == ["graphflow"]
    assert {"parameters", "nodes", "outputs", "ui"} <= schema["properties"].keys()
    assert schema["additionalProperties"] is False
    entry = schema["$defs"]["NodeEntry"]["properties"]
    assert {"type", "version", "params", "inputs"} <= entry.keys()


def test_a_node() -> None:
    schema = node_schema(REGISTRY.specs["test/think"])
    assert schema["id"] == "test/think" and schema["version"] == 1
    assert schema["ports"] == {
        "x": {"type": "int", "shape": "int", "required": True},
        "model": {"type": "Toy", "shape": "Toy", "required": True},
    }
    assert schema["outputs"] == {"out": "int"}
    assert schema["settings"]["properties"]["seed"]["seed"] is True
    assert schema["flags"]["device"] and schema["flags"]["context"] and not schema["flags"]["fold"]


def test_limits_choices_and_optional_ports() -> None:
    settings = node_schema(REGISTRY.specs["test/limited"])["settings"]["properties"]
    assert settings["amount"] == {
        "default": 5,
        "maximum": 10,
        "minimum": 0,
        "title": "Amount",
        "type": "integer",
        "widget": "integer",
        "shape": "int",
    }
    assert settings["mode"]["enum"] == ["a", "b"]
    either = node_schema(REGISTRY.specs["test/either"])
    assert either["ports"]["otherwise"] == {
        "type": "int | None",
        "shape": {"any_of": ["int", "None"]},
        "required": False,
    }
    assert either["flags"]["branch"]


def test_every_installed_node_is_plain_json_in_order() -> None:
    registry = load_registry()
    found = json.loads(json.dumps(catalogue(registry), allow_nan=False))
    assert list(found["nodes"]) == sorted(registry.specs)
    for id, schema in found["nodes"].items():
        assert schema["doc"], f"{id} has no docstring"
        assert schema["settings"]["type"] == "object"


# --------------------------------------------------------------------------------- types for programs

T = TypeVar("T")
N = TypeVar("N", int, float)
V = TypeVar("V", bound=Value)


@pytest.mark.parametrize(
    ("hint", "wanted"),
    [
        (int, "int"),
        (Any, "any"),
        (type(None), "None"),
        (Video, "Video"),
        (list[list[Video]], {"list": {"list": "Video"}}),
        (Video | None, {"any_of": ["Video", "None"]}),
        (Literal["a", 1], {"one_of": ["a", 1]}),
        (tuple[int, str], {"tuple": ["int", "str"]}),
        (tuple[int, ...], {"tuple_of": "int"}),
        (dict[str, int], {"dict": ["str", "int"]}),
        (list[T], {"list": {"var": "T", "limits": []}}),
        (N, {"var": "N", "limits": ["int", "float"]}),
        (V, {"var": "V", "limits": ["Value"]}),
    ],
)
def test_a_type_has_a_shape(hint: Any, wanted: Any) -> None:
    assert shape(hint) == wanted


def test_what_fits_can_be_told_from_shapes_alone() -> None:
    """The examples are what an editor is checked against; here is how it is done, in a few lines."""
    golden = json.loads((Path(__file__).parents[1] / "golden" / "type_fits.json").read_text("utf-8"))
    bases: dict[str, list[str]] = golden["bases"]
    found = [(one["want"], one["have"], depth(one["want"], one["have"], bases)) for one in golden["pairs"]]
    assert found == [(one["want"], one["have"], one["levels"]) for one in golden["pairs"]]


def depth(want: Any, have: Any, bases: dict[str, list[str]]) -> int | None:
    if fits(want, have, {}, bases):
        return 0
    if kind(have) != "list":
        return None
    inner = depth(want, have["list"], bases)
    return None if inner is None else inner + 1


def kind(one: Any) -> str:
    return "name" if isinstance(one, str) else str(next(iter(one)))


def fits(want: Any, have: Any, bound: dict[str, Any], bases: dict[str, list[str]]) -> bool:
    def again(one: Any, other: Any) -> bool:
        return fits(one, other, bound, bases)

    if want == "any" or have == "any" or want == have or kind(have) == "var":
        return True
    if kind(want) == "var":
        name, limits = want["var"], want["limits"] or ["any"]
        if not any(again(limit, have) for limit in limits):
            return False
        if name in bound:
            return again(bound[name], have)  # each pair is tried alone: nothing widens here
        bound[name] = have
        return True
    if kind(have) == "any_of":
        return all(again(want, part) for part in have["any_of"])
    if kind(want) == "any_of":
        return any(again(part, have) for part in want["any_of"])
    if kind(have) == "one_of" and kind(want) == "one_of":
        wanted = [(type(value), value) for value in want["one_of"]]
        return all((type(value), value) in wanted for value in have["one_of"])
    if kind(have) == "one_of":
        return all(again(want, scalar(value)) for value in have["one_of"])
    if kind(want) == "one_of":
        return any(scalar(value) == have for value in want["one_of"])
    return inside(want, have, again, bases)


def inside(want: Any, have: Any, again: Callable[[Any, Any], bool], bases: dict[str, list[str]]) -> bool:
    if kind(want) == kind(have) == "name":
        return want in bases.get(have, [])
    if kind(want) == "tuple_of" and kind(have) in ("tuple", "tuple_of"):
        parts = have["tuple"] if kind(have) == "tuple" else [have["tuple_of"]]
        return all(again(want["tuple_of"], part) for part in parts)
    if kind(want) != kind(have):
        return False
    if kind(want) == "list":
        return again(want["list"], have["list"])
    wanted, given = want[kind(want)], have[kind(want)]
    return len(wanted) == len(given) and all(map(again, wanted, given))


def scalar(value: Any) -> str:
    return {bool: "bool", int: "int", float: "float", str: "str"}[type(value)]


def test_every_pair_of_an_output_and_a_port_is_told_as_the_engine_does() -> None:
    specs = load_registry().specs.values()
    bases = {name: found["bases"] for name, found in type_table(specs).items()}
    gives = {str(shape(hint)): hint for spec in specs for hint in spec.outputs.values()}
    takes = {str(shape(port.type)): port.type for spec in specs for port in spec.ports.values()}
    assert len(gives) > 30 and len(takes) > 50
    for have in gives.values():
        for want in takes.values():
            assert depth(shape(want), shape(have), bases) == levels(want, have, {}), (want, have)


def test_the_table_of_types_names_what_takes_them_and_how_they_are_shown() -> None:
    found = type_table(load_registry().specs.values())
    assert found["Video"] == {"bases": ["Value"], "shows": "video"}
    assert found["int"] == {"bases": ["float"], "shows": "number"}
    assert found["SavedFile"]["shows"] == "file" and found["Denoiser"]["shows"] == "none"
    assert "Recipe" in found["Denoiser"]["bases"]


class Curve(Value):
    name: str
    heights: tuple[float, ...] | None = None


class Curves(Value):
    curves: tuple[Curve, ...]


class Rows(Value):
    pairs: list[SavedFile]
    counts: tuple[int, ...]


class Held(Value):
    curves: Curves
    pixels: Tensor


@pytest.mark.parametrize(
    ("kind", "seen"),
    [(Curve, "plot"), (Curves, "plot"), (Rows, "table"), (Held, "none"), (Value, "none"), (Recipe, "none")],
)
def test_a_value_with_curves_is_drawn_and_one_of_many_alike_is_a_table(kind: type, seen: str) -> None:
    assert shows(kind) == seen


# --------------------------------------------------------------------------------- converters


@node("test/first")
def first(video: Video) -> Image:
    """Takes the first frame."""
    raise NotImplementedError


@node("test/last")
def last(video: Video, *, back: int = 0) -> Image:
    """Takes a frame from the end."""
    raise NotImplementedError


@node("test/choose_frame")
def choose_frame(video: Video, *, index: int) -> Image:
    """Has a setting that must be filled in."""
    raise NotImplementedError


@node("test/mean")
def mean_of(video: Video) -> float:
    """Gives a number."""
    raise NotImplementedError


@node("test/decoded")
def decoded(model: Recipe) -> Image:
    """Takes a model."""
    raise NotImplementedError


@node("test/store", cache=False, effect=lambda outputs: True)
def store(video: Video, ctx: Context) -> SavedFile:
    """Writes."""
    raise NotImplementedError


class TwoFrames(NamedTuple):
    a: Image
    b: Image


@node("test/ends")
def ends(video: Video) -> TwoFrames:
    """Gives two things."""
    raise NotImplementedError


def found_by(*functions: Any) -> list[tuple[str, str, str]]:
    specs = Registry().with_nodes(functions).specs.values()
    return [(one["source"], one["target"], one["node"]) for one in converters(specs)]


def test_the_one_node_that_makes_it_fit_is_a_converter() -> None:
    others = (choose_frame, mean_of, decoded, store, ends)
    assert found_by(first, *others) == [("Video", "Image", "test/first")]


def test_of_two_that_would_do_neither_is() -> None:
    assert found_by(first, last) == []


def test_the_installed_nodes_have_converters_that_fit() -> None:
    specs = load_registry().specs
    found = converters(specs.values())
    assert ("list[Image]", "Video") in {(one["source"], one["target"]) for one in found}
    for one in found:
        spec = specs[one["node"]]
        assert one["port"] in spec.ports and one["output"] in spec.outputs
