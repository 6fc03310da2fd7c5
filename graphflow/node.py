"""The public API for node authors: `@node`, `Context` and what they are made of.

A node is a typed function. Positional parameters are ports, keyword-only parameters are settings,
the return annotation is the output (a NamedTuple for several). Nothing is named twice:

    @node("std/blend")
    def blend(a: Image, b: Image, *, amount: Annotated[float, Field(ge=0, le=1)] = 0.5) -> Image:
        '''Mix two images; 0 keeps a, 1 keeps b.'''
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar, get_origin

from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from graphflow.claims import UNKNOWN, Alike, Estimate, Footprint, Foreseen, Origin, Sketch, Unknown
from graphflow.errors import DeclarationError, NodeError
from graphflow.files import wrong_part
from graphflow.rows import Parts, Rows
from graphflow.signature import Port, read_signature, where_is
from graphflow.types import is_namedtuple, mentions, metadata_of
from graphflow.values import Recipe, SavedFile, SeedMark, Value

ID_PATTERN = re.compile(r"[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)+")
"""Node ids: lower-case words joined by slashes, such as `diffusion/decode`."""

State = dict[str, Any]
"""A checkpoint: names to plain data or tensors."""

Upgrade = Callable[[dict[str, Any]], dict[str, Any]]

Forecast = Callable[[Mapping[str, Any]], Estimate | None]
"""What is known of a node's inputs while planning, by name, to the memory it needs; None if that cannot be
told. Values that a step has still to make are as that step's own check describes them, or absent."""

Check = Callable[..., Mapping[str, Any] | None]
"""Those of a node's inputs that it names, by name, to what the outputs will look like without their tensors;
what it leaves out is not known. Refuses by raising. An input that a step has still to make is as that step's
own check described it, or UNKNOWN; a port that is not wired is None. Of a picture or video that was computed
before, or whose file could be looked at, there is a Sketch."""

Gate = Callable[..., str]
"""(origins of a value, settings by name) to a notice for people, empty for none; refuses by raising."""


_LONGEST_END = "-0123456789-999.safetensors"


def _check_file_name(name: str) -> str:
    """What would fail when the file is written, after all the work for it, is refused with the settings."""
    reason = wrong_part(name + _LONGEST_END)
    if reason:
        raise PydanticCustomError("file_name", "as a file's name it {reason}", {"reason": reason})
    return name


FileName = Annotated[
    str, Field(min_length=1, max_length=100, pattern=r"^[^/\\\x00-\x1f]+$"), AfterValidator(_check_file_name)
]
"""A setting: the first part of the name of a file that `Context.save` writes."""


class Context(Protocol):
    """What a running node may ask of the engine. Annotate one parameter with it to get it."""

    @property
    def device(self) -> str:
        """Where this step computes, such as `cpu` or `cuda:0`."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What made this step's inputs: the workflow document, this step's key, library versions."""

    def progress(self, done: int, total: int) -> None:
        """Report `done` of `total`. Also a cancel point: raises Cancelled if the run was cancelled."""

    def check(self) -> None:
        """A cancel point without a report: raises Cancelled if the run was cancelled."""

    def notice(self, text: str) -> None:
        """Tell people what they should know of this step's work, such as a size that was changed: told when
        the step has run, and again when its result comes from the cache. A sentence or two; a few a step.
        """

    def preview(self, make: Callable[[], Value]) -> None:
        """Show an Image or Video of the work so far; `make` is called only if somebody watches."""

    def checkpoint(self, make: Callable[[], State]) -> None:
        """Offer a state to resume from; `make` is called only when a checkpoint is due."""

    def restore(self) -> State | None:
        """The state of the last checkpoint of this very step (same key), or None."""

    def use(self, recipe: Recipe) -> AbstractContextManager[Any]:
        """The live object that `recipe` describes, for the length of a `with` block."""

    def save(self, name: str, suffix: str, write: Callable[[Path], None]) -> SavedFile:
        """Write a result file atomically into the run's output folder.

        `write` gets a temporary path ending in `suffix` (such as `.mp4`); the finished file is named
        from `name` and this step's key. Raises StorageError when it cannot be written.
        """


