"""One client on the websocket: reads its requests, answers each once, and tells it what it watches."""

from __future__ import annotations

import asyncio
import traceback
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from graphflow import __version__, events
from graphflow.assets import AssetError, Incoming
from graphflow.errors import GraphflowError
from graphflow.events import Event
from graphflow.queued import Refused
from graphflow.server import protocol as p
from graphflow.server.desk import Asked, Desk
from graphflow.server.dispatch import PASSING
from graphflow.server.hub import Hub
from graphflow.server.infos import asset_info, problem_texts, run_info
from graphflow.server.limits import LIMITS, ServerLimits
from graphflow.server.outbox import Outbox
from graphflow.server.rate import Rate
from graphflow.server.shelf import SHELF, draft_answer, shelf_answer
from graphflow.server.snapshot import snapshot

Receive = Callable[[], Awaitable[bytes | None]]
"""The next frame of the client; None when it is gone."""

WARM_SECONDS = 2.0
"""After a greeting workers begin to start: not while a page is loading what it shows."""

QUESTIONS = (
    p.Validate,
    p.Explain,
    p.Inspect,
    p.NodeHistory,
    p.Library,
    p.Open,
    p.Versions,
    p.Compare,
    p.Drafts,
    p.OpenDraft,
)
"""Requests that change nothing and may take a while: answered side by side, a few at a time."""

_LANES: dict[type, str] = {
    p.Submit: "submit",
    p.Watch: "watch",
    p.Unwatch: "watch",
    p.Upload: "upload",
    p.Chunk: "upload",
    **dict.fromkeys((p.KeepDraft, p.DropDraft), "drafts"),
    **dict.fromkeys((p.Save, p.Rename, p.Duplicate, p.Delete, p.Restore), "shelf"),
}
"""Requests that are answered in the order in which they came; those that arrange the queue are the rest."""


@dataclass
class _Watch:
    """A run that the client watches."""

    previews: bool
    sent: int
    waiting: list[tuple[Event, bytes]] | None = field(default_factory=list)
    """What happens while the missed events are looked up; None after."""


