"""The wall clock of a running server jumps an hour to and fro: nothing but what people read goes by it."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graphflow import events, files, workflow
from graphflow.cache.disk import DiskStore
from graphflow.cache.records import EntryInfo
from graphflow.history import History
from graphflow.node import Context, node
from graphflow.queued import Submission
from graphflow.server import drafts as drafts_module
from graphflow.server import protocol as p
from graphflow.server.drafts import Draft, Drafts
from graphflow.server.limits import ServerLimits
from tests.graphflow.server.conftest import GATE, NUMBERS, Serve, gated
from tests.graphflow.server.conftest import serve as serve
from tests.support.engine import raw

HOUR = 3600.0


class Clock:
    """The wall clock of this process, which can be put forward and back."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self._time, self._time_ns = time.time, time.time_ns

    def time(self) -> float:
        return self._time() + self.ahead

    def time_ns(self) -> int:
        return self._time_ns() + int(self.ahead * 1e9)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    made = Clock()
    monkeypatch.setattr(time, "time", made.time)
    monkeypatch.setattr(time, "time_ns", made.time_ns)
    yield made
    made.ahead = 0.0


MARKS: list[int] = []
CLOCKS: list[Clock] = []


@node("test/mark", cache=False)
def mark(*, value: int) -> int:
    """Notes that it ran."""
    MARKS.append(value)
    return value


@node("test/jumpy", cache=False)
def jumpy(ctx: Context, *, steps: int = 8) -> int:
    """Puts the clock to and fro while it makes progress."""
    for step in range(steps):
        time.sleep(0.06)
        CLOCKS[-1].ahead = HOUR * (-1) ** step
        ctx.progress(step + 1, steps)
    return steps


def marked(value: int) -> dict[str, Any]:
    return raw({"out": "m"}, m=("mark", {"value": value}))


@pytest.mark.parametrize("jumps", [(HOUR, -HOUR), (-HOUR, HOUR)])
def test_the_queue_of_a_running_server_keeps_its_order(
    serve: Serve, clock: Clock, jumps: tuple[float, float]
) -> None:
    MARKS.clear()

    async def story() -> None:
        async with serve(nodes=[mark]) as live:
            live.server.history._clock = clock.time
            first = await live.run(gated("jump"))
            await live.until(first, "running")
            ids = {}
            for place, (client, value) in enumerate([("a", 1), ("a", 2), ("b", 3), ("a", 4), ("b", 5)]):
                ids[value] = await live.run(marked(value), client=client)
                clock.ahead += jumps[place % 2]
            told = (await live.ask("GET", "/api/runs")).json["queue"]
            queued = [one["run"] for one in told if one["state"] == "queued"]
            assert queued == [ids[value] for value in (1, 3, 2, 5, 4)], "clients take turns"
            GATE["jump"].set()
            for run in (first, *ids.values()):
                assert (await live.until(run))["state"] == "finished"
                clock.ahead += jumps[0]
            assert MARKS == [1, 3, 2, 5, 4]
            ended = [one["run"] for one in (await live.ask("GET", "/api/runs")).json["ended"]]
            assert ended == [ids[value] for value in (5, 4, 3, 2, 1)] + [first], "newest by number"

    asyncio.run(story())


def test_runs_under_way_are_told_in_their_order(tmp_path: Path) -> None:
    now = [1.7e9]
    history = History(tmp_path / "h.sqlite", clock=lambda: now[0])
    ids = [history.accept(Submission(workflow.dump(workflow.from_raw(NUMBERS)))).id for _ in range(4)]
    for _ in range(3):
        history.take()
        now[0] -= HOUR
    assert [run.id for run in history.queue()] == ids
    history.close()


