"""Reading files that a setting names: checks first, then bytes. The only file access of the std pack."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

from graphflow.errors import StorageError

_BLOCK = 1 << 20


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
    digest = hashlib.sha256()
    try:
        with source_file(path).open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise StorageError(
            f"cannot be read: {error.strerror}", where=path, hint="check its permissions"
        ) from None
    return digest.hexdigest()


def read_text(path: str, limit: int) -> str:
    """A file's text, UTF-8 with or without byte order mark.

    Raises StorageError if it is over `limit` bytes, is not UTF-8 or cannot be read.
    """
    file = source_file(path)
    if file.stat().st_size > limit:
        raise StorageError(f"the file is over {limit >> 20} MB", where=path, hint="split it")
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StorageError(
            f"not UTF-8 text (byte {error.start})", where=path, hint="save it as UTF-8"
        ) from None
    except OSError as error:
        raise StorageError(
            f"cannot be read: {error.strerror}", where=path, hint="check its permissions"
        ) from None
