"""The record of a workflow's last run: what each node was made from, to tell later what has changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Kept = Literal["memory", "disk", "both", "none", ""]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputRecord(_Record):
    """What was wired into an input: where from, what it stood for in the key, and its text if plain."""

    source: str
    token: str
    text: str | None = None


class NodeRecord(_Record):
    """One node as it was run."""

    type: str
    version: int
    code: str
    """Hash of the node's source."""
    settings: dict[str, str] = Field(default_factory=dict)
    inputs: dict[str, InputRecord] = Field(default_factory=dict)
    """Of a mapped node, those of its first item."""
    out_dir: str = ""
    """Where an effect wrote."""
    items: dict[str, str] = Field(default_factory=dict)
    """Keys by item, such as `0.2`; a node that is not mapped has the item ``."""
    kept: dict[str, Kept] = Field(default_factory=dict)
    """Where results of finished items went."""


class Record(_Record):
    """The last run of a workflow."""

    graphflow_record: Literal[1]
    workflow: str = ""
    time: float = 0.0
    """Seconds since 1970."""
    torch: str = ""
    diffusers: str = ""
    device: str = ""
    nodes: Annotated[dict[str, NodeRecord], Field(max_length=100_000)] = Field(default_factory=dict)


def renamed(record: Record, names: Mapping[str, str]) -> Record:
    """The record with other ids for some nodes, also where wires come from."""
    if not names:
        return record

    def wire(text: str) -> str:
        node, _, output = text.rpartition(".")
        return f"{names.get(node, node)}.{output}"

    def inputs(node: NodeRecord) -> dict[str, InputRecord]:
        return {
            name: one.model_copy(update={"source": ", ".join(map(wire, one.source.split(", ")))})
            for name, one in node.inputs.items()
        }

    nodes = {
        names.get(id, id): node.model_copy(update={"inputs": inputs(node)})
        for id, node in record.nodes.items()
    }
    return record.model_copy(update={"nodes": nodes})
