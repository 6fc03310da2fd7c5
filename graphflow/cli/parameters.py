"""What a workflow's declared parameters look like on the command line, and text to value by their types."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from graphflow import templates
from graphflow.errors import DocumentError, GraphflowError, Problem
from graphflow.expand import is_workflow
from graphflow.node import NodeSpec
from graphflow.registry import Registry
from graphflow.settings import check_setting, limits_text
from graphflow.types import name_of
from graphflow.workflow import LIMITS, Document, did_you_mean

OPEN_SEED = ("random", "null")
"""Words for a seed that is to be drawn."""

TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")

_KINDS: Mapping[str, type] = {"integer": int, "array": list, "object": dict}


@dataclass(frozen=True)
class Described:
    """One declared parameter: what it sets and what it takes."""

    name: str
    description: str
    spec: NodeSpec
    setting: str
    default: Any
    """Present value; None also stands for an open seed."""
    kinds: frozenset[str]
    """JSON types that it takes: `string`, `integer`, `number`, `boolean`, `array`, `object`, `null`."""
    choices: tuple[str, ...]
    limits: str

    @property
    def type_text(self) -> str:
        """The type for people, such as `int | None`."""
        return "choice" if self.choices else name_of(self.spec.settings[self.setting])

    @property
    def is_seed(self) -> bool:
        """Whether it sets a random seed."""
        return self.setting in self.spec.seeds

    @property
    def expected(self) -> str:
        """Type and limits in one line, for hints and help."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        return ", ".join(part for part in (self.type_text, self.limits) if part)


def described(document: Document, registry: Registry, folder: Path | None = None) -> dict[str, Described]:
    """Every parameter that the command line can set; ports and broken targets are left out."""
    found: dict[str, Described] = {}
    for name, parameter in document.parameters.items():
        target = _target(document, registry, folder, *parameter.targets[0])
        if target is None:
            continue
        spec, setting, value = target
        schema = TypeAdapter(spec.settings[setting]).json_schema()
        value = parameter.default if parameter.default is not None else value
        kinds, choices = _facts(schema, schema.get("$defs", {}))
        limits = limits_text(schema) + (", or random" if setting in spec.seeds else "")
        found[name] = Described(
            name, parameter.description, spec, setting, value, frozenset(kinds), tuple(choices), limits
        )
    return found


def _target(
    document: Document, registry: Registry, folder: Path | None, id: str, setting: str
) -> tuple[NodeSpec, str, Any] | None:
    """The node spec, setting and present value behind a parameter, through inner workflows.

    A value that a workflow's node is given counts before the inner parameter's default, and that before the
    inner node's own.
    """
    given: dict[str, Any] = {}
    for _ in range(LIMITS.nesting):
        entry = document.nodes.get(id)
        if entry is None:
            return None
        spec = registry.get(entry.type)
        if spec is not None:
            return _setting(spec, setting, {setting: given["value"]} if given else entry.params)
        if not is_workflow(entry.type):
            return None
        try:
            document, folder = templates.load_inner(entry.type, folder)
        except GraphflowError:
            return None  # the graph reports it, with its place
        if setting not in document.parameters:
            return None
        inner = document.parameters[setting]
        if setting in entry.params:
            given.setdefault("value", entry.params[setting])
        elif inner.default is not None:
            given.setdefault("value", inner.default)
        id, setting = inner.targets[0]
    return None


def _setting(spec: NodeSpec, setting: str, params: Mapping[str, Any]) -> tuple[NodeSpec, str, Any] | None:
    if setting not in spec.settings:
        return None
    field = spec.params.model_fields[setting]
    default = None if field.is_required() else field.get_default()
    return spec, setting, params.get(setting, default)


def _facts(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """JSON types and choices of a schema, unions and references followed."""
    if "$ref" in schema:
        schema = {**defs.get(schema["$ref"].rpartition("/")[2], {}), **schema}
    kinds: list[str] = []
    choices = [str(choice) for choice in schema.get("enum", [])]
    if "const" in schema:
        choices.append(str(schema["const"]))
    if isinstance(schema.get("type"), str):
        kinds.append(schema["type"])
    for part in [*schema.get("anyOf", []), *schema.get("oneOf", [])]:
        inner_kinds, inner_choices = _facts(part, defs)
        kinds += inner_kinds
        choices += inner_choices
    return kinds, choices


# ------------------------------------------------------------------------------------- text to value


def parse(parameter: Described, text: str) -> Any:
    """The value that `text` stands for. Raises DocumentError, naming the parameter, if it does not fit."""
    if parameter.is_seed and text.lower() in OPEN_SEED:
        return None
    try:
        text.encode()
    except UnicodeEncodeError:  # bytes of the command line that are no text
        raise _wrong(parameter, text, "it is not UTF-8 text") from None
    try:
        value = _value(parameter, text)
        check_setting(parameter.spec, parameter.setting, json.dumps(value, allow_nan=False))
    except ValidationError as error:
        message = error.errors(include_url=False)[0]["msg"]
        raise _wrong(parameter, text, message) from None
    except ValueError as error:
        raise _wrong(parameter, text, str(error)) from None
    return value


def _value(parameter: Described, text: str) -> Any:
    kinds = parameter.kinds - {"null"}
    if kinds == {"string"}:
        return text
    if "boolean" in kinds and text.lower() in (*TRUE, *FALSE) and not kinds & {"integer", "number"}:
        return text.lower() in TRUE
    if "string" not in kinds or not kinds:
        return _json(text)
    try:
        value = _json(text)
    except ValueError:
        return text
    return text if isinstance(value, str) or not _fits(value, parameter.kinds) else value


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError):
        raise ValueError("this is not a value of that type") from None


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is not a finite number")


def _fits(value: Any, kinds: Iterable[str]) -> bool:
    if value is None or isinstance(value, bool):
        return ("null" if value is None else "boolean") in kinds
    if isinstance(value, (int, float)) and "number" in kinds:
        return True
    return any(isinstance(value, _KINDS[kind]) for kind in kinds if kind in _KINDS)


def _wrong(parameter: Described, text: str, message: str) -> DocumentError:
    shown = text if len(text) <= 60 else text[:57] + "..."
    problem = Problem(
        "param.invalid",
        parameter.name,
        f"{shown!r} does not fit: {message[:1].lower()}{message[1:]}",
        f"it takes {parameter.expected}",
    )
    return DocumentError([problem])


def values_from(
    known: Mapping[str, Described], document: Document, pairs: Mapping[str, str]
) -> dict[str, Any]:
    """Values for a workflow from texts by name. Raises DocumentError with everything that is wrong."""
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    for name, text in pairs.items():
        if name in known:
            try:
                values[name] = parse(known[name], text)
            except DocumentError as error:
                problems.extend(error.problems)
        elif name in document.parameters:
            text = "this parameter takes a wire and cannot be set here"
            problems.append(Problem("param.port", name, text, "wire a node into it in the workflow file"))
        else:
            hint = did_you_mean(name, document.parameters)
            problems.append(Problem("param.unknown", name, "the workflow has no such parameter", hint))
    if problems:
        raise DocumentError(problems)
    return values
