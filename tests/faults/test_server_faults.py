"""The server under kills, slow disks, jumping clocks and vanishing clients: what was accepted is done, once,
and nobody waits for somebody else."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from graphflow import files, workflow
from graphflow.client import Client
from graphflow.history import History
from graphflow.queued import Submission
from graphflow.server import protocol as p
from tests.graphflow.server.conftest import GATE, NUMBERS, Serve, Speaker, gated
from tests.graphflow.server.conftest import serve as serve
from tests.support.engine import raw

PACK = '''
"""A node that takes a moment."""
import time
from graphflow.node import node

@node("lab/moment")
def moment(*, value: int = 0, seconds: float = 0.02) -> int:
    """Waits."""
    time.sleep(seconds)
    return value
'''


def moment(value: int) -> dict[str, Any]:
    return raw({"out": "m"}, m=("num", {})) | {
        "nodes": {"m": {"type": "lab/moment", "params": {"value": value}}}
    }


@contextmanager
def program(folder: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`graphflow serve` with threads for nodes, which start at once; killed at the end."""
    (folder / "packs").mkdir(exist_ok=True)
    (folder / "packs" / "lab.py").write_text(PACK)
    command = [
        sys.executable, "server.py", "--port", "0", "--no-browser", "--data-dir", str(folder / "data"),
        "--packs", str(folder / "packs"), "--device", "cpu", "--runner", "inline",
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().removeprefix("graphflow is at ").strip()
    finally:
        process.kill()
        process.communicate()


@asynccontextmanager
async def talking(url: str) -> AsyncIterator[Speaker]:
    """A client that gives up when the connection breaks."""
    base, _, token = url.partition("/?token=")
    headers = {"Authorization": f"Bearer {token}"}
    async with connect(
        f"ws{base.removeprefix('http')}/ws", additional_headers=headers, compression=None, proxy=None
    ) as made:
        speaker = Speaker(made, p.Codec())
        await speaker.ask(p.Hello, protocol=p.PROTOCOL, client="test")
        yield speaker


async def submit_all(url: str, requests: Iterable[str], acknowledged: dict[str, str]) -> None:
    """Send every request that was not acknowledged yet; each wants its own number back."""
    async with talking(url) as speaker:
        for request in requests:
            if request not in acknowledged:
                document = moment(int(request.removeprefix("request-")))
                answer = await speaker.ask(p.Submit, document=document, request=request)
                acknowledged[request] = answer.run.run


@pytest.mark.parametrize("point", [name for name in files.FAULTPOINTS if name.startswith("history.")])
def test_killed_at_every_point_of_the_queue_a_submission_is_one_run(tmp_path: Path, point: str) -> None:
    with program(tmp_path) as (process, url):
        asyncio.run(submit_all(url, ["request-007"], first := {}))
    with program(tmp_path, GRAPHFLOW_FAULT=point) as (process, _):
        assert process.wait(30) == -signal.SIGKILL, "opening the history is a transaction too"
    with program(tmp_path) as (_, url):
        asyncio.run(submit_all(url, ["request-007"], again := {}))
        assert again == first
        with Client(url) as client:
            assert client.wait(first["request-007"]).results["outputs"]["out"]["value"] == 7


# --------------------------------------------------------------------------------- slow and strange


def test_a_slow_disk_keeps_nobody_waiting_who_does_not_need_it(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write takes half a second; the loop is never blocked by one."""
    real = History._change

    def slow(self: History, *, synced: bool = True) -> Any:
        time.sleep(0.5)
        return real(self, synced=synced)

    async def story() -> None:
        async with serve() as live:
            speaker, other = await live.socket(), await live.socket()
            monkeypatch.setattr(History, "_change", slow)
            lags: list[float] = []

            async def beat() -> None:
                while True:
                    began = time.perf_counter()
                    await asyncio.sleep(0.01)
                    lags.append(time.perf_counter() - began - 0.01)

            beating = asyncio.create_task(beat())
            pending = [asyncio.create_task(speaker.ask(p.Submit, document=NUMBERS))]
            await asyncio.sleep(0.05)
            began = time.perf_counter()
            assert (await other.ask(p.Validate, document=NUMBERS)).problems == []
            assert time.perf_counter() - began < 0.4
            (answer,) = await asyncio.gather(*pending)
            await live.until(answer.run.run)
            beating.cancel()
            lags.sort()
            assert lags[int(0.99 * len(lags))] < 0.25, "the loop went on"
            monkeypatch.setattr(History, "_change", real)

    asyncio.run(story())


@pytest.mark.parametrize("jump", [86_400.0, -365 * 86_400.0])
def test_a_clock_that_jumps_changes_no_order(tmp_path: Path, jump: float) -> None:
    now = [1.7e9]
    history = History(tmp_path / "h.sqlite", clock=lambda: now[0])
    document = workflow.dump(workflow.from_raw(NUMBERS))
    ids = []
    for _ in range(4):
        ids.append(history.accept(Submission(document, name="w")).id)
        now[0] += jump
    taken = []
    while (run := history.take()) is not None:
        now[0] -= 2 * jump
        history.finish(run, "finished")
        taken.append(run.id)
    assert taken == ids
    assert [run.id for run in history.ended()] == ids[::-1], "newest by number, not by the clock"
    history.close()
    again = History(tmp_path / "h.sqlite", clock=lambda: now[0])
    assert [run.id for run in again.ended()] == ids[::-1]
    again.close()


def test_clients_that_vanish_at_any_moment_cost_nothing(serve: Serve) -> None:
    chance = random.Random(11)

    async def story() -> None:
        async with serve() as live:
            run = await live.run(gated("vanish"))
            for _ in range(40):
                speaker = await live.socket()
                asked: list[Any] = [
                    p.Watch(id=90, run=run, previews=True),
                    p.Explain(id=91, document=NUMBERS),
                    p.Upload(id=92, name="x.txt", size=1000),
                    p.Save(id=93, name="w", document=NUMBERS),
                    p.Library(id=94),
                ]
                chance.shuffle(asked)
                for message in asked[: chance.randrange(6)]:
                    await speaker.socket.send(p.pack(message))
                if chance.random() < 0.5:
                    await asyncio.sleep(chance.random() * 0.02)
                speaker.socket.transport.abort()
            end = time.monotonic() + 20
            hub = live.server.hub
            while (hub.listeners or hub._wanted) and time.monotonic() < end:
                await asyncio.sleep(0.02)
            assert not hub.listeners and not hub._wanted
            assert not list(live.server.desk.assets.root.rglob("*.*")), "broken uploads leave nothing"
            GATE["vanish"].set()
            assert (await live.until(run))["state"] == "finished"
            speaker = await live.socket()
            watching = await speaker.ask(p.Watch, run=run)
            told = await speaker.until(
                lambda one: isinstance(one, p.Told) and one.event.seq == watching.run.seq
            )
            assert [one.event.seq for one in told if isinstance(one, p.Told)] == list(
                range(1, watching.run.seq + 1)
            )

    asyncio.run(story())


def test_a_connection_that_says_nothing_or_half_a_greeting_holds_up_nobody(serve: Serve) -> None:
    async def story() -> None:
        async with serve() as live:
            silent = [socket.create_connection(("127.0.0.1", live.port)) for _ in range(30)]
            for one in silent[10:]:
                one.sendall(b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
            began = time.perf_counter()
            assert (await live.ask("GET", "/healthz")).status == 200
            speaker = await live.socket()
            assert (await speaker.ask(p.Library)).type == "listed"
            assert time.perf_counter() - began < 5
            for one in silent:
                one.close()

    asyncio.run(story())
