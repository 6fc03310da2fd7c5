"""What a run writes into the files it saves: its document with all seeds, and the keys that led there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from graphflow import workflow
from graphflow.graph import Graph
from graphflow.steps import Step

MAX_KEYS = 200
"""Keys of earlier steps that a saved file names; a file must stay a file, not a log."""


def resolved(graph: Graph) -> dict[str, Any]:
    """The document as JSON with the seeds that were drawn written into it, so that it replays."""
    raw: dict[str, Any] = json.loads(workflow.dump(graph.document))
    for place, seed in graph.seeds.items():
        node, _, setting = place.rpartition(".")
        if node in raw["nodes"]:
            raw["nodes"][node].setdefault("params", {})[setting] = seed
    return raw


def ancestors(step: Step, steps: Mapping[str, Step]) -> dict[str, str]:
    """Keys of the steps that led to `step`, nearest first, by `node` or `node.item`."""
    found: dict[str, str] = {}
    queue = list(step.deps)
    for key in queue:
        before = steps[key]
        name = ".".join([before.node, *map(str, before.item)])
        if name not in found:
            found[name] = key
            queue.extend(before.deps)
        if len(found) >= MAX_KEYS:
            break
    return found
