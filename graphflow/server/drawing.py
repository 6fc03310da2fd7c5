"""Numbers in results for people to see: curves over time, and the parts of a value as rows of a table.

Nothing is known here of what nodes measure: a curve is a list of numbers with a fraction, wherever it stands
in a value, and is called by the first text of the value around it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from graphflow.rows import is_list
from graphflow.server.answers import Series
from graphflow.values import Value

MAX_SERIES = 40
"""Curves of one result."""

MAX_POINTS = 1_000
"""Points of one curve; of a longer one they are picked evenly."""

MAX_ROWS, MAX_COLUMNS = 500, 100

MAX_TEXT = 200
"""Characters in a cell of a table, and of the name of a curve."""


def curves(name: str, value: Any) -> list[Series]:
    """The curves in an output of this name; a value with tensors has none."""
    return [one for _, one in zip(range(MAX_SERIES), _curves(value, (), name, ""), strict=False)]


def rows(value: Any) -> list[dict[str, Any]]:
    """The values that a value is made of, a row each: texts and numbers, without empty columns.

    What a part is made of in turn, such as the measurements of a clip, adds its first number to the row,
    called by its first text.
    """
    parts = next(_many(value), ())
    found = [_row(part) for part in parts[:MAX_ROWS]]
    said = {name for row in found for name, cell in row.items() if cell not in ("", None)}
    return [{name: cell for name, cell in row.items() if name in said} for row in found]


def _curves(value: Any, labels: tuple[str, ...], name: str, unit: str) -> Iterator[Series]:
    if _is_curve(value):
        called = " \u00b7 ".join(dict.fromkeys(labels)) or name
        yield Series(name=called[:MAX_TEXT], unit=unit, values=_points(value))
    elif isinstance(value, Value):
        fields = [(one, getattr(value, one)) for one in type(value).model_fields]
        label = next((text for _, text in fields if isinstance(text, str) and text), "")
        own = next((text for one, text in fields if one == "unit" and isinstance(text, str)), "")
        many = sum(_is_curve(one) for _, one in fields) > 1
        for one, inner in fields:
            above = (*labels, *([label] if label else []), *([one] if many and _is_curve(inner) else []))
            yield from _curves(inner, above, one, own)
    elif isinstance(value, dict):
        for one, inner in value.items():
            yield from _curves(inner, (*labels, str(one)), name, unit)
    elif is_list(value):
        for one in value:
            yield from _curves(one, labels, name, unit)


def _is_curve(value: Any) -> bool:
    return (
        is_list(value)
        and len(value) > 1
        and all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in value)
        and any(isinstance(one, float) for one in value)
    )


def _points(values: Sequence[float]) -> list[float | None]:
    last, count = len(values) - 1, min(len(values), MAX_POINTS)
    picked = (float(values[round(place * last / (count - 1))]) for place in range(count))
    return [one if math.isfinite(one) else None for one in picked]


def _many(value: Any) -> Iterator[Sequence[Value]]:
    """Lists of values in a value, the outermost first."""
    if is_list(value) and value and all(isinstance(one, Value) for one in value):
        yield value
    elif isinstance(value, Value):
        for name in type(value).model_fields:
            yield from _many(getattr(value, name))


def _row(value: Value) -> dict[str, Any]:
    found = _scalars(value)
    for part in next(_many(value), ())[:MAX_COLUMNS]:
        cells = _scalars(part).values()
        name = next((cell for cell in cells if isinstance(cell, str) and cell), "")
        number = next((cell for cell in cells if isinstance(cell, (int, float))), None)
        if name and number is not None:
            found.setdefault(name, number)
    return found


def _scalars(value: Value) -> dict[str, Any]:
    cells = {name: getattr(value, name) for name in type(value).model_fields}
    return {
        name: cell[:MAX_TEXT] if isinstance(cell, str) else cell
        for name, cell in cells.items()
        if cell is None or isinstance(cell, (str, bool, int, float))
    }
