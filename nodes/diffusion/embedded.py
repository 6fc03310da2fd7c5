"""Small trained models that ship with graphflow, each a folder under `embedded/` in diffusers layout."""

from __future__ import annotations

import functools
from pathlib import Path

_FOLDER = Path(__file__).parent / "embedded"


def embedded_models() -> list[str]:
    """Names of the models that ship with graphflow."""
    return sorted(path.parent.name for path in _FOLDER.glob("*/model_index.json"))


@functools.lru_cache(maxsize=256)
def embedded_folder(name: str) -> Path | None:
    """The folder of an embedded model, or None if `name` is not one; asked for by every look at a model."""
    plain = name not in ("", ".", "..") and Path(name).name == name
    return _FOLDER / name if plain and (_FOLDER / name / "model_index.json").is_file() else None
