"""What is in the list twice, and what is in it too often."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import Annotated, Any, Literal

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import node

from .filter import row_of
from .settings import Stage
from .values import EditPair, I, Item, accept, refuse

BLOCK = 512
"""Items that are compared with all others at a time."""


@node("dataset/deduplicate", depends=(".values", ".hashing", ".frames", ".filter"))
def deduplicate(
    items: list[I],
    *,
    distance: Annotated[int, Field(ge=0, le=32)] = 4,
    keep: Literal["first", "sharpest", "longest"] = "first",
    stage: Stage = "duplicate",
) -> list[I]:
    """Refuse what looks like another item that is kept.

    distance: bits of 64 in which the perceptual hashes of two near-duplicates may differ; 0 finds copies,
    about 4 other encodings, 10 also other crops. Edit pairs are duplicates only if both pictures are and the
    instruction is the same. keep: which of them stays; of equal ones the first.
    Compares all with all, 10 000 items in seconds. Gives all items in their order.
    Raises NodeError for clips without the column `phash`.
    """
    import numpy

    alive = [place for place, item in enumerate(items) if not item.rejected]
    if not alive:
        return list(items)
    alive.sort(key=lambda place: (-_rank(items[place], keep), place))
    codes = numpy.stack([_code(items[place]) for place in alive])
    groups = [_group(items[place]) for place in alive]
    twins = _twins(codes, groups, distance)
    found = list(items)
    for own, place in enumerate(alive):
        other = twins.get(own)
        found[place] = (
            accept(items[place], stage)
            if other is None
            else refuse(items[place], stage, f"looks like {items[alive[other]].id}")
        )
    return found


def _twins(codes: Any, groups: list[str], distance: int) -> dict[int, int]:
    """Of items in order of preference: which is a copy of which kept one before it."""
    import numpy

    twins: dict[int, int] = {}
    count = numpy.array([bin(byte).count("1") for byte in range(256)], dtype=numpy.uint8)
    packed = numpy.packbits(codes, axis=-1)
    names = numpy.unique(numpy.array(groups), return_inverse=True)[1]
    most = distance * packed.shape[1] // 8
    for begin in range(0, len(packed), BLOCK):
        block = packed[begin : begin + BLOCK]
        far = count[block[:, None, :] ^ packed[None, : begin + len(block), :]].sum(axis=-1, dtype=numpy.int32)
        near = (far <= most) & (names[begin : begin + BLOCK, None] == names[None, : begin + len(block)])
        for row, found in enumerate(near):
            own = begin + row
            for other in numpy.flatnonzero(found[:own]):
                if int(other) not in twins:
                    twins[own] = int(other)
                    break
    return twins


def _rank(item: Item, keep: str) -> float:
    name = {"sharpest": "sharpness", "longest": "seconds"}.get(keep)
    value = item.scores.get(name) if name else 0
    return float(value) if isinstance(value, (int, float)) else 0.0


def _group(item: Item) -> str:
    return item.instruction if isinstance(item, EditPair) else ""


def _code(item: Item) -> Any:
    import numpy

    from .frames import luma
    from .hashing import bits, from_text

    if isinstance(item, EditPair):
        return numpy.concatenate(
            [bits(luma(picture.pixels.numpy())) for picture in (item.before, item.after)]
        )
    text = item.scores.get("phash")
    if not isinstance(text, str):
        raise NodeError(f"{item.id} has no column 'phash'", hint="measure the clips first")
    return from_text(text)


@node("dataset/balance", depends=(".values", ".filter"))
def balance(
    items: list[I],
    *,
    by: str = "camera",
    most: Annotated[int, Field(ge=1)] | None = None,
    share: Annotated[float, Field(gt=0, le=1)] | None = None,
    seed: int = 0,
    stage: Stage = "balance",
) -> list[I]:
    """Refuse items of concepts that there are too many of.

    by: the column that names the concept, such as `camera`, `edit_type` or what a classifier wrote. most: as
    many of one concept may stay; share: at most this part of what is kept. Which ones stay is drawn from
    the seed and the item's id, so that adding items does not draw all anew.
    Raises NodeError for a column that is not there.
    """
    groups: dict[Any, list[int]] = defaultdict(list)
    for place, item in enumerate(items):
        if not item.rejected:
            row = row_of(item)
            if by not in row:
                raise NodeError(
                    f"there is no column {by!r}", where="by", hint=f"there are: {', '.join(sorted(row))}"
                )
            groups[row[by]].append(place)
    limit = _limit([len(group) for group in groups.values()], most, share)
    found = list(items)
    for name, group in groups.items():
        drawn = sorted(group, key=lambda place: _draw(seed, items[place].id))
        for rank, place in enumerate(drawn):
            reason = f"there are {len(group)} with {by} {name!r}, {limit} stay"
            found[place] = (
                accept(items[place], stage) if rank < limit else refuse(items[place], stage, reason)
            )
    return found


def _limit(sizes: list[int], most: int | None, share: float | None) -> int:
    """How many of a concept stay. With a share: the most such that it holds for what is kept then."""
    limit = min(most or max(sizes, default=0), max(sizes, default=0))
    if share is not None:
        while limit > 1 and limit > share * sum(min(size, limit) for size in sizes):
            limit -= 1
    return limit


def _draw(seed: int, id: str) -> bytes:
    return hashlib.sha256(f"{seed}:{id}".encode()).digest()


@node("dataset/split", depends=(".values",))
def split(
    items: list[I],
    *,
    validation: Annotated[float, Field(ge=0, le=1)] = 0.1,
    test: Annotated[float, Field(ge=0, le=1)] = 0.0,
    seed: int = 0,
) -> list[I]:
    """Put each item into `train`, `validation` or `test`, by its source: what was cut from one source stays
    together.

    validation, test: shares of the sources. The draw depends on the seed and the source alone, so that adding
    items never moves one from one part to another.
    Raises NodeError for shares over 1 together.
    """
    if validation + test > 1:
        raise NodeError("validation and test take more than everything", where="test", hint="lower one")

    def part(item: Item) -> str:
        place = int.from_bytes(_draw(seed, item.source)[:8], "big") / 2**64
        return "validation" if place < validation else "test" if place < validation + test else "train"

    return [item.model_copy(update={"split": part(item)}) for item in items]
