"""A run's outputs for those who do not hold its values: plain ones as JSON, files by what they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graphflow.errors import GraphflowError
from graphflow.execute import MissingInput
from graphflow.graph import Graph
from graphflow.refs import Const, Ref, without_gone
from graphflow.result import Result
from graphflow.rows import is_list
from graphflow.types import name_of
from graphflow.values import SavedFile, Value

MAX_TEXT = 20_000
"""Longest plain output that is told, in characters; a longer one is cut."""

MAX_INTEGER = 2**53
"""Largest integer that JavaScript reads exactly; larger ones are told as text."""


def results_of(graph: Graph, result: Result, out_dir: Path) -> dict[str, Any]:
    """A run's outputs as plain JSON: `{"outputs": {name: ...}, "files": [...]}`.

    A plain output has its `value`, one that is files their numbers in `files`, any other only its `type`.
    Of a file the `name` is relative to `out_dir`. Files that no output names, but an effect saved, are there
    too.
    """
    found: dict[str, dict[str, Any]] = {}
    outputs: dict[str, Any] = {}
    for name, wire in graph.outputs.items():
        hint = graph.nodes[wire.node].spec.outputs[wire.output]
        value = result.held.get(name)
        if value is None and name in result.plan.outputs:
            value = told(result, result.plan.outputs[name], hint)
        saved = list(files_in(value))
        for file in saved:
            found.setdefault(file.path, _described(file, out_dir))
        if saved:
            outputs[name] = {"files": [list(found).index(file.path) for file in saved]}
        elif value is not None and is_plain(value):
            outputs[name] = {"value": plain(value)}
        else:
            outputs[name] = {"type": name_of(hint)}
    for node, refs in result.plan.targets.items():
        for output, ref in refs.items() if node in graph.nodes else ():
            for file in files_in(told(result, ref, graph.nodes[node].spec.outputs[output])):
                found.setdefault(file.path, _described(file, out_dir))
    return {"outputs": outputs, "files": list(found.values())}


def told(result: Result, ref: Ref, hint: object) -> Any:
    """A plain output or one that is files; None for any other, and for one that was not made.

    hint: its declared type. What is neither is not read: it may be large, and need torch.
    """
    if isinstance(ref, Const):
        return ref.value
    if not re.search(r"\b(int|float|str|bool|SavedFile)\b", str(hint)):
        return None
    try:
        return result.runner.fetch(without_gone(ref))
    except (MissingInput, AssertionError, GraphflowError):
        return None


def _described(file: SavedFile, out_dir: Path) -> dict[str, Any]:
    path = Path(file.path)
    name = path.relative_to(out_dir).as_posix() if path.is_relative_to(out_dir) else path.name
    return {"name": name, "size": file.size, "digest": file.digest, "media_type": file.media_type}


def files_in(value: Any) -> Iterator[SavedFile]:
    """The saved files in a value, which may be a list of them."""
    if isinstance(value, SavedFile):
        yield value
    elif is_list(value):
        for item in value:
            yield from files_in(item)


def is_plain(value: Any) -> bool:
    """Whether a value is a number, a text or lists of them."""
    if is_list(value):
        return all(map(is_plain, value))
    return isinstance(value, (bool, int, float, str)) and not isinstance(value, Value)


def plain(value: Any, limit: int = MAX_TEXT) -> Any:
    """A plain value as JSON that every browser reads: no NaN, no integer beyond 2^53, not too long."""
    try:
        text = json.dumps(_exact(value), allow_nan=False)
    except ValueError:
        return str(value)[:limit]
    return _exact(value) if len(text) <= limit else f"{text[:limit]} ..."


def _exact(value: Any) -> Any:
    if is_list(value):
        return [_exact(one) for one in value]
    return str(value) if isinstance(value, int) and abs(value) > MAX_INTEGER else value
