"""Workflows inside workflows: each such node is replaced by its nodes, before anything else looks.

Inner nodes get ids `outer/inner`; the parameters are the node's inputs, the outputs its outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphflow.errors import DocumentError, GraphflowError, Problem
from graphflow.workflow import LIMITS, Document, NodeEntry, did_you_mean, split_wire

PREFIX = "workflow:"
WireEnd = tuple[str, str | None]
"""A flat node id and one of its outputs; `None` means its only one."""
Wires = WireEnd | list[WireEnd]
Loader = Callable[[str, Path | None], tuple[Document, Path | None]]
"""From a reference and the folder of the document that holds it to the document meant and its folder."""


@dataclass
class FlatNode:
    """A node of the expanded document. Wires name flat ids; `None` as output means the only one."""

    type: str
    version: int
    params: dict[str, Any]
    inputs: dict[str, Wires]


@dataclass
class Flat:
    """The expanded document: nodes without any inner workflow, and all problems met."""

    nodes: dict[str, FlatNode] = field(default_factory=dict)
    outputs: dict[str, WireEnd] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    exports: dict[str, dict[str, WireEnd]] = field(default_factory=dict)
    """Flat id of a workflow node -> its output names -> the inner wire."""
    parameters: dict[str, dict[str, list[tuple[str, str]]]] = field(default_factory=dict)
    """Flat id of a workflow node -> its parameters -> the flat ids and settings that each one sets."""
    closed: set[str] = field(default_factory=set)
    """Flat ids of workflow nodes that could not be opened."""
    edges: int = 0


def is_workflow(type_name: str) -> bool:
    return type_name.startswith((PREFIX, "./", "../")) or type_name.endswith(".json")


def expand(document: Document, folder: Path | None, load: Loader) -> Flat:
    """Expand `document`; problems are collected, never raised."""
    flat = Flat()
    _Expansion(flat, load).add(_entries(document, ""), folder, "", ())
    flat.outputs = {name: _absolute(wire, "") for name, wire in document.outputs.items()}
    _resolve_exports(flat)
    return flat


@dataclass(frozen=True)
class _Expansion:
    flat: Flat
    load: Loader
    loaded: dict[tuple[str, Path | None], tuple[Document, Path | None]] = field(default_factory=dict)

    def add(
        self, nodes: Mapping[str, FlatNode], folder: Path | None, prefix: str, chain: tuple[str, ...]
    ) -> None:
        """Put nodes into the flat document, opening workflow nodes on the way."""
        for id, node in nodes.items():
            self.flat.edges += sum(len(w) if isinstance(w, list) else 1 for w in node.inputs.values())
            if self.full(f"nodes.{prefix}{id}"):
                return
            if is_workflow(node.type):
                self.open(node, prefix + id, folder, chain)
            else:
                self.flat.nodes[prefix + id] = node

    def full(self, path: str) -> bool:
        """Whether a limit is reached; told once. Workflows count too: a hundred may hold no node at all."""
        if len(self.flat.nodes) + len(self.flat.exports) + len(self.flat.closed) >= LIMITS.nodes:
            problem = Problem("limit.nodes", path, f"more than {LIMITS.nodes} nodes")
        elif self.flat.edges > LIMITS.edges:
            problem = Problem("limit.edges", path, f"more than {LIMITS.edges} wires")
        else:
            return False
        if not any(p.code == problem.code for p in self.flat.problems):
            self.flat.problems.append(problem)
        return True

    def read(self, reference: str, folder: Path | None) -> tuple[Document, Path | None]:
        """A workflow file, read once however often it is used."""
        if (reference, folder) not in self.loaded:
            self.loaded[reference, folder] = self.load(reference, folder)
        return self.loaded[reference, folder]

    def open(self, node: FlatNode, name: str, folder: Path | None, chain: tuple[str, ...]) -> None:
        """Replace one workflow node by the nodes inside it."""
        path = f"nodes.{name}.type"
        self.flat.closed.add(name)
        try:
            inner, inner_folder = self.read(node.type, folder)
        except DocumentError as error:
            self.flat.problems += [
                Problem(p.code, f"{path} -> {p.path}" if p.path else path, p.message, p.hint)
                for p in error.problems
            ]
            return
        except GraphflowError as error:
            self.flat.problems.append(Problem("workflow.missing", path, error.message, error.hint))
            return
        stem = node.type.removeprefix(PREFIX).rpartition("/")[2].removesuffix(".json")
        identity = f"{inner_folder}/{stem}"
        if identity in chain or len(chain) >= LIMITS.nesting:
            loop = " -> ".join(c.rpartition("/")[2] for c in (*chain, identity))
            self.flat.problems.append(
                Problem("workflow.recursion", path, f"a workflow contains itself: {loop}")
            )
            return
        self.flat.closed.discard(name)
        self.flat.parameters[name] = {
            parameter: [(f"{name}/{target}", setting) for target, setting in declared.targets]
            for parameter, declared in inner.parameters.items()
        }
        entries = _entries(inner, f"{name}/")
        self.flat.problems += _set_parameters(inner, entries, node, name)
        self.flat.exports[name] = {k: _absolute(w, f"{name}/") for k, w in inner.outputs.items()}
        self.add(entries, inner_folder, f"{name}/", (*chain, identity))


def _set_parameters(
    inner: Document, entries: Mapping[str, FlatNode], node: FlatNode, name: str
) -> list[Problem]:
    """Hand the workflow node's params and wires to the inner nodes its parameters point at."""
    problems = [
        Problem(
            "param.unknown",
            f"nodes.{name}.{'params' if given in node.params else 'inputs'}.{given}",
            "the workflow has no such parameter",
            did_you_mean(given, inner.parameters),
        )
        for given in (*node.params, *node.inputs)
        if given not in inner.parameters
    ]
    for parameter, declared in inner.parameters.items():
        for target, setting in declared.targets:
            if target not in entries:
                problems.append(
                    Problem(
                        "parameter.target",
                        f"nodes.{name}.type -> parameters.{parameter}",
                        f"no node {target!r}",
                    )
                )
                continue
            entry = entries[target]
            if parameter in node.inputs:
                entry.params.pop(setting, None)
                entry.inputs[setting] = node.inputs[parameter]
                if parameter in node.params:  # told with the node it ends in
                    entry.params[setting] = node.params[parameter]
            elif parameter in node.params or declared.default is not None:
                entry.inputs.pop(setting, None)
                entry.params[setting] = node.params.get(parameter, declared.default)
    return problems


