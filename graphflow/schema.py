"""JSON Schema of the workflow document and of every node, for editors, checkers and people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphflow.node import NodeSpec
from graphflow.registry import Registry
from graphflow.types import name_of
from graphflow.workflow import Document

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def document_schema() -> dict[str, Any]:
    """JSON Schema of a workflow file."""
    schema = Document.model_json_schema()
    schema["required"] = ["graphflow"]
    return {"$schema": DIALECT, **schema, "title": "graphflow workflow"}


def node_schema(spec: NodeSpec) -> dict[str, Any]:
    """All that is known about a node, as JSON: ports, settings (a JSON Schema), outputs, flags."""
    return {
        "id": spec.id,
        "version": spec.version,
        "title": spec.title,
        "doc": spec.doc,
        "ports": {
            name: {"type": name_of(port.type), "required": port.required} for name, port in spec.ports.items()
        },
        "settings": settings_schema(spec),
        "outputs": {name: name_of(hint) for name, hint in spec.outputs.items()},
        "flags": flags(spec),
    }


def settings_schema(spec: NodeSpec) -> dict[str, Any]:
    """JSON Schema of a node's settings, with the seeds marked."""
    schema = spec.params.model_json_schema()
    schema["title"] = spec.id
    for name in spec.seeds:
        schema["properties"][name]["seed"] = True
    return schema


def flags(spec: NodeSpec) -> dict[str, bool]:
    """How the engine treats a node."""
    return {
        "fold": spec.fold,
        "cache": spec.cache,
        "device": spec.device,
        "effect": spec.effect is not None,
        "reads": spec.fingerprint is not None,
        "branch": spec.branch is not None,
        "context": spec.context is not None,
    }


def catalogue(registry: Registry) -> dict[str, Any]:
    """The document's schema and every node's, by id."""
    return {"document": document_schema(), "nodes": nodes_schema(registry.specs)}


def nodes_schema(specs: Mapping[str, NodeSpec]) -> dict[str, Any]:
    """Every node's schema by id, sorted."""
    return {id: node_schema(specs[id]) for id in sorted(specs)}
