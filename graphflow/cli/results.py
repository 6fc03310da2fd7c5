"""What stands at the end of a run: files, contact sheets, a table of nodes, the timeline, the exit code."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphflow import events, files
from graphflow.cli import exits
from graphflow.cli.output import bytes_text, say, seconds_text, table, warn
from graphflow.errors import GraphflowError, StorageError
from graphflow.events import Event
from graphflow.execute import MissingInput
from graphflow.refs import Const, Ref, keys_in, without_gone
from graphflow.values import SavedFile, Value

if TYPE_CHECKING:
    from graphflow.graph import Graph
    from graphflow.result import Result
    from graphflow.workspace import Workspace

MAX_ROWS = 40
"""Nodes in the table; the slowest are shown."""

MAX_SHEETS = 32
"""Contact sheets written after one run."""


def conclude(
    workspace: Workspace, graph: Graph, result: Result, told: Sequence[Event], out: Path, *, quiet: bool
) -> int:
    """Say how the run ended and write the pictures beside its files; gives the exit code.

    quiet: stdout belongs to a program; people read stderr.
    """
    from graphflow.cli.run import cancelled_text

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
        line(f"saved     {_shown(Path(file.path))}  {bytes_text(file.size)}")
    for path in sheets(workspace, saved):
        line(f"sheet     {_shown(path)}")
    timeline = write_timeline(graph, told, out)
    if timeline is not None:
        line(f"timeline  {_shown(timeline)}")
    for place, seed in graph.seeds.items():
        line(f"drawn     {place} = {seed}")
    if not quiet:
        say(_summary(result, told))
    return exit_code(result)


def _anything_ran(told: Sequence[Event]) -> bool:
    return any(isinstance(event, (events.NodeStarted, events.NodeCached)) for event in told)


def exit_code(result: Result) -> int:
    """0, or what the first failure asks for; 6 if only items failed."""
    if result.status == "failed":
        return exits.code_for(result.failures[0].code) if result.failures else exits.FAILED
    return exits.ITEMS if result.failures else exits.OK


def _summary(result: Result, told: Sequence[Event]) -> str:
    cached = sum(isinstance(event, events.NodeCached) for event in told)
    parts = [f"{result.computed} computed", f"{cached} from the cache"]
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
    words = {"node.cached": "cached", "node.finished": "computed", "node.failed": "failed"}
    for event in told:
        word = words.get(event.type, "skipped" if event.type == "node.skipped" else "")
        if word and not isinstance(event, (events.RunFailed, events.CacheNotice)):
            counts.setdefault(getattr(event, "node", ""), Counter())[word] += 1
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
    refs = [ref for outputs in result.plan.targets.values() for ref in outputs.values()]
    refs += result.plan.outputs.values()
    found: dict[str, SavedFile] = {}
    for ref in refs:
        if any(result.plan.steps[key].spec.effect is not None for key in keys_in(ref)):
            for file in _files_in(_fetched(result, ref)):
                found.setdefault(file.path, file)
    return list(found.values())


def _fetched(result: Result, ref: Ref) -> Any:
    try:
        return result.runner.fetch(without_gone(ref))
    except (MissingInput, AssertionError):
        return None


def _files_in(value: Any) -> Iterator[SavedFile]:
    if isinstance(value, SavedFile):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _files_in(item)


def _plain_outputs(graph: Graph, result: Result) -> None:
    """Outputs that are numbers or text are the result themselves."""
    for name, wire in graph.outputs.items():
        ref = result.plan.outputs.get(name)
        if ref is None or graph.nodes[wire.node].spec.effect is not None:
            continue
        value = ref.value if isinstance(ref, Const) else _peeked(result, name)
        if value is not None and _is_plain(value):
            text = str(value)
            say(f"{name} = {text if len(text) <= 2000 else text[:2000] + ' ...'}")


def _peeked(result: Result, name: str) -> Any:
    ref = without_gone(result.plan.outputs[name])
    keys = list(keys_in(ref))
    if not keys or not all(_plain_type(result.plan.steps[key].spec.outputs.values()) for key in keys):
        return None
    return _fetched(result, ref)


def _plain_type(hints: Any) -> bool:
    return all(hint in (int, float, str, bool) or "list" in str(hint) for hint in hints)


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_plain(item) for item in value)
    return isinstance(value, (bool, int, float, str)) and not isinstance(value, Value)


def _shown(path: Path) -> str:
    """A path as short as it can be and still be clicked on."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


# ------------------------------------------------------------------------------------ the pictures


def sheets(workspace: Workspace, saved: Sequence[SavedFile]) -> list[Path]:
    """Contact sheets beside saved videos; one that stands is kept. Failing to draw one is a notice."""
    found: list[Path] = []
    for file in [f for f in saved if f.media_type.startswith("video/") or f.media_type == "image/gif"][
        :MAX_SHEETS
    ]:
        path = Path(file.path).with_suffix(".sheet.png")
        try:
            if path.exists() or _draw_sheet(workspace, file, path):
                found.append(path)
        except (GraphflowError, OSError, ValueError) as error:
            warn(f"notice    no contact sheet for {_shown(Path(file.path))}: {error}")
    return found


def _draw_sheet(workspace: Workspace, file: SavedFile, path: Path) -> bool:
    """Draw a sheet with the media nodes; False if they are not installed."""
    import io

    load = workspace.registry.get("media/load_video")
    draw = workspace.registry.get("media/contact_sheet")
    if load is None or draw is None:
        return False
    from PIL import Image

    from graphflow.testing import LocalContext

    extra = {load.context: LocalContext()} if load.context else {}
    video = load.function(path=file.path, **extra)
    picture = draw.function(video)
    buffer = io.BytesIO()
    Image.fromarray(picture.pixels.numpy()).save(buffer, "PNG")
    files.write_atomic(path, buffer.getvalue())
    return True


def write_timeline(graph: Graph, told: Sequence[Event], out: Path) -> Path | None:
    """The run as a picture in the output folder. A run that computed nothing keeps the earlier one."""
    from graphflow import timeline

    computed = any(isinstance(event, (events.NodeFinished, events.NodeFailed)) for event in told)
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", graph.document.name).strip("_")[:80] or "workflow"
    path = out / f"{name}.timeline.svg"
    try:
        if path.exists() and not (computed and _is_timeline(path)):
            return path if _is_timeline(path) else None
        files.make_folder(out.absolute())
        files.write_atomic(path, timeline.draw(told, title=graph.document.name).encode())
    except (StorageError, OSError) as error:
        warn(f"notice    no timeline: {error}")
        return None
    return path


def _is_timeline(path: Path) -> bool:
    from graphflow import timeline

    with path.open("rb") as file:
        return timeline.MARK.encode() in file.read(400)


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
