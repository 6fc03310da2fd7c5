"""Keep what meets a condition; what does not stays in the list and says why it was refused."""

from __future__ import annotations

from typing import Any

from graphflow.node import node
from graphflow.values import rows

from .settings import Stage, Where
from .values import Clip, EditPair, I, Item, accept, refuse


@node("dataset/filter", depends=(".expression", ".values"))
def filter_items(items: list[I], *, where: Where, stage: Stage = "filter") -> list[I]:
    """Refuse the items whose columns do not meet a condition.

    where: such as `2 <= motion <= 20 and camera in ("static", "zoom_in") and not overlay > 0.02`. Columns are
    the scores and `id`, `source`, `split`, of clips `start`, `end`, `caption`, of pairs `edit_type`,
    `instruction`; numbers, texts in quotes, `true`, `false`, `none`, + - * /, comparisons, in, and, or, not.
    A comparison with an empty cell is false. stage: the name that the funnel shows.
    Gives all items; those refused carry the stage and the part of the condition that failed.
    Raises NodeError for a condition that is not understood or names a column that is not there.
    """
    from .expression import condition

    wanted = condition(where)
    parts = [condition(part) for part in top_level(where)]

    def judged(item: I) -> I:
        if item.rejected:
            return item
        row = row_of(item)
        if wanted(row):
            return accept(item, stage)
        return refuse(item, stage, next((_why(p, row) for p in parts if not p(row)), where))

    return rows(map(judged, items))


def row_of(item: Item) -> dict[str, Any]:
    """The cells of an item by column."""
    row: dict[str, Any] = {"id": item.id, "source": item.source, "split": item.split, **item.scores}
    if isinstance(item, Clip):
        row |= {"start": item.start, "end": item.end, "caption": item.caption}
    elif isinstance(item, EditPair):
        row |= {"edit_type": item.edit_type, "instruction": item.instruction}
    return row


def top_level(text: str) -> list[str]:
    """The parts of a condition that are joined by `and` outside of brackets and texts; all of it if by
    `or`."""
    import re

    parts, depth, begin = [], 0, 0
    for match in re.finditer(r"\"[^\"]*\"|'[^']*'|[()]|\b(?:and|or)\b", text):
        token = match.group()
        depth += (token == "(") - (token == ")")
        if token == "or" and not depth:
            return [text]
        if token == "and" and not depth:
            parts.append(text[begin : match.start()].strip())
            begin = match.end()
    return [*parts, text[begin:].strip()]


def _why(part: Any, row: dict[str, Any]) -> str:
    cells = ", ".join(f"{name} is {_shown(row[name])}" for name in sorted(part.columns))
    return f"not {part.text}: {cells}"


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else repr(value)
