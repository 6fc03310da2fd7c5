"""A document and a registry become a checked graph: every node known, every wire typed, no cycle."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property, partial
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from graphflow import types
from graphflow.choices import only_offered
from graphflow.errors import DocumentError, Problem, describe
from graphflow.expand import Flat, FlatNode, Loader, expand
from graphflow.keys import canon
from graphflow.node import NodeSpec
from graphflow.registry import Registry
from graphflow.settings import checked_settings
from graphflow.workflow import Document, did_you_mean

if TYPE_CHECKING:
    import networkx as nx


MAX_HINTS = 50
"""How many problems of one document come with a "did you mean"."""


class Wire(NamedTuple):
    """One output of one node."""

    node: str
    output: str


@dataclass
class GraphNode:
    """A node whose settings are checked and whose wires are typed."""

    id: str
    spec: NodeSpec
    settings: dict[str, Any]
    """Literals and defaults after validation; wired settings are not in it."""
    inputs: dict[str, Wire | tuple[Wire, ...]]
    levels: dict[str, int] = field(default_factory=dict)
    """List levels to map over, by input; only inputs that map."""
    outputs: dict[str, Any] = field(default_factory=dict)
    """Types of the outputs as they leave the node, lists of mapping included."""

    @cached_property
    def static_token(self) -> bytes:
        """What this node contributes to keys whatever is wired into it."""
        spec = self.spec
        return canon([spec.id, spec.version, spec.source_hash, self.settings])

    def sources(self) -> Iterator[tuple[str, Wire]]:
        """Every wire that comes in, with the input's name."""
        for name, wire in self.inputs.items():
            if isinstance(wire, Wire):
                yield name, wire
            else:
                for one in wire:
                    yield name, one


@dataclass
class Graph:
    """A checked graph. `nodes` is in topological order."""

    document: Document
    nodes: dict[str, GraphNode]
    outputs: dict[str, Wire]
    seeds: dict[str, int] = field(default_factory=dict)
    """Seeds that were drawn because the document left them open, by `node.setting`."""
    inner: dict[str, dict[str, list[tuple[str, str]]]] = field(default_factory=dict)
    """Workflow nodes: their parameters and the inner nodes and settings that each one sets."""

    def targets(self, id: str, name: str) -> list[tuple[str, str]]:
        """The nodes and settings that a parameter's target means, through workflows in workflows."""
        if id not in self.inner:
            return [(id, name)]
        return [end for inner in self.inner[id].get(name, []) for end in self.targets(*inner)]

    @cached_property
    def dag(self) -> nx.DiGraph[str]:
        """The graph for analysis and layout: node ids, an edge for every pair of nodes that a wire joins."""
        import networkx as nx

        dag: nx.DiGraph[str] = nx.DiGraph()
        dag.add_nodes_from(self.nodes)
        dag.add_edges_from((wire.node, id) for id, node in self.nodes.items() for _, wire in node.sources())
        return dag

    def _uses(self) -> dict[str, list[tuple[str, bool]]]:
        """Where each node's wires come from, and whether they are ones to choose from."""
        return {
            id: [
                (wire.node, node.spec.branch is not None and name not in node.spec.settings)
                for name, wire in node.sources()
            ]
            for id, node in self.nodes.items()
        }

    def default_targets(self) -> list[str]:
        """Nodes a plain run must bring to an end: outputs and effects, or all leaves if there are none.

        An effect that is there only for a branch to choose is not wanted by itself.
        """
        outputs = {wire.node for wire in self.outputs.values()}
        effects = {id for id, node in self.nodes.items() if node.spec.effect is not None}
        if effects - outputs and any(node.spec.branch is not None for node in self.nodes.values()):
            effects -= only_offered(self._uses(), outputs)
        wanted = outputs | effects
        if not wanted:
            used = {wire.node for node in self.nodes.values() for _, wire in node.sources()}
            wanted = self.nodes.keys() - used
        return [id for id in self.nodes if id in wanted]


