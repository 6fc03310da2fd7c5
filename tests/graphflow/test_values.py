"""Values and their codec: what goes in comes out, and foreign bytes are refused, never trusted."""

from __future__ import annotations

import contextlib
import math
import random
import sys
from types import ModuleType
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from graphflow.values import (
    MANY,
    Audio,
    CodecError,
    Encoded,
    Image,
    Mask,
    SavedFile,
    Tensor,
    TensorRef,
    Value,
    Video,
    decode,
    encode,
    is_tensor,
    value_types,
)

torch = pytest.importorskip("torch")


class Bundle(Value):
    tensors: dict[str, Tensor]
    videos: list[Video]


class Note(Value):
    text: str
    inner: SavedFile | None = None
    parts: tuple[int, ...] = ()


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
KEYS = st.text(max_size=3) | st.integers() | st.booleans() | st.tuples(st.integers(), st.text(max_size=2))
DATA = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.builds(Note, text=st.text(), parts=st.lists(st.integers()).map(tuple))
    ),
    max_leaves=8,
)


def same(a: Any, b: Any) -> bool:
    """Equal with equal types; nan equals nan, -0.0 is not 0.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items()))
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    return bool(a == b)


@given(DATA)
def test_plain_data_and_values_come_back_as_they_were(value: Any) -> None:
    assert same(decode(*encode(value)), value)


ROWS = st.dictionaries(st.sampled_from("abc"), SCALARS) | st.builds(Note, text=st.text())


@given(st.lists(ROWS, min_size=MANY, max_size=MANY + 2), st.lists(SCALARS, min_size=MANY, max_size=MANY))
def test_long_lists_of_rows_come_back_as_they_were(mixed: list[Any], cells: list[Any]) -> None:
    alike = [{"a": cell, "b": [cell], "c": Note(text="x")} for cell in cells]
    for rows in (mixed, alike, [alike] * MANY, [Note(text=repr(cell)) for cell in cells]):
        assert same(decode(*encode(rows)), rows)


def test_names_stand_once_in_a_long_list() -> None:
    """A table of ten thousand rows is small, and the header of one row tells its type and its columns."""
    rows = [Note(text=str(number), parts=(number,)) for number in range(10 * MANY)]
    header, _ = encode(rows)
    assert header.count(b"parts") == 1 and len(header) < 0.3 * sum(len(encode(row).header) for row in rows)
    cells = [{"motion": float(number), "camera": "static"} for number in range(10 * MANY)]
    assert encode(cells).header.count(b"motion") == 1
    other = [*cells, {"camera": "static", "motion": 1.0}]  # in another order
    assert [[*row] for row in decode(*encode(other))] == [[*row] for row in other]


def test_names_of_other_types_stay_what_they_are() -> None:
    rows: list[Any] = [{1: "a"}] * MANY + [{True: "b"}]
    assert same(decode(*encode(rows)), rows)


def test_rows_with_tensors_keep_theirs() -> None:
    rows = [Image(pixels=torch.full((1, 1, 3), number, dtype=torch.uint8)) for number in range(MANY)]
    header, tensors = encode(rows)
    assert [int(row.pixels.max()) for row in decode(header, tensors)] == [*range(MANY)]
    assert len({row.pixels.name for row in decode(header, None)}) == MANY


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.bfloat16, torch.int64, torch.bool])
def test_tensors_of_every_kind_travel_beside_the_header(dtype: Any) -> None:
    frames = torch.ones(2, 3).to(dtype)
    header, tensors = encode({"a": [frames], "b": frames})
    assert len(tensors) == 2 and len(header) < 100
    back = decode(header, tensors)
    assert back["a"][0].dtype == dtype and torch.equal(back["a"][0], frames)


@pytest.mark.parametrize(
    "value",
    [
        Image(pixels=torch.zeros(2, 2, 3, dtype=torch.uint8)),
        Mask(pixels=torch.zeros(2, 2, dtype=torch.uint8)),
        Video(frames=torch.zeros(1, 2, 2, 3, dtype=torch.uint8), fps=8.0),
        Audio(samples=torch.zeros(1, 4), rate=16_000),
        SavedFile(path="a.mp4", size=1, digest="00"),
    ],
)
def test_every_value_type_of_the_engine_makes_the_round_trip(value: Value) -> None:
    back = decode(*encode(value))
    assert type(back) is type(value)
    (_, before), (_, after) = encode(value), encode(back)
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in after)


def test_without_tensors_the_header_still_tells_the_structure() -> None:
    video = Video(frames=torch.zeros(1, 2, 2, 3, dtype=torch.uint8), fps=8.0)
    read = decode(encode([video]).header, None)
    assert read[0].fps == 8.0 and read[0].frames == TensorRef("0")


def test_integers_of_any_size_travel() -> None:
    for value in (2**63, -(2**63) - 1, 10**4000, 10**9000):
        assert decode(*encode(value)) == value


def test_a_value_type_that_is_not_installed_is_named() -> None:
    header = msgpack.packb({"#": "value", "t": "nowhere.Thing", "f": {}})
    with pytest.raises(CodecError, match=r"nowhere\.Thing.*installed"):
        decode(header, {})


@pytest.mark.parametrize("value", [object(), print, {1, 2}, torch.nn.Linear(1, 1), iter([]), 1j])
def test_live_things_cannot_travel(value: object) -> None:
    with pytest.raises(CodecError, match="cannot travel"):
        encode([value])


def test_text_that_is_not_unicode_and_endless_nesting_cannot_travel() -> None:
    loop: list[Any] = []
    loop.append(loop)
    for value in ("\ud800", loop):
        with pytest.raises(CodecError):
            encode(value)


TREES: list[Any] = [
    {"#": "dicts", "k": ["a"], "v": [[1], [2]]}, {"#": "dicts", "k": [[]], "v": [[1]]}, {"#": "dicts"},
    {"#": "dicts", "k": ["a", "b"], "v": [[1], [2, 3]]}, {"#": "dicts", "k": 3, "v": 3}, {"#": "values"},
    {"#": "values", "t": "graphflow.values.Mask", "f": {"pixels": 3}},
    {"#": "values", "t": "graphflow.values.Mask", "f": [[1]]}, {"#": "values", "t": [], "f": {"a": [1]}},
    {"#": "values", "t": "graphflow.values.SavedFile", "f": {"path": ["a"], "size": [1, 2]}},
    None, 5, "x", [1], {}, {"#": None}, {"#": "tensor"}, {"#": "tensor", "n": "9"}, {"#": "tensor", "n": []},
    {"#": "tuple"}, {"#": "tuple", "v": 3}, {"#": "tuple", "v": None}, {"#": "dict", "v": {"a": 1}},
    {"#": "dict", "v": [[1]]}, {"#": "dict", "v": [[[], 1]]}, {"#": "int", "v": "x"}, {"#": "int", "v": None},
    {"#": "int", "v": "9" * 10_000}, {"#": "value", "t": "graphflow.values.Image", "f": []},
    {"#": "value", "t": "graphflow.values.Image", "f": {}}, {"#": "value", "t": [], "f": {}},
    {"#": "value", "t": "graphflow.values.SavedFile", "f": {"path": 3, "other": 1}},
    {"#": "value", "t": "graphflow.values.SavedFile", "f": None}, {"#": "nothing"}, {"v": 1},
]  # fmt: skip


@pytest.mark.parametrize("tree", TREES, ids=repr)
@pytest.mark.parametrize("tensors", [None, {}], ids=["header", "whole"])
def test_a_well_formed_header_with_nonsense_in_it_is_refused_or_plain(tree: Any, tensors: Any) -> None:
    try:
        back = decode(msgpack.packb(tree), tensors)
    except CodecError:
        return
    encode(back) if not isinstance(back, TensorRef) else None


def test_a_header_nested_without_end_is_refused() -> None:
    for depth in (400, 900, 5_000, 100_000):
        try:
            decode(b"\x91" * depth + b"\xc0", {})
        except CodecError:
            continue
        assert depth == 400


def test_thousands_of_damaged_headers_are_refused_or_read_but_never_crash() -> None:
    torch.manual_seed(0)
    value = {
        "a": [1, 2.5, "text", b"bytes", None, (True, -(2**80))],
        "f": SavedFile(path="p", size=3, digest="d"),
        "v": Video(frames=torch.zeros(1, 1, 1, 3, dtype=torch.uint8), fps=2.0),
    }
    header, tensors = encode(value)
    rng = random.Random(7)
    for round_ in range(4000):
        damaged = bytearray(header)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(damaged))
            match rng.randrange(4):
                case 0:
                    damaged[at] ^= 1 << rng.randrange(8)
                case 1:
                    damaged[at : at + rng.randint(1, 8)] = rng.randbytes(rng.randint(0, 8))
                case 2:
                    damaged[at] = rng.choice(b"\xc0\xdd\xdf\xdb\xc6\xc9\x80\x90\xff")
                case 3:
                    del damaged[at:]
                    damaged += b"\xc0"
        with contextlib.suppress(CodecError):
            decode(bytes(damaged), tensors if round_ % 2 else None)


def test_fields_that_a_type_does_not_have_are_refused_also_without_tensors() -> None:
    fields = {"path": "p", "size": 1, "digest": "d", "evil": 1}
    header = msgpack.packb({"#": "value", "t": "graphflow.values.SavedFile", "f": fields})
    for tensors in (None, {}):
        with pytest.raises(CodecError):
            decode(header, tensors)


def test_values_are_frozen_and_strict() -> None:
    file = SavedFile(path="a", size=1, digest="d")
    with pytest.raises(ValidationError):
        file.size = 2  # type: ignore[misc]
    for wrong in ({"size": "1"}, {"size": 1.0}, {"size": True}, {"extra": 1}):
        with pytest.raises(ValidationError):
            SavedFile(**{"path": "a", "size": 1, "digest": "d", **wrong})
    with pytest.raises(ValidationError, match="torch tensor"):
        Image(pixels=[1, 2])  # type: ignore[arg-type]


def test_a_value_is_shown_by_what_it_is_not_by_its_numbers() -> None:
    video = Video(frames=torch.zeros(2, 4, 6, 3, dtype=torch.uint8), fps=8.0)
    assert repr(video) == "Video(frames=uint8 (2, 4, 6, 3), fps=8.0)"
    assert str(video) == "frames=uint8 (2, 4, 6, 3) fps=8.0"
    assert repr(Bundle(tensors={"a": torch.zeros(3)}, videos=[video])) == (
        "Bundle(tensors={'a': float32 (3,)}, videos=[Video(frames=uint8 (2, 4, 6, 3), fps=8.0)])"
    )


def test_value_types_are_found_by_their_stored_name() -> None:
    assert value_types()["graphflow.values.Video"] is Video
    assert value_types()[Note.type_name()] is Note


def test_nothing_is_a_tensor_while_another_thread_imports_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    assert not is_tensor(1) and encode({"x": 1})


def test_only_torch_tensors_are_tensors() -> None:
    assert is_tensor(torch.zeros(1)) and not is_tensor([0.0]) and not is_tensor(torch.nn.Linear(1, 1))
    assert isinstance(encode(1), Encoded)
