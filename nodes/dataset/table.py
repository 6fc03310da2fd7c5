"""Score tables: every clip with every column, those refused too. Columns are added, never changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

from graphflow.errors import NodeError, StorageError
from graphflow.node import Context, FileName, node
from graphflow.values import SavedFile, rows

from .listing import file_digest
from .reading import still_stands
from .values import Clip, with_scores

FIELDS = (
    "id", "source", "path", "start", "end", "fps", "height", "width", "crop", "caption", "split", "passed",
    "rejected", "reason",
)  # fmt: skip
"""Columns of every table; the scores stand behind them as `score.<name>`."""
SCORE = "score."


def _fingerprint(*, path: str) -> str:
    return file_digest(Path(path)) if path else ""


@node("dataset/save_table", cache=False, effect=still_stands, depends=(".values",))
def save_table(clips: list[Clip], ctx: Context, *, name: FileName = "scores") -> SavedFile:
    """Write all clips with their columns as a parquet table, those refused too, with the stage and reason.

    `dataset/load_table` reads it back; nodes after that add columns. Raises StorageError if it cannot be
    written.
    """
    return ctx.save(name, ".parquet", lambda path: write_table(path, clips))


@node("dataset/load_table", fingerprint=_fingerprint, depends=(".values",))
def load_table(*, path: str) -> list[Clip]:
    """The clips of a table that `dataset/save_table` wrote, to filter them anew or to add columns.

    Raises StorageError for a file that is no such table.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(Path(path)) as table:
            return rows(_clip(row) for part in table.iter_batches(ROWS) for row in part.to_pylist())
    except (OSError, pyarrow.ArrowException, KeyError, ValueError, TypeError) as error:
        raise StorageError(
            "this is not a table of clips", where=path, hint="name one that dataset/save_table wrote"
        ) from error


@node("dataset/join_scores", depends=(".values",))
def join_scores(clips: list[Clip], others: list[Clip]) -> list[Clip]:
    """Add the columns that another list has of the same clips, matched by id; clips that are not in it stay
    as they are.

    Raises NodeError for a column that both have with different cells.
    """
    known = {clip.id: clip.scores for clip in others}

    def joined(clip: Clip) -> Clip:
        more = known.get(clip.id, {})
        for name in clip.scores.keys() & more.keys():
            if clip.scores[name] != more[name]:
                raise NodeError(
                    f"column {name!r} of {clip.id} is {clip.scores[name]!r} here and {more[name]!r} there",
                    hint="columns are added, never changed; join lists that were measured alike",
                )
        return with_scores(clip, {k: v for k, v in more.items() if k not in clip.scores})

    return rows(map(joined, clips))


def write_table(path: Path, clips: Sequence[Clip]) -> None:
    """The table as a parquet file, a thousand rows at a time; columns in order of their first appearance."""
    import pyarrow
    import pyarrow.parquet

    kinds = _kinds(clips)
    schema = pyarrow.schema(
        [(field, _arrow(_FIELD_KINDS.get(field, str))) for field in FIELDS]
        + [(SCORE + name, _arrow(kind)) for name, kind in kinds.items()]
    )
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        rest = iter(clips)
        for _ in range(0, max(1, len(clips)), ROWS):
            part = [*islice(rest, ROWS)]
            columns: dict[str, Any] = {field: [_cell(clip, field) for clip in part] for field in FIELDS}
            for name, kind in kinds.items():
                columns[SCORE + name] = [_score(clip.scores.get(name), kind) for clip in part]
            writer.write_table(pyarrow.table(columns, schema))


ROWS = 1000
"""Rows that are written at a time."""
_FIELD_KINDS = MappingProxyType({"start": float, "end": float, "fps": float, "height": int, "width": int})
"""Of the fields that are no text."""


def _cell(clip: Clip, field: str) -> Any:
    value = getattr(clip, field)
    return json.dumps(value) if field in ("crop", "passed") else value


def _kinds(clips: Iterable[Clip]) -> dict[str, type | None]:
    """What each column holds where all its cells are alike, numbers as floats; None for text in JSON."""
    met: dict[str, set[type]] = {}
    for clip in clips:
        for name, cell in clip.scores.items():
            kinds = met.setdefault(name, set())
            if cell is not None:
                kinds.add(type(cell))
    return {name: _kind(kinds) for name, kinds in met.items()}


def _kind(kinds: set[type]) -> type | None:
    if kinds == {int, float}:
        return float
    return kinds.pop() if len(kinds) == 1 else str if not kinds else None


def _score(cell: Any, kind: type | None) -> Any:
    if cell is None:
        return None
    return json.dumps(cell) if kind is None else kind(cell)


def _arrow(kind: type | None) -> Any:
    import pyarrow

    if kind is None or kind is str:
        return pyarrow.string()
    return {bool: pyarrow.bool_(), int: pyarrow.int64(), float: pyarrow.float64()}[kind]


def _clip(row: dict[str, Any]) -> Clip:
    fields = {field: row[field] for field in FIELDS}
    crop = json.loads(fields["crop"])
    scores = {name.removeprefix(SCORE): cell for name, cell in row.items() if name.startswith(SCORE)}
    fields |= {
        "crop": None if crop is None else tuple(crop),
        "passed": tuple(json.loads(fields["passed"])),
        "scores": {name: cell for name, cell in scores.items() if cell is not None},
    }
    return Clip(**fields)
