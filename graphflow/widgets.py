"""Which control of an editor a setting wants. A setting may say so itself, by `json_schema_extra`; else it
follows from its JSON Schema and, for texts, from its name.

Controls: number, integer, switch, choice, text, textarea, seed, colour, file, model, list, form, json.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from graphflow.types import mentions
from graphflow.values import Audio, Image, Video

LONG_TEXT = 1_000
"""Texts that may be longer get several lines."""

LONG_NAMES = ("prompt", "prompts", "text", "value", "description", "caption", "words")
"""Last words of the names of texts that get several lines."""

MODEL_NAMES = ("model",)

FILE_NAMES = ("path",)

_MEDIA = (("image", Image), ("video", Video), ("audio", Audio))


def widget(name: str, schema: Mapping[str, Any], outputs: Iterable[Any] = ()) -> dict[str, Any]:
    """What an editor adds to a setting's schema: `widget`, and `optional` and `accepts` where they apply.

    schema: of the setting. outputs: types of its node's outputs, which tell what kind of file it reads.
    """
    if "widget" in schema:
        return {}
    sides = [side for side in schema.get("anyOf", ()) if side.get("type") != "null"]
    texts = [side for side in sides if side.get("type") == "string"]
    if len(sides) == 1 or texts:  # of several, a text can be typed
        side = (texts or sides)[0]
        optional = {"optional": True} if len(sides) < len(schema["anyOf"]) else {}
        return {**widget(name, {**schema, **side, "anyOf": []}, outputs), **optional}
    kind = _kind(name, schema)
    return {"widget": kind, "accepts": _accepts(outputs)} if kind == "file" else {"widget": kind}


def _kind(name: str, schema: Mapping[str, Any]) -> str:
    if schema.get("seed"):
        return "seed"
    if "enum" in schema or "const" in schema:
        return "choice"
    if "$ref" in schema or "allOf" in schema:
        return "form"
    match schema.get("type"):
        case "boolean":
            return "switch"
        case "integer" | "number" as kind:
            return str(kind)
        case "string":
            return _text(name.rpartition("_")[2], schema)
        case "array":
            return "list" if schema.get("items", {}).get("type") in _SCALARS else "json"
        case "object" if schema.get("properties"):
            return "form"
    return "json"


_SCALARS = ("string", "integer", "number")


def _text(word: str, schema: Mapping[str, Any]) -> str:
    """The control of a text. word: the last one of its name."""
    if str(schema.get("pattern", "")).startswith("^#[0-9a-fA-F]"):
        return "colour"
    if word in MODEL_NAMES:
        return "model"
    if word in FILE_NAMES:
        return "file"
    long = schema.get("maxLength", 0) > LONG_TEXT or word in LONG_NAMES
    return "textarea" if long and "pattern" not in schema else "text"


def _accepts(outputs: Iterable[Any]) -> str:
    found = [kind for kind, type in _MEDIA if any(mentions(hint, type) for hint in outputs)]
    return found[0] if len(found) == 1 else "any"
