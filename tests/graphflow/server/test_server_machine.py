"""Any story of clients that come and go, of the queue and of restarts, beside a small model."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from graphflow.server import protocol as p
from graphflow.server.limits import ServerLimits
from tests.graphflow.server.conftest import GATE, NUMBERS, Live, Speaker, gated, serving
from tests.graphflow.server.test_server_session import stored
from tests.support.engine import raw

LIMITS = ServerLimits(messages_per_second=1e9, message_burst=10**9)


@dataclass
class Model:
    """What the server must be: one run at a time, the highest priority first, then as they came."""

    waiting: dict[int, list[str]] = field(default_factory=lambda: {1: [], 0: [], -1: []})
    """Runs by priority, in their order."""
    priority: dict[str, int] = field(default_factory=dict)
    running: str | None = None
    paused: bool = False
    over: dict[str, str] = field(default_factory=dict)

    @property
    def order(self) -> list[str]:
        return [run for level in self.waiting.values() for run in level]

    def submit(self, run: str, priority: int) -> None:
        self.priority[run] = priority
        self.waiting[priority].append(run)
        self.go_on()

    def go_on(self) -> None:
        """Take the next run, if none is under way."""
        if self.running is None and not self.paused and self.order:
            self.running = self.order[0]
            self.waiting[self.priority[self.running]].remove(self.running)

    def end(self, run: str, state: str) -> None:
        if run == self.running:
            self.running = None
        elif run in self.order:
            self.waiting[self.priority[run]].remove(run)
        else:
            return  # what is over stays what it is
        self.over[run] = state
        self.go_on()

    def move(self, run: str, before: str | None) -> bool:
        """Put a run before another, whose priority it takes. False if one of them does not wait."""
        if run not in self.order or before not in (None, *self.order):
            return False
        if run != before:
            self.waiting[self.priority[run]].remove(run)
            self.priority[run] = self.priority[before or run]
            level = self.waiting[self.priority[run]]
            level.insert(level.index(before) if before else len(level), run)
        return True

    def restart(self) -> None:
        """What is under way when the server stops is the first of its priority when it comes back."""
        if self.running is not None:
            self.waiting[self.priority[self.running]].insert(0, self.running)
            self.running = None
        self.go_on()


@dataclass
class Client:
    """A browser: what it has seen of the workflow `shared`, and of the runs that it watches."""

    speaker: Speaker | None
    version: str | None = None
    seen: dict[str, int] = field(default_factory=dict)
    """Number of the last event, by run."""

    async def watch(self, run: str) -> None:
        assert self.speaker is not None
        await self.speaker.ask(p.Watch, run=run, after=self.seen.setdefault(run, 0))

    async def hear(self, run: str, number: int) -> None:
        """Read up to an event: each is told once, in order, none left out."""
        assert self.speaker is not None
        while True:
            for one in self.speaker.told:
                for seq, _ in stored([one]):
                    self.seen[one.event.run] += 1
                    assert seq == self.seen[one.event.run]
            self.speaker.told = []
            if self.seen[run] >= number:
                break
            self.speaker.told.append(await self.speaker.hear())


class Sessions(RuleBasedStateMachine):
    """What clients are told is true, whatever came before."""

    runs = Bundle("runs")
    clients = Bundle("clients")
    priorities = st.sampled_from([1, 0, -1])

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="graphflow-")
        self.loop = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.model = Model()
        self.everybody: list[Client] = []
        self.requests: dict[str, str] = {}
        self.gates: dict[str, str] = {}
        self.version: str | None = None
        self.numbers = count()
        self.restarts = 0
        self.loop.run(self.start())

    async def start(self) -> None:
        self.live: Live = await self.stack.enter_async_context(serving(Path(self.folder.name), LIMITS))
        self.desk = await self.live.socket()

    def teardown(self) -> None:
        self.loop.run(self.stack.aclose())
        self.loop.close()
        self.folder.cleanup()

    def ask(self, kind: type[Any], **fields: Any) -> Any:
        return self.loop.run(self.desk.ask(kind, **fields))

    # ------------------------------------------------------------------------ the queue

    @initialize(target=runs, priorities=st.lists(priorities, min_size=3, max_size=3))
    def the_first_runs(self, priorities: list[int]) -> Any:
        """Each when the one before it stands where it should: a free server takes the first at once."""
        return multiple(*map(self.submit_one, priorities))

    @rule(target=runs, priority=priorities)
    def submit(self, priority: int) -> str:
        return self.submit_one(priority)

    def submit_one(self, priority: int) -> str:
        gate = f"gate-{len(self.gates)}"
        request = f"request-{gate}"
        answer = self.ask(p.Submit, document=gated(gate), request=request, priority=priority)
        run = self.requests[request] = str(answer.run.run)
        self.gates[run] = gate
        self.model.submit(run, priority)
        self.the_queue_is_the_models()
        return run

    @rule(run=runs)
    def submit_again(self, run: str) -> None:
        """A request that is sent again is the run that it was, also if it is over."""
        for request in [one for one, made in self.requests.items() if made == run]:
            assert self.ask(p.Submit, document=NUMBERS, request=request).run.run == run

    @rule(run=runs)
    def cancel(self, run: str) -> None:
        assert self.ask(p.Cancel, run=run).type == "done"
        self.model.end(run, "cancelled")

    @rule(target=runs, run=consumes(runs))
    def retry(self, run: str) -> str:
        answer = self.ask(p.Retry, run=run)
        if self.model.over.get(run) != "cancelled":
            assert answer.code == "run.refused"
            return run
        self.gates[answer.run.run] = self.gates[run]
        self.model.submit(answer.run.run, self.model.priority[run])
        return str(answer.run.run)

    @rule(run=runs, before=st.none() | runs)
    def move(self, run: str, before: str | None) -> None:
        done = self.ask(p.Move, run=run, before=before).type == "done"
        assert done == self.model.move(run, before)

    @rule()
    def pause_or_go_on(self) -> None:
        self.model.paused = not self.model.paused
        self.ask(p.Pause, on=self.model.paused)
        self.model.go_on()

    @precondition(lambda self: self.model.running is not None)
    @rule()
    def the_run_under_way_comes_to_its_end(self) -> None:
        assert self.model.running is not None
        GATE[self.gates[self.model.running]].set()
        self.model.end(self.model.running, "finished")

    @invariant()
    def the_queue_is_the_models(self) -> None:
        """What is asked of a run under way it does within a moment."""
        wanted = [*filter(None, [self.model.running]), *self.model.order]
        end = time.monotonic() + 10
        while True:
            told = self.ask(p.Hello, protocol=p.PROTOCOL, client="test")
            running = {one.run for one in told.queue if one.state == "running"}
            if [one.run for one in told.queue] == wanted and running == {self.model.running} - {None}:
                break
            assert time.monotonic() < end, "the queue is another one"
            self.loop.run(asyncio.sleep(0.002))
        assert told.paused == self.model.paused
        for run, state in self.model.over.items():
            assert self.live.server.history.get(run).state == state

    # ------------------------------------------------------------------------ clients

    @initialize(target=clients)
    def the_first_comes(self) -> Client:
        return self.come()

    @rule(target=clients)
    def another_comes(self) -> Client:
        return self.come()

    def come(self) -> Client:
        self.everybody.append(Client(self.loop.run(self.live.socket())))
        return self.everybody[-1]

    @rule(client=clients, run=runs)
    def watch(self, client: Client, run: str) -> None:
        if client.speaker is not None and run not in client.seen:
            self.loop.run(client.watch(run))

    @rule(client=clients)
    def vanish(self, client: Client) -> None:
        if client.speaker is not None:
            client.speaker.socket.transport.abort()
            client.speaker = None

    @rule()
    def all_hear(self) -> None:
        """A client that was away names the last number that it knows, and misses nothing."""
        for client in self.everybody:
            if client.speaker is None:
                client.speaker = self.loop.run(self.live.socket())
                for run in client.seen:
                    self.loop.run(client.watch(run))
            for run in client.seen:
                self.loop.run(client.hear(run, self.live.server.history.last_seq(run)))

    @rule(client=clients)
    def edit(self, client: Client) -> None:
        """Only who has seen the newest version replaces it."""
        document = raw({"out": "a"}, a=("num", {"value": next(self.numbers)}))
        answer = self.ask(p.Save, name="shared", document=document, seen=client.version)
        if client.version == self.version:
            self.version = answer.workflow.version
        else:
            assert answer.code == "workflow.conflict"
        client.version = self.ask(p.Open, name="shared").workflow.version
        assert client.version == self.version

    @precondition(lambda self: 3 * self.restarts < len(self.gates))
    @rule()
    def restart(self) -> None:
        """The server stops and another takes over: for clients only the connection breaks."""
        self.restarts += 1
        for client in self.everybody:
            client.speaker = None
        self.loop.run(self.stack.aclose())
        self.model.restart()
        self.loop.run(self.start())


TestSessions = Sessions.TestCase
TestSessions.settings = settings(max_examples=20, stateful_step_count=40, deadline=None)
