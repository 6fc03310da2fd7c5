"""`graphflow run`: run a workflow, show how it goes, say where the results are."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from threading import TIMEOUT_MAX
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphflow.cli.options import (
    Assignments,
    DataDir,
    Offline,
    Opened,
    PackFolders,
    opened_by,
    pack_folders,
    parse_size,
)
from graphflow.errors import DocumentError, Problem, StorageError

if TYPE_CHECKING:
    from graphflow.graph import Graph
    from graphflow.result import Result
    from graphflow.run import Run
    from graphflow.runners.limits import Limits
    from graphflow.workspace import Workspace

WORKER_BYTES = 100 * 10**6
"""Memory that a process of `--runner process` takes without any node, with room to spare."""


class OnError(StrEnum):
    """What a failure means for work that does not depend on it."""

    skip = "skip"
    stop = "stop"


class RunnerKind(StrEnum):
    """Where nodes run."""

    inline = "inline"
    process = "process"


Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for saved files.")]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="NODE", help="Run only this node and what it needs; may be repeated."),
]
Device = Annotated[
    str | None,
    typer.Option("--device", help="Such as cpu or cuda:0; by default chosen, or GRAPHFLOW_DEVICE."),
]
NodeTimeout = Annotated[
    float | None,
    typer.Option("--node-timeout", metavar="SECONDS", help="With --runner process: stop a node after this."),
]
NodeMemory = Annotated[
    str | None,
    typer.Option("--node-memory", metavar="SIZE", help="With --runner process: its memory, such as 8GB."),
]
ServerUrl = Annotated[
    str | None, typer.Option("--server", metavar="URL", help="Run it on this server (`graphflow serve`).")
]
WorkflowName = Annotated[
    str, typer.Argument(metavar="WORKFLOW", help="Template name, JSON file, or a saved file.")
]


def run(
    ctx: typer.Context,
    ref: WorkflowName,
    assignments: Assignments = None,
    out: Out = Path("output"),
    data_dir: DataDir = None,
    only: Only = None,
    on_error: Annotated[
        OnError, typer.Option("--on-error", help="After a failure: go on with the rest, or stop.")
    ] = OnError.skip,
    runner: Annotated[
        RunnerKind, typer.Option("--runner", help="Threads of this process, or a process per device.")
    ] = RunnerKind.inline,
    node_timeout: NodeTimeout = None,
    node_memory: NodeMemory = None,
    device: Device = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON event a line on stdout.")] = False,
    packs: PackFolders = None,
    server: ServerUrl = None,
    offline: Offline = False,
) -> int:
    """Run a workflow: what was computed before is taken from the cache.

    WORKFLOW is a template's name (`graphflow templates`), a JSON file, or a video or picture saved by
    graphflow, which carries its workflow. The workflow's parameters are options:
    `graphflow run NAME --help` lists them.
    """
    from graphflow.cli import results

    opened = opened_by(ctx)
    values = opened.values(assignments or [])
    check_folder(out, "--out")
    if server is not None:
        if offline:
            text = "a server cannot be asked without a connection"
            raise DocumentError([Problem("usage", "--offline", text, "give it to `graphflow serve`")])
        from graphflow.cli.remote import run_there

        return run_there(
            opened, values, server, _reporter(as_json=json), out=out, only=only, on_error=on_error.value,
            quiet=json,
        )  # fmt: skip
    limits = node_limits(node_timeout, node_memory, runner)
    workspace = open_workspace(opened, data_dir, packs, device=device, runner=runner.value, limits=limits)
    graph = workspace.graph(opened.document, values, folder=opened.folder)
    targets = checked_targets(graph, only)
    reporter = _reporter(as_json=json)
    job = workspace.prepare(graph, out_dir=out, on_event=reporter, targets=targets, on_error=on_error.value)
    with reporter, interruptible(job):
        result = job.execute()
    results.remember(workspace, graph, result, reporter.events, ref, out)
    code = results.conclude(workspace, graph, result, reporter.events, out, quiet=json)
    _leave(workspace, code, result)
    return code


def open_workspace(
    opened: Opened,
    data_dir: Path | None,
    packs: list[Path] | None,
    *,
    device: str | Sequence[str] | None = None,
    runner: str = "inline",
    limits: Limits | None = None,
    create: bool = True,
) -> Workspace:
    """The workspace of a command. Raises StorageError for a data folder that cannot be used.

    create: make the data folder if it is not there, to find out now rather than after an hour's work.
    """
    from graphflow import files
    from graphflow.environment import check_devices
    from graphflow.workspace import Workspace, default_data_dir

    if device is not None:
        check_devices([device] if isinstance(device, str) else device, "--device")
    folder = data_dir.expanduser() if data_dir is not None else default_data_dir()
    if create:
        files.make_folder(folder)
    if folder.exists() and not os.access(folder, os.R_OK | os.X_OK):
        raise StorageError(
            "the data folder cannot be read", where=str(folder), code="storage.denied",
            hint="change its permissions, or choose another with --data-dir",
        )  # fmt: skip
    kind: Any = runner
    return Workspace(
        folder,
        packs=pack_folders(packs),
        registry=opened.registry,
        device=device,
        runner=kind,
        limits=limits,
    )


def node_limits(seconds: float | None, memory: str | None, runner: RunnerKind) -> Limits | None:
    """What nodes may take. Raises DocumentError for a limit that is none, or that threads cannot keep."""
    from graphflow.runners.limits import Limits

    given = {"--node-timeout": seconds, "--node-memory": memory}
    named = [option for option, value in given.items() if value is not None]
    if not named:
        return None
    if runner is not RunnerKind.process:
        text = "nodes that run in threads of this process cannot be limited"
        raise DocumentError([Problem("usage", option, text, "add --runner process") for option in named])
    if seconds is not None and not 0 < seconds <= TIMEOUT_MAX:
        raise DocumentError([Problem("usage", "--node-timeout", f"{seconds:g} s is no time", "such as 600")])
    size = parse_size(memory, "--node-memory") if memory is not None else None
    if size is not None and size < WORKER_BYTES:
        text = f"{memory} is less than the process itself takes"
        raise DocumentError([Problem("usage", "--node-memory", text, "such as 8GB")])
    return Limits(step_seconds=seconds, memory_bytes=size)


def check_folder(path: Path, option: str) -> None:
    """Refuse an output folder that cannot be one, before anything is computed."""
    from graphflow import files

    with files.storage_errors(path):
        nearest = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    hint = f"choose another {option}"
    if not nearest.is_dir():
        raise StorageError("this is a file, not a folder", where=str(nearest), hint=hint, code="storage.type")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise StorageError(
            "this folder cannot be written to", where=str(nearest), hint=hint, code="storage.denied"
        )


def checked_targets(graph: Graph, only: list[str] | None) -> list[str] | None:
    """The nodes of `--only`. Raises DocumentError for one that is not in the graph."""
    from graphflow.workspace import check_targets

    return check_targets(graph, only, "--only") if only else None


def _reporter(*, as_json: bool) -> Any:
    from graphflow.cli import progress

    if as_json:
        return progress.JsonReporter()
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        from graphflow.cli.bars import BarReporter

        return BarReporter()
    return progress.PlainReporter()


@contextmanager
def interruptible(job: Run) -> Iterator[None]:
    """The first Ctrl-C cancels the run, the second leaves at once."""
    count = 0

    def on_signal(number: int, frame: object) -> None:
        nonlocal count
        count += 1
        if count > 1:
            os._exit(128 + number)
        job.cancel()

    before = [(number, signal.signal(number, on_signal)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _leave(workspace: Workspace, code: int, result: Result) -> None:
    """Stop the workers. After a cancel a node may still compute in a thread: leave without it."""
    workspace.close()
    if result.status == "cancelled":
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
