"""Lists. A list wired into a port for one value runs that node for each item, so there are no loops here."""

from __future__ import annotations

import hashlib
import itertools
from typing import Annotated, Generic, NamedTuple, TypeVar

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import node
from graphflow.values import MAX_SEED, Seed, joined

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")

MAX_ITEMS = 1_000_000
"""Longest list these nodes make."""

Count = Annotated[int, Field(ge=0, le=MAX_ITEMS)]


class Pairs(NamedTuple, Generic[A, B]):
    """Two lists of one length: item i of each belongs together."""

    a: list[A]
    b: list[B]


class Triples(NamedTuple, Generic[A, B, C]):
    """Three lists of one length: item i of each belongs together."""

    a: list[A]
    b: list[B]
    c: list[C]


@node("std/list", fold=True)
def list_of(items: list[T]) -> list[T]:
    """What is wired to `items`, in order: the way to make a list of single values."""
    return list(items)


@node("std/range", fold=True)
def range_of(*, start: int = 0, count: Count = 10, step: int = 1) -> list[int]:
    """`count` whole numbers: start, start + step, ..."""
    return [start + step * i for i in range(count)]


@node("std/seeds", fold=True)
def seeds(*, seed: Seed = 0, count: Count = 4) -> list[int]:
    """`count` different seeds, 0..2^53-1, made from one; the first is `seed` itself.

    A longer list begins with the shorter one, so asking for more seeds keeps what was computed.
    """
    found: dict[int, None] = {seed: None} if count else {}
    for i in itertools.count(1):
        if len(found) == count:
            break
        digest = hashlib.sha256(f"{seed}:{i}".encode()).digest()
        found[int.from_bytes(digest[:8], "big") & MAX_SEED] = None
    return list(found)


@node("std/pick", fold=True)
def pick(items: list[T], *, index: int = 0) -> T:
    """One item of a list; -1 is the last. Raises NodeError if there is no such item."""
    if not -len(items) <= index < len(items):
        raise NodeError(
            f"there is no item {index} in a list of {len(items)}", hint="items are counted from 0"
        )
    return items[index]


@node("std/slice", fold=True)
def slice_of(
    items: list[T], *, start: int = 0, stop: int | None = None, step: Annotated[int, Field(ge=1)] = 1
) -> list[T]:
    """Items from `start` to before `stop`, every `step`-th; negative positions count from the end."""
    return items[start:stop:step]


@node("std/length", fold=True)
def length(items: list[T]) -> int:
    """How many items a list has."""
    return len(items)


@node("std/concat", fold=True)
def concat(a: list[T], b: list[T]) -> list[T]:
    """The items of `a`, then those of `b`."""
    return joined((a, b))


@node("std/flatten", fold=True)
def flatten(lists: list[list[T]]) -> list[T]:
    """One list of all the items of several lists, in order."""
    return joined(lists)


@node("std/repeat", fold=True)
def repeat(item: T, *, times: Count = 2) -> list[T]:
    """A list of `times` times the same value."""
    return [item] * times


@node("std/product", fold=True)
def product(a: list[A], b: list[B]) -> Pairs[A, B]:
    """Every item of `a` with every item of `b`, as two lists that belong together; `b` changes fastest.

    For grids: prompts x seeds gives one video for each pair. Raises NodeError above 1 000 000 pairs.
    """
    _check_size(len(a) * len(b))
    return Pairs([x for x in a for _ in b], [y for _ in a for y in b])


@node("std/product3", fold=True)
def product3(a: list[A], b: list[B], c: list[C]) -> Triples[A, B, C]:
    """Every item of `a` with every item of `b` and of `c`, as three lists that belong together.

    `c` changes fastest. Raises NodeError above 1 000 000 combinations.
    """
    _check_size(len(a) * len(b) * len(c))
    return Triples(
        [x for x in a for _ in b for _ in c],
        [y for _ in a for y in b for _ in c],
        [z for _ in a for _ in b for z in c],
    )


def _check_size(size: int) -> None:
    if size > MAX_ITEMS:
        raise NodeError(
            f"{size} combinations are too many", hint=f"at most {MAX_ITEMS}; shorten one of the lists"
        )
