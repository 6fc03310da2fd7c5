"""Every setting gets a control that can hold all it may be."""

from __future__ import annotations

from typing import Any

import pytest

from graphflow.registry import load_registry
from graphflow.schema import settings_schema
from graphflow.values import Audio, Image, SavedFile, Video
from graphflow.widgets import widget

CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("steps", {"type": "integer", "minimum": 1}, {"widget": "integer"}),
    ("scale", {"type": "number"}, {"widget": "number"}),
    ("loop", {"type": "boolean"}, {"widget": "switch"}),
    ("seed", {"type": "integer", "seed": True}, {"widget": "seed"}),
    ("mode", {"enum": ["a", "b"], "type": "string"}, {"widget": "choice"}),
    ("mode", {"const": "a", "type": "string"}, {"widget": "choice"}),
    ("name", {"type": "string"}, {"widget": "text"}),
    ("prompt", {"type": "string"}, {"widget": "textarea"}),
    ("negative_prompt", {"type": "string"}, {"widget": "textarea"}),
    ("lens", {"type": "string", "maxLength": 4000}, {"widget": "textarea"}),
    ("value", {"type": "string", "pattern": "^[a-z]+$"}, {"widget": "text"}),
    ("key", {"type": "string", "pattern": "^#[0-9a-fA-F]{6}$"}, {"widget": "colour"}),
    ("model", {"type": "string"}, {"widget": "model"}),
    ("path", {"type": "string"}, {"widget": "file", "accepts": "any"}),
    ("fps", {"anyOf": [{"type": "number"}, {"type": "null"}]}, {"widget": "number", "optional": True}),
    ("text", {"anyOf": [{"type": "string"}, {"type": "array"}]}, {"widget": "textarea"}),
    ("two", {"anyOf": [{"type": "integer"}, {"type": "array"}]}, {"widget": "json"}),
    ("skip", {"type": "array", "items": {"type": "string"}}, {"widget": "list"}),
    ("grid", {"type": "array", "items": {"type": "array"}}, {"widget": "json"}),
    ("shot", {"$ref": "#/$defs/Shot"}, {"widget": "form"}),
    ("shot", {"type": "object", "properties": {"a": {}}}, {"widget": "form"}),
    ("any", {}, {"widget": "json"}),
]


@pytest.mark.parametrize(("name", "schema", "wanted"), CASES)
def test_the_control_follows_from_the_schema_and_the_name(
    name: str, schema: dict[str, Any], wanted: dict[str, Any]
) -> None:
    assert widget(name, schema) == wanted


def test_a_setting_that_says_what_it_wants_gets_it() -> None:
    assert widget("prompt", {"type": "string", "widget": "text"}) == {}


@pytest.mark.parametrize(
    ("outputs", "accepts"),
    [
        ([Image], "image"),
        ([Video], "video"),
        ([list[Audio]], "audio"),
        ([SavedFile], "any"),
        ([Image, Video], "any"),
    ],
)
def test_a_file_is_of_the_kind_that_the_node_gives(outputs: list[Any], accepts: str) -> None:
    assert widget("path", {"type": "string"}, outputs)["accepts"] == accepts


def test_every_setting_of_every_node_has_a_control() -> None:
    known = {
        "number", "integer", "switch", "choice", "text", "textarea", "seed", "colour", "file", "model",
        "list", "form", "json",
    }  # fmt: skip
    found = {
        (id, name): schema["widget"]
        for id, spec in load_registry().specs.items()
        for name, schema in settings_schema(spec).get("properties", {}).items()
    }
    assert set(found.values()) <= known
    assert found["diffusion/encode_prompt", "prompt"] == "textarea"
    assert found["media/load_image", "path"] == "file"
    assert found["diffusion/load_denoiser", "model"] == "model"
    assert found["diffusion/denoise", "seed"] == "seed"