@dataclass(frozen=True)
class NodeSpec:
    """All that is known about a node, read from its function."""

    id: str
    version: int
    function: Callable[..., Any]
    ports: Mapping[str, Port]
    settings: Mapping[str, Any]
    """Setting name to its full annotation."""
    params: type[BaseModel]
    """Strict model of the settings; its JSON Schema is the editor's form."""
    outputs: Mapping[str, Any]
    context: str | None
    """Name of the parameter that takes the Context, if any."""
    fold: bool = False
    cache: bool = True
    device: bool = False
    """Needs the device to itself: takes a recipe through a port."""
    effect: Callable[[Mapping[str, Any]], bool] | None = None
    fingerprint: Callable[..., Any] | None = None
    branch: Callable[..., str] | None = None
    gate: Gate | None = None
    check: Check | None = None
    forecast: Forecast | None = None
    upgrades: Mapping[int, Upgrade] = field(default_factory=dict)
    depends: tuple[str, ...] = ()

    @property
    def single_output(self) -> str | None:
        """The output's name if there is exactly one."""
        return next(iter(self.outputs)) if len(self.outputs) == 1 else None

    @property
    def doc(self) -> str:
        return inspect.getdoc(self.function) or ""

    @property
    def title(self) -> str:
        return self.id.rpartition("/")[2].replace("_", " ").capitalize()

    @cached_property
    def seeds(self) -> frozenset[str]:
        """Names of the settings that are random seeds."""
        return frozenset(name for name, hint in self.settings.items() if SeedMark() in metadata_of(hint))

    @cached_property
    def looks_at(self) -> tuple[str, ...]:
        """Names of the inputs that the check wants to see."""
        return tuple(inspect.signature(self.check).parameters) if self.check is not None else ()

    @cached_property
    def source_hash(self) -> str:
        """sha256 over the node's module and the modules it declares in `depends`."""
        digest = hashlib.sha256()
        for source in (_module_source(self.function), *(_named_source(name) for name in self.depends)):
            digest.update(len(source).to_bytes(8, "big") + source)
        return digest.hexdigest()

    def pack(self, result: Any) -> dict[str, Any]:
        """Name a call's results: `{output: value}`."""
        if not self.outputs:
            return {}
        if self.single_output is not None and not is_namedtuple(type(result)):
            return {self.single_output: result}
        return dict(zip(self.outputs, result, strict=True))

    def checked(self, result: Any) -> dict[str, Any]:
        """`pack`, with lists and values checked. Raises NodeError if they are not what is declared."""
        try:
            outputs = self.pack(result)
        except (TypeError, ValueError):
            text = f"{self.id} must return {len(self.outputs)} outputs"
            raise NodeError(text, code="node.output") from None
        for name, value in outputs.items():
            if isinstance(value, Parts):
                outputs[name] = value = [*value]
            kind = get_origin(self.outputs[name]) or self.outputs[name]
            known = kind is list or (isinstance(kind, type) and issubclass(kind, Value))
            if known and not isinstance(value, (list, Rows) if kind is list else kind):
                text = f"output {name!r} should be a {kind.__name__}, not a {type(value).__name__}"
                raise NodeError(text, code="node.output")
        return outputs


