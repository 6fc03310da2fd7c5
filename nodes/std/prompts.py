"""Prompts: lists of texts from a setting or a file; each prompt then has its own cached results."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path
from typing import Any, Literal

from graphflow.errors import StorageError
from graphflow.node import node

MAX_BYTES = 64 << 20
"""Largest prompt file read."""

FileFormat = Literal["auto", "lines", "jsonl"]


def _file_fingerprint(*, path: str, **settings: object) -> str:
    return hashlib.sha256(_read(path)).hexdigest()


@node("std/prompt_list", fold=True)
def prompt_list(*, prompts: str | list[str] = "") -> list[str]:
    """The prompts of a text, one a line, without empty lines; a list of prompts is taken as it is."""
    return _lines(prompts) if isinstance(prompts, str) else prompts


@node("std/prompt_file", fold=True, fingerprint=_file_fingerprint)
def prompt_file(*, path: str, format: FileFormat = "auto", field: str = "prompt") -> list[str]:
    """The prompts of a UTF-8 text file, one a line, or of a JSONL file, one text `field` a line.

    `auto` takes files named .jsonl as JSONL. Empty lines are left out; files up to 64 MB.
    Raises StorageError for a missing, too large or malformed file, naming the line.
    """
    lines = _lines(_text(path))
    if format == "lines" or (format == "auto" and not path.lower().endswith(".jsonl")):
        return lines
    return [_prompt_of(line, field, f"{path}, entry {i}") for i, line in enumerate(lines, 1)]


def _text(path: str) -> str:
    try:
        return _read(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StorageError(
            f"not UTF-8 text (byte {error.start})", where=path, hint="save it as UTF-8"
        ) from None


def _read(path: str) -> bytes:
    """The bytes of a regular file; never waits on a pipe or reads a device without end."""
    if not path or any(ord(c) < 32 for c in path):
        raise StorageError("this is no path", where=ascii(path), hint="name a text or JSONL file")
    try:
        found = Path(path).stat()
        if not stat.S_ISREG(found.st_mode):
            raise StorageError("this is not a file", where=path, hint="name a text or JSONL file")
        if found.st_size > MAX_BYTES:
            raise StorageError(f"the file is over {MAX_BYTES >> 20} MB", where=path, hint="split it")
        return Path(path).read_bytes()
    except OSError as error:
        raise StorageError(f"cannot be read: {error.strerror}", where=path, hint="check the path") from None


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


def _prompt_of(line: str, field: str, where: str) -> str:
    entry: Any = None
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        raise StorageError("not JSON", where=where, hint="write one JSON object a line") from None
    prompt = entry.get(field) if isinstance(entry, dict) else None
    if not isinstance(prompt, str):
        raise StorageError(
            f"no text field {field!r}",
            where=where,
            hint=f'write {{"{field}": "..."}} or set `field` to its name',
        )
    return prompt
