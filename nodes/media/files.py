"""Files that settings name or that runs wrote: checks before reading, hashes, saving by the engine."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from graphflow.errors import StorageError
from graphflow.node import Context
from graphflow.values import SavedFile


def source_file(path: str) -> Path:
    """The regular file that a path setting names.

    Raises StorageError for an empty path, one with control characters, and for anything that is not a
    readable regular file (a folder, a device, a pipe, nothing at all).
    """
    file = source_path(path)
    if file.is_dir():
        raise StorageError("this is a folder, not a file", where=path, hint="name one file in it")
    if not stat.S_ISREG(file.stat().st_mode):
        raise StorageError("this is a device or pipe, not a file", where=path, hint="name a regular file")
    return file


def source_path(path: str) -> Path:
    """The existing file or folder that a path setting names. Raises StorageError otherwise."""
    if not path:
        raise StorageError("no file is named", hint="fill in the path")
    if any(ord(c) < 32 for c in path):
        raise StorageError(
            "a path cannot hold control characters", where=ascii(path), hint="correct the path"
        )
    file = Path(path)
    try:
        file.stat()
    except OSError as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else error.strerror
        raise StorageError(str(reason), where=path, hint="check the path and its folder") from None
    return file


def content_hash(path: str) -> str:
    """sha256 of a file's bytes, as hex. Raises StorageError if it cannot be read."""
    try:
        return _digest(source_file(path))
    except OSError as error:
        raise StorageError(
            f"cannot be read: {error.strerror}", where=path, hint="check its permissions"
        ) from None


def save(ctx: Context, name: str, suffix: str, media_type: str, write: Callable[[Path], None]) -> SavedFile:
    """Save a result through the engine and say what it is."""
    return ctx.save(name, suffix, write).model_copy(update={"media_type": media_type})


def still_stands(outputs: Mapping[str, Any]) -> bool:
    """Whether every file of an earlier run is there with the same size and sha256.

    outputs: output names to SavedFile values, or to their fields as a mapping.
    """
    return all(_stands(value) for value in outputs.values())


def _stands(saved: Any) -> bool:
    fields = saved if isinstance(saved, Mapping) else dict(saved)
    path = Path(fields["path"])
    try:
        return path.is_file() and path.stat().st_size == fields["size"] and _digest(path) == fields["digest"]
    except OSError:
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
