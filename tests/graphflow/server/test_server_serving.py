"""The program as people start it: its address, one server to a folder, and what a stop or a crash leaves."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from graphflow.cli.main import invoke
from graphflow.client import Client
from graphflow.errors import GraphflowError, StorageError
from graphflow.server import serving
from graphflow.server.serving import AddressError

PACK = '''
"""Nodes for the tests of the server; none needs torch."""

import os
import time
from pathlib import Path

from graphflow.node import Context, node
from graphflow.values import SavedFile


@node("lab/steps")
def steps(ctx: Context, *, log: str, count: int = 10, seconds: float = 0.0, halt: int = 0) -> int:
    """Counts, writes each step into a log, and goes on at its checkpoint. Held from step `halt` on."""
    state = ctx.restore()
    begin = int(state["step"]) + 1 if state else 0
    for step in range(begin, count):
        with open(log, "a") as file:
            file.write(f"{step}\\n")
        ctx.checkpoint(lambda: {"step": step})
        time.sleep(seconds)
        ctx.progress(step, count)
        while step >= halt and Path(log + ".hold").exists():
            time.sleep(0.01)
            ctx.progress(step, count)
    return count


@node("lab/save", cache=False, effect=lambda outputs: False)
def save(count: int, ctx: Context) -> SavedFile:
    """Saves a number."""
    return ctx.save("count", ".txt", lambda path: path.write_text(str(count)))


@node("lab/deaf")
def deaf() -> int:
    """Never looks whether it is to stop."""
    time.sleep(600)
    return 0


@node("lab/crash")
def crash() -> int:
    """Ends its process as a broken library does."""
    os.kill(os.getpid(), 11)
    time.sleep(60)  # another thread may take the signal, a little later
    return 0


@node("lab/greedy")
def greedy(*, megabytes: int = 64) -> int:
    """Takes memory without end, a piece at a time."""
    held = []
    while True:
        held.append(bytearray(megabytes * 2**20))


@node("lab/write", cache=False, effect=lambda outputs: False)
def write(ctx: Context, *, hold: str) -> SavedFile:
    """Is a long time between the first and the last byte of a file."""
    def slowly(path):
        with path.open("wb") as file:
            file.write(b"x" * 10_000)
            file.flush()
            Path(hold + ".begun").touch()
            while Path(hold).exists():
                time.sleep(0.01)
            file.write(b"y" * 10_000)
    return ctx.save("slow", ".txt", slowly)
'''


def document(log: Path, **settings: Any) -> dict[str, Any]:
    node = {"type": "lab/steps", "params": {"log": str(log), **settings}}
    return {"graphflow": 1, "nodes": {"s": node}, "outputs": {"out": "s"}}


def only(kind: str, **params: Any) -> dict[str, Any]:
    return {"graphflow": 1, "nodes": {"n": {"type": kind, "params": params}}, "outputs": {"out": "n"}}


@dataclass
class Program:
    """`graphflow serve` in a process of its own."""

    process: subprocess.Popen[str]
    url: str

    def client(self) -> Client:
        return Client(self.url)

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal and wait: exit code and what was said on stderr."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said


Start = Callable[..., Program]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "lab.py").write_text(PACK)
    running: list[subprocess.Popen[str]] = []

    def begin(*options: str) -> Program:
        command = [
            sys.executable, "server.py", "--port", "0", "--no-browser", "--data-dir", str(tmp_path / "data"),
            "--packs", str(tmp_path / "packs"), "--device", "cpu", "--checkpoint-seconds", "0", *options,
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", line)
        assert found, line + (process.communicate()[1] if process.poll() is not None else "")
        return Program(process, found[0])

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


def lines(log: Path) -> list[int]:
    return [int(line) for line in log.read_text().split()] if log.exists() else []


def wait_for(check: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not check():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


# --------------------------------------------------------------------------- stop and crash


def test_killed_in_the_middle_of_a_node_the_run_goes_on_at_its_checkpoint(
    start: Start, tmp_path: Path
) -> None:
    log, hold = tmp_path / "log", tmp_path / "log.hold"
    hold.touch()
    first = start()
    with first.client() as client:
        run = client.submit(document(log, count=6, halt=2))
        waiting = client.submit(document(tmp_path / "other", count=1))
        wait_for(lambda: len(lines(log)) >= 3)
        first.process.kill()
        first.process.wait()
    done = lines(log)
    hold.unlink()
    with start().client() as client:
        info = client.wait(run)
        assert (info.state, info.results["outputs"]) == ("finished", {"out": {"value": 6}})
        assert info.attempt == 2 and client.wait(waiting).state == "finished"
        told = [event.seq for event in client.events(run) if event.type != "node.progress"]
        assert told == list(range(1, len(told) + 1))
    after = lines(log)[len(done) :]
    assert after[0] in (done[-1], done[-1] + 1) and after[-1] == 5
    assert len(lines(log)) <= 7  # only the step in flight is done twice


def test_sigterm_gives_the_run_back_to_the_queue_and_ends_well(start: Start, tmp_path: Path) -> None:
    log, hold = tmp_path / "log", tmp_path / "log.hold"
    hold.touch()
    first = start()
    with first.client() as client:
        run = client.submit(document(log, count=3))
        wait_for(lambda: lines(log) == [0])
        code, said = first.stop()
    assert code == 0, said
    hold.unlink()
    with start().client() as client:
        assert client.wait(run).state == "finished"
    assert lines(log) == [0, 1, 2]


def test_sigterm_in_the_middle_of_a_write_leaves_no_half_file_and_the_run_for_later(
    start: Start, tmp_path: Path
) -> None:
    hold, out = tmp_path / "hold", tmp_path / "data" / "output"
    hold.touch()
    first = start()
    with first.client() as client:
        run = client.submit(only("lab/write", hold=str(hold)))
        wait_for(Path(f"{hold}.begun").exists)
        code, said = first.stop()  # the node looks at nothing while it writes: its worker is killed
    assert code == 0, said
    assert not list(out.rglob("slow*")), "whole or not at all; a killed worker leaves its temporary file"
    hold.unlink()
    with start().client() as client:
        info = client.wait(run)
        assert (info.state, info.attempt) == ("finished", 2)
        (file,) = info.results["files"]
        assert (out / file["name"]).read_bytes() == b"x" * 10_000 + b"y" * 10_000
        assert [path.name for path in out.iterdir()] == [file["name"]], "and the next start takes that away"


def test_a_second_signal_ends_the_program_at_once_and_loses_nothing(start: Start) -> None:
    deaf = {"graphflow": 1, "nodes": {"d": {"type": "lab/deaf"}}, "outputs": {"out": "d"}}
    first = start()
    with first.client() as client:
        run = client.submit(deaf)
        next(event for event in client.events(run) if event.type == "node.started")
    first.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert first.stop()[0] == 1
    with start().client() as client:
        wait_for(lambda: client.info(run).state == "running")
        client.cancel(run)
        assert client.wait(run).state == "cancelled"


def test_an_idle_server_ends_at_once_and_keeps_its_token(start: Start) -> None:
    first = start()
    assert first.stop(signal.SIGINT)[0] == 0
    again = start()
    token = "token=(.*)"
    assert re.findall(token, again.url) == re.findall(token, first.url)
    assert again.stop()[0] == 0


def test_a_node_that_kills_its_process_fails_and_the_queue_goes_on(start: Start, tmp_path: Path) -> None:
    crash = {"graphflow": 1, "nodes": {"c": {"type": "lab/crash"}}, "outputs": {"out": "c"}}
    with start().client() as client:
        bad, good = client.submit(crash), client.submit(document(tmp_path / "log", count=1))
        failed = client.wait(bad)
        assert (failed.state, failed.code) == ("failed", "worker.killed")
        assert client.wait(good).state == "finished"


def test_a_node_that_hangs_or_takes_all_memory_fails_unattended_and_the_queue_goes_on(
    start: Start, tmp_path: Path
) -> None:
    """The queue: one that hangs, one that takes memory bit by bit, one that asks for 100 GB at once."""
    with start("--node-timeout", "4", "--node-memory", "500MB").client() as client:
        hangs = client.submit(only("lab/deaf"))
        eats = [client.submit(only("lab/greedy", megabytes=size)) for size in (64, 100 * 2**10)]
        good = client.submit(document(tmp_path / "log", count=1))
        late = client.wait(hangs)
        assert (late.state, late.code) == ("failed", "worker.timeout") and "4 s" in late.message
        for full in map(client.wait, eats):
            assert (full.state, full.code) == ("failed", "resource.memory") and "memory" in full.message
        assert client.wait(good).state == "finished"


def test_uploads_may_take_as_much_as_the_command_line_says(start: Start, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"x" * 600)
    with start("--runner", "inline", "--upload-space", "1KB").client() as client:
        client.upload(tmp_path / "notes.txt")
        with pytest.raises(GraphflowError) as caught:
            client.upload(tmp_path / "notes.txt")
    assert caught.value.error_code == "asset.full" and "--upload-space" in caught.value.hint
    assert invoke(["serve", "--data-dir", str(tmp_path / "data"), "--upload-space", "much"]) == 2


def test_limits_that_threads_cannot_keep_are_refused(tmp_path: Path) -> None:
    more = ["--data-dir", str(tmp_path), "--runner", "inline", "--node-timeout", "1"]
    assert invoke(["serve", "--port", "0", "--no-browser", *more]) == 2
    assert not (tmp_path / "server").exists()


def test_a_second_server_on_the_folder_is_told_of_the_first(start: Start, tmp_path: Path) -> None:
    first = start()
    done = subprocess.run(
        [sys.executable, "server.py", "--port", "0", "--no-browser", "--data-dir", str(tmp_path / "data")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 4
    assert f"process {first.process.pid} serves it at http://127.0.0.1:" in done.stderr
    assert "token" not in done.stderr


def test_the_token_is_in_no_log_no_record_and_no_file_but_its_own(start: Start, tmp_path: Path) -> None:
    program = start()
    token = program.url.partition("token=")[2]
    with program.client() as client:
        client.wait(client.submit(document(tmp_path / "log", count=1)))
    _, said = program.stop()
    assert token not in said
    holding = [path for path in tmp_path.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]
    assert holding == [tmp_path / "data" / "server" / "token"]


def test_the_server_is_ready_without_torch(start: Start) -> None:
    program = start()
    maps = Path(f"/proc/{program.process.pid}/maps")
    if maps.exists():
        assert "libtorch" not in maps.read_text()


# --------------------------------------------------------------------------- graphflow run --server


def flow(tmp_path: Path, **params: Any) -> Path:
    nodes = {
        "s": {"type": "lab/steps", "params": {"log": str(tmp_path / "log"), "count": 3, **params}},
        "w": {"type": "lab/save", "inputs": {"count": "s"}},
    }
    path = tmp_path / "flow.json"
    to = {"count": {"to": "s.count"}}
    outputs = {"number": "s", "file": "w"}
    path.write_text(json.dumps({"graphflow": 1, "nodes": nodes, "outputs": outputs, "parameters": to}))
    return path


def command(program: Program, tmp_path: Path, *more: str) -> list[str]:
    where = ["--packs", str(tmp_path / "packs"), "--out", str(tmp_path / "out"), "--server", program.url]
    return ["run", str(tmp_path / "flow.json"), *where, *more]


def test_the_command_line_runs_a_workflow_on_a_server_and_fetches_its_files(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flow(tmp_path)
    program = start()
    assert invoke(command(program, tmp_path, "--count", "4")) == 0
    said = capsys.readouterr().out
    assert "finished  s" in said and "number = 4" in said
    (saved,) = (tmp_path / "out").iterdir()
    assert saved.read_text() == "4" and f"saved     {saved}" in said
    assert invoke(command(program, tmp_path, "--count", "4", "--json")) == 0
    types = [json.loads(line)["type"] for line in capsys.readouterr().out.splitlines()]
    assert "node.cached" in types and types[-1] == "run.finished"


def test_what_is_wrong_is_told_before_anything_is_sent(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flow(tmp_path)
    program = start()
    assert invoke(command(program, tmp_path, "--count", "many")) == 2
    assert invoke(command(program, tmp_path, "--only", "nothing")) == 2
    assert "nothing" in capsys.readouterr().err
    wrong = Program(program.process, program.url + "x")
    assert invoke(command(wrong, tmp_path)) == 1
    assert "token" in capsys.readouterr().err
    assert not (tmp_path / "log").exists()


# --------------------------------------------------------------------------- address and token


@pytest.mark.parametrize(
    ("host", "public_url"),
    [
        ("0.0.0.0", ""),
        ("::", ""),
        ("127.0.0.1", "video.example.org"),
        ("127.0.0.1", "ftp://video.example.org"),
        ("127.0.0.1", "https://video.example.org/under/path"),
        ("127.0.0.1", "javascript:alert(1)"),
    ],
)
def test_an_address_that_leaves_open_who_is_meant_is_refused(host: str, public_url: str) -> None:
    with pytest.raises(AddressError) as caught:
        serving.check_address(host, public_url)
    assert caught.value.hint


def test_a_port_that_is_taken_is_told_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(AddressError, match=f"127.0.0.1:{port}") as caught,
            serving._listening("127.0.0.1", port),
        ):
            pass
        assert "--port" in caught.value.hint


@pytest.mark.parametrize(
    ("host", "near"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("127.8.9.1", True), ("192.168.1.5", False),
     ("0.0.0.0", False), ("video.example.org", False)],
)  # fmt: skip
def test_what_is_reached_from_this_machine_only(host: str, near: bool) -> None:
    assert serving.is_loopback(host) is near


def test_the_token_is_drawn_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    serving._make_private(folder)
    token = serving.token(folder)
    assert len(token) >= 40 and serving.token(folder) == token
    assert folder.stat().st_mode & 0o077 == 0


def test_a_token_of_ones_own_must_be_hard_to_guess(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(serving.TOKEN, "long-enough-and-my-own")
    assert serving.token(tmp_path) == "long-enough-and-my-own"
    for bad in ("short", "has spaces in it and is long", "x" * 15, "höchst-geheim-und-lang"):
        monkeypatch.setenv(serving.TOKEN, bad)
        with pytest.raises(AddressError):
            serving.token(tmp_path)


def test_a_folder_is_free_again_when_its_server_has_ended(tmp_path: Path) -> None:
    with serving.only_server(tmp_path) as tell:
        tell("http://127.0.0.1:1")
        with (
            pytest.raises(StorageError, match=f"process {os.getpid()} serves it"),
            serving.only_server(tmp_path),
        ):
            pass
    with serving.only_server(tmp_path):
        assert json.loads((tmp_path / "server.json").read_bytes())["address"] == "http://127.0.0.1:1"
