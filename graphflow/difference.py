"""What differs between two workflow documents in what they mean: nodes, settings, wires, parameters. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from graphflow.workflow import Document, NodeEntry


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Change(_Part):
    """Something that was one thing and is another; None for what was not there or is gone."""

    old: Any = None
    new: Any = None
    was: bool = True
    """Whether there was anything before: None may also be a value."""
    stays: bool = True
    """Whether there is anything now."""


class NodeChange(_Part):
    """How one node differs."""

    type: Change | None = None
    version: Change | None = None
    settings: dict[str, Change] = Field(default_factory=dict)
    wires: dict[str, Change] = Field(default_factory=dict)
    """By input; a wire is written as in the document."""


class Difference(_Part):
    """How a document differs from an older one."""

    name: Change | None = None
    description: Change | None = None
    added: dict[str, str] = Field(default_factory=dict)
    """Types of the new nodes."""
    removed: dict[str, str] = Field(default_factory=dict)
    """Types of the nodes that are gone."""
    changed: dict[str, NodeChange] = Field(default_factory=dict)
    parameters: dict[str, Change] = Field(default_factory=dict)
    outputs: dict[str, Change] = Field(default_factory=dict)
    layout: bool = False
    """Whether anything that only the editor looks at is different."""

    @property
    def same(self) -> bool:
        """Whether both mean the same."""
        return self == Difference(layout=self.layout)


def difference(old: Document, new: Document) -> Difference:
    """How `new` differs from `old`. Two documents without a difference compute the same."""
    both = [id for id in old.nodes if id in new.nodes]
    changed = {id: _node_change(old.nodes[id], new.nodes[id]) for id in both}
    return Difference(
        name=_change(old.name, new.name),
        description=_change(old.description, new.description),
        added={id: node.type for id, node in new.nodes.items() if id not in old.nodes},
        removed={id: node.type for id, node in old.nodes.items() if id not in new.nodes},
        changed={id: change for id, change in changed.items() if change != NodeChange()},
        parameters=_changes(_plain(old.parameters), _plain(new.parameters)),
        outputs=_changes(old.outputs, new.outputs),
        layout=_layout(old) != _layout(new),
    )


def _node_change(old: NodeEntry, new: NodeEntry) -> NodeChange:
    return NodeChange(
        type=_change(old.type, new.type),
        version=_change(old.version, new.version),
        settings=_changes(old.params, new.params),
        wires=_changes(old.inputs, new.inputs),
    )


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Change]:
    found = {}
    for name in dict.fromkeys((*old, *new)):
        if name not in new:
            found[name] = Change(old=old[name], stays=False)
        elif name not in old:
            found[name] = Change(new=new[name], was=False)
        elif (change := _change(old[name], new[name])) is not None:
            found[name] = change
    return found


def _change(old: Any, new: Any) -> Change | None:
    return None if _alike(old, new) else Change(old=old, new=new)


def _alike(old: Any, new: Any) -> bool:
    """Equality of JSON, in which 1, 1.0 and true are three things."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(_alike(old[name], new[name]) for name in old)
    if isinstance(old, (list, tuple)) and isinstance(new, (list, tuple)):
        return len(old) == len(new) and all(map(_alike, old, new))
    return type(old) is type(new) and bool(old == new)


def _plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: parameter.model_dump(mode="json") for name, parameter in parameters.items()}


def _layout(document: Document) -> Any:
    return document.ui, {id: node.ui for id, node in document.nodes.items() if node.ui}
