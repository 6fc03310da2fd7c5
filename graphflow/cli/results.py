"""What stands at the end of a run: files, pictures, a table of nodes, the exit code, its record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from graphflow import events, outputs
from graphflow.cli import exits, pictures
from graphflow.cli.output import bytes_text, say, seconds_text, table, warn
from graphflow.cli.pictures import shown
from graphflow.errors import StorageError
from graphflow.events import Event
from graphflow.refs import keys_in
from graphflow.values import SavedFile

if TYPE_CHECKING:
    from graphflow.graph import Graph
    from graphflow.result import Result
    from graphflow.workspace import Workspace

MAX_ROWS = 40
"""Nodes in the table; the slowest are shown."""

WORDS = {
    "node.cached": "cached",
    "node.finished": "computed",
    "node.failed": "failed",
    "node.skipped": "skipped",
}


def conclude(
    workspace: Workspace, graph: Graph, result: Result, told: Sequence[Event], out: Path, *, quiet: bool
) -> int:
    """Say how the run ended and write the pictures beside its files; gives the exit code.

    quiet: stdout belongs to a program; people read stderr.
    """
    line = warn if quiet else say
    if result.status == "cancelled":
        warn(cancelled_text(result.seconds))
        return exits.CANCELLED
    if result.status == "failed" and not _anything_ran(told):
        return exit_code(result)  # it failed while planning, and has said so
    saved = saved_files(result)
    if not quiet:
        _node_table(graph, told)
        _plain_outputs(graph, result)
    for file in saved:
        line(f"saved     {shown(Path(file.path))}  {bytes_text(file.size)}")
    for path in pictures.sheets(workspace, saved):
        line(f"sheet     {shown(path)}")
    timeline = pictures.write_timeline(graph, told, out)
    if timeline is not None:
        line(f"timeline  {shown(timeline)}")
    for place, seed in graph.seeds.items():
        line(f"drawn     {place} = {seed}")
    for node, text in result.plan.notices.items():
        warn(f"heed      {node}: {text}")
    if not quiet:
        say(summary(result, told))
    return exit_code(result)


def cancelled_text(seconds: float) -> str:
    """What a person should know after a cancel."""
    return (
        f"cancelled after {seconds_text(seconds)}; finished parts are in the cache: "
        "the same command goes on from there"
    )


def _anything_ran(told: Sequence[Event]) -> bool:
    return any(isinstance(event, (events.NodeStarted, events.NodeCached)) for event in told)


def exit_code(result: Result) -> int:
    """0, or what the first failure asks for; 6 if only items failed."""
    if result.status == "failed":
        return exits.code_for(result.failures[0].code) if result.failures else exits.FAILED
    return exits.ITEMS if result.failures else exits.OK


def summary(result: Result, told: Sequence[Event]) -> str:
    """How the run ended, in a line. A step that ended without being computed here was by another run."""
    cached = sum(isinstance(event, events.NodeCached) for event in told)
    elsewhere = sum(isinstance(event, events.NodeFinished) for event in told) - result.computed
    parts = [f"{result.computed} computed", f"{cached} from the cache"]
    if elsewhere > 0:
        parts.append(f"{elsewhere} by another run meanwhile")
    if result.failures:
        parts.append(f"{len(result.failures)} failed")
    return f"{result.status} in {seconds_text(result.seconds)}: {', '.join(parts)}"


# --------------------------------------------------------------------------------------- the table


def _node_table(graph: Graph, told: Sequence[Event]) -> None:
    rows = node_rows(graph, told)
    if rows:
        say()
        table(("node", "type", "result", "time"), rows)
        say()


def node_rows(graph: Graph, told: Sequence[Event]) -> list[tuple[str, str, str, str]]:
    """One row a node in graph order: id, type, what became of its steps, seconds."""
    counts: dict[str, Counter[str]] = {}
    seconds: dict[str, float] = dict.fromkeys(graph.nodes, 0.0)
    for event in told:
        if isinstance(event, (events.NodeCached, events.NodeFinished, events.NodeFailed, events.NodeSkipped)):
            counts.setdefault(event.node, Counter())[WORDS[event.type]] += 1
        if isinstance(event, events.NodeFinished):
            seconds[event.node] += event.seconds
    ids = [id for id in graph.nodes if id in counts]
    if len(ids) > MAX_ROWS:
        slowest = set(sorted(ids, key=lambda id: -seconds[id])[:MAX_ROWS])
        ids = [id for id in ids if id in slowest]
    return [
        (id, graph.nodes[id].spec.id, _words(counts[id]), seconds_text(seconds[id]) if seconds[id] else "")
        for id in ids
    ]


def _words(counts: Counter[str]) -> str:
    if sum(counts.values()) == 1:
        return next(iter(counts))
    return ", ".join(f"{count} {word}" for word, count in counts.items())


# ------------------------------------------------------------------------------------- the outputs


def saved_files(result: Result) -> list[SavedFile]:
    """Every file that the run's effects wrote or found standing, in graph order."""
    refs = [ref for found in result.plan.targets.values() for ref in found.values()]
    refs += result.plan.outputs.values()
    found: dict[str, SavedFile] = {}
    for ref in refs:
        if any(result.plan.steps[key].spec.effect is not None for key in keys_in(ref)):
            for file in outputs.files_in(outputs.told(result, ref, SavedFile)):
                found.setdefault(file.path, file)
    return list(found.values())


def _plain_outputs(graph: Graph, result: Result) -> None:
    """Outputs that are numbers or text are the result themselves."""
    for name, wire in graph.outputs.items():
        ref = result.plan.outputs.get(name)
        if ref is None or graph.nodes[wire.node].spec.effect is not None:
            continue
        value = outputs.told(result, ref, graph.nodes[wire.node].spec.outputs[wire.output])
        if value is not None and outputs.is_plain(value):
            text = str(value)
            say(f"{name} = {text if len(text) <= 2000 else text[:2000] + ' ...'}")


# ------------------------------------------------------------------------------------ the record


def remember(
    workspace: Workspace, graph: Graph, result: Result, told: Sequence[Event], reference: str, out: Path
) -> None:
    """Write down what this run was, for `graphflow explain`. A disk that is full is a notice."""
    from graphflow import explain

    plan = result.plan
    if result.failures:  # a plan made after a failure lacks the steps that failed
        plan = workspace.prepare(graph, out_dir=out).plan()
    try:
        explain.save(
            workspace.data_dir,
            explain.identity(reference),
            graph,
            plan,
            workspace.environment,
            told,
            out_dir=str(out.absolute()),
        )
    except StorageError as error:
        warn(f"notice    this run is not remembered: {error}")
