"""Puts the server together: routes, guard, queue, dispatch and clients, as one ASGI application."""

from __future__ import annotations

import asyncio
import html
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from graphflow import __version__
from graphflow.assets import Assets
from graphflow.errors import GraphflowError
from graphflow.history import History
from graphflow.library import Library
from graphflow.server.desk import Desk
from graphflow.server.dispatch import Dispatch
from graphflow.server.drafts import Drafts
from graphflow.server.editor import EditorFiles
from graphflow.server.guard import Guard, Policy
from graphflow.server.http import Http, on_error
from graphflow.server.hub import Hub
from graphflow.server.limits import LIMITS, ServerLimits
from graphflow.server.lookup import Lookup
from graphflow.server.openapi import page, specification
from graphflow.server.probe import probe
from graphflow.server.protocol import Codec
from graphflow.server.rate import Throttle
from graphflow.server.session import Session
from graphflow.server.showing import Showing
from graphflow.workspace import Workspace

STATIC = Path(__file__).parent / "static"
"""The built editor."""

ABORT = "graphflow.abort"
"""Extension of a websocket's scope: ends the connection at once, with all that waits to be sent."""


class Server:
    """The server without its port. `app` is the application; starts and stops with its lifespan.

    parallel: runs at a time. Raises StorageError if the history cannot be opened.
    """

    def __init__(
        self,
        workspace: Workspace,
        policy: Policy,
        *,
        parallel: int = 1,
        limits: ServerLimits = LIMITS,
        checkpoint_seconds: float = 15.0,
        static: Path = STATIC,
    ) -> None:
        self.limits = limits
        self.static = static
        folder = workspace.data_dir / "server"
        self.history = History(folder / "history.sqlite")
        self.hub = Hub(self.history, lambda run, on: self.dispatch.watch(run, on))
        uploads = workspace.data_dir / "uploads"
        assets = Assets(uploads, probe, limit=limits.upload_bytes, total=limits.uploads_bytes)
        self.dispatch = Dispatch(
            workspace,
            self.history,
            tell=self.hub.tell,
            changed=self.hub.changed,
            worded=assets.worded,
            parallel=parallel,
            checkpoint_seconds=checkpoint_seconds,
        )
        library = Library(workspace.data_dir / "workflows", changed=self.hub.kept)
        self.desk = Desk(workspace, self.history, self.dispatch, assets, library, Drafts(folder / "drafts"))
        self.http = Http(self.desk, self.hub, limits)
        showing = Showing(workspace, workspace.data_dir / "shown", self.dispatch.out_dir)
        self.lookup = Lookup(self.desk, showing)
        self.codec = Codec()
        self.app = Starlette(
            routes=self._routes(),
            middleware=[Middleware(Guard, policy=policy), Middleware(Throttle, limits=limits)],
            exception_handlers={GraphflowError: on_error},
            lifespan=self._lifespan,
        )

    def _routes(self) -> list[BaseRoute]:
        found: list[BaseRoute] = [Route(path, call, methods=[how]) for how, path, call in self.endpoints()]
        found.append(WebSocketRoute("/ws", self.websocket))
        if (self.static / "index.html").is_file():
            found.append(Mount("/", EditorFiles(self.static)))
        else:
            found.append(Route("/", self.welcome))
        return found

    def endpoints(self) -> list[tuple[Literal["GET", "POST", "DELETE"], str, Callable[[Request], Any]]]:
        """Every address that programs use: method, path, function."""
        http, look = self.http, self.lookup
        return [
            ("GET", "/healthz", http.health),
            ("GET", "/metrics", http.metrics),
            ("GET", "/api/about", http.about),
            ("GET", "/api/catalogue", look.catalogue),
            ("GET", "/api/nodes", look.nodes),
            ("GET", "/api/schema", look.document_schema),
            ("GET", "/api/models", look.models),
            ("GET", "/api/templates", look.templates),
            ("GET", "/api/templates/{template}", look.template),
            ("GET", "/api/templates/{template}/picture", look.picture),
            ("GET", "/api/workflows", look.workflows),
            ("GET", "/api/workflows/{workflow}", look.workflow),
            ("POST", "/api/run/{workflow}", http.run_template),
            ("POST", "/api/runs", http.run_document),
            ("GET", "/api/runs", http.runs),
            ("GET", "/api/runs/{run}", http.run),
            ("GET", "/api/runs/{run}/document", http.document),
            ("GET", "/api/runs/{run}/events", http.events),
            ("POST", "/api/runs/{run}/cancel", http.cancel),
            ("POST", "/api/runs/{run}/retry", http.retry),
            ("GET", "/api/runs/{run}/files/{number:int}", http.result_file),
            ("POST", "/api/uploads", http.upload),
            ("GET", "/api/uploads", look.uploads),
            ("GET", "/api/uploads/{asset}", http.asset),
            ("DELETE", "/api/uploads/{asset}", http.delete_upload),
            ("GET", "/api/results/{key}", look.result),
            ("GET", "/api/results/{key}/{output}", look.shown),
            ("GET", "/api/openapi.json", self.openapi),
            ("GET", "/api/docs", self.docs),
        ]

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        await asyncio.to_thread(self.desk.tidy, self.limits.uploads_days)
        self.hub.start()
        self.dispatch.start()
        try:
            yield
        finally:
            await asyncio.to_thread(self.dispatch.stop)
            await asyncio.to_thread(self.history.close)

    # ------------------------------------------------------------------------ pages

    async def openapi(self, request: Request) -> Response:
        """This list of addresses for programs, as OpenAPI 3.1."""
        return JSONResponse(specification(self.endpoints()))

    async def docs(self, request: Request) -> Response:
        """This list of addresses for people."""
        return HTMLResponse(page(self.endpoints()))

    async def welcome(self, request: Request) -> Response:
        """The start page of a server whose editor was not built."""
        text = html.escape(f"graphflow {__version__}")
        return HTMLResponse(
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{text}</title><h1>{text}</h1>"
            "<p>The server runs. The editor is not part of this installation; programs use "
            '<a href="/api/docs">these addresses</a>, and <code>graphflow run WORKFLOW --server URL</code> '
            "runs workflows here.</p>"
        )

    # ------------------------------------------------------------------------ the websocket

    async def websocket(self, socket: WebSocket) -> None:
        """One client, until it is gone or must be dropped."""
        if len(self.hub.listeners) >= self.limits.clients:
            await socket.send_denial_response(Response("too many clients", status_code=503))
            return
        await socket.accept()
        session = Session(self.desk, self.hub, self.codec, self.limits)
        sending = asyncio.create_task(session.outbox.drain(lambda frame: _send(socket, frame)))
        reading = asyncio.create_task(session.serve(lambda: _frame(socket)))
        try:
            await asyncio.wait([sending, reading], return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                await session.outbox.flush(self.limits.send_seconds)
        finally:
            for task in (sending, reading):
                task.cancel()
            for one in await asyncio.gather(sending, reading, return_exceptions=True):
                if isinstance(one, Exception):  # a fault of ours; the client is closed and may come back
                    traceback.print_exception(one)
            with suppress(RuntimeError, WebSocketDisconnect):
                await _close(socket, session.outbox.dead)
            await session.close()


async def _send(socket: WebSocket, frame: bytes) -> None:
    """Send, or raise OSError if the client is gone."""
    try:
        await socket.send_bytes(frame)
    except WebSocketDisconnect as gone:
        raise ConnectionError(f"the client is gone ({gone.code})") from None


async def _close(socket: WebSocket, at_once: bool) -> None:
    abort = socket.scope.get("extensions", {}).get(ABORT)
    if at_once and abort is not None:
        abort()
    else:
        await socket.close()


async def _frame(socket: WebSocket) -> bytes | None:
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        return None
    return message.get("bytes") or b""
