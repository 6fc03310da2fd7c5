"""A real server on a real port, with nodes that need no torch, and plain ways to talk to it."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from graphflow.errors import NodeError
from graphflow.node import Context, node
from graphflow.server import protocol as p
from graphflow.server.app import Server
from graphflow.server.guard import policy
from graphflow.server.limits import LIMITS, ServerLimits
from graphflow.server.serving import uvicorn_for
from graphflow.values import Image, SavedFile
from graphflow.workspace import Workspace
from tests.support.engine import REGISTRY, raw

TOKEN = "a-token-for-tests-only"

GATE: dict[str, threading.Event] = {}
"""Lets a test hold a node until it wants it to go on."""


@node("test/gate", cache=False)
def gate(ctx: Context, *, name: str = "gate", steps: int = 1, previews: bool = False) -> int:
    """Waits at its gate, with cancel points and previews, then makes progress."""
    while not GATE[name].wait(0.01):
        ctx.progress(0, steps + 1)
        if previews:
            ctx.preview(_picture)
    for step in range(steps):
        ctx.progress(step, steps + 1)
        if previews:
            ctx.preview(_picture)
    return steps


def _picture() -> Image:
    import torch

    return Image(pixels=torch.zeros(4, 4, 3, dtype=torch.uint8))


@node("test/write", cache=False, effect=lambda outputs: Path(outputs["out"]["path"]).is_file())
def write(x: int, ctx: Context, *, name: str = "note", suffix: str = ".txt") -> SavedFile:
    """Saves a number many times."""
    saved = ctx.save(name, suffix, lambda path: path.write_text(f"{x} " * 1000))
    kinds = {".txt": "text/plain", ".svg": "image/svg+xml", ".html": "text/html", ".mp4": "video/mp4"}
    return saved.model_copy(update={"media_type": kinds[suffix]})


def _unwanted(path: str, early: bool) -> None:
    if early:
        raise NodeError(f"{path}: this is not what is wanted", hint=f"{path} is no good", where="path")


@node("test/refuse", check=_unwanted)
def refuse(*, path: str, early: bool = False) -> int:
    """Finds no file good enough. early: before anything runs."""
    raise NodeError(f"{path}: this is not what is wanted")


NODES = REGISTRY.with_nodes((gate, write, refuse))

NUMBERS = raw({"out": "b.out"}, a=("num", {"value": 20}), b=("double", {"plus": 2}, {"x": "a"}))
"""A workflow with one plain output: 42."""


def gated(name: str = "gate", **params: Any) -> dict[str, Any]:
    GATE[name] = threading.Event()
    return raw({"out": "g"}, g=("gate", {"name": name, **params}))


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Live:
    """A server that runs in this loop."""

    server: Server
    port: int
    token: str = TOKEN
    sockets: list[ClientConnection] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/?token={self.token}"

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | list[tuple[str, str]] | None = None,
        *,
        auth: bool = True,
    ) -> Answer:
        """One HTTP request; a body that is not bytes is sent as JSON."""
        return await asyncio.to_thread(self._ask, method, path, body, headers, auth)

    def _ask(self, method: str, path: str, body: Any, headers: Any, auth: bool) -> Answer:
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers or [])
        names = {name.lower() for name, _ in pairs}
        if auth:
            pairs += self.bearer.items()
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            if "content-type" not in names:
                pairs.append(("Content-Type", "application/json"))
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host="host" in names, skip_accept_encoding=True)
            for name, value in pairs:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    async def run(self, document: Mapping[str, Any], **more: Any) -> str:
        """Queue a document; gives the run's id."""
        answer = await self.ask("POST", "/api/runs", {"document": document, **more})
        assert answer.status == 202, answer.body
        return str(answer.json["run"])

    async def until(self, run: str, *states: str) -> dict[str, Any]:
        """Wait until a run is over, or in one of these states."""
        wanted = states or ("finished", "failed", "cancelled")
        end = time.monotonic() + 60
        while time.monotonic() < end:
            found: dict[str, Any] = (await self.ask("GET", f"/api/runs/{run}")).json
            if found["state"] in wanted:
                return found
            await asyncio.sleep(0.02)
        raise AssertionError(f"still {found['state']}")

    async def socket(self, *, hello: bool = True, headers: Mapping[str, str] | None = None) -> Speaker:
        """A websocket; greeted already unless `hello` is off."""
        made = await connect(
            f"ws://127.0.0.1:{self.port}/ws",
            additional_headers=self.bearer if headers is None else headers,
            compression=None,
            max_size=None,
            proxy=None,
        )
        self.sockets.append(made)
        speaker = Speaker(made, self.server.codec)
        if hello:
            await speaker.ask(p.Hello, protocol=p.PROTOCOL, client="test")
        return speaker


class Speaker:
    """One client, message by message."""

    def __init__(self, socket: ClientConnection, codec: p.Codec) -> None:
        self.socket = socket
        self.codec = codec
        self.told: list[Any] = []
        """What came without being asked for."""
        self._id = 0

    async def hear(self) -> Any:
        frame = await asyncio.wait_for(self.socket.recv(), 30)
        assert isinstance(frame, bytes)
        return self.codec.answer(frame)

    async def ask(self, kind: type[Any], **fields: Any) -> Any:
        """Send a request and give its answer; what comes before it is kept in `told`."""
        self._id += 1
        await self.socket.send(p.pack(kind(id=self._id, **fields)))
        while True:
            answer = await self.hear()
            if getattr(answer, "id", None) == self._id:
                return answer
            self.told.append(answer)

    async def until(self, wanted: Callable[[Any], bool]) -> list[Any]:
        """All that is told up to the first that is wanted."""
        while not any(map(wanted, self.told)):
            self.told.append(await self.hear())
        told, self.told = self.told, []
        return told


Serve = Callable[..., Any]


@asynccontextmanager
async def serving(
    folder: Path,
    limits: ServerLimits = LIMITS,
    *,
    nodes: Iterable[Callable[..., Any]] = (),
    device: str | Sequence[str] = "cpu",
    **options: Any,
) -> AsyncIterator[Live]:
    """A server on a data folder."""
    registry = NODES.with_nodes(nodes)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Workspace(folder, registry=registry, device=device) as workspace,
    ):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        port = listener.getsockname()[1]
        server = Server(workspace, policy(TOKEN, "127.0.0.1", port), limits=limits, **options)
        running = uvicorn_for(server)
        task = asyncio.create_task(running.serve(sockets=[listener]))
        while not running.started:
            await asyncio.sleep(0.005)
        live = Live(server, port)
        try:
            yield live
        finally:
            for one in live.sockets:
                one.transport.abort()
            running.should_exit = True
            await task


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """`async with serve() as live:` a server on the test's data folder."""
    return partial(serving, tmp_path / "data")