def build(
    document: Document,
    registry: Registry,
    *,
    folder: Path | None = None,
    load: Loader | None = None,
    draw_seed: Callable[[], int] | None = None,
) -> Graph:
    """Check a document against a registry.

    folder: where relative workflow references start. load: finds inner workflows. draw_seed: gives the
    seeds that the document leaves open (`null`); without it they are 0.
    Raises DocumentError with every problem at once.
    """
    flat = expand(document, folder, load or _no_workflows)
    builder = _Builder(flat, registry, draw_seed or (lambda: 0))
    nodes = builder.nodes()
    order = builder.order(nodes)
    if order is not None:
        nodes = {id: nodes[id] for id in order}
        builder.infer_types(nodes)
    outputs = builder.outputs(nodes)
    builder.check_parameters(document, nodes)
    if builder.problems:
        raise DocumentError(builder.problems)
    return Graph(document, nodes, outputs, builder.seeds, flat.parameters)


def _no_workflows(reference: str, folder: Path | None) -> tuple[Document, Path | None]:
    raise DocumentError([Problem("workflow.missing", "", f"workflow {reference!r} cannot be found here")])


class _Builder:
    """Collects problems while it builds; broken nodes are left out and nothing is reported twice."""

    def __init__(self, flat: Flat, registry: Registry, draw_seed: Callable[[], int]) -> None:
        self.flat = flat
        self.registry = registry
        self.draw_seed = draw_seed
        self.problems: list[Problem] = list(flat.problems)
        self.seeds: dict[str, int] = {}
        self.broken: set[str] = set(flat.exports) | flat.closed
        self.hints = MAX_HINTS

    def problem(self, code: str, path: str, message: str, hint: str = "") -> None:
        self.problems.append(Problem(code, path, message, hint))

    def suggest(self, name: str, known: Collection[str]) -> str:
        """What may have been meant."""
        return self.hinted(partial(did_you_mean, name, known))

    def hinted(self, hint: Callable[[], str]) -> str:
        """A hint, for the first problems only: looking for similar names takes time."""
        self.hints -= 1
        return hint() if self.hints >= 0 else ""

    # ---------------------------------------------------------------- nodes and their settings

    def nodes(self) -> dict[str, GraphNode]:
        found: dict[str, GraphNode] = {}
        for id, flat in self.flat.nodes.items():
            node = self.node(id, flat)
            if node is None:
                self.broken.add(id)
            else:
                found[id] = node
        for node in found.values():
            node.inputs = dict(self.wires(node, found))
        return found

    def node(self, id: str, flat: FlatNode) -> GraphNode | None:
        spec = self.registry.get(flat.type)
        path = f"nodes.{id}"
        if spec is None:
            hint = self.hinted(partial(self.registry.why_missing, flat.type))
            self.problem("node.unknown", f"{path}.type", f"no node type {flat.type!r}", hint)
            return None
        params = self.upgraded(spec, flat, path)
        if params is None:
            return None
        for name in [n for n in spec.seeds if n in params and params[n] is None]:
            params[name] = self.seeds[f"{id}.{name}"] = self.draw_seed()
        return GraphNode(id, spec, self.settings(spec, params, flat, path), {})

    def upgraded(self, spec: NodeSpec, flat: FlatNode, path: str) -> dict[str, Any] | None:
        """The params at the spec's version, or None if there is no way there."""
        params = dict(flat.params)
        if flat.version > spec.version:
            text = f"{spec.id} version {flat.version} is newer than the installed version {spec.version}"
            self.problem("node.newer", f"{path}.version", text, "update the node's pack")
            return None
        for version in range(flat.version, spec.version):
            if version not in spec.upgrades:
                text = f"{spec.id} version {flat.version} can no longer be read (installed: {spec.version})"
                self.problem("node.older", f"{path}.version", text)
                return None
            try:
                params = dict(spec.upgrades[version](deepcopy(params)))
            except Exception as error:  # border: a pack's code, given params that nobody has checked
                text = f"{spec.id} version {version} could not be upgraded: {describe(error)}"
                self.problem("node.upgrade", f"{path}.params", text)
                return None
        return params

    def settings(self, spec: NodeSpec, params: dict[str, Any], flat: FlatNode, path: str) -> dict[str, Any]:
        for name in [n for n in params if n not in spec.settings]:
            del params[name]
            if name in spec.ports:
                text, hint = f"{name!r} is a port and takes a wire, not a literal", "put a wire in `inputs`"
            else:
                text, hint = f"{spec.id} has no setting {name!r}", self.suggest(name, spec.settings)
            self.problem("setting.unknown", f"{path}.params.{name}", text, hint)
        wired = [name for name in flat.inputs if name in spec.settings]
        for name in [n for n in wired if n in params]:
            self.problem("setting.twice", f"{path}.inputs.{name}", f"{name!r} has a literal and a wire")
        values, problems = checked_settings(spec, params, wired, path)
        self.problems += problems
        return values

    # ---------------------------------------------------------------- wires

    def wires(
        self, node: GraphNode, nodes: Mapping[str, GraphNode]
    ) -> Iterator[tuple[str, Wire | tuple[Wire, ...]]]:
        spec = node.spec
        given = self.flat.nodes[node.id].inputs
        for name, ends in given.items():
            path = f"nodes.{node.id}.inputs.{name}"
            if name not in spec.ports and name not in spec.settings:
                hint = self.suggest(name, [*spec.ports, *spec.settings])
                self.problem("port.unknown", path, f"{spec.id} has no input {name!r}", hint)
            elif isinstance(ends, list):
                found = [self.wire(end, path, nodes) for end in ends]
                if all(found):
                    yield name, tuple(wire for wire in found if wire)
            else:
                wire = self.wire(ends, path, nodes)
                if wire:
                    yield name, wire
        for name, port in spec.ports.items():
            if port.required and name not in given:
                hint = f"wire something of type {types.wanted_name(port.type)} into it"
                self.problem("port.missing", f"nodes.{node.id}.inputs.{name}", f"{name!r} is not wired", hint)

    def wire(self, end: tuple[str, str | None], path: str, nodes: Mapping[str, GraphNode]) -> Wire | None:
        id, output = end
        if id in self.broken:
            return None
        if id not in nodes:
            self.problem("wire.node", path, f"there is no node {id!r}", self.suggest(id, nodes))
            return None
        spec = nodes[id].spec
        if output is None:
            if spec.single_output is None:
                hint = f"write '{id}.NAME'; {self.suggest('', spec.outputs)}"
                text = f"{id!r} has {len(spec.outputs)} outputs" if spec.outputs else f"{id!r} has no output"
                self.problem("wire.output", path, text, hint if spec.outputs else "")
                return None
            return Wire(id, spec.single_output)
        if output not in spec.outputs:
            self.problem(
                "wire.output", path, f"{id!r} has no output {output!r}", self.suggest(output, spec.outputs)
            )
            return None
        return Wire(id, output)

    def order(self, nodes: Mapping[str, GraphNode]) -> list[str] | None:
        """Topological order; None, and a problem with the path, if there is a cycle."""
        before = {id: dict.fromkeys(wire.node for _, wire in node.sources()) for id, node in nodes.items()}
        try:
            return list(TopologicalSorter(before).static_order())
        except CycleError as error:
            loop = error.args[1]
            text = " -> ".join(loop)
            self.problem(
                "graph.cycle", f"nodes.{loop[0]}", f"the graph runs in a circle: {text}", "remove one wire"
            )
            return None

    # ---------------------------------------------------------------- types

    def infer_types(self, nodes: Mapping[str, GraphNode]) -> None:
        for node in nodes.values():
            bindings: types.Bindings = {}
            for name, wire in node.inputs.items():
                want = node.spec.ports[name].type if name in node.spec.ports else node.spec.settings[name]
                if isinstance(wire, Wire):
                    have = nodes[wire.node].outputs[wire.output]
                    depth = types.levels(want, have, bindings)
                else:
                    have = [nodes[w.node].outputs[w.output] for w in wire]
                    depth = 0 if _takes_all(want, have, bindings) else None
                if depth is None:
                    self.type_problem(node, name, wire, want, have)
                elif depth:
                    node.levels[name] = depth
            mapped = max(node.levels.values(), default=0)
            if node.spec.branch is not None:
                self.check_branch(node)
            node.outputs = {
                name: types.nested(types.bind(hint, bindings), mapped)
                for name, hint in node.spec.outputs.items()
            }

    def check_branch(self, node: GraphNode) -> None:
        """The sides of a choice must be equally deep, or its depth would depend on what is chosen."""
        depths = {name: node.levels.get(name, 0) for name in node.inputs}
        decided = max((depth for name, depth in depths.items() if name in node.spec.settings), default=0)
        sides = {name: max(depth, decided) for name, depth in depths.items() if name in node.spec.ports}
        if len(set(sides.values())) > 1:
            text = "the sides of a choice must be lists of the same depth: "
            text += ", ".join(f"{name!r} maps {depth}" for name, depth in sides.items())
            self.problem("wire.type", f"nodes.{node.id}.inputs", text)

    def type_problem(
        self, node: GraphNode, name: str, wire: Wire | tuple[Wire, ...], want: Any, have: Any
    ) -> None:
        path = f"nodes.{node.id}.inputs.{name}"
        if isinstance(wire, Wire):
            given, source = types.name_of(have), f"{wire.node}.{wire.output}"
            hint = f'to pass one value as a list, write ["{source}"]' if _wraps(want, have) else ""
        else:
            given = "a list of " + ", ".join(types.name_of(h) for h in have)
            source, hint = ", ".join(f"{w.node}.{w.output}" for w in wire), ""
        text = f"{name!r} takes {types.wanted_name(want)}, but {source} gives {given}"
        self.problem("wire.type", path, text, hint)

    # ---------------------------------------------------------------- outputs and parameters

    def outputs(self, nodes: Mapping[str, GraphNode]) -> dict[str, Wire]:
        found = {name: self.wire(end, f"outputs.{name}", nodes) for name, end in self.flat.outputs.items()}
        return {name: wire for name, wire in found.items() if wire}

    def check_parameters(self, document: Document, nodes: Mapping[str, GraphNode]) -> None:
        for name, parameter in document.parameters.items():
            for id, target in parameter.targets:
                path = f"parameters.{name}.to"
                if id not in document.nodes:
                    self.problem(
                        "parameter.target", path, f"no node {id!r}", self.suggest(id, document.nodes)
                    )
                    continue
                known: Collection[str] | None = self.flat.parameters.get(id)
                if id in nodes:
                    known = [*nodes[id].spec.settings, *nodes[id].spec.ports]
                if known is not None and target not in known:
                    self.problem(
                        "parameter.target",
                        path,
                        f"{id!r} has no setting {target!r}",
                        self.suggest(target, known),
                    )


def _takes_all(want: Any, have: list[Any], bindings: types.Bindings) -> bool:
    """Whether a list of wires of these types fits, all as items of one of the lists that `want` allows."""
    for item in _item_types(want):
        trial = dict(bindings)
        if all(types.fits(item, one, trial) for one in have):
            bindings.update(trial)
            return True
    return False


def _item_types(want: Any) -> list[Any]:
    """`[T]` for `list[T]`, `[T, U]` for `list[T] | list[U] | None`, else nothing."""
    parts = [types.item_type(part) for part in (want, *get_args(types.bare(want)))]
    return [part for part in parts if part is not None][: 1 if types.item_type(want) is not None else None]


def _wraps(want: Any, have: Any) -> bool:
    return any(types.fits(item, have, {}) for item in _item_types(want))
