"""Finds node packs (entry points and folders). A broken pack is data, not an exception: the rest loads."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any

from graphflow.errors import DeclarationError, DocumentError, Problem, describe
from graphflow.node import NodeSpec, spec_of
from graphflow.workflow import closest, did_you_mean

ENTRY_POINTS = "graphflow.packs"


@dataclass(frozen=True)
class PackFailure:
    """A pack that did not load, and why."""

    pack: str
    reason: str


class Registry:
    """The nodes that exist, by id. Passed by hand; there is no global one."""

    def __init__(
        self,
        specs: Mapping[str, NodeSpec] | None = None,
        failures: Iterable[PackFailure] = (),
        about: Mapping[str, str] | None = None,
    ) -> None:
        self.specs: Mapping[str, NodeSpec] = {} if specs is None else specs
        self._failures = tuple(failures)
        self._about = about or {}

    @property
    def failures(self) -> tuple[PackFailure, ...]:
        """Every pack that did not load."""
        return self.specs.failures if isinstance(self.specs, _Packs) else self._failures

    @property
    def about(self) -> Mapping[str, str]:
        """The first sentence of every pack's docstring, by the pack's name."""
        return self.specs.about if isinstance(self.specs, _Packs) else self._about

    def get(self, id: str) -> NodeSpec | None:
        return self.specs.get(id)

    def why_missing(self, id: str) -> str:
        """A hint for a node that is not here: why its pack did not load, or what may have been meant."""
        pack = _pack_of(id)
        for failure in self.failures:
            if failure.pack == pack:
                return f"its pack did not load: {failure.reason}"
        near = closest(id, self.specs)
        if near:
            return f"did you mean {near!r}?"
        beside = [known for known in self.specs if _pack_of(known) == pack]
        if beside or "/" not in id:
            return did_you_mean(id, beside or self.specs)
        return f"no pack {pack!r} is installed; name the folder it lies in with --packs or GRAPHFLOW_PACKS"

    def with_nodes(self, functions: Iterable[Callable[..., Any]]) -> Registry:
        """A registry that also knows the given node functions."""
        specs = dict(self.specs)
        for function in functions:
            spec = spec_of(function)
            if spec is None:
                raise TypeError(f"{function!r} is not declared with @node")
            specs[spec.id] = spec
        return Registry(specs, self.failures, self.about)


def load_registry(folders: Iterable[Path] = (), *, installed: bool = True) -> Registry:
    """The nodes of every installed pack and of every pack found in `folders`.

    A pack is a module or package whose namespace holds functions declared with `@node`. It is imported when
    a node is asked for whose id begins with the pack's name, or when all nodes are. A pack that fails to
    import, exits, or takes an id that another pack has is reported in `failures`; of two packs with one
    id, the one that has the name of its first part keeps it.
    """
    points = sorted(entry_points(group=ENTRY_POINTS), key=lambda p: p.name) if installed else []
    sources = [_Source(point.name, partial(importlib.import_module, point.value), True) for point in points]
    sources += [_Source(path.stem, partial(_import_path, path), False) for path in _pack_paths(folders)]
    return Registry(_Packs(sources))


@dataclass(frozen=True)
class _Source:
    """Where a pack comes from."""

    name: str
    load: Callable[[], ModuleType]
    alone: bool
    """Whether it can be imported without the others; what lies in folders may import what comes before it."""


class _Packs(Mapping[str, NodeSpec]):
    """The nodes of packs that are imported one by one, as they are needed: most runs need few of them."""

    def __init__(self, sources: Iterable[_Source]) -> None:
        self._waiting = list(sources)
        self._specs: dict[str, NodeSpec] = {}
        self._failures: list[PackFailure] = []
        self._about: dict[str, str] = {}
        self._lock = RLock()

    @property
    def failures(self) -> tuple[PackFailure, ...]:
        self._load()
        return tuple(self._failures)

    @property
    def about(self) -> Mapping[str, str]:
        self._load()
        return self._about

    def __getitem__(self, id: str) -> NodeSpec:
        if id not in self._specs:
            self._load(_pack_of(id))
        if id not in self._specs:
            self._load()
        return self._specs[id]

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(self._specs)

    def __len__(self) -> int:
        self._load()
        return len(self._specs)

    def _load(self, name: str | None = None) -> None:
        """Import the installed pack of this name, or all that wait."""
        with self._lock:
            for source in list(self._waiting):
                wanted = name is None or (source.alone and source.name == name)
                if wanted and source in self._waiting:  # one before it may have asked for it
                    self._waiting.remove(source)
                    self._take(source.name, source.load)

    def _take(self, name: str, load: Callable[[], ModuleType]) -> None:
        try:
            module = load()
            found = _specs_in(module)
        except (Exception, SystemExit) as error:  # border: a pack is foreign code
            self._failures.append(PackFailure(name, describe(error)))
            return
        for owner in sorted({_pack_of(id) for id in found} - {name}):
            self._load(owner)
        taken = [id for id in sorted(found.keys() & self._specs.keys()) if found[id] is not self._specs[id]]
        if taken:
            reason = f"declares {taken[0]!r}, which another pack has already"
            self._failures.append(PackFailure(name, reason))
            return
        self._specs = {**self._specs, **found}
        self._about[name] = _first_sentence(module.__doc__ or "")


def _pack_of(id: str) -> str:
    """The name of the pack that a node's id names."""
    return id.partition("/")[0]


def _first_sentence(doc: str) -> str:
    text = " ".join(doc.strip().partition("\n\n")[0].split())
    return text.partition(". ")[0].removesuffix(".")


def _specs_in(module: ModuleType) -> dict[str, NodeSpec]:
    """The nodes in a module's namespace. Raises DeclarationError for two nodes with one id."""
    found: dict[str, NodeSpec] = {}
    for value in vars(module).values():
        spec = spec_of(value)
        if spec is not None and found.setdefault(spec.id, spec) is not spec:
            raise DeclarationError(f"declares {spec.id!r} twice")
    return found


def checked_folders(given: Iterable[Path | str]) -> tuple[Path, ...]:
    """Folders of packs. Raises DocumentError for one that is not a folder, or that is a pack itself."""
    folders = tuple(Path(folder).expanduser() for folder in given)
    problems = [problem for folder in folders if (problem := _wrong_folder(folder)) is not None]
    if problems:
        raise DocumentError(problems)
    return folders


def _wrong_folder(folder: Path) -> Problem | None:
    """A pack itself would be searched for packs, and none be found."""
    if not folder.is_dir():
        text = "this is not a folder" if folder.exists() else "no such folder"
        return Problem("packs.missing", str(folder), text)
    if (folder / "__init__.py").is_file():
        hint = f"name the folder it lies in: {folder.parent}"
        return Problem("packs.missing", str(folder), "this is a pack, not a folder of packs", hint)
    return None


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
