"""What saved files have in common: their media types, and whether they are still what a run wrote."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from graphflow.node import Context
from graphflow.values import SavedFile

_BLOCK = 1 << 20


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
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
