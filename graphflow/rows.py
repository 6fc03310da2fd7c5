"""A long list whose items are packed, and made when they are asked for: a table in memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, islice, pairwise
from typing import Any, TypeGuard, TypeVar, cast, overload

from graphflow.errors import NodeError

T = TypeVar("T")

ROWS = 64
"""Items that are packed together: few enough to make all of them for the sake of one."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some items of a list, packed as columns."""

    count: int
    packed: bytes
    tensors: Mapping[str, Any]
    """What is not packed, by the names that stand for it."""


class Rows(Sequence[T]):
    """Reads as a list does; an item that is read twice is made twice, so that a list of ten thousand takes
    only the bytes of its fields. In order is fast; a jump makes the `ROWS` items around it.
    """

    __slots__ = ("_ends", "_last", "blocks", "unpack")

    def __init__(self, blocks: Sequence[Block], unpack: Callable[[Block], list[T]]) -> None:
        self.blocks = tuple(blocks)
        self.unpack = unpack
        self._ends = tuple(accumulate(block.count for block in blocks))
        self._last: tuple[int, list[T]] = (-1, [])
        """The block that was read last, so that neighbours are not made one by one."""

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[T]:
        return chain.from_iterable(map(self.unpack, self.blocks))

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> list[T]: ...
    def __getitem__(self, place: int | slice) -> T | list[T]:
        if isinstance(place, slice):
            first, last, step = place.indices(len(self))
            if step > 0:
                return [*islice(self._from(first), 0, max(0, last - first), step)]
            return [*self][place]
        own = place + len(self) if place < 0 else place
        if not 0 <= own < len(self):
            raise IndexError(f"there is no item {place} in a list of {len(self)}")
        number = self._block_of(own)
        held, items = self._last
        if held != number:
            items = self.unpack(self.blocks[number])
            self._last = number, items
        return items[own - self._begin(number)]

    def _from(self, place: int) -> Iterator[T]:
        """The items from a place on."""
        if place >= len(self):
            return iter(())
        number = self._block_of(place)
        rest = chain.from_iterable(map(self.unpack, self.blocks[number:]))
        return islice(rest, place - self._begin(number), None)

    def _block_of(self, place: int) -> int:
        return bisect_right(self._ends, place)

    def _begin(self, number: int) -> int:
        return self._ends[number - 1] if number else 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (list, Rows)):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr([*self])


class Parts(Sequence[list[T]]):
    """Several packed lists, such as one of each file, packed as one; each is made when it is asked for."""

    __slots__ = ("_ends", "whole")

    def __init__(self, whole: Rows[T], lengths: Iterable[int]) -> None:
        self.whole = whole
        self._ends = (0, *accumulate(lengths))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __iter__(self) -> Iterator[list[T]]:
        rest = iter(self.whole)
        for first, last in pairwise(self._ends):
            yield [*islice(rest, last - first)]

    @overload
    def __getitem__(self, place: int) -> list[T]: ...
    @overload
    def __getitem__(self, place: slice) -> list[list[T]]: ...
    def __getitem__(self, place: int | slice) -> list[T] | list[list[T]]:
        places = range(len(self))[place]
        if isinstance(places, range):
            return [self[one] for one in places]
        return self.whole[self._ends[places] : self._ends[places + 1]]


def is_list(value: object) -> TypeGuard[Sequence[Any]]:
    """Whether a value is a list on a wire."""
    return isinstance(value, (list, tuple, Rows, Parts))


def listed(value: object) -> Sequence[Any]:
    """A list as it came from a node that declares one. Raises NodeError for what is none."""
    if not is_list(value):
        raise NodeError(f"a list was declared, but a {type(value).__name__} came", code="node.output")
    return value


def joined(lists: Iterable[list[T]]) -> list[T]:
    """One list of all the items of several, in order; packed, without unpacking any, if all of them are."""
    if isinstance(lists, Parts):
        return cast("list[T]", lists.whole)
    parts = [*lists]
    packed = [one for one in parts if isinstance(one, Rows)]
    if packed and len(packed) == len(parts):
        return cast("list[T]", Rows([block for one in packed for block in one.blocks], packed[0].unpack))
    return [*chain.from_iterable(parts)]
