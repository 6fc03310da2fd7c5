"""`graphflow serve`: the server for the editor and for programs."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from graphflow.cli.options import DataDir, Offline, Opened, PackFolders, pack_folders, parse_size
from graphflow.cli.run import NodeMemory, NodeTimeout, RunnerKind, node_limits, open_workspace

Devices = Annotated[
    list[str] | None,
    typer.Option("--device", help="Such as cpu or cuda:0, chosen by default; several times: a worker each."),
]


def serve(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes any free port.")] = 8188,
    data_dir: DataDir = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the address in a browser.")
    ] = True,
    public_url: Annotated[
        str, typer.Option("--public-url", metavar="URL", help="How others reach the server, behind a proxy.")
    ] = "",
    parallel: Annotated[
        int, typer.Option("--parallel", min=1, max=64, help="Runs at a time on each device; they share it.")
    ] = 1,
    checkpoint_seconds: Annotated[
        float,
        typer.Option("--checkpoint-seconds", min=0.0, help="A long node saves where it is this often."),
    ] = 15.0,
    runner: Annotated[
        RunnerKind, typer.Option("--runner", help="A process per device, or threads of this process.")
    ] = RunnerKind.process,
    node_timeout: NodeTimeout = None,
    node_memory: NodeMemory = None,
    upload_space: Annotated[
        str, typer.Option("--upload-space", metavar="SIZE", help="All uploads together.")
    ] = "50GB",
    device: Devices = None,
    packs: PackFolders = None,
    offline: Offline = False,
) -> None:
    """Serve the editor and the network interface; stop with Ctrl-C.

    Prints one address that holds the token: open it, or give it to `graphflow run --server`. What was
    accepted is run to its end, also when the server is stopped or killed and started again.
    """
    from graphflow.endpoint import go_offline
    from graphflow.registry import load_registry
    from graphflow.server import serving
    from graphflow.server.limits import LIMITS
    from graphflow.workflow import Document

    if offline:
        go_offline()
    serving.check_address(host, public_url)
    limits = node_limits(node_timeout, node_memory, runner)
    served = LIMITS.model_copy(update={"uploads_bytes": parse_size(upload_space, "--upload-space")})
    opened = Opened(Document(), None, load_registry(pack_folders(packs)), {}, {})
    with open_workspace(
        opened, data_dir, packs, device=device, runner=runner.value, limits=limits
    ) as workspace:
        if not serving.is_loopback(host):
            print(
                "warning: other machines reach this server and only the token keeps them out; what is sent "
                "can be read on the way unless a proxy adds https",
                file=sys.stderr,
            )
        serving.serve(
            workspace, host=host, port=port, public_url=public_url, parallel=parallel,
            checkpoint_seconds=checkpoint_seconds, limits=served,
            ready=lambda address: _tell(address, browser),
        )  # fmt: skip


def _tell(address: str, browser: bool) -> None:
    """Say where the server is, and show it where there is something to show it on."""
    print(f"graphflow is at {address}", flush=True)
    screen = (
        sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    if browser and screen and sys.stdout.isatty():
        import webbrowser

        webbrowser.open(address)
