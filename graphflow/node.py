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
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from graphflow.errors import DeclarationError, NodeError
from graphflow.types import bare, is_namedtuple, mentions, metadata_of
from graphflow.values import Recipe, SavedFile, SeedMark, Value

ID_PATTERN = re.compile(r"[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)+")
"""Node ids: lower-case words joined by slashes, such as `diffusion/decode`."""

State = dict[str, Any]
"""A checkpoint: names to plain data or tensors."""

Upgrade = Callable[[dict[str, Any]], dict[str, Any]]


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
class Port:
    """An input that is wired: a positional parameter."""

    name: str
    type: Any
    required: bool


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
            kind = get_origin(self.outputs[name]) or self.outputs[name]
            known = kind is list or (isinstance(kind, type) and issubclass(kind, Value))
            if known and not isinstance(value, kind):
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
    upgrades: `{1: fn}` turns the params of version 1 into those of version 2, and so on.
    depends: other modules whose code changes the result; `.name` is relative to the node's module.

    Raises DeclarationError, at import, for anything that cannot be a node, with the fix.
    """

    def declare(function: F) -> F:
        spec = _read(id, function)
        package = function.__globals__.get("__package__") or ""
        names = tuple(importlib.util.resolve_name(name, package) for name in depends)
        full = NodeSpec(
            id=id,
            version=version,
            function=function,
            fold=fold,
            cache=cache,
            effect=effect,
            fingerprint=fingerprint,
            branch=branch,
            upgrades=dict(upgrades or {}),
            depends=names,
            device=any(mentions(p.type, Recipe) for p in spec["ports"].values()) and not fold,
            **spec,
        )
        _check_upgrades(full)
        if fold and full.context is not None:
            raise DeclarationError(
                "a node that folds gets no Context", where=_where(function), hint="remove one"
            )
        function.__graphflow_node__ = full  # type: ignore[attr-defined]
        return function

    return declare


F = TypeVar("F", bound=Callable[..., Any])


def spec_of(function: Any) -> NodeSpec | None:
    """The NodeSpec of a function declared with `@node`, or None."""
    spec = getattr(function, "__graphflow_node__", None)
    return spec if isinstance(spec, NodeSpec) else None


# ------------------------------------------------------------------------------ reading a function


def _read(id: str, function: Callable[..., Any]) -> dict[str, Any]:
    if not ID_PATTERN.fullmatch(id):
        raise DeclarationError(
            f"{id!r} is not a node id", where=_where(function), hint="write it as 'pack/name', lower case"
        )
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise DeclarationError(
            f"an annotation cannot be resolved: {error}",
            where=_where(function),
            hint="import the type at module level (not under TYPE_CHECKING)",
        ) from error
    ports: dict[str, Port] = {}
    settings: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    context = None
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise DeclarationError(
                f"{parameter} is not allowed", where=_where(function), hint="name every port and setting"
            )
        if name not in hints:
            raise DeclarationError(
                f"parameter {name!r} has no type", where=_where(function), hint=f"write '{name}: SomeType'"
            )
        hint, required = hints[name], parameter.default is parameter.empty
        if hint is Context:
            context = name
        elif parameter.kind is parameter.KEYWORD_ONLY:
            _check_type(hint, function, name, _SETTING_TYPES)
            settings[name] = hint
            defaults[name] = ... if required else parameter.default
        else:
            _check_type(hint, function, name)
            ports[name] = Port(name, bare(hint), required)
    return {
        "ports": ports,
        "settings": settings,
        "params": _params_model(function, settings, defaults),
        "outputs": _outputs(function, hints),
        "context": context,
    }


class Params(BaseModel):
    """Base of every node's settings model."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        arbitrary_types_allowed=True,
        validate_default=True,
        protected_namespaces=(),
    )


def _params_model(
    function: Callable[..., Any], settings: Mapping[str, Any], defaults: Mapping[str, Any]
) -> type[BaseModel]:
    fields: dict[str, Any] = {name: (hint, defaults[name]) for name, hint in settings.items()}
    try:
        model = create_model(f"{function.__name__}_params", __base__=Params, **fields)
    except Exception as error:  # pydantic raises many kinds for types it cannot check
        raise DeclarationError(
            f"a setting's type cannot be checked: {error}", where=_where(function)
        ) from error
    try:
        model.model_validate({})
    except ValidationError as error:
        wrong = [e for e in error.errors() if e["type"] != "missing"]
        if wrong:
            name, text = wrong[0]["loc"][0], wrong[0]["msg"]
            raise DeclarationError(
                f"the default of setting {name!r} is outside its own limits: {text}",
                where=_where(function),
                hint="change the default or the limits",
            ) from None
    return model


def _outputs(function: Callable[..., Any], hints: Mapping[str, Any]) -> dict[str, Any]:
    if "return" not in hints:
        raise DeclarationError(
            "the return type is missing", where=_where(function), hint="write '-> SomeType' (or '-> None')"
        )
    result = hints["return"]
    if result is type(None):
        return {}
    bundle = get_origin(result) or result  # a generic NamedTuple is written `Pairs[A, B]`
    if is_namedtuple(bundle):
        found = typing.get_type_hints(bundle, include_extras=True)
        outputs = {name: bare(found[name]) for name in bundle._fields}
    else:
        outputs = {"out": bare(result)}
    for name, hint in outputs.items():
        _check_type(hint, function, f"output {name}")
    return outputs


_SCALARS = (bool, int, float, str, bytes, type(None))


_SETTING_TYPES = (Value, Enum)
"""Classes that a setting may be besides scalars; a wire carries values only."""


def _check_type(
    hint: Any, function: Callable[..., Any], name: str, classes: tuple[type, ...] = (Value,)
) -> None:
    """Refuse what cannot be the type of a wire or setting."""
    hint = bare(hint)
    origin = get_origin(hint)
    if hint is Any or isinstance(hint, TypeVar) or hint in _SCALARS or origin is Literal:
        return
    if isinstance(hint, type) and issubclass(hint, classes):
        return
    if origin in (list, tuple, dict, Union, types.UnionType):
        for part in get_args(hint):
            if part is not Ellipsis:
                _check_type(part, function, name, classes)
        return
    raise DeclarationError(
        f"{name!r} has type {hint!r}, which cannot travel on a wire",
        where=_where(function),
        hint="use bool, int, float, str, bytes, a Value subclass, or list/tuple/dict/union of these",
    )


def _check_upgrades(spec: NodeSpec) -> None:
    unknown = [v for v in spec.upgrades if not 1 <= v < spec.version]
    missing = [
        v for v in range(min(spec.upgrades, default=spec.version), spec.version) if v not in spec.upgrades
    ]
    if unknown or missing:
        raise DeclarationError(
            f"upgrades {sorted(spec.upgrades)} do not lead to version {spec.version}",
            where=_where(spec.function),
            hint="give one upgrade for each version from the oldest supported up to the last but one",
        )


def _where(function: Callable[..., Any]) -> str:
    code = getattr(function, "__code__", None)
    place = f"{Path(code.co_filename).name}:{code.co_firstlineno} " if code else ""
    return f"{place}{function.__name__}"


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


__all__ = ["Context", "NodeSpec", "Port", "State", "node", "spec_of"]
