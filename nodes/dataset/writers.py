"""Rows into files, in the layouts that `datasets`, `webdataset` and trainers read. One row in memory at a
time, or one group of a parquet file."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from .columns import Picture, Row

Entry = tuple[str, Row]
"""A row and its key: unique, without dots or slashes."""

GROUP = 256
"""Rows of one group of a parquet file, and so the most in memory at a time."""


def write_parquet(folder: Path, split: str, entries: Iterable[Entry], count: int, rows_a_file: int) -> None:
    """`data/<split>-00000-of-00002.parquet`, with the features in the schema, as `datasets` writes them."""
    import pyarrow.parquet

    (folder / "data").mkdir(exist_ok=True)
    rows = (row for _, row in entries)
    parts = max(1, -(-count // rows_a_file))
    schema = None
    for part in range(parts):
        path = folder / "data" / f"{split}-{part:05}-of-{parts:05}.parquet"
        left = min(rows_a_file, count - part * rows_a_file)
        writer = None
        while left and (group := list(islice(rows, min(left, GROUP)))):
            left -= len(group)
            schema = schema or _schema(group[0])
            writer = writer or pyarrow.parquet.ParquetWriter(path, schema, compression="zstd")
            writer.write_table(_table(group, schema))
        if writer is not None:
            writer.close()


def _table(group: Sequence[Row], schema: Any) -> Any:
    import pyarrow

    columns = {name: [_arrow_cell(row[name]) for row in group] for name in schema.names}
    return pyarrow.table(columns, schema=schema)


def _arrow_cell(cell: Any) -> Any:
    return {"bytes": cell.data, "path": None} if isinstance(cell, Picture) else cell


def _schema(row: Row) -> Any:
    """Types from the first row, and what `datasets` calls its features."""
    import pyarrow

    features = {name: _feature(cell) for name, cell in row.items()}
    told = {"huggingface": json.dumps({"info": {"features": features}})}
    return pyarrow.schema([(name, _arrow_type(cell)) for name, cell in row.items()], metadata=told)


def _arrow_type(cell: Any) -> Any:
    import pyarrow

    if isinstance(cell, Picture):
        return pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
    if isinstance(cell, list):
        return pyarrow.list_(pyarrow.string())
    kinds = {bool: pyarrow.bool_(), int: pyarrow.int64(), float: pyarrow.float64()}
    return kinds.get(type(cell), pyarrow.string())


def _feature(cell: Any) -> Any:
    if isinstance(cell, Picture):
        return {"_type": "Image"}
    if isinstance(cell, list):
        return {"feature": {"dtype": "string", "_type": "Value"}, "_type": "List"}
    kinds = {bool: "bool", int: "int64", float: "float64"}
    return {"dtype": kinds.get(type(cell), "string"), "_type": "Value"}


def write_webdataset(
    folder: Path, split: str, entries: Iterable[Entry], count: int, rows_a_file: int
) -> None:
    """`<split>-000000.tar`: for each row `<key>.<column>.png` of each picture and `<key>.json` of the
    rest."""
    entries = iter(entries)
    for part in range(max(1, -(-count // rows_a_file))):
        with tarfile.open(folder / f"{split}-{part:06}.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
            for key, row in islice(entries, rows_a_file):
                for name, data in members(row):
                    info = tarfile.TarInfo(f"{key}.{name}")  # no times, no owners: equal rows, equal bytes
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))


def members(row: Row) -> Iterator[tuple[str, bytes]]:
    """Names and contents of a row's files: pictures, then the rest as JSON."""
    for name, cell in row.items():
        if isinstance(cell, Picture):
            yield f"{name}.png", cell.data
    rest = {name: cell for name, cell in row.items() if not isinstance(cell, Picture)}
    yield "json", json.dumps(rest, sort_keys=True, ensure_ascii=False).encode()


def write_imagefolder(
    folder: Path, split: str, entries: Iterable[Entry], count: int, rows_a_file: int
) -> None:
    """`<split>/<key>_<column>.png` and `<split>/metadata.jsonl`, whose `<column>_file_name` become
    pictures."""
    place = folder / split
    place.mkdir()

    def told(key: str, row: Row) -> dict[str, Any]:
        line = {}
        for name, cell in row.items():
            if isinstance(cell, Picture):
                (place / f"{key}_{name}.png").write_bytes(cell.data)
                line[f"{name}_file_name"] = f"{key}_{name}.png"
            elif name != "split":  # the folder says it
                line[name] = cell
        return line

    write_lines(place / "metadata.jsonl", (told(key, row) for key, row in entries))


def write_jsonl(folder: Path, split: str, entries: Iterable[Entry], count: int, rows_a_file: int) -> None:
    """`<split>.jsonl`, whose picture cells are paths below the folder, and `images/<key>_<column>.png`."""
    (folder / "images").mkdir(exist_ok=True)

    def told(key: str, row: Row) -> dict[str, Any]:
        line = {}
        for name, cell in row.items():
            if isinstance(cell, Picture):
                path = f"images/{key}_{name}.png"
                (folder / path).write_bytes(cell.data)
                line[name] = path
            else:
                line[name] = cell
        return line

    write_lines(folder / f"{split}.jsonl", (told(key, row) for key, row in entries))


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """A file of JSON objects, one a line."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
