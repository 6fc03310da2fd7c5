"""`graphflow nodes`: what node types there are, and everything about one."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphflow.cli.options import AsJson, PackFolders, pack_folders
from graphflow.cli.output import first_line, say, say_json, table, warn
from graphflow.errors import DocumentError, Problem

if TYPE_CHECKING:
    from graphflow.node import NodeSpec
    from graphflow.registry import Registry


def nodes(
    pattern: Annotated[
        str, typer.Argument(metavar="[PATTERN]", help="A node's id, a part of it, or a pattern with *.")
    ] = "",
    json: AsJson = False,
    packs: PackFolders = None,
) -> None:
    """List node types; with the id of one, show its ports, settings and outputs."""
    from graphflow.registry import load_registry
    from graphflow.schema import node_schema

    registry = load_registry(pack_folders(packs))
    found = matching(registry, pattern)
    if json:
        broken = [{"pack": f.pack, "reason": f.reason} for f in registry.failures]
        say_json({"nodes": [node_schema(spec) for spec in found], "broken": broken})
        return
    if not found:
        known_node(registry, pattern)
    if len(found) == 1 and pattern:
        show(found[0])
    else:
        table(("node", "what it does"), [(spec.id, first_line(spec.doc)) for spec in found])
    for failure in registry.failures:
        warn(f"pack {failure.pack!r} did not load: {failure.reason}")


def matching(registry: Registry, pattern: str) -> list[NodeSpec]:
    """Nodes by id, by a pattern with `*`, or by a part of the id; sorted."""
    exact = registry.get(pattern)
    if exact is not None:
        return [exact]
    wild = pattern if any(c in pattern for c in "*?[") else f"*{pattern}*"
    return [spec for id, spec in sorted(registry.specs.items()) if fnmatch(id, wild)]


def known_node(registry: Registry, id: str) -> NodeSpec:
    """The node with this id. Raises DocumentError with the closest name."""
    spec = registry.get(id)
    if spec is None:
        hint = registry.why_missing(id)
        raise DocumentError([Problem("node.unknown", id, "there is no such node type", hint)])
    return spec


def show(spec: NodeSpec) -> None:
    """Everything about one node."""
    from graphflow.schema import flags, settings_schema
    from graphflow.settings import limits_text
    from graphflow.types import name_of, wanted_name

    say(f"{spec.id}  version {spec.version}")
    say()
    say(spec.doc)
    on = [name for name, value in flags(spec).items() if value and name not in ("cache", "context")]
    if on:
        say()
        say("flags: " + ", ".join(on))
    if spec.ports:
        say()
        ports = [
            (p.name, wanted_name(p.type), "" if p.required else "may be left open")
            for p in spec.ports.values()
        ]
        table(("port", "type", ""), ports)
    if spec.settings:
        say()
        properties = settings_schema(spec)["properties"]
        rows = [
            (name, name_of(hint), default_text(properties[name]), limits_text(properties[name]))
            for name, hint in spec.settings.items()
        ]
        table(("setting", "type", "default", "limits"), rows)
    if spec.outputs:
        say()
        table(("output", "type"), [(name, name_of(hint)) for name, hint in spec.outputs.items()])


def default_text(schema: dict[str, Any]) -> str:
    """A setting's default, as JSON."""
    import json

    return json.dumps(schema["default"], ensure_ascii=False) if "default" in schema else "(required)"
