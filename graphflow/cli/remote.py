"""`graphflow run --server URL`: the same command, but the work is done over there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphflow.cli import exits
from graphflow.cli.output import bytes_text, say, seconds_text, warn

if TYPE_CHECKING:
    from graphflow.cli.options import Opened
    from graphflow.cli.progress import Reporter
    from graphflow.client import Client
    from graphflow.server.protocol import RunInfo


def run_there(
    opened: Opened,
    values: Mapping[str, Any],
    server: str,
    reporter: Reporter,
    *,
    out: Path,
    only: list[str] | None,
    on_error: str,
    quiet: bool,
) -> int:
    """Send a workflow to a server, tell how it goes, fetch what it saved into `out`; gives the exit code.

    Inner workflows and drawn seeds travel inside the document. Paths in it mean files over there.
    Ctrl-C cancels the run. Raises DocumentError before anything is sent, ServerError.
    """
    from graphflow import templates
    from graphflow.cli.run import checked_targets
    from graphflow.client import Client
    from graphflow.graph import build
    from graphflow.record import resolved
    from graphflow.values import MAX_SEED
    from graphflow.workflow import with_values

    graph = build(
        with_values(opened.document, values),
        opened.registry,
        folder=opened.folder,
        load=templates.load_inner,
        draw_seed=lambda: secrets.randbelow(MAX_SEED + 1),
    )
    targets = checked_targets(graph, only)
    token = "" if "token=" in server else os.environ.get("GRAPHFLOW_TOKEN", "")
    with Client(server, token=token, name="graphflow run") as client:
        run = client.submit_with(resolved(graph), {}, targets=targets, on_error=on_error)
        try:
            _listen(client, run, reporter)
        except KeyboardInterrupt:
            client.cancel(run)
            raise
        info = client.info(run)
        saved = client.download(run, out)
    return _conclude(info, saved, quiet=quiet)


def _listen(client: Client, run: str, reporter: Reporter) -> None:
    from graphflow.server.protocol import Snapshot

    with reporter:
        for event in client.events(run):
            if not isinstance(event, Snapshot):
                reporter(event)


def _conclude(info: RunInfo, saved: list[Path], *, quiet: bool) -> int:
    """Say what came of it. Quiet leaves stdout to the events."""
    tell = warn if quiet else say
    for path in saved:
        tell(f"saved     {path}  {bytes_text(path.stat().st_size)}")
    if not quiet:
        for name, output in info.results.get("outputs", {}).items():
            if "value" in output:
                say(f"{name} = {output['value']}")
    seconds = (info.ended or 0.0) - (info.started or 0.0)
    if info.state == "failed":
        warn(f"failed    after {seconds_text(seconds)}: {info.message} [{info.code}]")
        return exits.code_for(info.code)
    if info.state == "cancelled":
        warn(f"cancelled after {seconds_text(seconds)}")
        return exits.CANCELLED
    failed = info.results.get("failures", [])
    tell(f"finished in {seconds_text(seconds)}" + (f", {len(failed)} items failed" if failed else ""))
    return exits.ITEMS if failed else exits.OK
