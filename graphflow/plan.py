"""Graph + what is stored + what is asked -> the steps of a run. Pure: no files, threads or tensors.

Planning is demand-driven from the targets. Small pure nodes are folded (evaluated here), lists map their
node over the items, a branch plans only its chosen side. Where the length of a list or a choice is only
known once a step has run, the plan says so in `waiting`; the run then executes what it can and plans
again with what it has learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from graphflow.checks import border, refusals
from graphflow.errors import GraphflowError, NodeError
from graphflow.graph import Graph, GraphNode, Wire
from graphflow.keys import canon, digest, step_key
from graphflow.origins import origins
from graphflow.refs import (
    Const,
    Gone,
    Many,
    Out,
    Ref,
    Waiting,
    const,
    keys_in,
    many,
    peeked,
    sources_in,
    without_gone,
)
from graphflow.rows import listed
from graphflow.settings import check_wired_setting
from graphflow.sizes import check_items
from graphflow.steps import Facts, Plan, Stage, Step
from graphflow.workflow import LIMITS


def plan(graph: Graph, facts: Facts, targets: Iterable[str] | None = None) -> Plan:
    """Plan the run of `targets` (node ids; by default outputs and effects).

    What would run is checked first. A step that cannot work is planned again without, and so is what only it
    needs. Raises KeyError for a target that is not in the graph.
    """
    wanted = list(targets) if targets is not None else graph.default_targets()
    refused: dict[str, GraphflowError] = {}
    while True:
        planned = _Planner(graph, facts, refused).planned(wanted)
        found = refusals(planned, facts)
        if not found:
            return planned
        refused |= found


class _Planner:
    def __init__(self, graph: Graph, facts: Facts, refused: Mapping[str, GraphflowError]) -> None:
        self.graph = graph
        self.facts = facts
        self.refused = refused
        """Steps that cannot work, by key."""
        self.refs: dict[str, dict[str, Ref]] = {}
        self.steps: dict[str, Step] = {}
        self.failures: dict[tuple[str, tuple[int, ...]], GraphflowError] = {}
        self.mapped = 0
        """Items met in lists that are mapped."""
        self.waiting: set[str] = set()
        self.gone: set[str] = set()
        self.notices: dict[str, str] = {}
        self.environment = facts.environment.token()
        self.twins: dict[str, list[tuple[str, tuple[int, ...]]]] = {}
        places = enumerate(graph.nodes.values())
        self.stages = {n.id: Stage(n.id, n.spec, n.settings, tuple(n.inputs), i) for i, n in places}

    def planned(self, wanted: list[str]) -> Plan:
        for id in wanted:
            self.resolve(id)
        return self.finish(wanted)

    # -------------------------------------------------------------------- demand

    def resolve(self, target: str) -> None:
        """Fill `refs` for a node and all it needs, without recursion."""
        stack = [target]
        while stack:
            id = stack[-1]
            if id in self.refs:
                stack.pop()
                continue
            node = self.graph.nodes[id]
            missing = [source for source in self.needs(node) if source not in self.refs]
            if missing:
                stack.extend(missing)
            else:
                self.refs[id] = self.place(node)
                stack.pop()

    def needs(self, node: GraphNode) -> set[str]:
        """Nodes that must be resolved before this one; of a branch only what decides, then what it chose."""
        if node.spec.branch is None:
            return {wire.node for _, wire in node.sources()}
        needed = {wire.node for name, wire in node.sources() if name in node.spec.settings}
        if needed <= self.refs.keys():
            chosen = self.chosen_ports(node)
            needed |= {wire.node for name, wire in node.sources() if name in chosen}
        return needed

    def chosen_ports(self, node: GraphNode) -> set[str]:
        """Ports that at least one item of a branch takes."""
        chosen: set[str] = set()

        def visit(refs: Mapping[str, Ref]) -> None:
            with suppress(GraphflowError):  # told when the item is placed
                settings = self.known_settings(node, refs)
                if isinstance(settings, dict):
                    chosen.add(self.choose(node, settings))

        wired = {name: self.gather(node, name) for name in node.inputs if name in node.spec.settings}
        levels = {name: depth for name, depth in node.levels.items() if name in wired}
        with suppress(GraphflowError):
            self.each(node, wired, levels, visit)
        return chosen

    def each(
        self,
        node: GraphNode,
        refs: Mapping[str, Ref],
        levels: Mapping[str, int],
        visit: Callable[[Mapping[str, Ref]], None],
    ) -> None:
        mapped = [name for name, depth in levels.items() if depth]
        if not mapped:
            visit(refs)
            return
        columns = {name: self.items(refs[name]) for name in mapped}
        length = min((len(c) if isinstance(c, list) else 0 for c in columns.values()), default=0)
        deeper = {name: depth - 1 for name, depth in levels.items()}
        for i in range(length):
            self.each(node, {**refs, **{n: columns[n][i] for n in mapped}}, deeper, visit)  # type: ignore[index]

    def choose(self, node: GraphNode, settings: dict[str, Any]) -> str:
        assert node.spec.branch is not None
        with border(node.id, node.spec):
            port = node.spec.branch(**settings)
        if port not in node.spec.ports:
            raise NodeError(f"{node.spec.id} chose {port!r}, which is not one of its ports", where=node.id)
        return port

    # -------------------------------------------------------------------- placing one node

    def place(self, node: GraphNode) -> dict[str, Ref]:
        names = self.chosen_ports(node) | set(node.spec.settings) if node.spec.branch else node.inputs.keys()
        refs = {name: self.gather(node, name) for name in node.inputs if name in names}
        levels = {name: depth for name, depth in node.levels.items() if name in refs}
        return self.attempt(node, refs, levels, ())

    def gather(self, node: GraphNode, name: str) -> Ref:
        wire = node.inputs[name]
        if isinstance(wire, Wire):
            return self.refs[wire.node][wire.output]
        return many([self.refs[one.node][one.output] for one in wire])

    def attempt(
        self, node: GraphNode, refs: Mapping[str, Ref], levels: Mapping[str, int], item: tuple[int, ...]
    ) -> dict[str, Ref]:
        """`apply`, where an item that fails does not stop the others."""
        try:
            return self.apply(node, refs, levels, item)
        except GraphflowError as error:
            self.failures[node.id, item] = error
            return {name: Gone() for name in node.spec.outputs}

    def apply(
        self, node: GraphNode, refs: Mapping[str, Ref], levels: Mapping[str, int], item: tuple[int, ...]
    ) -> dict[str, Ref]:
        """Map the node over the lists in `levels`, or make one step."""
        mapped = [name for name, depth in levels.items() if depth]
        if not mapped:
            return self.leaf(node, refs, item)
        columns: dict[str, list[Ref]] = {}
        for name in mapped:
            column = self.items(refs[name])
            if not isinstance(column, list):
                if isinstance(column, Gone):
                    self.gone.add(node.id)
                return dict.fromkeys(node.spec.outputs, column)
            columns[name] = column
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            (a, n), (b, m) = list(lengths.items())[:2]
            raise NodeError(
                f"lists that are mapped together must have equal lengths: {a!r} has {n} items, {b!r} has {m}",
                where=node.id,
                hint="std/product makes aligned lists of every combination",
            )
        self.mapped += lengths[mapped[0]]
        if self.mapped > LIMITS.mapped_items:
            raise NodeError(f"more than {LIMITS.mapped_items} items", where=node.id, code="limit.steps")
        deeper = {name: depth - 1 for name, depth in levels.items()}
        made: dict[str, list[Ref]] = {output: [] for output in node.spec.outputs}
        for i in range(lengths[mapped[0]]):
            row = {**refs, **{n: columns[n][i] for n in mapped}}
            for output, ref in self.attempt(node, row, deeper, (*item, i)).items():
                made[output].append(ref)
        return {output: many(column) for output, column in made.items()}

    def items(self, ref: Ref) -> list[Ref] | Gone | Waiting:
        """A list's items, or why they are not known."""
        match ref:
            case Const(value=value, sources=sources):
                return [const(item, sources) for item in listed(value)]
            case Many(items=items):
                return list(items)
            case Out(key=key, output=output, index=index):
                known = self.facts.peek(key)
                if known is None:
                    return self.await_(key)
                value = known[output]
                for i in index:
                    value = value[i]
                places, one = range(len(listed(value))), (key,)
                return [peeked(Out(key, output, (*index, i)), known, one) for i in places]
            case _:
                return ref

    def await_(self, key: str) -> Gone | Waiting:
        if key in self.facts.failed:
            return Gone()
        self.waiting.add(key)
        return Waiting(key)

    # -------------------------------------------------------------------- one item

    def leaf(self, node: GraphNode, refs: Mapping[str, Ref], item: tuple[int, ...]) -> dict[str, Ref]:
        if node.spec.branch is not None:
            return dict.fromkeys(node.spec.outputs, self.branch(node, refs))
        refs = {name: without_gone(ref) for name, ref in refs.items()}
        for kind in (Gone, Waiting):
            for ref in refs.values():
                if isinstance(ref, kind):
                    return dict.fromkeys(node.spec.outputs, self.passed(node, ref))
        if node.spec.fold and all(isinstance(ref, Const) for ref in refs.values()):
            return self.fold(node, refs)
        return self.step(node, refs, item)

    def branch(self, node: GraphNode, refs: Mapping[str, Ref]) -> Ref:
        """The chosen side; whatever became of the other sides does not matter."""
        settings = self.known_settings(node, refs)
        if not isinstance(settings, dict):
            return self.passed(node, settings)
        port = self.choose(node, settings)
        if port not in refs:
            raise NodeError(
                f"nothing is wired to {port!r}, which was chosen", where=node.id, hint=f"wire {port!r}"
            )
        if node.spec.gate is not None:
            with border(node.id, node.spec):
                notice = node.spec.gate(origins([refs[port]], self.steps), **settings)
            if notice:
                self.notices[node.id] = notice
        return self.passed(node, refs[port])

    def passed(self, node: GraphNode, ref: Ref) -> Ref:
        """What a node passes on instead of working; takes note of what is gone."""
        if isinstance(without_gone(ref), Gone):
            self.gone.add(node.id)
        return ref

    def fold(self, node: GraphNode, refs: Mapping[str, Ref]) -> dict[str, Ref]:
        settings = self.known_settings(node, refs)
        assert isinstance(settings, dict)
        ports = {n: r.value for n, r in refs.items() if isinstance(r, Const) and n in node.spec.ports}
        token = step_key(node.static_token, ((n, r.token) for n, r in refs.items())).encode()
        token += self.fingerprint(node, settings)
        known = self.facts.known.folds if node.spec.fingerprint is not None else self.facts.memo
        if (folded := known.get(token)) is None:
            with border(node.id, node.spec):
                result = node.spec.checked(node.spec.function(**ports, **settings))
                check_items(result, LIMITS.value_items)
                known[token] = folded = {name: const(value) for name, value in result.items()}
        if not (sources := sources_in(refs.values())):
            return dict(folded)
        return {name: Const(one.value, one.token, sources) for name, one in folded.items()}

    def step(self, node: GraphNode, refs: Mapping[str, Ref], item: tuple[int, ...]) -> dict[str, Ref]:
        spec = node.spec
        static = self.environment + node.static_token
        if spec.effect is None and not spec.cache:
            static += canon(self.facts.nonce)
        fingerprint = b""
        if spec.fingerprint is not None:
            settings = self.known_settings(node, refs)
            if not isinstance(settings, dict):
                return dict.fromkeys(spec.outputs, settings)
            fingerprint = self.fingerprint(node, settings)
            static += fingerprint
        else:
            self.check_constants(node, refs)
        content = key = step_key(static, [(name, ref.token) for name, ref in refs.items()])
        if spec.effect is not None:
            key = digest([content, self.facts.out_dir])
        if key in self.facts.failed:
            self.gone.add(node.id)
            return {name: Gone() for name in spec.outputs}
        if key in self.refused:
            with border(node.id, spec):
                raise self.refused[key]
        if key in self.steps:
            self.twins.setdefault(key, []).append((node.id, item))
        else:
            deps = tuple(dict.fromkeys(k for ref in refs.values() for k in keys_in(ref)))
            wired = tuple(refs.values())
            self.steps[key] = Step(key, self.stages[node.id], item, wired, deps, fingerprint, content)
        return {name: Out(key, name) for name in spec.outputs}

    def known_settings(self, node: GraphNode, refs: Mapping[str, Ref]) -> dict[str, Any] | Gone | Waiting:
        """All settings with their wired values, or why they are not known."""
        settings = dict(node.settings)
        for name in node.spec.settings:
            ref = refs.get(name)
            if isinstance(ref, Out):
                known = self.facts.peek(ref.key)
                ref = peeked(ref, known) if known is not None else self.await_(ref.key)
            if isinstance(ref, (Gone, Waiting)):
                return ref
            if isinstance(ref, Const):
                settings[name] = self.checked(node, name, ref.value)
            elif ref is not None:
                raise NodeError(f"setting {name!r} must be plain data here", where=node.id)
        return settings

    def check_constants(self, node: GraphNode, refs: Mapping[str, Ref]) -> None:
        for name, ref in refs.items():
            if isinstance(ref, Const) and name in node.spec.settings:
                self.checked(node, name, ref.value)

    def checked(self, node: GraphNode, name: str, value: Any) -> Any:
        try:
            return check_wired_setting(node.spec, name, value)
        except ValidationError as error:
            text = error.errors(include_url=False)[0]["msg"]
            raise NodeError(f"setting {name!r}: {text}", where=node.id, code="setting.invalid") from None

    def fingerprint(self, node: GraphNode, settings: Mapping[str, Any]) -> bytes:
        if node.spec.fingerprint is None:
            return b""
        token = b"fingerprint" + canon([node.spec.id, dict(settings)])
        if token not in self.facts.memo:
            with border(node.id, node.spec):
                self.facts.memo[token] = canon(node.spec.fingerprint(**settings))
        found = self.facts.memo[token]
        assert isinstance(found, bytes)
        return found

    # -------------------------------------------------------------------- what must run

    def finish(self, wanted: list[str]) -> Plan:
        nodes = set(wanted)
        needed = [step.key for step in self.steps.values() if step.node in nodes]
        needed += [key for id in wanted for ref in self.refs[id].values() for key in keys_in(ref)]
        stack = [*needed, *self.waiting]
        todo: set[str] = set()
        stored: dict[str, bool] = {}
        while stack:
            key = stack.pop()
            if key in todo or key in stored:
                continue
            step = self.steps[key]
            if key not in self.waiting and self.facts.stored(step):
                stored[key] = True
            else:
                todo.add(key)
                stack.extend(step.deps)
        ordered = sorted(self.steps.values(), key=lambda step: step.order)
        return Plan(
            steps=self.steps,
            todo=[step.key for step in ordered if step.key in todo],
            stored=[
                s.key for s in ordered if s.key not in todo and (s.key in stored or self.facts.stored(s))
            ],
            outputs={
                name: self.refs[wire.node][wire.output]
                for name, wire in self.graph.outputs.items()
                if wire.node in self.refs
            },
            targets={id: self.refs[id] for id in wanted},
            waiting=frozenset(self.waiting),
            failures={id: error for (id, _), error in reversed(self.failures.items())},
            failed_items=self.failures,
            gone=frozenset(self.gone),
            refs=self.refs,
            twins=self.twins,
            notices=self.notices,
        )
