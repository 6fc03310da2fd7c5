"""The words of a model that knows only a few, as its `graphflow.json` tells them under `vocabulary`."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graphflow.errors import MissingModel, NodeError

from .source import SIDECAR, ModelSource, locate, read_json


def check_words(source: ModelSource, prompt: str) -> None:
    """Raises NodeError, naming what it knows, if such a model knows not a single word of the prompt.

    Other words beside known ones do no harm, an empty prompt is one without guidance.
    """
    known = _vocabulary(source)
    spoken = " ".join(re.findall(r"\w+", prompt.lower()))
    if (
        not known
        or not spoken
        or any(f" {phrase} " in f" {spoken} " for words in known.values() for phrase in phrases(words))
    ):
        return
    groups = "; ".join(f"{name}: {', '.join(words)}" for name, words in known.items())
    raise NodeError(
        f"model {source.model!r} knows none of the words {prompt!r}",
        where="prompt",
        hint=f"it knows {groups}; 'graphflow models show {source.model}' tells other words for them",
    )


def phrases(known: Any) -> Iterator[str]:
    """All words and groups of words in a vocabulary, synonyms too."""
    if isinstance(known, str):
        yield known
    elif isinstance(known, dict):
        for name, words in known.items():
            yield from (name, *phrases(words))
    else:
        for word in known:
            yield from phrases(word)


def _vocabulary(source: ModelSource) -> dict[str, Any]:
    """By kind of word; empty for models that know all words, and for ones that are not here."""
    try:
        file = locate(source.model, revision=source.revision) / SIDECAR
        state = file.stat()
    except (MissingModel, FileNotFoundError):
        return {}
    return _told(file, state.st_size, state.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _told(file: Path, size: int, modified: int) -> dict[str, Any]:
    """The vocabulary in a sidecar; read anew when the file changes."""
    found = read_json(file).get("vocabulary")
    return found if isinstance(found, dict) else {}
