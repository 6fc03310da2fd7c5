"""Score tables as files for other programs: JSON with everything, parquet with a row for each number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from graphflow.node import Context, FileName, node
from graphflow.values import SavedFile

from .files import save, still_stands
from .values import ScoreTable

MEDIA = {"json": "application/json", "parquet": "application/vnd.apache.parquet"}
COLUMNS = ("key", "item", "system", "metric", "value", "direction", "unit", "reason")


@node("evaluation/save_scores", cache=False, effect=still_stands, depends=(".values",))
def save_scores(
    table: ScoreTable, ctx: Context, *, name: FileName = "scores", format: Literal["json", "parquet"] = "json"
) -> SavedFile:
    """Save a score table, marked with the content key of what made it.

    json: everything, curves and claims too. parquet: a row for each clip and metric, with the columns key,
    item, system, metric, value, direction, unit and reason (why a value is missing), so that
    the tables of many runs can be joined.
    Raises StorageError if it cannot be written.
    """
    key = str(ctx.provenance.get("key", ""))

    def write(path: Path) -> None:
        if format == "json":
            text = json.dumps(as_json(table, key), indent=1, ensure_ascii=False, allow_nan=False)
            path.write_text(text + "\n", "utf-8")
        else:
            _write_parquet(path, rows_of(table, key))

    saved: SavedFile = save(ctx, name, f".{format}", MEDIA[format], write)
    return saved


def as_json(table: ScoreTable, key: str) -> dict[str, Any]:
    """A score table as plain data."""
    return {"key": key, "rows": [row.model_dump(mode="json") for row in table.rows]}


def rows_of(table: ScoreTable, key: str) -> list[dict[str, Any]]:
    """A row for each clip and metric, as in the parquet file; `value` is None where there is none."""
    rows: list[dict[str, Any]] = []
    for row in table.rows:
        place = {"key": key, "item": row.item, "system": row.system}
        for one in row.scores.measurements:
            known = {"metric": one.metric, "value": one.value, "direction": one.direction, "unit": one.unit}
            rows.append({**place, **known, "reason": ""})
        for gap in row.scores.missing:
            rows.append(
                {
                    **place,
                    "metric": gap.metric,
                    "value": None,
                    "direction": "none",
                    "unit": "",
                    "reason": gap.reason,
                }
            )
    return rows


def _write_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow
    import pyarrow.parquet

    kinds = [pyarrow.float64() if name == "value" else pyarrow.string() for name in COLUMNS]
    schema = pyarrow.schema(list(zip(COLUMNS, kinds, strict=True)))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), path)
