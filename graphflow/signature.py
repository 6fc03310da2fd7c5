"""A node's function read as its schema: ports, settings with their model, outputs. For `node.py` alone."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from graphflow.errors import DeclarationError
from graphflow.types import bare, is_namedtuple
from graphflow.values import Value


@dataclass(frozen=True)
class Port:
    """An input that is wired: a positional parameter."""

    name: str
    type: Any
    required: bool


def read_signature(function: Callable[..., Any], context_type: type) -> dict[str, Any]:
    """What a node's function says: fields of a NodeSpec by name.

    context_type: the annotation of the one parameter that gets the running step's context.
    Raises DeclarationError for anything that cannot be a node, with the fix.
    """
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise DeclarationError(
            f"an annotation cannot be resolved: {error}",
            where=where_is(function),
            hint="import the type at module level (not under TYPE_CHECKING)",
        ) from error
    ports: dict[str, Port] = {}
    settings: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    context = None
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise DeclarationError(
                f"{parameter} is not allowed", where=where_is(function), hint="name every port and setting"
            )
        if name not in hints:
            raise DeclarationError(
                f"parameter {name!r} has no type", where=where_is(function), hint=f"write '{name}: SomeType'"
            )
        hint, required = hints[name], parameter.default is parameter.empty
        if hint is context_type:
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
            f"a setting's type cannot be checked: {error}", where=where_is(function)
        ) from error
    try:
        model.model_validate({})
    except ValidationError as error:
        wrong = [e for e in error.errors() if e["type"] != "missing"]
        if wrong:
            name, text = wrong[0]["loc"][0], wrong[0]["msg"]
            raise DeclarationError(
                f"the default of setting {name!r} is outside its own limits: {text}",
                where=where_is(function),
                hint="change the default or the limits",
            ) from None
    return model


def _outputs(function: Callable[..., Any], hints: Mapping[str, Any]) -> dict[str, Any]:
    if "return" not in hints:
        raise DeclarationError(
            "the return type is missing", where=where_is(function), hint="write '-> SomeType' (or '-> None')"
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
        where=where_is(function),
        hint="use bool, int, float, str, bytes, a Value subclass, or list/tuple/dict/union of these",
    )


def where_is(function: Callable[..., Any]) -> str:
    """File, line and name of a function, for errors."""
    code = getattr(function, "__code__", None)
    place = f"{Path(code.co_filename).name}:{code.co_firstlineno} " if code else ""
    return f"{place}{function.__name__}"
