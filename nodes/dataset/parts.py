"""How many of each concept stay, and which part of a dataset an item belongs to."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import Annotated, Any

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import node
from graphflow.values import rows

from .filter import row_of
from .settings import Stage
from .values import I, Item, accept, refuse


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
    groups: dict[Any, list[tuple[bytes, int]]] = defaultdict(list)
    for place, item in enumerate(items):
        if not item.rejected:
            row = row_of(item)
            if by not in row:
                raise NodeError(
                    f"there is no column {by!r}", where="by", hint=f"there are: {', '.join(sorted(row))}"
                )
            groups[row[by]].append((_draw(seed, item.id), place))
    limit = _limit([len(group) for group in groups.values()], most, share)
    spare = {
        place: f"there are {len(group)} with {by} {name!r}, {limit} stay"
        for name, group in groups.items()
        for _, place in sorted(group)[limit:]
    }
    return rows(
        refuse(item, stage, spare[place]) if place in spare else accept(item, stage)
        for place, item in enumerate(items)
    )


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

    return rows(item.model_copy(update={"split": part(item)}) for item in items)
