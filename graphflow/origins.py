"""What values are owed to: the models of all steps behind them, and of the runs that made files they read.

Models enter a graph as recipes only, and files only through nodes that declare a fingerprint, so no node has
to pass anything on and none can forget to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

from graphflow.claims import Origin
from graphflow.errors import StorageError
from graphflow.provenance import read_provenance
from graphflow.refs import Const, Many, Out, Ref
from graphflow.steps import Step
from graphflow.values import Recipe

MAX_FILES = 10_000
"""Files of a folder whose provenance is looked at, 0.03 ms each; what made others is not known."""

Owed = dict[str, tuple[Origin, ...]]
"""What the results of steps are owed to, by key; kept, it is found out once for all items of a list."""


def origins(refs: Iterable[Ref], steps: Mapping[str, Step], known: Owed | None = None) -> list[Origin]:
    """Everything made elsewhere that values are owed to.

    Of a model that a step has still to make, that step's own origins count. known: filled, for the next time.
    """
    own, keys = _direct(refs)
    found = {**own, **dict.fromkeys(_behind(keys, steps, {} if known is None else known))}
    return sorted(found, key=lambda origin: (origin.name, origin.identity))


def parents(step: Step) -> Iterable[str]:
    """Keys of the steps that one is made of, those too whose results it was told while planning."""
    return _direct(step.refs)[1]


def _direct(refs: Iterable[Any]) -> tuple[dict[Origin, None], dict[str, None]]:
    """The origins of models among some refs, and the keys of the steps that made what they stand for."""
    found: dict[Origin, None] = {}
    keys: dict[str, None] = {}
    waiting = list(refs)
    while waiting:
        one = waiting.pop()
        match one:
            case Out(key=key):
                keys[key] = None
            case Const(value=value, sources=sources):
                keys.update(dict.fromkeys(sources))
                waiting.append(value)
            case Many(items=items) | (list() as items):
                waiting.extend(items)
            case Recipe():
                found.update(dict.fromkeys(one.origins()))
    return found, keys


def _behind(keys: Iterable[str], steps: Mapping[str, Step], known: Owed) -> Iterator[Origin]:
    """What the results of steps are owed to."""
    stack = [key for key in keys if key in steps]
    wanted = [*stack]
    while stack:
        step = steps[stack[-1]]
        own, before = ({}, {}) if step.key in known else _direct(step.refs)
        missing = [key for key in before if key in steps and key not in known]
        if missing:
            stack.extend(missing)
            continue
        stack.pop()
        if step.key not in known:
            made = chain.from_iterable(known[key] for key in before if key in steps)
            known[step.key] = tuple(dict.fromkeys(chain(own, made, _of_files(step))))
    return chain.from_iterable(known[key] for key in wanted)


def _of_files(step: Step) -> Iterator[Origin]:
    """The models that made the files which a step reads, as the provenance inside them says."""
    if step.spec.fingerprint is None:
        return
    told = [ref.value for ref in step.inputs.values() if isinstance(ref, Const)]
    for value in (*step.settings.values(), *told):
        if isinstance(value, str) and value:
            files = _files(value)
            for file in files[:MAX_FILES]:
                yield from _of_file(file)
            if len(files) > MAX_FILES:
                yield Origin(f"files of {value} beyond the first {MAX_FILES}")


def _files(name: str) -> list[Path]:
    """The file of that name, or those in the folder of that name and below, one more than are looked at."""
    path = Path(name).expanduser()
    try:
        if path.is_dir():
            return sorted(islice(filter(Path.is_file, path.rglob("*")), MAX_FILES + 1))
        return [path] if path.is_file() else []
    except (OSError, ValueError, RuntimeError):
        return []  # a text that is no path, or somebody's home that is not there


def _of_file(file: Path) -> Iterator[Origin]:
    try:
        provenance = read_provenance(file)
    except StorageError:
        return  # the node that reads it will say so
    if provenance is None:
        return
    models = provenance.get("models")
    for model in models if isinstance(models, list) else [{"name": f"what made {file.name}"}]:
        told = model if isinstance(model, dict) else {}
        yield Origin(*(str(told.get(field, "")) for field in ("name", "identity", "licence")))
