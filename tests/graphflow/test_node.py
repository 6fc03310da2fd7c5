"""Declaring nodes: the signature is the schema, and a wrong one is told at import with the fix."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from graphflow.errors import DeclarationError, NodeError
from graphflow.node import Context, FileName, NodeSpec, node, spec_of
from graphflow.testing import LocalContext, run_node
from graphflow.values import Image, Seed, Value, Video
from tests.support.engine import Toy

T = TypeVar("T")


class Pair(NamedTuple):
    first: int
    second: list[str]


class Rows(NamedTuple, Generic[T]):
    rows: list[T]
    count: int


class Mode(Enum):
    FAST = "fast"


class Options(Value):
    size: int = 3


class Foreign(BaseModel):
    size: int = 3


def spec(function: Callable[..., Any]) -> NodeSpec:
    found = spec_of(function)
    assert found is not None
    return found


# ------------------------------------------------------------------------------------- what is read


def test_positional_parameters_are_ports_and_keyword_only_ones_are_settings() -> None:
    @node("here/mix")
    def mix(a: Image, b: Image | None = None, *, amount: float = 0.5, mode: Literal["x", "y"] = "x") -> Image:
        """Mix two images.

        amount: 0 keeps a.
        """
        return a

    found = spec(mix)
    assert {name: port.required for name, port in found.ports.items()} == {"a": True, "b": False}
    assert list(found.settings) == ["amount", "mode"] and found.outputs == {"out": Image}
    assert found.doc.startswith("Mix two images.") and found.title == "Mix" and found.single_output == "out"
    assert mix.__name__ == "mix", "the function stays as it is"


def test_a_named_tuple_is_several_outputs_by_name() -> None:
    @node("here/pair")
    def pair() -> Pair:
        return Pair(1, ["a"])

    assert spec(pair).outputs == {"first": int, "second": list[str]} and spec(pair).single_output is None
    assert spec(pair).pack(Pair(1, ["a"])) == {"first": 1, "second": ["a"]}


def test_a_generic_named_tuple_keeps_its_type_variables() -> None:
    @node("here/rows")
    def rows(items: list[T]) -> Rows[T]:
        return Rows(items, len(items))

    assert spec(rows).outputs == {"rows": list[T], "count": int}


def test_none_is_no_output() -> None:
    @node("here/none")
    def none(x: int) -> None: ...

    assert spec(none).outputs == {} and spec(none).pack(None) == {} and spec(none).single_output is None


def test_one_parameter_may_be_the_context_wherever_it_stands() -> None:
    @node("here/context")
    def with_context(x: int, ctx: Context, *, y: int = 0) -> int:
        return x

    assert spec(with_context).context == "ctx" and list(spec(with_context).ports) == ["x"]


def test_a_node_that_takes_a_recipe_needs_the_device_unless_it_is_folded() -> None:
    @node("here/uses")
    def uses(models: list[Toy] | None) -> int:
        return 0

    @node("here/changes", fold=True)
    def changes(model: Toy) -> Toy:
        return model

    assert spec(uses).device and not spec(changes).device


def test_seeds_are_known_by_their_mark() -> None:
    @node("here/seeds")
    def seeds(*, a: Seed = 0, b: Seed | None = None, c: int = 0) -> int:
        return 0

    assert spec(seeds).seeds == {"a", "b"}


def test_settings_are_strict_and_have_a_schema() -> None:
    @node("here/strict")
    def strict(
        *,
        size: Annotated[int, Field(ge=1, le=9)] = 5,
        options: Options = Options(),  # noqa: B008 - a frozen value
        mode: Mode = Mode.FAST,
    ) -> int:
        return size

    model = spec(strict).params
    assert model.model_json_schema()["properties"]["size"] == {
        "default": 5,
        "maximum": 9,
        "minimum": 1,
        "title": "Size",
        "type": "integer",
    }
    for wrong in ({"size": "5"}, {"size": 5.0}, {"size": True}, {"size": 10}, {"other": 1}):
        with pytest.raises(ValidationError):
            model.model_validate(wrong)


# ------------------------------------------------------------------------------------- what is refused


def refused(declare: Callable[[], Any]) -> DeclarationError:
    with pytest.raises(DeclarationError) as caught:
        declare()
    assert "test_node.py" in caught.value.where or "depends" in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    "id", ["", "blend", "Std/blend", "std/", "/blend", "std/Blend", "std/a b", "std/a-b", "std/1"]
)
def test_an_id_is_lower_case_words_joined_by_slashes(id: str) -> None:
    def function() -> int: ...

    assert "pack/name" in refused(lambda: node(id)(function)).hint


def test_a_parameter_without_a_type_is_refused() -> None:
    def untyped(x) -> int: ...  # type: ignore[no-untyped-def]

    error = refused(lambda: node("here/x")(untyped))
    assert error.message == "parameter 'x' has no type" and error.hint == "write 'x: SomeType'"


def test_a_missing_return_type_is_refused() -> None:
    def untyped(x: int): ...  # type: ignore[no-untyped-def]

    assert "'-> SomeType'" in refused(lambda: node("here/x")(untyped)).hint


def test_a_type_that_cannot_be_found_is_refused() -> None:
    def lost(x: Nowhere) -> int: ...  # type: ignore[name-defined] # noqa: F821

    error = refused(lambda: node("here/x")(lost))
    assert "Nowhere" in error.message and "TYPE_CHECKING" in error.hint


def test_star_parameters_are_refused() -> None:
    def stars(*x: int) -> int: ...

    def names(**x: int) -> int: ...

    for function in (stars, names):
        assert "name every port" in refused(lambda function=function: node("here/x")(function)).hint


def _object(x: object) -> int: ...
def _bare(x: list) -> int: ...  # type: ignore[type-arg]
def _path(x: Path) -> int: ...
def _inside(x: list[Path]) -> int: ...
def _output(x: int) -> Path: ...
def _call(x: Callable[[], int]) -> int: ...
def _set(x: set[int]) -> int: ...
def _setting(*, x: Path = Path()) -> int: ...
def _foreign(*, x: Foreign = Foreign()) -> int: ...  # noqa: B008
def _settings(*, x: list[Path] | None = None) -> int: ...


@pytest.mark.parametrize(
    "function",
    [_object, _bare, _path, _inside, _output, _call, _set, _setting, _foreign, _settings],
    ids=lambda f: f.__name__[1:],
)
def test_a_type_that_cannot_travel_is_refused(function: Any) -> None:
    error = refused(lambda: node("here/x")(function))
    assert "cannot travel" in error.message and "Value subclass" in error.hint


def test_a_default_outside_its_own_limits_is_refused() -> None:
    def above(*, x: Annotated[int, Field(le=3)] = 4) -> int: ...

    def other(*, x: int = "1") -> int: ...  # type: ignore[assignment]

    def infinite(*, x: float = float("inf")) -> int: ...

    for function in (above, other, infinite):
        error = refused(lambda function=function: node("here/x")(function))
        assert "default of setting 'x'" in error.message


def test_a_folded_node_has_no_context() -> None:
    def folded(ctx: Context) -> int: ...

    assert "fold" in refused(lambda: node("here/x", fold=True)(folded)).message


def test_upgrades_lead_to_the_version_without_a_gap() -> None:
    def function() -> int: ...

    def same(params: dict[str, Any]) -> dict[str, Any]:
        return params

    assert node("here/x", version=3, upgrades={2: same})(function)
    assert node("here/x", version=3, upgrades={1: same, 2: same})(function)
    for wrong in ({1: same}, {3: same}, {0: same, 1: same, 2: same}):
        assert (
            "one upgrade for each"
            in refused(lambda wrong=wrong: node("here/x", version=3, upgrades=wrong)(function)).hint
        )


# ------------------------------------------------------------------------------------- results


def test_results_are_checked_against_what_is_declared() -> None:
    @node("here/pair")
    def pair() -> Pair: ...

    @node("here/image")
    def image() -> Image: ...

    assert spec(pair).checked((1, ["a"])) == {"first": 1, "second": ["a"]}
    for result in ((1,), 5, None, (1, "a")):
        with pytest.raises(NodeError):
            spec(pair).checked(result)
    with pytest.raises(NodeError, match="should be a Image, not a int"):
        spec(image).checked(3)


# ------------------------------------------------------------------------------------- source


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "herepack"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "helper.py").write_text("X = 1\n")
    (folder / "nodes.py").write_text(
        "from graphflow.node import node\n"
        "@node('here/a', depends=['.helper'])\ndef a() -> int: return 1\n"
        "@node('here/b')\ndef b() -> int: return 1\n"
        "@node('here/c', depends=['.nowhere'])\ndef c() -> int: return 1\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def hashes() -> dict[str, str]:
    for name in [n for n in sys.modules if n.startswith("herepack")]:
        del sys.modules[name]
    importlib.invalidate_caches()
    module = importlib.import_module("herepack.nodes")
    return {name: spec(getattr(module, name)).source_hash for name in "ab"}


def test_the_source_hash_changes_with_the_module_and_with_what_it_depends_on(package: Path) -> None:
    first = hashes()
    assert first == hashes() and first["a"] != first["b"]
    (package / "helper.py").write_text("X = 2\n")
    second = hashes()
    assert second["a"] != first["a"] and second["b"] == first["b"]
    (package / "nodes.py").write_text((package / "nodes.py").read_text() + "# changed\n")
    third = hashes()
    assert third["a"] != second["a"] and third["b"] != second["b"]


def test_depending_on_a_module_that_is_not_there_is_a_declaration_error(package: Path) -> None:
    hashes()
    with pytest.raises(DeclarationError, match=r"herepack\.nowhere"):
        spec(importlib.import_module("herepack.nodes").c).source_hash  # noqa: B018


# ------------------------------------------------------------------------------------- for authors


def test_a_node_is_tested_by_calling_it_with_strict_settings() -> None:
    @node("here/long")
    def long(x: int, ctx: Context, *, steps: Annotated[int, Field(le=9)] = 3) -> int:
        for i in range(steps):
            ctx.progress(i + 1, steps)
        return x

    context = LocalContext()
    assert run_node(long, 5, context=context, steps=2) == 5 and context.progress_log == [(1, 2), (2, 2)]
    with pytest.raises(ValidationError):
        run_node(long, 5, steps=10)
    with pytest.raises(TypeError, match="not declared"):
        run_node(len, [])
    with pytest.raises(TypeError, match="1 port"):
        run_node(long, 1, 2)


def test_values_of_the_engine_may_be_inputs() -> None:
    @node("here/video")
    def video(clip: Video | Image, *, extra: dict[str, float] | None = None) -> tuple[int, ...]:
        return ()

    assert spec(video).ports["clip"].type == Video | Image


def test_a_files_name_that_no_system_takes_is_refused_with_the_settings() -> None:
    """Else it would fail when the file is written, after all the work for it."""
    check = TypeAdapter(FileName).validate_python
    assert [check(name) for name in ("clip", "Ünï 日本", "..", "-rf", "a.b c")]
    for name in ("", " clip", "what?", "a:b", "a/b", "con.x", "🎬" * 100, "x" * 101):
        with pytest.raises(ValidationError):
            check(name)
