"""The list of addresses, for programs as OpenAPI 3.1 and for people as a page without scripts."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable
from typing import Any

from graphflow import __version__
from graphflow.server.protocol import AssetInfo, RunInfo

Endpoints = Iterable[tuple[str, str, Callable[..., Any]]]

_BODIES: dict[str, dict[str, Any]] = {
    "/api/run/{workflow}": {"application/json": {"schema": {"type": "object"}}},
    "/api/runs": {"application/json": {"schema": {"$ref": "#/components/schemas/RunRequest"}}},
    "/api/uploads": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}

_RUN = {"application/json": {"schema": {"$ref": "#/components/schemas/RunInfo"}}}

_ASSET = {"$ref": "#/components/schemas/AssetInfo"}

_ANSWERS: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {
    ("POST", "/api/run/{workflow}"): ("202", _RUN),
    ("POST", "/api/runs"): ("202", _RUN),
    ("POST", "/api/runs/{run}/retry"): ("202", _RUN),
    ("POST", "/api/runs/{run}/cancel"): ("200", _RUN),
    ("GET", "/api/runs/{run}"): ("200", _RUN),
    ("POST", "/api/uploads"): ("201", {"application/json": {"schema": _ASSET}}),
    ("GET", "/api/uploads"): ("200", {"application/json": {"schema": {"type": "array", "items": _ASSET}}}),
    ("DELETE", "/api/uploads/{asset}"): ("200", {"application/json": {"schema": _ASSET}}),
}


def specification(endpoints: Endpoints) -> dict[str, Any]:
    """OpenAPI 3.1 of the endpoints; their docstrings are the summaries."""
    from graphflow.server.http import RunRequest

    paths: dict[str, dict[str, Any]] = {}
    for method, route, call in endpoints:
        path = re.sub(r":\w+}", "}", route)
        status, content = _ANSWERS.get((method, path), ("200", {}))
        entry: dict[str, Any] = {
            "summary": summary(call),
            "parameters": [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in re.findall(r"{(\w+)}", path)
            ],
            "responses": {
                status: {"description": "done", **({"content": content} if content else {})},
                "default": {"description": "refused: {error: {code, message, hint, problems}}"},
            },
        }
        if path == "/healthz":
            entry["security"] = []
        if method == "POST" and path in _BODIES:
            entry["requestBody"] = {"content": _BODIES[path]}
        if path == "/api/uploads":
            entry["parameters"].append({"name": "name", "in": "query", "schema": {"type": "string"}})
        paths.setdefault(path, {})[method.lower()] = entry
    models = (RunRequest, RunInfo, AssetInfo)
    schemas = {m.__name__: m.model_json_schema(ref_template="#/components/schemas/{model}") for m in models}
    token = {"type": "http", "scheme": "bearer"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "graphflow", "version": __version__},
        "security": [{"token": []}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"token": token}},
    }


def page(endpoints: Endpoints) -> str:
    """The same list as a page for people."""
    rows = "".join(
        f"<tr><td>{method}<td><code>{html.escape(path)}</code><td>{html.escape(summary(call))}"
        for method, path, call in endpoints
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>graphflow: addresses</title>"
        "<h1>Addresses</h1><p>Send the token as <code>Authorization: Bearer TOKEN</code>. The same list for "
        'programs: <a href="/api/openapi.json">openapi.json</a>.</p>'
        f"<table><tr><th>Method<th>Address<th>What it does{rows}</table>"
    )


def summary(call: Callable[..., Any]) -> str:
    """What an endpoint says of itself."""
    return " ".join((call.__doc__ or "").split())