class Session:
    """What one client may do; knows no socket.

    A request that takes long holds up only those of its own lane: uploads follow each other, and so do
    submissions, changes of the queue, and so on; questions are answered side by side.
    """

    def __init__(self, desk: Desk, hub: Hub, codec: p.Codec, limits: ServerLimits = LIMITS) -> None:
        self.outbox = Outbox(limits)
        self.client = ""
        self._desk, self._hub, self._codec, self._limits = desk, hub, codec, limits
        self._greeted = False
        self._gone = False
        self._watches: dict[str, _Watch] = {}
        self._uploads: dict[str, Incoming] = {}
        self._rate = Rate(limits.messages_per_second, limits.message_burst)
        self._lanes: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._asking = asyncio.Semaphore(limits.questions)
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, receive: Receive) -> None:
        """Answer requests until the client is gone or to be dropped. `close` afterwards."""
        self._hub.listeners.add(self)
        try:
            while not self.outbox.dead and (frame := await receive()) is not None:
                if not self._rate.allow():
                    self._say(p.Failure(id=0, code="server.rate", message="too many messages"))
                    break
                await self._handle(frame)
        finally:
            self._hub.listeners.discard(self)
            self._gone = True

    async def close(self) -> None:
        """Let what was asked come to its end, and leave nothing behind."""
        self._gone = True
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for run in list(self._watches):
            self._unwatch(run)
        for upload in self._uploads.values():
            await asyncio.to_thread(upload.close)

    # ------------------------------------------------------------------------ requests

    async def _handle(self, frame: bytes) -> None:
        """Begin to answer a frame. Waits only while very many are being answered."""
        try:
            request = self._codec.request(frame)
        except ValueError as error:
            id = p.peek_id(frame)
            self._say(p.Failure(id=id, code="server.message", message=str(error)))
            return
        if isinstance(request, p.Hello) or not self._greeted:
            await self._respond(request)
            return
        while len(self._tasks) >= self._limits.requests:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        turn = (
            self._asking
            if isinstance(request, QUESTIONS)
            else self._lanes[_LANES.get(type(request), "queue")]
        )
        task = asyncio.create_task(self._respond_in_turn(request, turn))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _respond_in_turn(self, request: p.Request, turn: asyncio.Lock | asyncio.Semaphore) -> None:
        async with turn:
            if self._gone and isinstance(request, QUESTIONS):
                return
            try:
                await self._respond(request)
            except Exception:  # border: the message loop; a fault of ours must not keep a client waiting
                traceback.print_exc()
                text = "the server made a mistake; it is in its log"
                self._say(p.Failure(id=request.id, code="internal", message=text))

    async def _respond(self, request: p.Request) -> None:
        try:
            answer = await self._answer(request)
        except GraphflowError as error:
            self._say(failure(request.id, error))
            return
        self._say(answer)
        if isinstance(answer, p.Watching):
            try:
                await self._catch_up(answer.run.run)
            except GraphflowError:  # it must not go on with a gap: it comes back and asks again
                traceback.print_exc()
                self.outbox.kill()

    async def _answer(self, request: p.Request) -> Any:
        if isinstance(request, p.Hello):
            return await self._hello(request)
        if not self._greeted:
            raise Refused("the first message must be 'hello'", code="server.hello")
        desk, id = self._desk, request.id
        match request:
            case p.Submit() | p.Validate() | p.Explain():
                return await asyncio.to_thread(self._workflow, request)
            case p.Inspect(asset=asset, run=run, file=number):
                found = await asyncio.to_thread(desk.inspect, asset, run, number)
                return p.Inspected(id=id, **found)
            case p.NodeHistory(name=name, node=node, limit=limit):
                results = await asyncio.to_thread(desk.results_of_node, name, node, limit)
                return p.NodeResults(id=id, results=results)
            case p.Watch(run=run):
                return p.Watching(id=id, run=await self._watch(request))
            case p.Unwatch(run=run):
                self._unwatch(run)
            case p.Upload() | p.Chunk():
                return await self._upload(request)
            case p.KeepDraft() | p.Drafts() | p.OpenDraft() | p.DropDraft():
                clients = self._hub.clients()
                return await asyncio.to_thread(draft_answer, desk.drafts, request, self.client, clients)
            case _ if isinstance(request, SHELF):
                return await asyncio.to_thread(shelf_answer, desk, request)
            case _:
                return await self._arrange(request)
        return p.Done(id=id)

    async def _arrange(self, request: p.Request) -> Any:
        """Change the queue."""
        desk, id = self._desk, request.id
        match request:
            case p.Cancel(run=run):
                changed = await asyncio.to_thread(desk.cancel, run)
                await self._tell_changed(*changed)
            case p.Retry(run=run):
                again = await asyncio.to_thread(desk.retry, run, self.client)
                await self._tell_changed(again.id)
                return p.Accepted(id=id, run=run_info(again))
            case p.Move(run=run, before=before):
                await asyncio.to_thread(desk.history.move, run, before)
                await self._tell_changed(run)
            case p.Prioritise(run=run, priority=priority):
                await asyncio.to_thread(desk.history.prioritise, run, priority)
                await self._tell_changed(run)
            case p.Pause(on=on):
                await asyncio.to_thread(desk.pause, on)
                self._hub.paused(on)
        return p.Done(id=id)

    async def _hello(self, request: p.Hello) -> p.Welcome:
        if request.protocol != p.PROTOCOL:
            text = f"this server speaks protocol {p.PROTOCOL}, not {request.protocol}"
            raise Refused(text, code="server.protocol", hint="update graphflow, or reload the page")
        self._greeted = True
        self.client = request.client
        asyncio.get_running_loop().call_later(WARM_SECONDS, self._desk.dispatch.warm)
        history = self._desk.history
        queue = await asyncio.to_thread(history.queue)
        paused = await asyncio.to_thread(lambda: history.paused)
        told = [run_info(run) for run in queue[:1_000]]
        return p.Welcome(id=request.id, protocol=p.PROTOCOL, version=__version__, paused=paused, queue=told)

    def _workflow(self, request: p.Submit | p.Validate | p.Explain) -> Any:
        targets = tuple(request.targets) if request.targets is not None else None
        asked = Asked(request.workflow, request.document, request.values, targets)
        if isinstance(request, p.Validate):
            return p.Validated(id=request.id, problems=self._desk.validate(asked))
        if isinstance(request, p.Explain):
            return p.Explained(id=request.id, **self._desk.explain(asked)._asdict())
        run = self._desk.submit(
            asked, client=self.client, priority=request.priority, on_error=request.on_error,
            request=request.request,
        )  # fmt: skip
        self._hub.changed(run.id)
        return p.Accepted(id=request.id, run=run_info(run))

    async def _tell_changed(self, *runs: str) -> None:
        await asyncio.to_thread(self._hub.changed, *runs)

    # ------------------------------------------------------------------------ watching

    async def _watch(self, request: p.Watch) -> p.RunInfo:
        if len(self._watches) >= self._limits.watched_runs and request.run not in self._watches:
            raise Refused(f"{len(self._watches)} runs are watched already", hint="unwatch some")
        info = await asyncio.to_thread(self._desk.info, request.run)
        self._unwatch(request.run)
        self._watches[request.run] = _Watch(request.previews, request.after)
        if request.previews:
            self._hub.want_previews(request.run, 1)
        return info

    async def _catch_up(self, run: str) -> None:
        """Send what the client missed; what happens meanwhile waits and follows."""
        watch = self._watches[run]
        frames, watch.sent = await asyncio.to_thread(self._missed, run, watch.sent)
        for frame in frames:
            self.outbox.put(frame)
        waiting, watch.waiting = watch.waiting or [], None
        for event, frame in waiting:
            self.hear(event, frame)

    def _missed(self, run: str, after: int) -> tuple[list[bytes], int]:
        history, limit = self._desk.history, self._limits.replay_events
        if after > history.last_seq(run):  # the client knows another history
            after = 0
        told = history.events(run, after, limit + 1)
        if len(told) > limit:
            found = snapshot(history.get(run), history.events(run))
            return [p.pack(found)], found.seq
        return [p.pack(p.Told(event=event)) for event in told], told[-1].seq if told else after

    def _unwatch(self, run: str) -> None:
        watch = self._watches.pop(run, None)
        if watch is not None and watch.previews:
            self._hub.want_previews(run, -1)

    def hear(self, event: Event, frame: bytes) -> None:
        watch = self._watches.get(event.run)
        if watch is None:
            return
        if watch.waiting is not None:
            watch.waiting.append((event, frame))
        elif isinstance(event, PASSING):
            if watch.previews or not isinstance(event, events.NodePreview):
                self.outbox.put_newest((event.run, event.node, event.item, event.type), frame)
        elif event.seq > watch.sent:
            watch.sent = event.seq
            if isinstance(event, (events.NodeFinished, events.NodeFailed)):  # progress is old news now
                for kind in ("node.progress", "node.preview"):
                    self.outbox.forget((event.run, event.node, event.item, kind))
            self.outbox.put(frame)

    def hear_changed(self, run: str, frame: bytes) -> None:
        self.outbox.put_newest(("run", run), frame)

    def hear_paused(self, frame: bytes) -> None:
        self.outbox.put_newest("paused", frame)

    def hear_kept(self, name: str, frame: bytes) -> None:
        self.outbox.put_newest(("workflow", name), frame)

    # ------------------------------------------------------------------------ uploads

    async def _upload(self, request: p.Upload | p.Chunk) -> Any:
        if isinstance(request, p.Upload):
            if len(self._uploads) >= self._limits.uploads:
                raise AssetError(f"{len(self._uploads)} uploads are open already", hint="finish them first")
            name = PurePath(request.name.replace("\\", "/")).name
            incoming = await asyncio.to_thread(self._desk.assets.begin, name, request.size)
            self._uploads[incoming.id] = incoming
            return p.Uploading(id=request.id, upload=incoming.id)
        incoming = self._open_upload(request)
        try:
            await asyncio.to_thread(incoming.write, request.data)
            if incoming.received < (incoming.size or 0):
                return p.Done(id=request.id)
            asset = await asyncio.to_thread(incoming.finish)
        except GraphflowError:
            await asyncio.to_thread(self._uploads.pop(incoming.id).close)
            raise
        del self._uploads[incoming.id]
        return p.Uploaded(id=request.id, asset=asset_info(asset))

    def _open_upload(self, request: p.Chunk) -> Incoming:
        incoming = self._uploads.get(request.upload)
        if incoming is None:
            raise AssetError("there is no such upload", code="asset.unknown", hint="begin it with 'upload'")
        if len(request.data) > self._limits.chunk_bytes:
            raise AssetError(f"a piece has at most {self._limits.chunk_bytes} bytes", code="asset.size")
        if request.offset != incoming.received:
            raise AssetError(f"the next byte is number {incoming.received}", code="asset.order")
        return incoming

    def _say(self, message: Any) -> None:
        self.outbox.put(p.pack(message))


def failure(id: int, error: GraphflowError) -> p.Failure:
    """A request's refusal, for the wire. Where a file lies is not told."""
    where = "on the server" if PurePath(error.where).is_absolute() else error.where
    where = f"{where}: " if where else ""
    return p.Failure(
        id=id, code=error.error_code, message=where + error.message, hint=error.hint,
        problems=problem_texts(error)[:200],
    )  # fmt: skip
