"""Work for strangers' bytes in a child with limits: whatever it does costs that child only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from graphflow import limited
from graphflow.errors import Cancelled, StorageError
from graphflow.limited import asked

WORKS = """
import os, signal, time
from pathlib import Path
from graphflow.errors import StorageError

def echo(fields, data):
    for i in range(fields["times"]):
        yield {"i": i, "pid": os.getpid()}, data

def refuses(fields, data):
    yield {}, b"x"
    raise StorageError("the wheel is broken", where="here", hint="get another")

def fails(fields, data):
    raise ZeroDivisionError("by nothing")
    yield

def dies(fields, data):
    yield {}, b""
    os.kill(os.getpid(), signal.SIGSEGV)

def leaves(fields, data):
    os._exit(0)
    yield

def hangs(fields, data):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(1000)
    yield

def spins(fields, data):
    while True:
        pass
    yield

def eats(fields, data):
    yield {"bytes": len(bytearray(fields["bytes"]))}, b""

def writes(fields, data):
    Path(fields["path"]).write_text("was here")
    yield {}, b""

def reads_much(fields, data):
    files = [open(os.devnull) for _ in range(200)]
    yield {}, b""

def lies(fields, data):
    os.write(3 if not fields else fields["fd"], b"")
    yield {"much": "x" * (2 << 20)}, b""

def prints(fields, data):
    print("hello", flush=True)
    yield {"cwd": os.getcwd()}, b""

def waits(fields, data):
    yield {"pid": os.getpid()}, b""
    time.sleep(1000)
"""


@pytest.fixture(autouse=True)
def works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lab_works.py").write_text(WORKS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "lab_works", raising=False)


def answers(work: str, data: bytes = b"", silent_seconds: int = 20, **fields: Any) -> list[tuple[Any, bytes]]:
    found = []
    with asked(f"lab_works:{work}", fields, data, where="the file", silent_seconds=silent_seconds) as told:
        for answer in told:
            place = bytearray(answer.size)
            answer.into(place)
            found.append((answer.fields, bytes(place)))
    return found


def test_answers_come_with_their_bytes_from_another_process() -> None:
    data = os.urandom(3_000_001)
    found = answers("echo", data, times=3)
    assert [fields["i"] for fields, _ in found] == [0, 1, 2]
    assert all(one == data for _, one in found)
    assert found[0][0]["pid"] != os.getpid()
    assert answers("echo", b"", times=0) == []


def test_each_question_has_a_child_of_its_own() -> None:
    pids = {answers("echo", times=1)[0][0]["pid"] for _ in range(5)}
    assert len(pids) == 5


def test_errors_arrive_as_they_were_raised() -> None:
    with pytest.raises(StorageError, match="wheel") as caught:
        answers("refuses")
    assert (caught.value.where, caught.value.hint) == ("the file", "get another")
    with pytest.raises(StorageError, match="ZeroDivisionError: by nothing"):
        answers("fails")
    with pytest.raises(StorageError, match="AttributeError"):
        answers("is_not_there")


@pytest.mark.parametrize("work", ["dies", "leaves", "lies"])
def test_a_child_that_ends_or_talks_nonsense_is_an_error_of_the_file(work: str) -> None:
    with pytest.raises(StorageError, match="stopped, or crashed") as caught:
        answers(work)
    assert caught.value.where == "the file" and caught.value.hint
    assert answers("echo", times=1), "the next one is well"


def test_an_answer_that_does_not_come_or_has_another_size_is_an_error_of_the_file() -> None:
    with (
        pytest.raises(StorageError, match="stopped, or crashed"),
        asked("lab_works:echo", {"times": 0}) as told,
    ):
        next(told)
    with (
        pytest.raises(StorageError, match="stopped, or crashed"),
        asked("lab_works:echo", {"times": 1}, b"12") as told,
    ):
        next(told).into(bytearray(3))
    with (
        pytest.raises(StorageError, match="stopped, or crashed"),
        asked("lab_works:echo", {"times": 1}) as told,
    ):
        next(told).fields["what is not there"]


@pytest.mark.parametrize("work", ["hangs", "spins"])
def test_a_child_that_says_nothing_is_stopped(work: str) -> None:
    began = time.monotonic()
    with pytest.raises(StorageError, match="stopped, or crashed"):
        answers(work, silent_seconds=1)
    assert time.monotonic() - began < 10


def test_who_takes_their_time_is_waited_for() -> None:
    with asked("lab_works:echo", {"times": 2}, b"x" * 9_000_000, silent_seconds=1) as told:
        for answer in told:
            time.sleep(1.2)
            answer.into(bytearray(answer.size))


@pytest.mark.skipif(sys.platform != "linux", reason="limits differ elsewhere")
def test_a_child_may_hold_little_and_write_nothing(tmp_path: Path) -> None:
    assert answers("eats", bytes=2**28)
    with pytest.raises(StorageError, match="MemoryError"):
        answers("eats", bytes=limited.MEMORY_BYTES)
    with pytest.raises(StorageError):
        answers("writes", path=str(tmp_path / "x"))
    assert not (tmp_path / "x").exists() or not (tmp_path / "x").read_bytes()
    with pytest.raises(StorageError, match="Too many open files"):
        answers("reads_much")


def test_what_a_child_prints_disturbs_nobody(capfd: pytest.CaptureFixture[str]) -> None:
    assert answers("prints") == [({"cwd": "/"}, b"")], "nor does where it works"
    assert "hello" not in capfd.readouterr().out


def test_waiting_can_be_cancelled_and_the_child_goes() -> None:
    def cancel() -> None:
        raise Cancelled

    with pytest.raises(Cancelled), asked("lab_works:hangs", {}, idle=cancel) as told:
        next(told)
    pid = 0
    with asked("lab_works:waits", {}) as told:
        pid = next(told).fields["pid"]
    end = time.monotonic() + 10
    while _alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    assert not _alive(pid), "nobody listens to it any more"


def test_the_helper_goes_with_a_program_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, sys, time\nsys.path.insert(0, sys.argv[1])\nfrom graphflow.limited import asked\n"
        "with asked('lab_works:waits', {}) as told:\n"
        "    print(next(told).fields['pid'], flush=True)\n    time.sleep(1000)"
    )
    program = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    child = int(program.stdout.readline())
    helper = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1])
    program.kill()
    program.communicate()
    end = time.monotonic() + 10
    while (_alive(helper) or _alive(child)) and time.monotonic() < end:
        time.sleep(0.02)
    assert not _alive(helper) and not _alive(child)


def test_a_helper_that_was_killed_is_replaced() -> None:
    pid = answers("echo", times=1)[0][0]["pid"]
    with asked("lab_works:waits", {}) as told:
        child = next(told).fields["pid"]
        helper = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1])
    assert helper not in (pid, os.getpid())
    os.kill(helper, signal.SIGKILL)
    os.waitpid(helper, 0)
    assert answers("echo", times=1)


def test_without_forks_the_work_is_done_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limited, "POSSIBLE", False)
    found = answers("echo", b"abc", times=2)
    assert [(fields["i"], data) for fields, data in found] == [(0, b"abc"), (1, b"abc")]
    assert found[0][0]["pid"] == os.getpid()
    with pytest.raises(StorageError, match="wheel"):
        answers("refuses")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