def test_what_is_left_of_a_step_and_how_long_it_took_are_measured(serve: Serve, clock: Clock) -> None:
    CLOCKS.append(clock)

    async def story() -> None:
        async with serve(nodes=[jumpy]) as live:
            live.server.history._clock = clock.time
            speaker = await live.socket()
            answer = await speaker.ask(p.Submit, document=raw({"out": "j"}, j=("jumpy", {})))
            run = answer.run.run
            await speaker.ask(p.Watch, run=run)
            told = await speaker.until(
                lambda one: isinstance(one, p.Told) and one.event.type == "run.finished"
            )
            heard = [one.event for one in told if isinstance(one, p.Told)]
            left = [one.eta for one in heard if isinstance(one, events.NodeProgress) and one.eta is not None]
            assert left and all(0 <= seconds < 30 for seconds in left)
            took = [one.seconds for one in heard if isinstance(one, events.NodeFinished)]
            assert took and all(0.4 < seconds < 30 for seconds in took)
            assert 0.4 < heard[-1].seconds < 30
            stored = [one.seq for one in heard if one.seq]
            assert stored == sorted(stored)

    asyncio.run(story())


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_jump_gives_no_rate_takes_none_and_ends_no_session(serve: Serve, clock: Clock, jump: float) -> None:
    async def story() -> None:
        limits = ServerLimits(messages_per_second=2.0, message_burst=4)
        async with serve(limits=limits) as live:
            landed = await live.ask("GET", f"/?token={live.token}", auth=False)
            cookie = {"Cookie": landed.headers["set-cookie"].partition(";")[0]}
            speaker = await live.socket()
            for _ in range(4):
                assert (await live.ask("POST", "/api/run/none", {})).status == 404
            clock.ahead += jump
            assert (await live.ask("POST", "/api/run/none", {})).status == 429, "no hour's worth of tokens"
            await asyncio.sleep(0.7)
            assert (await live.ask("POST", "/api/run/none", {})).status == 404, "they come back by seconds"
            assert (await live.ask("GET", "/api/about", headers=cookie, auth=False)).status == 200
            assert (await speaker.ask(p.Library)).type == "listed", "the socket is still open"
            up = (await live.ask("GET", "/metrics")).body.decode().split("\ngraphflow_up_seconds ")[1]
            assert 0 <= float(up.split()[0]) < 60

    asyncio.run(story())


# ---------------------------------------------------------------------------------- on the disk


@pytest.mark.parametrize("jump", [30 * HOUR, -30 * HOUR])
def test_a_lease_is_held_as_long_as_its_holder_works(tmp_path: Path, clock: Clock, jump: float) -> None:
    """Beyond the age at which lock files are removed, if nobody holds them."""
    mine, other = DiskStore(tmp_path, limit_bytes=10**9), DiskStore(tmp_path, limit_bytes=10**9)
    found: list[bool] = []

    def wait() -> None:
        with other.lease("a" * 64) as at_once:
            found.append(at_once)

    with mine.lease("a" * 64) as at_once:
        assert at_once
        waiting = threading.Thread(target=wait)
        waiting.start()
        clock.ahead += jump
        other.gc(10**9)
        time.sleep(0.3)
        assert not found, "nobody else has it"
    waiting.join(10)
    assert found == [False], "it was waited for"


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_the_cache_keeps_to_its_limit_and_keeps_what_was_just_made(
    tmp_path: Path, clock: Clock, jump: float
) -> None:
    store = DiskStore(tmp_path, limit_bytes=400_000)
    for number in range(12):
        clock.ahead += jump * (-1) ** number
        key = f"{number:064x}"
        store.write(key, {"out": "x" * 60_000}, EntryInfo("test", 1, 1.0, clock.time()))
        assert store.read(key) is not None, "what was just made is there"
        assert 300_000 < store.stats().entry_bytes <= 460_000 or number < 6


def test_a_write_that_goes_on_is_not_swept(tmp_path: Path, clock: Clock) -> None:
    with files.replacing(tmp_path / "result.bin") as temporary:
        temporary.write_bytes(b"half")
        clock.ahead += 30 * HOUR
        files.sweep(tmp_path)
        assert temporary.exists()
    assert (tmp_path / "result.bin").read_bytes() == b"half"


def test_a_draft_kept_after_the_clock_went_back_is_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafts_module, "KEEP", 3)
    kept = Drafts(tmp_path)
    for number in range(4):
        kept.put(Draft(f"tab-{number:06}", "", "browser", "", "", 0.0, {"nodes": {}}))
        for path in tmp_path.glob("*.json"):  # all that was written until now seems to come from the future
            then = path.stat().st_mtime + HOUR
            os.utime(path, (then, then))
    assert [one.id for one in kept.all()] == ["tab-000003", "tab-000002", "tab-000001"]