def node(
    id: str,
    *,
    version: int = 1,
    fold: bool = False,
    cache: bool = True,
    effect: Callable[[Mapping[str, Any]], bool] | None = None,
    fingerprint: Callable[..., Any] | None = None,
    branch: Callable[..., str] | None = None,
    gate: Gate | None = None,
    check: Check | None = None,
    forecast: Forecast | None = None,
    upgrades: Mapping[int, Upgrade] | None = None,
    depends: Iterable[str] = (),
) -> Callable[[F], F]:
    """Declare a function as a node. The function stays as it is and can be called and tested directly.

    fold: small, pure and free of torch; evaluated while planning, its value enters the keys below.
    cache: False for results that must not be kept.
    effect: for nodes that write outside; given the outputs of an earlier run with the same inputs it
        says whether they still stand, and then the node does not run again.
    fingerprint: for nodes that read the outside world; called with the settings while planning, its
        plain result enters the key (such as a file's hash).
    branch: given the settings, names the one port whose value the node passes on; the other ports are
        never computed.
    gate: for a branch that lets a value pass only if its origins allow it; asked while planning.
    check: its parameters name inputs of the node; called with what is known of them before anything runs, it
        raises for what cannot work and tells what the outputs will look like. Fast, without torch.
    forecast: the memory that the node needs beside its models' weights, told while planning.
    upgrades: `{1: fn}` turns the params of version 1 into those of version 2, and so on.
    depends: other modules whose code changes the result; `.name` is relative to the node's module.

    Raises DeclarationError, at import, for anything that cannot be a node, with the fix.
    """

    options: dict[str, Any] = {
        "version": version,
        "fold": fold,
        "cache": cache,
        "effect": effect,
        "fingerprint": fingerprint,
        "branch": branch,
        "gate": gate,
        "check": check,
        "forecast": forecast,
        "upgrades": dict(upgrades or {}),
    }

    def declare(function: F) -> F:
        function.__graphflow_node__ = _declared(id, function, tuple(depends), options)  # type: ignore[attr-defined]
        return function

    return declare


def _declared(
    id: str, function: Callable[..., Any], depends: tuple[str, ...], options: Mapping[str, Any]
) -> NodeSpec:
    """The checked spec of a function."""
    if not ID_PATTERN.fullmatch(id):
        hint = "write it as 'pack/name', lower case"
        raise DeclarationError(f"{id!r} is not a node id", where=where_is(function), hint=hint)
    read = read_signature(function, Context)
    package = function.__globals__.get("__package__") or ""
    takes_recipe = any(mentions(port.type, Recipe) for port in read["ports"].values())
    spec = NodeSpec(
        id=id,
        function=function,
        depends=tuple(importlib.util.resolve_name(name, package) for name in depends),
        device=takes_recipe and not options["fold"],
        **options,
        **read,
    )
    _check_upgrades(spec)
    if spec.fold and spec.context is not None:
        raise DeclarationError(
            "a node that folds gets no Context", where=where_is(function), hint="remove one"
        )
    if spec.gate is not None and spec.branch is None:
        raise DeclarationError(
            "a gate needs a branch", where=where_is(function), hint="name the port by `branch`"
        )
    strange = set(spec.looks_at) - spec.ports.keys() - spec.settings.keys()
    if strange:
        raise DeclarationError(
            f"the check looks at {', '.join(sorted(strange))}, which is no input",
            where=where_is(function),
            hint=f"inputs: {', '.join([*spec.ports, *spec.settings])}",
        )
    return spec


F = TypeVar("F", bound=Callable[..., Any])


def spec_of(function: Any) -> NodeSpec | None:
    """The NodeSpec of a function declared with `@node`, or None."""
    spec = getattr(function, "__graphflow_node__", None)
    return spec if isinstance(spec, NodeSpec) else None


# ------------------------------------------------------------------------------ checks and sources


def _check_upgrades(spec: NodeSpec) -> None:
    unknown = [v for v in spec.upgrades if not 1 <= v < spec.version]
    missing = [
        v for v in range(min(spec.upgrades, default=spec.version), spec.version) if v not in spec.upgrades
    ]
    if unknown or missing:
        raise DeclarationError(
            f"upgrades {sorted(spec.upgrades)} do not lead to version {spec.version}",
            where=where_is(spec.function),
            hint="give one upgrade for each version from the oldest supported up to the last but one",
        )


def _module_source(function: Callable[..., Any]) -> bytes:
    path = inspect.getsourcefile(function)
    if path is not None and Path(path).is_file():
        return Path(path).read_bytes()
    code = function.__code__
    return code.co_code + repr(code.co_consts).encode()


def _named_source(name: str) -> bytes:
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        found = None
    if found is None or found.origin is None:
        raise DeclarationError(f"depends names {name!r}, which is not a module")
    return Path(found.origin).read_bytes()


__all__ = [
    "UNKNOWN",
    "Alike",
    "Context",
    "Estimate",
    "FileName",
    "Footprint",
    "Foreseen",
    "NodeSpec",
    "Origin",
    "Port",
    "Sketch",
    "State",
    "Unknown",
    "node",
    "spec_of",
]
