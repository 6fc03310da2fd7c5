"""JSON files that settings name: one file, or a folder with one a frame. Only regular files are opened."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from pathlib import Path
from typing import Any

from graphflow.errors import StorageError

MAX_BYTES = 64 << 20
"""Largest file read."""
MAX_TOTAL = 256 << 20
"""Largest folder read."""
MAX_FILES = 100_000


def json_files(path: str) -> list[Path]:
    """The file, or the `.json` files of the folder in the order of the numbers in their names.

    Raises StorageError for what is not there, is no regular file, is too large or too much.
    """
    if not path or any(ord(c) < 32 for c in path):
        raise StorageError("this is no path", where=ascii(path), hint="name a JSON file or a folder of them")
    place = Path(path)
    try:
        files = [place] if not place.is_dir() else [p for p in place.iterdir() if p.suffix.lower() == ".json"]
        states = [file.stat() for file in files[: MAX_FILES + 1]]
    except OSError as error:
        raise StorageError(f"cannot be read: {error.strerror}", where=path, hint="check the path") from None
    if not files or len(files) > MAX_FILES:
        raise StorageError(
            f"there are {len(files)} JSON files", where=path, hint=f"1 to {MAX_FILES} are read"
        )
    for file, state in zip(files, states, strict=True):
        if not stat.S_ISREG(state.st_mode):
            raise StorageError("this is not a file", where=str(file), hint="name regular files")
        if state.st_size > MAX_BYTES:
            raise StorageError(f"the file is over {MAX_BYTES >> 20} MB", where=str(file), hint="split it")
    if sum(state.st_size for state in states) > MAX_TOTAL:
        raise StorageError(f"the folder is over {MAX_TOTAL >> 20} MB", where=path, hint="split it")
    return sorted(files, key=lambda file: _natural(file.name))


def fingerprint(path: str) -> list[str]:
    """Names and sha256 of the files, for keys."""
    return [
        part for file in json_files(path) for part in (file.name, hashlib.sha256(_bytes(file)).hexdigest())
    ]


def read_json(file: Path) -> Any:
    """A file's content. Raises StorageError if it cannot be read or is not JSON."""
    try:
        return json.loads(_bytes(file))
    except (ValueError, RecursionError):
        raise StorageError(
            "this is not JSON", where=str(file), hint="name files of a pose estimator"
        ) from None


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise StorageError(
            f"cannot be read: {error.strerror}", where=str(file), hint="check its permissions"
        ) from None


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts frame_2 before frame_10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
