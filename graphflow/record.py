"""What a run writes into the files it saves: its document with all seeds, and what led there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from graphflow import workflow
from graphflow.graph import Graph, Wire
from graphflow.origins import Owed, origins, parents
from graphflow.steps import Step

MAX_KEYS = 200
"""Keys of earlier steps that a saved file names; a file must stay a file, not a log."""


def resolved(graph: Graph) -> dict[str, Any]:
    """The document as JSON, so that it replays by itself.

    The seeds that were drawn are in it, and inner workflows, whose files may not be there, are replaced by
    their nodes.
    """
    raw: dict[str, Any] = json.loads(workflow.dump(graph.document))
    if graph.inner:
        return _flattened(graph, raw)
    for place, seed in graph.seeds.items():
        node, _, setting = place.rpartition(".")
        raw["nodes"][node].setdefault("params", {})[setting] = seed
    return raw


def _flattened(graph: Graph, raw: dict[str, Any]) -> dict[str, Any]:
    names = flat_names(graph)
    nodes: dict[str, Any] = {}
    for id, node in graph.nodes.items():
        params = node.spec.params.model_construct(None, **node.settings)
        nodes[names[id]] = {
            "type": node.spec.id,
            "version": node.spec.version,
            "params": params.model_dump(mode="json", include=set(node.settings)),
            "inputs": {name: _wire_text(wire, names) for name, wire in node.inputs.items()},
            "ui": raw["nodes"].get(id, {}).get("ui", {}),
        }
    parameters: dict[str, Any] = {}
    for name, parameter in graph.document.parameters.items():
        ends = [end for target in parameter.targets for end in graph.targets(*target)]
        to = [f"{names[id]}.{setting}" for id, setting in ends if id in names]
        if to:
            parameters[name] = {**raw["parameters"][name], "to": to}
    outputs = {name: _wire_text(wire, names) for name, wire in graph.outputs.items()}
    return {**raw, "nodes": nodes, "parameters": parameters, "outputs": outputs}


def flat_names(graph: Graph) -> dict[str, str]:
    """Ids in the resolved document, by node: `outer/inner` becomes `outer-inner`, or a number if taken."""
    names = {id: id for id in graph.nodes if "/" not in id}
    taken = set(names.values())
    for i, id in enumerate(graph.nodes):
        if id not in names:
            name = id.replace("/", "-")
            names[id] = name if len(name) <= 64 and name not in taken else f"inner-{i}-{len(taken)}"
            taken.add(names[id])
    return names


def _wire_text(wire: Wire | tuple[Wire, ...], names: Mapping[str, str]) -> str | list[str]:
    if isinstance(wire, Wire):
        return f"{names[wire.node]}.{wire.output}"
    return [f"{names[one.node]}.{one.output}" for one in wire]


def provenance(
    run: Mapping[str, Any],
    step: Step,
    steps: Mapping[str, Step],
    notices: Mapping[str, Sequence[str]],
    known: Owed | None = None,
) -> dict[str, Any]:
    """What is embedded in a file that `step` saves.

    run: the document and library versions. notices: of steps, by key. Beside the run stand the step's key,
    the keys of the steps that led to it with what they told, and the models they used: name, what it was to
    the byte, id of its licence or empty. known: what steps are owed to, filled for the next file.
    """
    models = [asdict(origin) for origin in origins(step.refs, steps, known)]
    keys = ancestors(step, steps)
    told = {name: list(notices[key]) for name, key in keys.items() if notices.get(key)}
    return {**run, "key": step.content, "node": step.node, "keys": keys, "models": models, "notices": told}


def ancestors(step: Step, steps: Mapping[str, Step]) -> dict[str, str]:
    """Keys of the steps that led to `step`, nearest first, by `node` or `node.item`."""
    found: dict[str, str] = {}
    queue = list(parents(step))
    for key in queue:
        if (before := steps.get(key)) is None:
            continue
        name = ".".join([before.node, *map(str, before.item)])
        if name not in found:
            found[name] = key
            queue.extend(parents(before))
        if len(found) >= MAX_KEYS:
            break
    return found
