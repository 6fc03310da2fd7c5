"""Settings of a node: literals and wired values checked strictly against what its function declares."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from graphflow import types
from graphflow.errors import Problem
from graphflow.node import NodeSpec

_LIMITS = {
    "minimum": ">= {}",
    "exclusiveMinimum": "> {}",
    "maximum": "<= {}",
    "exclusiveMaximum": "< {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "pattern": "matches {}",
}


def limits_text(schema: Mapping[str, Any]) -> str:
    """A setting's limits for people, from its JSON Schema; also of one that may be left empty.

    >>> limits_text({"anyOf": [{"minimum": 0, "exclusiveMaximum": 9}, {"type": "null"}]})
    '>= 0, < 9'
    """
    parts = [schema, *schema.get("anyOf", ())]
    return ", ".join(text.format(part[key]) for part in parts for key, text in _LIMITS.items() if key in part)


def checked_settings(
    spec: NodeSpec, params: Mapping[str, Any], wired: list[str], path: str
) -> tuple[dict[str, Any], list[Problem]]:
    """Literals and defaults as Python values, without the wired settings; and all that is wrong with them."""
    if not spec.settings:
        return {}, []
    literals = {name: value for name, value in params.items() if name not in wired}
    try:
        model = spec.params.model_validate_json(json.dumps(literals, allow_nan=False))
        return {name: getattr(model, name) for name in spec.settings if name not in wired}, []
    except ValidationError as error:
        problems = list(_problems(spec, error, wired, path))
    if problems:
        return {}, problems
    values = {}
    for name in spec.settings:
        if name in literals:
            values[name] = check_setting(spec, name, json.dumps(literals[name], allow_nan=False))
        elif name not in wired:
            values[name] = spec.params.model_fields[name].get_default()
    return values, []


def check_setting(spec: NodeSpec, name: str, text: str) -> Any:
    """One setting from JSON text, checked strictly. Raises pydantic.ValidationError."""
    return TypeAdapter(spec.settings[name]).validate_json(text, strict=True)


def check_wired_setting(spec: NodeSpec, name: str, value: Any) -> Any:
    """One setting from a value that came over a wire. Raises pydantic.ValidationError."""
    return TypeAdapter(spec.settings[name]).validate_python(value, strict=True)


def _problems(spec: NodeSpec, error: ValidationError, wired: list[str], path: str) -> Iterator[Problem]:
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        name = str(item["loc"][0]) if item["loc"] else ""
        if item["type"] == "missing" and name in wired and len(item["loc"]) == 1:
            continue
        code = "setting.missing" if item["type"] == "missing" else "setting.invalid"
        place = ".".join(str(part) for part in ("params", *item["loc"]))
        yield Problem(code, f"{path}.{place}", item["msg"], _hint(spec, name))


def _hint(spec: NodeSpec, name: str) -> str:
    if name not in spec.settings:
        return ""
    schema = spec.params.model_json_schema()["properties"].get(name, {})
    kind = f"{name}: {types.name_of(spec.settings[name])}"
    return ", ".join(part for part in (kind, limits_text(schema)) if part)
