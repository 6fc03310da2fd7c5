"""What would run and why: a plan compared with the record of the last run of the same workflow.

The comparison is pure. The record is a small JSON file in the data folder, one for each workflow, written
whole after every run.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from graphflow import events, files
from graphflow.errors import port_of
from graphflow.graph import Graph, GraphNode, Wire
from graphflow.keys import Environment
from graphflow.last_run import InputRecord, NodeRecord, Record, renamed
from graphflow.refs import Const, Gone, Ref, Waiting
from graphflow.steps import Plan, Step

MAX_TEXT = 300
"""Longest setting or wired value written into a record, in characters."""

MAX_ITEMS = 20_000
"""Items of one mapped node that a record names."""

MAX_RECORD = 64 * 2**20
"""Largest record read, in bytes."""

State = Literal["cached", "run", "folded", "not needed", "waiting", "failed"]


@dataclass(frozen=True)
class Story:
    """What would happen to one node, and why."""

    node: str
    type: str
    state: State
    reasons: tuple[str, ...] = ()
    steps: int = 1
    """Steps that would run, of a mapped node; else 1 or 0."""
    cached: int = 0
    """Steps found in the cache."""
    hint: str = ""
    """What to do about a failure."""
    port: str = ""
    """The input that a failure is about, if it is about one."""


# ------------------------------------------------------------------------------------- the record


def identity(reference: str) -> str:
    """What makes two runs runs of the same workflow: the file's place, or the template's name."""
    path = Path(reference).expanduser()
    return f"file:{path.resolve()}" if path.is_file() else f"template:{reference}"


def record_path(data_dir: Path, identity: str) -> Path:
    """Where the record of a workflow lies."""
    return data_dir / "last" / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.json"


def read(data_dir: Path, identity: str) -> Record | None:
    """The record of the last run; None if there is none that is whole."""
    path = record_path(data_dir, identity)
    try:
        if path.stat().st_size > MAX_RECORD:
            return None
        return Record.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def save(
    data_dir: Path,
    identity: str,
    graph: Graph,
    plan: Plan,
    environment: Environment,
    told: Iterable[events.Event],
    *,
    out_dir: str = "",
    names: Mapping[str, str] | None = None,
) -> None:
    """Write the record of a run. Nodes that it did not touch stay as they were. Raises StorageError.

    names: what nodes are called in the workflow that was asked for, where the graph has other ids.
    A run that found everything as it was, such as one from the cache alone, leaves the record alone.
    """
    names = names or {}
    ids = {name: id for id, name in names.items()}
    ended = [event for event in told if isinstance(event, events.NodeFinished)]
    kept = {(ids.get(event.node, event.node), _item(event.item)): event.stored for event in ended}
    before = read(data_dir, identity)
    ours = renamed(before, ids) if before is not None else None
    record = renamed(recorded(graph, plan, environment, kept, ours, out_dir=out_dir), names)
    if before is not None and record.model_copy(update={"time": before.time}) == before:
        return
    path = record_path(data_dir, identity)
    files.make_folder(path.parent)
    files.write_atomic(path, record.model_dump_json(exclude_defaults=True).encode())


def recorded(
    graph: Graph,
    plan: Plan,
    environment: Environment,
    kept: Mapping[tuple[str, str], str],
    before: Record | None = None,
    *,
    out_dir: str = "",
) -> Record:
    """The record of a run. kept: where each finished step's result went, by node and item."""
    nodes = {id: old for id, old in before.nodes.items() if id in graph.nodes} if before else {}
    for id, steps in _steps_by_node(plan).items():
        node, first = graph.nodes[id], steps[0]
        old = nodes.get(id)
        items = {_item(step.item): step.key for step in steps[:MAX_ITEMS]}
        nodes[id] = NodeRecord(
            type=node.spec.id,
            version=node.spec.version,
            code=node.spec.source_hash,
            settings={name: _text(value) for name, value in node.settings.items()},
            inputs={name: _input(node, name, ref) for name, ref in first.inputs.items()},
            out_dir=out_dir if node.spec.effect is not None else "",
            items=items,
            kept={item: _kept(plan, id, item, key, kept, old) for item, key in items.items()},
        )
    return Record(
        graphflow_record=1,
        workflow=graph.document.name,
        time=time.time(),
        torch=environment.torch,
        diffusers=environment.diffusers,
        device=environment.device,
        nodes=nodes,
    )