def _entries(document: Document, prefix: str) -> dict[str, FlatNode]:
    return {
        id: FlatNode(entry.type, entry.version, dict(entry.params), _wires(entry, prefix))
        for id, entry in document.nodes.items()
    }


def _wires(entry: NodeEntry, prefix: str) -> dict[str, Wires]:
    return {
        port: _absolute(wire, prefix) if isinstance(wire, str) else [_absolute(w, prefix) for w in wire]
        for port, wire in entry.inputs.items()
    }


def _absolute(wire: str, prefix: str) -> WireEnd:
    node, output = split_wire(wire)
    return prefix + node, output


def _resolve_exports(flat: Flat) -> None:
    """Point every wire that names a workflow node at the inner node it stands for."""

    def follow(wire: WireEnd, path: str) -> WireEnd:
        while wire[0] in flat.exports and wire[0] not in flat.closed:
            exports = flat.exports[wire[0]]
            output = wire[1] or (next(iter(exports)) if len(exports) == 1 else None)
            if output is None or output not in exports:
                hint = did_you_mean(output or "", exports)
                flat.problems.append(
                    Problem(
                        "wire.output",
                        path,
                        f"workflow {wire[0]!r} has no output {output or '(unnamed)'!r}",
                        hint,
                    )
                )
                return wire
            wire = exports[output]
        return wire

    for id, node in flat.nodes.items():
        for port, wires in node.inputs.items():
            path = f"nodes.{id}.inputs.{port}"
            if isinstance(wires, list):
                node.inputs[port] = [follow(w, path) for w in wires]
            else:
                node.inputs[port] = follow(wires, path)
    flat.outputs = {k: follow(w, f"outputs.{k}") for k, w in flat.outputs.items()}
