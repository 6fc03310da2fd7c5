"""What values are owed to: the models of all steps behind them, and of the runs that made files they read.

Models enter a graph as recipes only, and files only through nodes that declare a fingerprint, so no node has
to pass anything on and none can forget to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from graphflow.claims import Origin
from graphflow.errors import StorageError
from graphflow.provenance import read_provenance
from graphflow.refs import Const, Many, Out, Ref
from graphflow.steps import Step
from graphflow.values import Recipe

MAX_FILES = 256
"""Files of a folder whose provenance is looked at."""


def origins(refs: Iterable[Ref], steps: Mapping[str, Step]) -> list[Origin]:
    """Everything made elsewhere that values are owed to.

    Of a model that a step has still to make, that step's own origins count.
    """
    found: dict[Origin, None] = {}
    seen: set[str] = set()
    waiting: list[Any] = list(refs)
    while waiting:
        match waiting.pop():
            case Out(key=key) if key not in seen and key in steps:
                seen.add(key)
                waiting.extend(steps[key].inputs.values())
                found.update(dict.fromkeys(_of_files(steps[key])))
            case Many(items=items) | Const(value=list() as items):
                waiting.extend(items)
            case Const(value=Recipe() as recipe) | (Recipe() as recipe):
                found.update(dict.fromkeys(recipe.origins()))
    return sorted(found, key=lambda origin: (origin.name, origin.identity))


def _of_files(step: Step) -> Iterator[Origin]:
    """The models that made the files which a step reads, as the provenance inside them says."""
    if step.spec.fingerprint is None:
        return
    known = [ref.value for ref in step.inputs.values() if isinstance(ref, Const)]
    for value in (*step.settings.values(), *known):
        if isinstance(value, str) and value:
            for file in _files(value):
                yield from _of_file(file)


def _files(name: str) -> list[Path]:
    """The file of that name, or those in the folder of that name; none if there is neither."""
    path = Path(name).expanduser()
    try:
        return sorted(path.iterdir())[:MAX_FILES] if path.is_dir() else [path] if path.is_file() else []
    except (OSError, ValueError):
        return []  # a text that is no path


def _of_file(file: Path) -> Iterator[Origin]:
    try:
        provenance = read_provenance(file) if file.is_file() else None
    except StorageError:
        return  # the node that reads it will say so
    if provenance is None:
        return
    models = provenance.get("models")
    for model in models if isinstance(models, list) else [{"name": f"what made {file.name}"}]:
        told = model if isinstance(model, dict) else {}
        yield Origin(*(str(told.get(field, "")) for field in ("name", "identity", "licence")))