def _kept(
    plan: Plan, id: str, item: str, key: str, kept: Mapping[tuple[str, str], str], old: NodeRecord | None
) -> Any:
    if (id, item) in kept:
        return kept[id, item]
    if key in plan.stored:
        return "disk"
    return old.kept.get(item, "") if old is not None and old.items.get(item) == key else ""


def _input(node: GraphNode, name: str, ref: Ref) -> InputRecord:
    text = _text(ref.value) if isinstance(ref, Const) else None
    return InputRecord(
        source=_source(node, name), token=hashlib.sha256(ref.token).hexdigest()[:16], text=text
    )


def _source(node: GraphNode, name: str) -> str:
    wires = node.inputs[name]
    return ", ".join(f"{w.node}.{w.output}" for w in ([wires] if isinstance(wires, Wire) else wires))


def _text(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    if len(text) <= MAX_TEXT:
        return text
    return f"{text[:MAX_TEXT]}... #{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _item(item: Sequence[int]) -> str:
    return ".".join(map(str, item))


def _steps_by_node(plan: Plan) -> dict[str, list[Step]]:
    found: dict[str, list[Step]] = {}
    for step in sorted(plan.steps.values(), key=lambda step: step.order):
        found.setdefault(step.node, []).append(step)
    return found


# --------------------------------------------------------------------------------- the comparison


def stories(
    graph: Graph, plan: Plan, environment: Environment, last: Record | None, *, out_dir: str = ""
) -> list[Story]:
    """What would happen to each node of the graph, in graph order. Pure."""
    todo, stored = set(plan.todo), set(plan.stored)
    by_node = _steps_by_node(plan)
    vain = _in_vain(graph, plan)
    found: list[Story] = []
    told: dict[str, Story] = {}
    for id, node in graph.nodes.items():
        steps = by_node.get(id, [])
        run = [step for step in steps if step.key in todo]
        hits = sum(step.key in stored for step in steps)
        if run:
            reasons = tuple(dict.fromkeys(_reasons(node, run, environment, last, told, out_dir)))
            reasons += (plan.foreseen[id],) if id in plan.foreseen else ()
            story = Story(id, node.spec.id, "run", reasons, len(run), hits)
        else:
            state, why = _idle(id, node, plan, hits)
            if state == "not needed" and id in vain:
                why = ("what needs it cannot work",)
            error = plan.failures.get(id) if state == "failed" else None
            hint, port = (error.hint, port_of(error, id)) if error is not None else ("", "")
            story = Story(id, node.spec.id, state, why, 0, hits, hint, port)
        told[id] = story
        found.append(story)
    return found


def _in_vain(graph: Graph, plan: Plan) -> set[str]:
    """Nodes that something which failed needs, directly or through others."""
    found: set[str] = set()
    for id, node in reversed(graph.nodes.items()):
        if id in plan.failures or id in found:
            found.update(wire.node for _, wire in node.sources())
    return found


def _idle(id: str, node: GraphNode, plan: Plan, hits: int) -> tuple[State, tuple[str, ...]]:
    """State and reason of a node that would not run."""
    if id in plan.failures:
        return "failed", (plan.failures[id].message,)
    if hits:
        return "cached", ()
    refs = plan.refs.get(id)
    if refs is None:
        return "not needed", ("nothing that is asked for uses it",)
    if any(isinstance(ref, Gone) for ref in refs.values()):
        return "failed", ("a node it needs failed",)
    waiting = next((ref.key for ref in refs.values() if isinstance(ref, Waiting)), None)
    if waiting is not None:
        step = plan.steps.get(waiting)
        return "waiting", (f"decided when {step.node} has run" if step else "decided while running",)
    if node.spec.fold or node.spec.branch is not None:
        return "folded", (plan.notices[id],) if id in plan.notices else ()
    return "not needed", ("what follows it is in the cache",)


def _reasons(
    node: GraphNode,
    run: list[Step],
    environment: Environment,
    last: Record | None,
    told: Mapping[str, Story],
    out_dir: str,
) -> Iterator[str]:
    """Why steps of a node must run, most telling first."""
    if not node.spec.cache and node.spec.effect is None:
        yield "its results are never kept"
        return
    if last is None:
        yield "first run"
        return
    old = last.nodes.get(node.id)
    if old is None:
        yield "new in this workflow"
        return
    known = {key: item for item, key in old.items.items()}
    lost = [known[step.key] for step in run if step.key in known]
    if lost:
        yield _lost(node, old, lost[0])
    changed = [step for step in run if step.key not in known]
    if changed:
        found = [*_changes(node, changed[0], environment, last, old, told, out_dir)]
        yield from found or [_unnamed(changed)]


def _unnamed(changed: list[Step]) -> str:
    """The reason where neither settings nor wires tell one: the items, or the world outside."""
    if changed[0].fingerprint:
        return "what it reads has changed"
    if changed[0].item:
        return "1 item is new or changed" if len(changed) == 1 else f"{len(changed)} items are new or changed"
    return "something else in its key changed"


def _lost(node: GraphNode, old: NodeRecord, item: str) -> str:
    """Why a result is gone although nothing changed."""
    kept = old.kept.get(item, "")
    if not kept:
        return "did not finish last time"
    if node.spec.effect is not None:
        return "its file is gone or was changed"
    if kept in ("memory", "none"):
        return "too quick or too large to be worth the disk"
    return "its result was evicted from the cache"


def _changes(
    node: GraphNode,
    step: Step,
    environment: Environment,
    last: Record,
    old: NodeRecord,
    told: Mapping[str, Story],
    out_dir: str,
) -> Iterator[str]:
    for name in ("torch", "diffusers", "device"):
        was, now = getattr(last, name), getattr(environment, name)
        if was != now:
            yield f"{name} changed: {was or 'none'} -> {now or 'none'}"
    if old.type != node.spec.id:
        yield f"type changed: {old.type} -> {node.spec.id}"
        return
    if old.version != node.spec.version:
        yield f"node version changed: {old.version} -> {node.spec.version}"
    elif old.code != node.spec.source_hash:
        yield "its code changed"
    if node.spec.effect is not None and old.out_dir != out_dir:
        yield f"output folder changed: {old.out_dir} -> {out_dir}"
    yield from _setting_changes(node, old)
    yield from _input_changes(node, step, old, told)


def _setting_changes(node: GraphNode, old: NodeRecord) -> Iterator[str]:
    for name in sorted(node.settings.keys() | old.settings.keys()):
        was = old.settings.get(name)
        now = _text(node.settings[name]) if name in node.settings else None
        if was != now:
            yield f"{name}: {was if was is not None else 'wired'} -> {now if now is not None else 'wired'}"


def _input_changes(node: GraphNode, step: Step, old: NodeRecord, told: Mapping[str, Story]) -> Iterator[str]:
    for name in sorted(step.inputs.keys() | old.inputs.keys()):
        was = old.inputs.get(name)
        now = _input(node, name, step.inputs[name]) if name in step.inputs else None
        if was is None or now is None:
            yield f"{name} is {'wired now' if was is None else 'no longer wired'}"
        elif was.source != now.source:
            yield f"{name} is wired anew: {was.source} -> {now.source}"
        elif was.token != now.token and not node.levels.get(name):  # mapped items are counted instead
            yield _input_change(name, was, now, node, told)


def _input_change(
    name: str, was: InputRecord, now: InputRecord, node: GraphNode, told: Mapping[str, Story]
) -> str:
    if was.text is not None and now.text is not None and max(len(was.text), len(now.text)) <= 160:
        return f"{name}: {was.text} -> {now.text}"
    sources = [wire.node for input, wire in node.sources() if input == name]
    changed = [id for id in sources if id in told and told[id].state in ("run", "waiting")]
    return f"{name} from {', '.join(dict.fromkeys(changed or sources))} changed"
