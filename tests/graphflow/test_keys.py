"""Content keys: no two different values share their bytes, and released bytes never change."""

from __future__ import annotations

import json
import math
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphflow.keys import Environment, UnkeyableError, canon, digest, short_token, step_key
from graphflow.values import NUMERICS, PLACEMENT, Recipe, Value

GOLDEN = Path(__file__).parents[1] / "golden" / "keys.json"

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary()
    | st.sampled_from([0, 1, 0.0, -0.0, 1.0, True, False, "", b"", "1", b"1", "i1:1", b"i1:1"])
)
DATA = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
        | st.frozensets(st.integers() | st.text(max_size=2), max_size=3)
    ),
    max_leaves=8,
)


def shape(value: Any) -> Any:
    """What a value is to a key, written another way: types stand beside values, -0.0 is 0.0."""
    match value:
        case dict():
            return ("dict", frozenset((shape(k), shape(v)) for k, v in value.items()))
        case list() | tuple():
            return (type(value).__name__, tuple(shape(item) for item in value))
        case frozenset():
            return ("set", frozenset(shape(item) for item in value))
        case float():
            return ("float", math.copysign(1, value + 0.0), value + 0.0)
    return (type(value).__name__, value)


@settings(max_examples=300)
@given(DATA, DATA)
def test_bytes_are_equal_exactly_when_values_and_types_are(a: Any, b: Any) -> None:
    assert (canon(a) == canon(b)) == (shape(a) == shape(b))


@given(DATA)
def test_no_bytes_are_the_start_of_other_bytes(value: Any) -> None:
    assert canon([value, 1]) != canon([value]) and not canon([value, 1]).startswith(canon([value]))


def test_numbers_texts_and_truths_that_look_alike_differ() -> None:
    alike = [1, True, 1.0, "1", b"1", [1], (1,), {1: 1}, {1}, "i1:1", None, "None"]
    assert len({canon(value) for value in alike}) == len(alike)


def test_minus_zero_is_zero_and_the_order_of_a_dict_does_not_count() -> None:
    assert canon(-0.0) == canon(0.0)
    assert canon({"a": 1, "b": 2}) == canon({"b": 2, "a": 1})
    assert canon([1, 2]) != canon([2, 1])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, [math.nan], {"a": math.inf}])
def test_numbers_that_are_not_finite_cannot_stand_in_a_key(value: Any) -> None:
    with pytest.raises(UnkeyableError, match="finite"):
        canon(value)


def test_tensors_and_unknown_objects_cannot_stand_in_a_key() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(UnkeyableError, match="tensor"):
        canon([torch.zeros(1)])
    with pytest.raises(UnkeyableError, match="object"):
        canon(object())


def test_half_a_surrogate_pair_has_bytes_of_its_own() -> None:
    assert canon("\ud800") != canon("?")


def test_a_loop_of_lists_is_refused_and_does_not_end_the_process() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(UnkeyableError, match="nested too deep"):
        canon(loop)


class Weights(Recipe):
    source: str
    tiling: Annotated[int, NUMERICS] = 0
    device: Annotated[str, PLACEMENT] = "cpu"


class OtherWeights(Recipe):
    source: str
    tiling: Annotated[int, NUMERICS] = 0


class Colour(Enum):
    RED = "red"


class Shade(Enum):
    RED = "red"


def test_where_a_recipe_runs_is_not_in_its_key() -> None:
    assert canon(Weights(source="a", device="cuda:0")) == canon(Weights(source="a", device="disk"))


def test_what_a_recipe_loads_and_how_it_computes_is_in_its_key() -> None:
    keys = {canon(Weights(source=s, tiling=t)) for s in "ab" for t in (0, 1)}
    assert len(keys) == 4


def test_values_of_two_types_with_the_same_fields_differ() -> None:
    assert canon(Weights(source="a")) != canon(OtherWeights(source="a"))
    assert len({canon(Colour.RED), canon(Shade.RED), canon("red")}) == 3


def test_a_long_token_is_shortened_and_a_short_one_kept() -> None:
    assert short_token(b"x" * 128) == b"x" * 128
    assert len(short_token(b"x" * 129)) == 33
    assert short_token(b"x" * 129) != short_token(b"x" * 130)


TOKENS = st.dictionaries(st.text(max_size=4), st.binary(max_size=8), max_size=4)


@given(st.binary(max_size=8), TOKENS, st.binary(max_size=8), TOKENS)
def test_step_keys_are_equal_exactly_when_all_parts_are(
    a: bytes, left: dict[str, bytes], b: bytes, right: dict[str, bytes]
) -> None:
    same = (a, left) == (b, right)
    assert (step_key(a, left.items()) == step_key(b, right.items())) == same


def test_the_order_in_which_inputs_are_named_does_not_count() -> None:
    assert step_key(b"n", [("a", b"1"), ("b", b"2")]) == step_key(b"n", [("b", b"2"), ("a", b"1")])


def test_each_part_of_the_environment_counts() -> None:
    tokens = {
        Environment(*parts).token()
        for parts in [
            ("2.1", "0.4", "cpu"),
            ("2.2", "0.4", "cpu"),
            ("2.1", "0.5", "cpu"),
            ("2.1", "0.4", "x"),
        ]
    }
    assert len(tokens) == 4


# ------------------------------------------------------------------------------------- golden


class Golden(Value):
    name: str
    sizes: tuple[int, ...] = (1, 2)

    @classmethod
    def type_name(cls) -> str:
        return "golden.Golden"


GOLDEN_VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2**70, 0.0, -0.0, 1.0, 0.1, 1e300, "", "1", "é", "名", b"", b"\x00",
    [], [1, [2]], (), (1, "a"), {}, {"b": 1, "a": [None]}, {1: "x"}, {3, 1, 2}, Golden(name="g"),
]  # fmt: skip
GOLDEN_STEPS: list[tuple[bytes, dict[str, bytes]]] = [
    (b"", {}),
    (b"node", {"x": canon(1)}),
    (b"node", {"x": b"o" + b"0" * 64 + b"out", "a": canon("text")}),
]


def golden_now() -> dict[str, Any]:
    return {
        "values": [[repr(v), canon(v).hex(), digest(v)] for v in GOLDEN_VALUES],
        "steps": [[repr(s), step_key(s[0], s[1].items())] for s in GOLDEN_STEPS],
    }


def test_released_keys_never_change() -> None:
    """If this fails, every stored result of every user becomes a miss.

    When that is meant: change KEY_VERSION and write the file anew, from the root of the project, with
    `python -m tests.graphflow.test_keys`.
    """
    assert golden_now() == json.loads(GOLDEN.read_text("utf-8"))


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(golden_now(), indent=1, ensure_ascii=False) + "\n", "utf-8")
