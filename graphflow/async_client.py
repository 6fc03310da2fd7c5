"""Talks to a graphflow server from Python without blocking; see `graphflow.client` for the plain way.

A connection that breaks is made again: events go on behind the last one seen, and a submission whose answer
was lost is sent again as the same request, so that it is one run.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from graphflow import files
from graphflow.errors import DocumentError, GraphflowError, Lost, Problem, from_code
from graphflow.events import Event, RunCancelled, RunFailed, RunFinished
from graphflow.server import protocol as p

TRIES = 8
"""How often a lost connection is tried before it is given up; about half a minute."""

FIRST_WAIT, LONGEST_WAIT = 0.1, 10.0
"""Seconds between tries, doubling."""

FRAME_BYTES = 64 * 2**20
"""Largest frame of the server that is taken."""

UPLOAD_PIECE = 2**20

LAST = (RunFinished, RunFailed, RunCancelled)


OURS = ("server", "run", "queue", "asset", "document", "workflow", "result")
"""First parts of the codes of what a server refuses; others are errors of nodes, models or files."""


class ServerError(GraphflowError):
    """The server cannot be reached, or refuses us."""

    code = "server"


class AsyncClient:
    """A connection to a server. url: the address that the server printed, or give the token by itself.

    name: the queue is fair between clients of different names. Use as an async context manager.
    """

    def __init__(self, url: str, *, token: str = "", name: str = "python") -> None:
        parts = _parts(url)
        self.base = f"{parts.scheme}://{parts.netloc}"
        self.token = token or parse_qs(parts.query).get("token", [""])[0]
        self.name = name
        self._codec = p.Codec()
        self._ids = itertools.count(1)
        self._socket: ClientConnection | None = None
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._watched: dict[str, asyncio.Queue[Any]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()

    async def __aenter__(self) -> AsyncClient:
        await self._connected()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connection. Runs go on."""
        reader, socket = self._reader, self._socket
        self._reader = self._socket = None
        if reader is not None:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
        if socket is not None:
            await socket.close()

    # ------------------------------------------------------------------------ what can be asked

    async def submit(self, workflow: str | Mapping[str, Any], /, **values: Any) -> str:
        """Queue a run of a template, or of a workflow as plain JSON, and give its id.

        Raises DocumentError with everything that is wrong, GraphflowError if the queue is full.
        """
        return await self.submit_with(workflow, values)

    async def submit_with(
        self,
        workflow: str | Mapping[str, Any],
        values: Mapping[str, Any],
        **options: Any,
    ) -> str:
        """As `submit`, with options: `targets`, `priority` (-100 to 100), `on_error`."""
        request = secrets.token_hex(16)
        answer = await self._ask(p.Submit, **_named(workflow, values), request=request, **options)
        return str(answer.run.run)

    async def validate(self, workflow: str | Mapping[str, Any], /, **values: Any) -> list[Problem]:
        """Every problem of a workflow."""
        answer = await self._ask(p.Validate, **_named(workflow, values))
        return [_problem(one) for one in answer.problems]

    async def explain(self, workflow: str | Mapping[str, Any], /, **values: Any) -> list[p.NodeStory]:
        """What would run, and why."""
        answer = await self._ask(p.Explain, **_named(workflow, values))
        return list(answer.nodes)

    async def cancel(self, run: str | None = None) -> None:
        """Cancel a run, or all."""
        await self._ask(p.Cancel, run=run)

    async def retry(self, run: str) -> str:
        """Queue a failed or cancelled run once more; gives the new id."""
        answer = await self._ask(p.Retry, run=run)
        return str(answer.run.run)

    async def move(self, run: str, before: str | None = None) -> None:
        """Put a waiting run before another, or at the end."""
        await self._ask(p.Move, run=run, before=before)

    async def prioritise(self, run: str, priority: int) -> None:
        """Runs of higher priority come first."""
        await self._ask(p.Prioritise, run=run, priority=priority)

    async def pause(self, on: bool = True) -> None:
        """Let the server start no further run, or go on."""
        await self._ask(p.Pause, on=on)

    async def events(
        self, run: str, *, after: int = 0, previews: bool = False
    ) -> AsyncIterator[Event | p.Snapshot]:
        """A run's events behind number `after`, until it is over; very many missed ones come as a Snapshot.

        Raises ServerError if this client hears the run's events already.
        """
        if run in self._watched:
            raise ServerError("this client hears the events of that run already", where=run)
        queue: asyncio.Queue[Any] = asyncio.Queue()
        self._watched[run] = queue
        try:
            while True:
                watching = await self._ask(p.Watch, run=run, after=after, previews=previews)
                over = watching.run.state not in ("queued", "running")
                if over and watching.run.seq <= after:
                    return
                while (told := await queue.get()) is not None:
                    after = max(after, told.seq)
                    yield told
                    if isinstance(told, LAST) or (isinstance(told, p.Snapshot) and over):
                        return
        finally:
            self._watched.pop(run, None)
            if self._socket is not None:
                with suppress(GraphflowError):
                    await self._ask(p.Unwatch, run=run)

    async def wait(self, run: str) -> p.RunInfo:
        """Wait until a run is over: its state and results."""
        async for _ in self.events(run):
            pass
        return await self.info(run)

    async def info(self, run: str) -> p.RunInfo:
        """A run as it stands."""
        raw = json.loads(await asyncio.to_thread(self._get, f"/api/runs/{quote(run)}"))
        return p.RunInfo.model_validate(raw)

    async def upload(self, path: Path | str) -> str:
        """Send a file; gives `asset:ID`, which a workflow may name where a node wants a path."""
        path = Path(path)
        began = await self._ask(p.Upload, name=path.name, size=path.stat().st_size)
        with path.open("rb") as file:
            offset = 0
            while piece := await asyncio.to_thread(file.read, UPLOAD_PIECE):
                answer = await self._ask(p.Chunk, upload=began.upload, offset=offset, data=piece)
                offset += len(piece)
        return f"asset:{answer.asset.asset}"

    async def uploads(self, kind: str = "") -> list[p.AssetInfo]:
        """The files that the server was sent, newest first. kind: such as `image`: only those."""
        raw = json.loads(await asyncio.to_thread(self._get, f"/api/uploads?kind={quote(kind)}"))
        return [p.AssetInfo.model_validate(one) for one in raw]

    async def delete_upload(self, asset: str) -> None:
        """Delete a file that was sent (`asset:ID`); its room is free again.

        Raises GraphflowError: code `asset.used` if a run that waits or runs names it, `asset.unknown`.
        """
        place = f"/api/uploads/{quote(asset.removeprefix('asset:'), safe='')}"
        await asyncio.to_thread(self._get, place, "DELETE")

    async def download(self, run: str, folder: Path | str) -> list[Path]:
        """Fetch the files that a run made into a folder; each is whole or not there."""
        found = []
        for file in (await self.info(run)).results.get("files", []):
            path = files.inside(Path(folder).absolute(), str(file["name"]))
            files.make_folder(path.parent)
            await asyncio.to_thread(self._fetch, str(file["url"]), path)
            found.append(path)
        return found

    # ------------------------------------------------------------------------ kept workflows

    async def workflows(self) -> list[p.WorkflowInfo]:
        """The workflows that the server keeps."""
        return list((await self._ask(p.Library)).workflows)

    async def open(self, name: str, version: str | None = None) -> tuple[dict[str, Any], str]:
        """A kept workflow as plain JSON, as it is or was, and its version. Raises ServerError."""
        answer = await self._ask(p.Open, name=name, version=version)
        return dict(answer.document), str(answer.workflow.version)

    async def save(self, name: str, workflow: Mapping[str, Any], seen: str | None = None) -> str:
        """Keep a workflow; gives its version. seen: the version that this one replaces, None for a new one.

        Raises ServerError, code `workflow.conflict`, if the server has another version: nothing is lost.
        """
        answer = await self._ask(p.Save, name=name, document=dict(workflow), seen=seen)
        return str(answer.workflow.version)

    async def delete(self, name: str) -> str:
        """Put a workflow into the trash; gives what `restore` takes."""
        return str((await self._ask(p.Delete, name=name)).trash)

    async def restore(self, trash: str, name: str | None = None) -> None:
        """Take a workflow out of the trash, perhaps under another name."""
        await self._ask(p.Restore, trash=trash, name=name)

    async def inspect(self, asset: str) -> dict[str, Any] | None:
        """The workflow inside a file that was uploaded (`asset:ID`), as plain JSON; None if it has none."""
        answer = await self._ask(p.Inspect, asset=asset.removeprefix("asset:"))
        return None if answer.document is None else dict(answer.document)

    # ------------------------------------------------------------------------ the connection

    async def _ask(self, kind: type[Any], **fields: Any) -> Any:
        """Send a request and give its answer; sent again if the connection broke meanwhile."""
        for attempt in range(TRIES):
            socket = await self._connected()
            request = kind(id=next(self._ids), **fields)
            future = self._answers[request.id] = asyncio.get_running_loop().create_future()
            try:
                await socket.send(p.pack(request))
                answer = await future
            except (ConnectionClosed, Lost):
                if kind in (p.Upload, p.Chunk) or attempt == TRIES - 1:
                    raise Lost("the connection to the server broke", hint="try again") from None
                continue
            finally:
                self._answers.pop(request.id, None)
            if isinstance(answer, p.Failure):
                raise _error(answer)
            return answer
        raise AssertionError("the loop returns or raises")

    async def _connected(self) -> ClientConnection:
        async with self._connecting:
            if self._socket is None:
                self._socket = await self._connect()
                self._reader = asyncio.create_task(self._read(self._socket))
            return self._socket

    async def _connect(self) -> ClientConnection:
        wait = FIRST_WAIT
        for attempt in itertools.count(1):
            try:
                socket = await connect(
                    f"ws{self.base.removeprefix('http')}/ws",
                    additional_headers={"Authorization": f"Bearer {self.token}"},
                    compression=None,
                    max_size=FRAME_BYTES,
                    proxy=None,
                )
                hello = p.Hello(id=0, protocol=p.PROTOCOL, client=self.name)
                await socket.send(p.pack(hello))
                answer = self._codec.answer(_bytes(await socket.recv()))
            except InvalidStatus as error:
                raise _refused(error.response.status_code, self.base) from None
            except (OSError, WebSocketException, TimeoutError) as error:
                if attempt >= TRIES:
                    hint = "is it running? 'graphflow serve' prints its address"
                    raise ServerError(f"cannot reach {self.base}: {error}", hint=hint) from None
                await asyncio.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)
                continue
            if isinstance(answer, p.Failure):
                raise _error(answer)
            return socket
        raise AssertionError("the loop returns or raises")

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for frame in socket:
                answer = self._codec.answer(_bytes(frame))
                if isinstance(answer, p.Told):
                    self._hear(answer.event.run, answer.event)
                elif isinstance(answer, p.Snapshot):
                    self._hear(answer.run, answer)
                elif (
                    future := self._answers.get(getattr(answer, "id", -1))
                ) is not None and not future.done():
                    future.set_result(answer)
        except (ConnectionClosed, ValueError):
            pass
        finally:
            if self._socket is socket:
                self._socket = None
            for future in self._answers.values():
                if not future.done():
                    future.set_exception(Lost("the connection broke"))
            for queue in self._watched.values():
                queue.put_nowait(None)

    def _hear(self, run: str, told: Any) -> None:
        if run in self._watched:
            self._watched[run].put_nowait(told)

    # ------------------------------------------------------------------------ HTTP

    def _open(self, place: str, method: str = "GET") -> Any:
        if not place.startswith("/"):
            raise ServerError("the server named another place")
        token = {"Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(self.base + place, headers=token, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            return opener.open(request, timeout=60)
        except urllib.error.HTTPError as error:
            try:
                told = json.loads(error.read())["error"]
                raise from_code(told["code"], told["message"], hint=told["hint"]) from None
            except (ValueError, KeyError, TypeError):
                raise _refused(error.code, self.base) from None
        except OSError as error:
            raise ServerError(f"cannot reach {self.base}: {error}") from None

    def _get(self, place: str, method: str = "GET") -> bytes:
        with self._open(place, method) as answer:
            return bytes(answer.read(FRAME_BYTES))

    def _fetch(self, place: str, path: Path) -> None:
        with self._open(place) as answer, files.replacing_file(path) as fd:
            while piece := answer.read(UPLOAD_PIECE):
                files.write_all(fd, piece)


def _named(workflow: str | Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A workflow by name or as a document, with its parameters, as a request's fields."""
    named = {"workflow": workflow} if isinstance(workflow, str) else {"document": dict(workflow)}
    return {**named, "values": dict(values)}


def _parts(url: str) -> SplitResult:
    """The parts of a server's address. Raises ServerError for what is none."""
    with suppress(ValueError):  # half an IPv6 address, a port out of range
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return parts
    raise ServerError(f"{url!r} is no address", hint="such as http://127.0.0.1:8188/?token=...")


def _bytes(frame: str | bytes) -> bytes:
    return frame.encode() if isinstance(frame, str) else frame


def _problem(one: p.ProblemText) -> Problem:
    return Problem(one.code, one.path, one.message, one.hint)


def _error(failure: p.Failure) -> GraphflowError:
    """A refusal as the error that it was over there."""
    if failure.problems:
        return DocumentError([_problem(one) for one in failure.problems])
    if failure.code.partition(".")[0] in OURS:
        return ServerError(failure.message, hint=failure.hint, code=failure.code)
    return from_code(failure.code, failure.message, hint=failure.hint)


def _refused(status: int, base: str) -> ServerError:
    hints = {
        401: "give the address that the server printed, with its token, or set GRAPHFLOW_TOKEN",
        421: "the server does not go by that name: use the address that it printed, or --public-url",
        503: "too many clients: try again later",
    }
    return ServerError(
        f"{base} refused with status {status}", hint=hints.get(status, ""), code="server.refused"
    )
