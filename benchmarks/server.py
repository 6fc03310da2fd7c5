"""The server: how soon it answers, how much it adds to a run, many clients at once, a long queue.

python -m benchmarks server
python -m benchmarks.server --only queue

A real `graphflow serve` in a process of its own, spoken to over its websocket; its nodes do nothing, so that
what is measured is the server. Latencies are wall time and need a quiet machine. Prints a table; the column
beside ours is ComfyUI 0.3.64, measured on two cores of the same kind in a quiet moment.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgpack
import psutil
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.deaf import Deaf
from graphflow.server import protocol as p
from graphflow.server.limits import LIMITS

PACK = '''
"""Nodes that do nothing."""
import time
from graphflow.node import Context, node
from graphflow.values import Image

@node("bench/start")
def start(*, value: int = 0) -> int:
    """A number."""
    return value

@node("bench/next")
def next_one(x: int) -> int:
    """The next number."""
    return x + 1

@node("bench/watched", cache=False)
def watched(ctx: Context, *, previews: int = 1500, pause: float = 0.004, hold: bool = True) -> int:
    """Shows pictures of its work."""
    import torch
    picture = Image(pixels=torch.randint(0, 255, (96, 160, 3)).to(torch.uint8))
    for i in range(previews):
        ctx.progress(i, previews)
        ctx.preview(lambda: picture)
        time.sleep(pause)
    return previews
'''

TOKEN = "benchmark-token-0123456789"


@dataclass
class Served:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    port: int
    ready: float
    """Seconds from the start to the first answer."""

    @property
    def facts(self) -> psutil.Process:
        return psutil.Process(self.process.pid)

    def cpu_seconds(self) -> float:
        times = self.facts.cpu_times()
        return float(times.user + times.system)

    def memory_bytes(self) -> int:
        """Memory of the server itself; its worker is a process of its own."""
        return int(self.facts.memory_info().rss)


@contextmanager
def served(folder: Path, *, kill: bool = False) -> Iterator[Served]:
    """Start `graphflow serve`; at the end stop it, or kill it as a power cut would."""
    packs = folder / "packs"
    packs.mkdir(parents=True, exist_ok=True)
    (packs / "bench.py").write_text(PACK, "utf-8")
    arguments = [
        "serve",
        "--no-browser",
        "--port",
        "0",
        "--data-dir",
        str(folder / "data"),
        "--packs",
        str(packs),
    ]
    command = [sys.executable, "-m", "graphflow.cli.main", *arguments]
    if Path(sys.executable).with_name("graphflow").is_file():
        command = [str(Path(sys.executable).with_name("graphflow")), *arguments]
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "GRAPHFLOW_TOKEN": TOKEN}
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        port = int(line.split("://")[1].split("/")[0].rpartition(":")[2])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
            assert answer.status == 200
        yield Served(process, port, time.perf_counter() - began)
    finally:
        process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        process.wait(30)


@dataclass
class Talker:
    """One client."""

    socket: ClientConnection
    codec: p.Codec
    told: list[Any] = field(default_factory=list)
    last: int = 0

    async def hear(self) -> Any:
        frame = await self.socket.recv()
        assert isinstance(frame, bytes)
        return self.codec.answer(frame)

    async def ask(self, kind: type[Any], **fields: Any) -> Any:
        self.last += 1
        await self.socket.send(p.pack(kind(id=self.last, **fields)))
        while True:
            answer = await self.hear()
            if getattr(answer, "id", None) == self.last:
                assert not isinstance(answer, p.Failure), answer
                return answer
            self.told.append(answer)

    async def until_over(self, run: str, **options: Any) -> list[Any]:
        """All that is told of a run."""
        await self.ask(p.Watch, run=run, **options)
        while not any(map(over, self.told)):
            self.told.append(await self.hear())
        told, self.told = self.told, []
        await self.ask(p.Unwatch, run=run)
        return told

    async def finish(self, document: dict[str, Any]) -> None:
        """Submit a run and wait for its end."""
        await self.until_over((await self.ask(p.Submit, document=document)).run.run)


@asynccontextmanager
async def talking(server: Served, codec: p.Codec, name: str = "bench") -> AsyncIterator[Talker]:
    address = f"ws://127.0.0.1:{server.port}/ws"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with connect(
        address, additional_headers=headers, compression=None, max_size=None, proxy=None, ping_interval=None
    ) as made:
        talker = Talker(made, codec)
        await talker.ask(p.Hello, protocol=p.PROTOCOL, client=name)
        yield talker


def over(message: Any) -> bool:
    return isinstance(message, p.Told) and message.event.type in ("run.finished", "run.failed")


def chain(length: int, value: int = 0) -> dict[str, Any]:
    nodes: dict[str, Any] = {"n0": {"type": "bench/start", "params": {"value": value}}}
    for i in range(1, length):
        nodes[f"n{i}"] = {"type": "bench/next", "inputs": {"x": f"n{i - 1}"}}
    return {"graphflow": 1, "name": "chain", "nodes": nodes, "outputs": {"out": f"n{length - 1}"}}


def row(what: str, ours: str, comfyui: str = "") -> None:
    print(f"| {what} | {ours} | {comfyui} |")


def spread(seconds: list[float]) -> str:
    """Median, 99th of a hundred, and the longest, in milliseconds."""
    ordered = sorted(seconds)
    high = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    figures = {"median": statistics.median(ordered), "p99": high, "max": ordered[-1]}
    return ", ".join(f"{name} {one * 1e3:.2f} ms" for name, one in figures.items())


# ------------------------------------------------------------------------------------- the figures


def ready(folder: Path) -> None:
    found = []
    for turn in range(5):
        with served(folder / str(turn)) as server:
            found.append(server.ready)
            imports_torch = any("libtorch" in one.path for one in server.facts.memory_maps())
    figures = f"best {min(found):.2f} s, median {statistics.median(found):.2f} s, torch: {imports_torch}"
    row("ready to answer", figures, "5.8 s of CPU time, torch: True")


async def latency(folder: Path) -> None:
    codec = p.Codec()
    with served(folder) as server:
        async with talking(server, codec) as talker:
            document = chain(3)
            await talker.finish(document)
            whole, explained = [], []
            before = server.cpu_seconds()
            for _ in range(200):
                began = time.perf_counter()
                await talker.finish(document)
                whole.append(time.perf_counter() - began)
            spent = (server.cpu_seconds() - before) / len(whole)
            wide = chain(100)
            await talker.finish(wide)
            for _ in range(50):
                began = time.perf_counter()
                await talker.ask(p.Explain, document=wide)
                explained.append(time.perf_counter() - began)
    row(
        "cached run of 3 nodes",
        f"{spread(whole)}, CPU of the server {spent * 1e3:.1f} ms",
        "median 1.05 ms, p95 1.3 ms, all in memory",
    )
    row("explain 100 cached", spread(explained))


async def crowd(folder: Path, clients: int, previews: int) -> None:
    codec = p.Codec()
    with served(folder) as server:
        async with talking(server, codec) as talker:
            document = {
                "graphflow": 1,
                "nodes": {"w": {"type": "bench/watched", "params": {"previews": previews}}},
            }
            await talker.finish(chain(2))  # the worker is there
            await talker.ask(p.Pause, on=True)
            run = (await talker.ask(p.Submit, document=document)).run.run
            before = server.memory_bytes()
            deaf = Deaf(server.port, TOKEN, run)
            watching = [asyncio.create_task(watched(server, codec, run)) for _ in range(clients - 1)]
            await asyncio.sleep(2.0)
            await talker.ask(p.Pause, on=False)
            most = before
            while not all(task.done() for task in watching):
                most = max(most, server.memory_bytes())
                deaf.look()
                await asyncio.sleep(0.05)
            heard = [task.result() for task in watching]
            await deaf.until_gone(2 * LIMITS.send_seconds)
            deaf.close()
    control = {tuple(one[0]) for one in heard}
    assert len(control) == 1, "every client hears every stored event"
    pictures = [one[1] for one in heard]
    row(
        f"{clients} clients, {previews} previews",
        f"stored events to each: {len(next(iter(control)))}, previews to each: {min(pictures)} to "
        f"{max(pictures)}, server +{(most - before) / 2**20:.0f} MB; one reads nothing: {deaf.verdict()}",
    )


async def watched(server: Served, codec: p.Codec, run: str) -> tuple[list[int], int]:
    """A client that watches to the end: numbers of the stored events, count of previews."""
    stored: list[int] = []
    previews = 0
    async with talking(server, codec, "crowd") as talker:
        await talker.socket.send(p.pack(p.Watch(id=9, run=run, previews=True)))
        while True:
            event = msgpack.unpackb(await talker.socket.recv()).get("event")  # checking all would cost more
            if event is None:
                continue
            previews += event["type"] == "node.preview"
            if event["type"] not in ("node.progress", "node.preview"):
                stored.append(event["seq"])
            if event["type"] == "run.finished":
                return stored, previews


async def queue(folder: Path, runs: int) -> None:
    codec = p.Codec()
    with served(folder, kill=True) as server:
        async with talking(server, codec) as talker:
            await talker.ask(p.Pause, on=True)
            await talker.ask(p.Submit, document=chain(20, -1))
            spent = []
            for value in range(runs):
                document = chain(20, value)
                began = time.perf_counter()
                answer = await talker.ask(p.Submit, document=document)
                spent.append(time.perf_counter() - began)
                assert answer.type == "accepted", answer
            memory = server.memory_bytes() / 2**20
    with served(folder) as server:
        again = server.ready
        async with talking(server, codec) as talker:
            began = time.perf_counter()
            await talker.ask(p.Cancel)
            cancelled = time.perf_counter() - began
    row(
        f"submissions, {runs}",
        f"{spread(spent)}, each synced; server {memory:.0f} MB",
        "0.41 ms, in memory; server 417 to 451 MB with torch",
    )
    row(
        f"restart with {runs}",
        f"ready after {again:.2f} s, all of them there; cancel all {cancelled:.2f} s",
        "queue, history and cache are gone",
    )


async def drain(folder: Path, runs: int) -> None:
    """Queue runs of 20 nodes each, all of them new, and let them run to the end."""
    with served(folder) as server:
        async with talking(server, p.Codec()) as talker:
            await talker.finish(chain(20, -1))  # the worker is there
            await talker.ask(p.Pause, on=True)
            before = server.memory_bytes()
            for value in range(runs):
                await talker.ask(p.Submit, document=chain(20, value))
                talker.told.clear()
            queued = server.memory_bytes()
            began, cpu = time.perf_counter(), server.cpu_seconds()
            await talker.ask(p.Pause, on=False)
            over: set[str] = set()
            while len(over) < runs:
                one = await talker.hear()
                if isinstance(one, p.Changed) and one.run.state in ("finished", "failed", "cancelled"):
                    assert one.run.state == "finished", one
                    over.add(one.run.run)
            spent, cpu = time.perf_counter() - began, server.cpu_seconds() - cpu
            grown = server.memory_bytes() - queued
    row(
        f"{runs} runs of 20 nodes to the end",
        f"{spent:.1f} s, {runs / spent:.0f} a second, CPU of the server {cpu / runs * 1e3:.1f} ms each; "
        f"server {(queued - before) / 2**20:+.0f} MB while they wait, {grown / 2**20:+.0f} MB while they run",
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=["ready", "latency", "crowd", "queue", "drain"])
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--previews", type=int, default=1500)
    parser.add_argument("--runs", type=int, default=1000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="graphflow-") as place:
        folder = Path(place)
        parts: dict[str, Callable[[], Coroutine[Any, Any, None] | None]] = {
            "ready": lambda: ready(folder / "ready"),
            "latency": lambda: latency(folder / "latency"),
            "crowd": lambda: crowd(folder / "crowd", asked.clients, asked.previews),
            "queue": lambda: queue(folder / "queue", asked.runs),
            "drain": lambda: drain(folder / "drain", asked.runs),
        }
        row("", "graphflow", "ComfyUI")
        row("---", "---", "---")
        for name, part in parts.items():
            if asked.only in (None, name) and (work := part()) is not None:
                asyncio.run(work)


if __name__ == "__main__":
    main()
