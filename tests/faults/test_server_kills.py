"""kill -9 at random moments while clients submit, cancel, move and wait: what was answered stays so.

The servers are forked from one process that has everything imported: what dies is the real program, and the
next one is there in a moment.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from graphflow.history import MAX_DEATHS, History
from graphflow.server import protocol as p
from tests.faults.test_server_faults import PACK, talking
from tests.graphflow.server.conftest import Speaker
from tests.support.engine import raw

KILLS = 60
SECONDS = 0.1
"""A server to which a client is connected lives at most so long."""

FORKING = """
import os, signal, sys
import uvicorn, websockets, graphflow.server.app, graphflow.cli.serve
from graphflow.cli.main import invoke
from graphflow.registry import load_registry
len(load_registry().specs)  # imports every pack
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    pid = os.fork()
    if not pid:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os._exit(invoke(["serve", *line.rstrip("\\n").split("\\t")]))
    print("pid", pid, flush=True)
"""


@dataclass
class Ledger:
    """What clients were told."""

    sent: list[str] = field(default_factory=list)
    """Requests, answered or not."""
    accepted: dict[str, str] = field(default_factory=dict)
    """Runs by request."""
    cancelling: set[str] = field(default_factory=set)
    """Runs that a client asked to cancel, answered or not."""
    cancelled: set[str] = field(default_factory=set)
    """Runs whose cancelling was answered."""
    over: dict[str, str] = field(default_factory=dict)
    """What runs came to."""

    def hear(self, told: list[Any]) -> None:
        for one in told:
            if getattr(one, "type", "") == "run" and one.run.state not in ("queued", "running"):
                known = self.over.setdefault(one.run.run, one.run.state)
                assert known == one.run.state, "a run that is over stays what it is"
        told.clear()

    def accept(self, request: str, run: str) -> None:
        assert self.accepted.setdefault(request, run) == run, "a request sent again is the same run"


class Servers:
    """Starts and kills servers on one data folder."""

    def __init__(self, folder: Path) -> None:
        (folder / "packs").mkdir()
        (folder / "packs" / "lab.py").write_text(PACK)
        self._options = [
            "--port", "0", "--no-browser", "--data-dir", str(folder / "data"),
            "--packs", str(folder / "packs"), "--device", "cpu", "--runner", "inline",
        ]  # fmt: skip
        self._forker = subprocess.Popen(
            [sys.executable, "-c", FORKING],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    @contextmanager
    def one(self) -> Iterator[tuple[int, str]]:
        """Process and address of a server that is ready; killed at the end."""
        assert self._forker.stdin is not None and self._forker.stdout is not None
        self._forker.stdin.write("\t".join(self._options) + "\n")
        self._forker.stdin.flush()
        lines = [self._forker.stdout.readline().strip() for _ in range(2)]
        pid = next(int(line.removeprefix("pid ")) for line in lines if line.startswith("pid "))
        try:
            yield pid, next(line.rpartition(" ")[2] for line in lines if "http" in line)
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        self._forker.kill()
        self._forker.communicate()


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    found = Servers(tmp_path)
    yield found
    found.close()


def wanted(request: str) -> int:
    return int(request.removeprefix("request-"))


async def submit(speaker: Speaker, ledger: Ledger, request: str) -> None:
    """Queue what gives back the request's own number."""
    document = raw({"out": "m"}, m=("num", {}))
    document["nodes"] = {"m": {"type": "lab/moment", "params": {"value": wanted(request), "seconds": 0.004}}}
    answer = await speaker.ask(p.Submit, document=document, request=request)
    ledger.accept(request, answer.run.run)


async def press(url: str, ledger: Ledger, chance: random.Random, killer: threading.Timer) -> None:
    """Do what clients do, until the server is gone."""
    async with talking(url) as speaker:
        killer.start()
        for request in ledger.sent:
            if request not in ledger.accepted:
                await submit(speaker, ledger, request)
        while True:
            ledger.hear(speaker.told)
            runs = list(ledger.accepted.values())
            match chance.choice(["submit", "submit", "again", "cancel", "move", "prioritise"]):
                case "submit":
                    ledger.sent.append(f"request-{len(ledger.sent):04}")
                    await submit(speaker, ledger, ledger.sent[-1])
                case "again" if runs:
                    await submit(speaker, ledger, chance.choice([*ledger.accepted]))
                case "cancel" if runs:
                    run = chance.choice(runs[-10:])
                    ledger.cancelling.add(run)
                    await speaker.ask(p.Cancel, run=run)
                    ledger.cancelled.add(run)
                case "move" if runs:
                    first, second = chance.choice(runs[-10:]), chance.choice(runs[-10:])
                    await speaker.ask(p.Move, run=first, before=second)
                case "prioritise" if runs:
                    await speaker.ask(
                        p.Prioritise, run=chance.choice(runs[-10:]), priority=chance.randint(-9, 9)
                    )


async def finish(url: str, ledger: Ledger) -> None:
    """Send once more what was not answered, and wait until all is done."""
    async with talking(url) as speaker:
        for request in ledger.sent:
            await submit(speaker, ledger, request)
        end = time.monotonic() + 60
        while (await speaker.ask(p.Hello, protocol=p.PROTOCOL, client="test")).queue:
            assert time.monotonic() < end, "the queue does not come to its end"
            await asyncio.sleep(0.05)


@pytest.mark.slow
def test_killed_at_sixty_moments_every_answer_stays_true(tmp_path: Path, servers: Servers) -> None:
    chance = random.Random(29)
    ledger = Ledger()
    for _ in range(KILLS):
        with servers.one() as (pid, url):
            killer = threading.Timer(chance.uniform(0.0, SECONDS), os.kill, (pid, signal.SIGKILL))
            with suppress(ConnectionClosed, OSError):
                asyncio.run(press(url, ledger, chance, killer))
            killer.join()
    answered = dict(ledger.accepted)
    with servers.one() as (_, url):
        asyncio.run(finish(url, ledger))
    assert answered.items() <= ledger.accepted.items()
    assert len(set(ledger.accepted.values())) == len(ledger.sent) > KILLS

    history = History(tmp_path / "data" / "server" / "history.sqlite")
    assert sum(history.counts().values()) == len(ledger.sent), "no run that nobody asked for, none twice"
    begun = 0
    for request, id in ledger.accepted.items():
        run = history.get(id)
        begun = max(begun, run.attempt)
        assert run.over and run.state == ledger.over.get(id, run.state)
        ends = [one.type for one in history.events(id) if one.type in ENDS]
        assert ends == [f"run.{run.state}"], "a run ends once"
        if run.state == "finished":
            assert run.results["outputs"]["out"]["value"] == wanted(request)
        elif run.state == "cancelled":
            assert id in ledger.cancelling
        else:
            assert (run.code, run.deaths) == ("run.poisoned", MAX_DEATHS)
    states = [history.get(id).state for id in ledger.cancelled]
    assert "cancelled" in states and set(states) <= {"cancelled", "finished", "failed"}
    assert begun > 1, "some were killed while they ran"
    history.close()


ENDS = ("run.finished", "run.failed", "run.cancelled")
