"""Long lists that are packed in memory: they read as lists do, travel as lists do, and take little."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphflow.cache.memory import MemoryCache
from graphflow.cache.records import EntryInfo
from graphflow.cache.tiers import Cache
from graphflow.execute import gather
from graphflow.keys import canon
from graphflow.node import node
from graphflow.outputs import is_plain
from graphflow.refs import Many, Out
from graphflow.rows import ROWS, Parts, Rows, joined
from graphflow.server.showing import kind_of, readable
from graphflow.sizes import nbytes
from graphflow.values import Image, TensorRef, Value, decode, encode, rows


class Note(Value):
    """A row of a table."""

    text: str
    marks: dict[str, float | str]
    picture: Image | None = None


def note(number: int, picture: Image | None = None) -> Note:
    return Note(text=f"note {number}", marks={"a": number / 7, "b": "same"}, picture=picture)


LONG = 2 * ROWS + 5
NOTES = [note(number) for number in range(LONG)]


@given(
    st.integers(0, LONG),
    st.slices(LONG) | st.builds(slice, st.none() | st.integers(-200, 200), st.integers(-200, 200)),
)
def test_packed_rows_read_as_the_list_they_were_made_of(length: int, part: slice) -> None:
    plain = NOTES[:length]
    packed = rows(plain)
    assert isinstance(packed, Rows) and len(packed) == length and bool(packed) == bool(plain)
    assert packed == plain and [*packed] == plain and packed[part] == plain[part]
    assert [packed[place] for place in range(-length, length)] == plain + plain
    assert packed != [*plain, NOTES[0]] and packed != "text" and repr(packed) == repr(plain)
    with pytest.raises(IndexError, match="no item"):
        packed[length]


def test_they_are_packed_as_they_come() -> None:
    """Of what is made one by one no more than a block is there at a time."""

    def made() -> Iterator[Note]:
        return map(note, range(4000))

    tracemalloc.start()
    try:
        plain = [*made()]
        loose, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert plain and loose > 4000 * 500
    tracemalloc.start()
    try:
        packed = rows(made())
        now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(packed) == 4000 and now < 4000 * 60 and most < now + loose / 4
    assert nbytes(packed) == pytest.approx(now, rel=0.5)


def test_rows_travel_and_stand_in_keys_as_lists_do() -> None:
    packed = rows(NOTES)
    back = decode(*encode({"notes": packed}))["notes"]
    assert isinstance(back, Rows) and back == NOTES
    assert canon(packed) == canon(NOTES)
    assert not is_plain(packed) and is_plain([1, 2])


def test_rows_are_shown_as_lists_are() -> None:
    assert kind_of(rows(NOTES)) == kind_of(NOTES) == ("table", "")
    assert readable(rows(NOTES)) == readable(NOTES)


def test_what_is_no_plain_data_is_kept_beside_the_packed_columns() -> None:
    pictures = [Image(pixels=torch.full((2, 2, 3), shade, dtype=torch.uint8)) for shade in range(3)]
    plain = [note(number, pictures[number % 3]) for number in range(ROWS + 3)]
    header, tensors = encode([rows(plain), rows(plain[:2])])
    first, second = decode(header, tensors)
    assert len(tensors) == ROWS + 5 and len(first) == ROWS + 3
    for one, two in zip([*first, *second], [*plain, *plain[:2]], strict=True):
        assert one.text == two.text and torch.equal(one.picture.pixels, two.picture.pixels)
    assert nbytes(rows(plain)) > 3 * 12
    peeked = decode(header, None, {name: tuple(tensor.shape) for name, tensor in tensors.items()})[0]
    assert peeked[1].text == "note 1" and peeked[1].picture.pixels == TensorRef("1", (2, 2, 3))


def test_lists_are_joined_without_being_unpacked() -> None:
    parts = [rows(NOTES[:3]), rows(NOTES[3:70])]
    whole = joined(parts)
    assert isinstance(whole, Rows) and whole == NOTES[:70]
    assert whole.blocks[0] is parts[0].blocks[0]  # type: ignore[attr-defined]
    assert joined([[1], [2, 3]]) == [1, 2, 3] and joined([parts[0], NOTES[3:5]]) == NOTES[:5]
    assert joined([]) == []


def test_packed_lists_of_many_steps_are_packed_as_one() -> None:
    cache = Cache(MemoryCache(2**20))
    lengths = (2, 0, 5, 1)
    begin = 0
    for place, length in enumerate(lengths):
        found = rows(NOTES[begin : begin + length])
        cache.put(str(place), {"notes": found}, EntryInfo("a/b", 1, 0.1, 0.0))
        begin += length
    listed = gather(Many(tuple(Out(str(place), "notes") for place in range(4))), cache)
    assert isinstance(listed, Parts)
    plain = [NOTES[:2], [], NOTES[2:7], NOTES[7:8]]
    assert [*listed] == plain and [listed[place] for place in range(-4, 4)] == plain + plain
    assert listed[1:3] == plain[1:3] and len(listed) == 4
    whole = joined(listed)  # type: ignore[arg-type]
    assert isinstance(whole, Rows) and len(whole.blocks) == 1 and whole == NOTES[:8]


@node("test_rows/same")
def same(lists: list[list[Note]]) -> list[list[Note]]:
    """What comes goes."""
    return lists


def test_a_node_may_pass_on_what_it_was_given() -> None:
    given = Parts(rows(NOTES[:5]), [2, 3])  # type: ignore[arg-type]
    spec = same.__graphflow_node__  # type: ignore[attr-defined]
    assert spec.checked(given) == {"out": [NOTES[:2], NOTES[2:5]]}
    assert spec.checked(rows(NOTES[:5]))["out"] == NOTES[:5]
