"""JSON Schema of the document and of nodes: complete, plain JSON, and true to what the engine accepts."""

from __future__ import annotations

import json

from graphflow.registry import load_registry
from graphflow.schema import DIALECT, catalogue, document_schema, node_schema
from tests.support.engine import REGISTRY


def test_the_document() -> None:
    schema = document_schema()
    assert schema["$schema"] == DIALECT and schema["required"] == ["graphflow"]
    assert {"parameters", "nodes", "outputs", "ui"} <= schema["properties"].keys()
    assert schema["additionalProperties"] is False
    entry = schema["$defs"]["NodeEntry"]["properties"]
    assert {"type", "version", "params", "inputs"} <= entry.keys()


def test_a_node() -> None:
    schema = node_schema(REGISTRY.specs["test/think"])
    assert schema["id"] == "test/think" and schema["version"] == 1
    assert schema["ports"] == {
        "x": {"type": "int", "required": True},
        "model": {"type": "Toy", "required": True},
    }
    assert schema["outputs"] == {"out": "int"}
    assert schema["settings"]["properties"]["seed"]["seed"] is True
    assert schema["flags"]["device"] and schema["flags"]["context"] and not schema["flags"]["fold"]


def test_limits_choices_and_optional_ports() -> None:
    settings = node_schema(REGISTRY.specs["test/limited"])["settings"]["properties"]
    assert settings["amount"] == {
        "default": 5,
        "maximum": 10,
        "minimum": 0,
        "title": "Amount",
        "type": "integer",
    }
    assert settings["mode"]["enum"] == ["a", "b"]
    either = node_schema(REGISTRY.specs["test/either"])
    assert either["ports"]["otherwise"] == {"type": "int | None", "required": False}
    assert either["flags"]["branch"]


def test_every_installed_node_is_plain_json_in_order() -> None:
    registry = load_registry()
    found = json.loads(json.dumps(catalogue(registry), allow_nan=False))
    assert list(found["nodes"]) == sorted(registry.specs)
    for id, schema in found["nodes"].items():
        assert schema["doc"], f"{id} has no docstring"
        assert schema["settings"]["type"] == "object"
