"""What is there only for a branch to choose: it is computed if it is chosen, and not by itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

Uses = Mapping[str, Sequence[tuple[str, bool]]]
"""For each node, in topological order: where its wires come from, and whether each is one to choose from."""


def only_offered(uses: Uses, outputs: Collection[str]) -> set[str]:
    """Nodes that nothing uses but branches, directly or through others, and that are no outputs.

    A workflow in a workflow is taken as one: what its nodes do is only offered if all that others take from
    it is. What nobody uses is offered to nobody: it stands for itself.
    """
    takers: dict[str, list[tuple[str, bool]]] = {id: [] for id in uses}
    for id, sources in uses.items():
        for source, choice in sources:
            takers[source].append((id, choice))
    offered: set[str] = set()
    for id in reversed([*uses]):
        if takers[id] and id not in outputs and all(choice or one in offered for one, choice in takers[id]):
            offered.add(id)
    inner = _offered_workflows(takers, offered, outputs)
    return offered | {id for id in uses if not inner.isdisjoint(_enclosing(id))}


def _offered_workflows(
    takers: Mapping[str, Sequence[tuple[str, bool]]], offered: Collection[str], outputs: Collection[str]
) -> set[str]:
    """Workflow nodes of which nothing is taken but for branches."""
    used: set[str] = set()
    plain: set[str] = set()
    for id, found in takers.items():
        for name in _enclosing(id):
            if id in outputs:
                plain.add(name)
            for one, choice in found:
                if not one.startswith(f"{name}/"):
                    used.add(name)
                    if not (choice or one in offered):
                        plain.add(name)
    return used - plain


def _enclosing(id: str) -> list[str]:
    """The workflow nodes that a node is in: of `a/b/c` these are `a` and `a/b`."""
    parts = id.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]
