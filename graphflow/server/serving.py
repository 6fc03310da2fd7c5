"""Opens the port: token, one server to a data folder, signals, and uvicorn around the application."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from graphflow import files
from graphflow.errors import GraphflowError, StorageError
from graphflow.server.app import ABORT, Server
from graphflow.server.guard import policy
from graphflow.server.limits import LIMITS, ServerLimits
from graphflow.workspace import Workspace

TOKEN = "GRAPHFLOW_TOKEN"
"""Environment variable with the token; otherwise one is drawn and kept in the data folder."""

MIN_TOKEN = 16

HEADER_BYTES = 64 * 1024
"""Of one request; beyond it is refused."""

CLOSE_SECONDS = 3
"""How long answers under way may take when the server stops."""


class AddressError(GraphflowError):
    """The server cannot listen there, or should not."""

    code = "server.address"


class Protocol(WebSocketsSansIOProtocol):
    """uvicorn's websocket, with a way to end a connection whose buffer nobody empties."""

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        scope: dict[str, Any] | None = getattr(self, "scope", None)
        if scope is not None:
            scope["extensions"][ABORT] = self.transport.abort


class _Uvicorn(uvicorn.Server):
    """Signals are handled by `serve`."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(
    workspace: Workspace,
    *,
    host: str = "127.0.0.1",
    port: int = 8188,
    public_url: str = "",
    parallel: int = 1,
    checkpoint_seconds: float = 15.0,
    limits: ServerLimits = LIMITS,
    ready: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve until SIGTERM or SIGINT: then running nodes are stopped and their runs go back to the queue.

    A second signal ends the program at once; nothing accepted is lost by that either. port 0 takes any free
    one. ready: called with the address that opens the editor, token included.

    Raises AddressError, StorageError if another server uses the data folder.
    """
    check_address(host, public_url)
    folder = workspace.data_dir / "server"
    _make_private(folder)
    with only_server(folder) as tell, _listening(host, port) as listener:
        port = listener.getsockname()[1]
        rules = policy(token(folder), host, port, public_url)
        address = public_url.rstrip("/") or f"http://{_written(host)}:{port}"
        server = Server(
            workspace, rules, parallel=parallel, limits=limits, checkpoint_seconds=checkpoint_seconds
        )
        tell(address)
        asyncio.run(_serve(server, listener, lambda: ready(f"{address}/?token={rules.token}")))


def uvicorn_for(server: Server) -> uvicorn.Server:
    """The HTTP and websocket server around an application; leaves signals alone."""
    config = uvicorn.Config(
        server.app,
        ws=Protocol,
        http="h11",
        ws_max_size=LIMITS.message_bytes,
        ws_per_message_deflate=False,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        h11_max_incomplete_event_size=HEADER_BYTES,
        timeout_graceful_shutdown=CLOSE_SECONDS,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    return _Uvicorn(config)


async def _serve(server: Server, listener: socket.socket, ready: Callable[[], None]) -> None:
    running = uvicorn_for(server)
    signals = 0

    def stop() -> None:
        nonlocal signals
        signals += 1
        if signals > 1:
            os._exit(1)
        running.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        if sys.platform == "win32":
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
        else:
            loop.add_signal_handler(number, stop)
    serving = asyncio.create_task(running.serve(sockets=[listener]))
    while not running.started and not serving.done():
        await asyncio.sleep(0.01)
    if running.started:
        ready()
    await serving


# ---------------------------------------------------------------------------------- the address


def check_address(host: str, public_url: str) -> None:
    """Refuse an address that would leave open who is meant. Raises AddressError."""
    if public_url:
        parts = urlsplit(public_url)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/") or parts.query:
            raise AddressError(
                f"--public-url {public_url!r} is no address", hint="such as https://video.example.org"
            )
    if host in ("0.0.0.0", "::") and not public_url:
        raise AddressError(
            "a server on all addresses must know the one that people use",
            hint="add --public-url, such as http://192.168.1.5:8188, or --host with one address",
        )


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _written(host: str) -> str:
    """A host as it stands in an address."""
    return f"[{host}]" if ":" in host else host


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=512)
        listener.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
        )  # asyncio sets it on its own sockets only
    except OSError as error:
        raise AddressError(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            hint="another program may use the port: choose one with --port, or 0 for any",
        ) from None
    with listener:
        yield listener


# ------------------------------------------------------------------------------------ the token


def token(folder: Path) -> str:
    """GRAPHFLOW_TOKEN, or the folder's own, drawn once. Raises AddressError for one that can be guessed."""
    chosen = os.environ.get(TOKEN, "")
    if chosen:
        if (
            len(chosen) < MIN_TOKEN
            or not chosen.isascii()
            or not chosen.replace("-", "").replace("_", "").isalnum()
        ):
            raise AddressError(
                f"{TOKEN} must have {MIN_TOKEN} or more letters, digits, - and _", code="server.token"
            )
        return chosen
    path = folder / "token"
    try:
        kept = path.read_text("ascii").strip()
    except (OSError, ValueError):
        kept = ""
    if len(kept) < MIN_TOKEN:
        kept = secrets.token_urlsafe(32)
        files.write_atomic(path, kept.encode())
    return kept


def _make_private(folder: Path) -> None:
    """A folder that only its owner can look into: it holds the token and everybody's prompts."""
    files.make_folder(folder)
    with files.storage_errors(folder):
        folder.chmod(0o700)


# ------------------------------------------------------------------------------------- one server


@contextmanager
def only_server(folder: Path) -> Iterator[Callable[[str], None]]:
    """Hold the data folder for this server; gives a function that notes its address for others.

    Raises StorageError, code `server.running`, if another server has it. The kernel frees a dead one's.
    """
    from filelock import FileLock, Timeout

    lock, note = FileLock(folder / "server.lock"), folder / "server.json"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        try:
            other = json.loads(note.read_bytes())
            text = f"process {int(other['pid'])} serves it at {other['address']}"
        except (OSError, ValueError, KeyError, TypeError):
            text = "another server has it"
        raise StorageError(
            f"the data folder is in use: {text}", where=str(folder.parent), code="server.running",
            hint="use that one, stop it, or choose another folder with --data-dir",
        ) from None  # fmt: skip
    try:
        yield lambda address: files.write_atomic(
            note, json.dumps({"pid": os.getpid(), "address": address}).encode()
        )
    finally:
        lock.release()
