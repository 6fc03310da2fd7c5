"""Version 0 (drafts before the first release) wrote wires as `["node", "output"]` and outputs as a list."""

from __future__ import annotations

from typing import Any


def migrate(raw: dict[str, Any]) -> dict[str, Any]:
    """Write wires as `node.output` and outputs as `{name: wire}`."""
    new = {**raw, "graphflow": 1}
    nodes = raw.get("nodes")
    if isinstance(nodes, dict):
        new["nodes"] = {id: _entry(entry) for id, entry in nodes.items()}
    if isinstance(raw.get("outputs"), list):
        new["outputs"] = {str(name): str(name) for name in raw["outputs"]}
    if "title" in new and "name" not in new:
        new["name"] = new.pop("title")
    return new


def _entry(entry: Any) -> Any:
    if not isinstance(entry, dict) or not isinstance(entry.get("inputs"), dict):
        return entry
    return {**entry, "inputs": {port: _wire(wire) for port, wire in entry["inputs"].items()}}


def _wire(wire: Any) -> Any:
    match wire:
        case [str(node), str(output)]:
            return f"{node}.{output}"
    return wire
