"""What a value counts against a budget of memory."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphflow.sizes import PLAIN_BYTES, nbytes
from graphflow.values import CodecError, SavedFile, Video, encode

torch = pytest.importorskip("torch")

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
FILES = st.builds(SavedFile, path=st.text(), size=st.integers(), digest=st.text())
DATA = st.recursive(
    SCALARS | FILES,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def test_a_value_counts_the_bytes_that_it_keeps_alive() -> None:
    whole = torch.zeros(1000, dtype=torch.float32)
    assert nbytes(whole[:1]) == PLAIN_BYTES + 4000  # a view keeps the whole storage
    assert nbytes(list(whole)[:10]) == 4000 + 11 * PLAIN_BYTES  # ten views of one storage
    assert nbytes(torch.eye(3).to_sparse()) > 0
    video = Video(frames=torch.zeros(2, 4, 4, 3, dtype=torch.uint8), fps=8.0)
    assert 96 <= nbytes({"out": video}) <= 96 + 10 * PLAIN_BYTES
    assert nbytes("x" * 1000) >= 1000


@given(DATA)
def test_what_is_counted_can_travel_and_grows_with_nesting(value: Any) -> None:
    assert 0 < nbytes(value) < nbytes([value])
    encode(value)


@pytest.mark.parametrize("value", [object(), print, {1, 2}, torch.nn.Linear(1, 1), iter([]), 1j])
def test_live_things_are_not_counted(value: object) -> None:
    with pytest.raises(CodecError, match="cannot travel"):
        nbytes([value])


def test_text_that_is_not_unicode_and_endless_nesting_are_not_counted() -> None:
    loop: list[Any] = []
    loop.append(loop)
    for value in ("\ud800 ü", loop):
        with pytest.raises(CodecError):
            nbytes(value)
