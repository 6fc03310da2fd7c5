"""Prompts: lists of texts from a setting or a file; each prompt then has its own cached results."""

from __future__ import annotations

import json
from typing import Any, Literal

from graphflow.errors import StorageError
from graphflow.node import node

from .files import content_hash, read_text

MAX_BYTES = 64 << 20
"""Largest prompt file read."""

FileFormat = Literal["auto", "lines", "jsonl"]


def _file_fingerprint(*, path: str, **settings: object) -> str:
    return content_hash(path)


@node("std/prompt_list", fold=True)
def prompt_list(*, prompts: str = "") -> list[str]:
    """The prompts of a text, one a line; empty lines are left out."""
    return _lines(prompts)


@node("std/prompt_file", fold=True, fingerprint=_file_fingerprint, depends=(".files",))
def prompt_file(*, path: str, format: FileFormat = "auto", field: str = "prompt") -> list[str]:
    """The prompts of a UTF-8 text file, one a line, or of a JSONL file, one text `field` a line.

    `auto` takes files named .jsonl as JSONL. Empty lines are left out; files up to 64 MB.
    Raises StorageError for a missing, too large or malformed file, naming the line.
    """
    lines = _lines(read_text(path, MAX_BYTES))
    if format == "lines" or (format == "auto" and not path.lower().endswith(".jsonl")):
        return lines
    return [_prompt_of(line, field, f"{path}, entry {i}") for i, line in enumerate(lines, 1)]


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
