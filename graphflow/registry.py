"""Finds node packs (entry points and folders). A broken pack is data, not an exception: the rest loads."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from graphflow.errors import DeclarationError, describe
from graphflow.node import NodeSpec, spec_of

ENTRY_POINTS = "graphflow.packs"


@dataclass(frozen=True)
class PackFailure:
    """A pack that did not load, and why."""

    pack: str
    reason: str


@dataclass(frozen=True)
class Registry:
    """The nodes that exist, by id. Passed by hand; there is no global one."""

    specs: Mapping[str, NodeSpec] = field(default_factory=dict)
    failures: tuple[PackFailure, ...] = ()

    def get(self, id: str) -> NodeSpec | None:
        return self.specs.get(id)

    def with_nodes(self, functions: Iterable[Callable[..., Any]]) -> Registry:
        """A registry that also knows the given node functions."""
        specs = dict(self.specs)
        for function in functions:
            spec = spec_of(function)
            if spec is None:
                raise TypeError(f"{function!r} is not declared with @node")
            specs[spec.id] = spec
        return Registry(specs, self.failures)


def load_registry(folders: Iterable[Path] = (), *, installed: bool = True) -> Registry:
    """Load every installed pack and every pack found in `folders`.

    A pack is a module or package whose namespace holds functions declared with `@node`. A pack that
    fails to import, exits, or takes an id that another pack has is reported in `failures`.
    """
    specs: dict[str, NodeSpec] = {}
    failures: list[PackFailure] = []
    sources: list[tuple[str, Callable[[], ModuleType]]] = []
    if installed:
        for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda p: p.name):
            sources.append((point.name, lambda value=point.value: importlib.import_module(value)))  # type: ignore[misc]
    for path in _pack_paths(folders):
        sources.append((path.stem, lambda path=path: _import_path(path)))  # type: ignore[misc]
    for name, load in sources:
        try:
            found = _specs_in(load())
        except (Exception, SystemExit) as error:  # border: a pack is foreign code
            failures.append(PackFailure(name, describe(error)))
            continue
        taken = [id for id in sorted(found.keys() & specs.keys()) if found[id] is not specs[id]]
        if taken:
            failures.append(PackFailure(name, f"declares {taken[0]!r}, which another pack has already"))
            continue
        specs.update(found)
    return Registry(specs, tuple(failures))


def _specs_in(module: ModuleType) -> dict[str, NodeSpec]:
    """The nodes in a module's namespace. Raises DeclarationError for two nodes with one id."""
    found: dict[str, NodeSpec] = {}
    for value in vars(module).values():
        spec = spec_of(value)
        if spec is not None and found.setdefault(spec.id, spec) is not spec:
            raise DeclarationError(f"declares {spec.id!r} twice")
    return found


def _pack_paths(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if path.name.startswith(("_", ".")):
                continue
            if path.suffix == ".py" or (path / "__init__.py").is_file():
                yield path


def _import_path(path: Path) -> ModuleType:
    name = f"graphflow_packs.{path.stem}"
    file = path / "__init__.py" if path.is_dir() else path
    spec = importlib.util.spec_from_file_location(
        name, file, submodule_search_locations=[str(path)] if path.is_dir() else None
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
