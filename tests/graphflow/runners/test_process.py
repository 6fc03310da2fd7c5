"""Nodes that crash, hang or eat all memory cost themselves only: the run tells, the next one works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from graphflow.events import CacheNotice, Event, NodeNotice
from graphflow.graph import Graph
from graphflow.keys import Environment
from graphflow.node import node
from graphflow.registry import Registry
from graphflow.run import Run
from graphflow.runners.limits import Limits
from graphflow.runners.process import ProcessRunner
from graphflow.runners.worker import Ending, last_words
from tests.support.runs import PACKS, Shop, failed

LIMITS = Limits(cancel_seconds=0.3, memory_bytes=2**30)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with Shop(tmp_path_factory.mktemp("process"), limits=LIMITS) as made:
        yield made


def runner(shop: Shop) -> ProcessRunner:
    found = shop.workspace.runner
    assert isinstance(found, ProcessRunner)
    return found


def one(shop: Shop, node: str, x: int = 1, **settings: object) -> Graph:
    """`out` is one faulty node; `fine` is beside it, `after` needs it."""
    return shop.graph(
        {"out": "after", "fine": "fine"},
        x=("trial/numbers", {"values": [x]}),
        one=("trial/total", {}, {"items": "x"}),
        out=(f"faults/{node}", settings, {"x": "one"}),
        after=("trial/double", {}, {"x": "out"}),
        fine=("trial/double", {}, {"x": "one"}),
    )


def next_run_works(shop: Shop) -> None:
    marker = time.time_ns() % 2**40
    numbers = ("trial/numbers", {"values": [marker]})
    result = shop.run(shop.graph({"y": "y"}, x=numbers, y=("trial/total", {}, {"items": "x"})))
    assert (result.status, result.value("y")) == ("finished", marker)
    assert shop.said("node.started") == ["y"]


@pytest.mark.parametrize(
    ("how", "code", "text"),
    [
        ("abort", "worker.killed", "died with signal 6 (SIGABRT)"),
        ("segv", "worker.killed", "died with signal 11 (SIGSEGV)"),
        ("kill", "worker.killed", "died with signal 9 (SIGKILL)"),
        ("exit", "worker.lost", "exited with code 7"),
    ],
)
def test_a_node_that_kills_its_process_fails_alone(shop: Shop, how: str, code: str, text: str) -> None:
    result = shop.run(one(shop, "die", how=how))
    assert (result.status, failed(result)) == ("failed", {"out": code})
    [failure] = result.failures
    assert text in failure.message and "while running 'out'" in failure.message
    assert result.value("fine") == 2, "what did not depend on it was made"
    if how == "segv":
        assert "Segmentation fault" in failure.hint and "faults.py" in failure.hint
    next_run_works(shop)


def test_of_several_that_ran_the_guilty_one_is_found(shop: Shop, tmp_path: Path) -> None:
    graph = shop.graph(
        {"sum": "sum"},
        x=("trial/numbers", {"values": [1, 2]}),
        out=("faults/die_on", {"bad": 2, "together": str(tmp_path), "count": 2}, {"x": "x"}),
        sum=("trial/total", {}, {"items": "out"}),
    )
    result = shop.run(graph)
    assert failed(result) == {"out.1": "worker.lost"}
    assert result.value("sum") == 1
    assert sorted(shop.said("node.started")) == ["out.0", "out.1", "sum"], "each start is told once"


def test_results_lost_with_the_worker_are_computed_again(shop: Shop, tmp_path: Path) -> None:
    graph = shop.graph(
        {"out": "sum"},
        x=("trial/numbers", {"values": [71, 72]}),
        early=("trial/double", {}, {"x": "x"}),
        late=("faults/die_on", {"bad": 142, "together": str(tmp_path), "count": 1}, {"x": "early"}),
        sum=("trial/mixed", {}, {"a": "early", "b": "late"}),
    )
    result = shop.run(graph)
    assert failed(result) == {"late.0": "worker.lost"}
    assert result.value("out") == [2 * 72 + 2 * 72]


@pytest.mark.parametrize("holding", [False, True], ids=["sleeping", "holding the interpreter"])
def test_a_node_that_hangs_is_killed_after_a_cancel(shop: Shop, holding: bool) -> None:
    def cancel(event: Event, run: Run) -> None:
        if event.type == "node.progress" and getattr(event, "node", "") == "out":
            run.cancel()

    result = shop.run(one(shop, "hang", holding=holding), until=cancel)
    assert result.status == "cancelled"
    next_run_works(shop)


def test_a_run_that_begins_beside_a_hanging_step_outlives_its_end(tmp_path: Path) -> None:
    """The first run's step is killed with the worker while the second run's step runs there too."""

    def cancel(event: Event, run: Run) -> None:
        if event.type == "node.progress" and getattr(event, "node", "") == "out":
            run.cancel()

    with Shop(tmp_path, limits=Limits(cancel_seconds=2.0)) as shop:
        shop.run(one(shop, "hang", x=5), until=cancel)
        result = shop.run(one(shop, "slow", x=6, seconds=2.0))
        assert (result.status, result.value("out")) == ("finished", 14)
        notices = [event.message for event in shop.events if isinstance(event, CacheNotice)]
        assert "'out' starts again: a cancelled step of another run had to be killed" in notices


@pytest.mark.parametrize("seconds", [0.0, 0.1], ids=["in memory", "on the disk"])
def test_what_a_node_tells_comes_from_the_worker_and_from_its_cache(shop: Shop, seconds: float) -> None:
    for seen in ("node.started", "node.cached"):
        shop.run(one(shop, "tell", x=9, seconds=seconds))
        told = [(event.node, event.message) for event in shop.events if isinstance(event, NodeNotice)]
        assert told == [("out", "9 is small")] and "out" in shop.said(seen)


def test_a_step_may_have_a_time_limit(tmp_path: Path) -> None:
    with Shop(tmp_path, limits=Limits(step_seconds=0.5)) as shop:
        result = shop.run(one(shop, "hang"))
        assert failed(result) == {"out": "worker.timeout"}
        assert "0.5 s" in result.failures[0].message
        next_run_works(shop)


@pytest.mark.parametrize("node", ["eat", "eat_tensors"])
def test_endless_allocation_fails_and_leaves_the_worker_alive(shop: Shop, node: str) -> None:
    def pid() -> int:
        numbers = ("trial/numbers", {"values": [time.time_ns() % 2**40]})
        graph = shop.graph({"pid": "pid"}, x=numbers, pid=("faults/whoami", {}, {"x": "x"}))
        return int(shop.run(graph).value("pid")[0])

    before = pid()
    result = shop.run(one(shop, node))
    assert failed(result) == {"out": "resource.memory"}
    assert result.value("fine") == 2
    next_run_works(shop)
    assert pid() == before


def test_a_worker_without_a_byte_left_to_say_so_is_replaced(shop: Shop) -> None:
    result = shop.run(one(shop, "keep_all"))
    assert failed(result) == {"out": "worker.lost"} and result.value("fine") == 2
    assert "out of memory" in result.failures[0].hint
    next_run_works(shop)


def test_noise_on_standard_output_does_no_harm(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    result = shop.run(one(shop, "shout"))
    assert (result.status, result.value("out")) == ("finished", 2)
    assert capfd.readouterr().out == ""


def test_a_process_that_a_node_left_behind_does_not_hide_the_end(shop: Shop) -> None:
    result = shop.run(one(shop, "leave_child"))
    assert failed(result) == {"out": "worker.lost"}
    next_run_works(shop)


@node("here/only")
def only(x: int) -> int:
    return x


@node("trial/double")
def other_double(x: int) -> int:
    return 3 * x


def test_a_node_that_the_worker_has_not_fails_clearly(shop: Shop) -> None:
    before = shop.workspace.registry
    shop.workspace.registry = Registry({**before.specs, **Registry().with_nodes([only, other_double]).specs})
    try:
        result = shop.run(
            shop.graph(
                {"a": "a", "b": "b"},
                x=("trial/numbers", {"values": [1]}),
                a=("here/only", {}, {"x": "x"}),
                b=("trial/double", {}, {"x": "x"}),
            )
        )
    finally:
        shop.workspace.registry = before
    assert failed(result) == {"a.0": "worker.node", "b.0": "worker.node"}
    messages = sorted(failure.message for failure in result.failures)
    assert "has no node 'here/only'" in messages[1] and "source of trial/double changed" in messages[0]


def test_another_environment_than_planned_is_refused(tmp_path: Path) -> None:
    with Shop(tmp_path) as shop:
        runner(shop).environment = Environment("1.0", "0.1", "cpu")
        result = shop.run(one(shop, "slow"))
        assert set(failed(result).values()) == {"resource.environment"}
        assert "planned was ('1.0', '0.1', 'cpu')" in result.failures[0].message
        runner(shop).environment = shop.workspace.environment
        next_run_works(shop)


def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has the device")
    with Shop(tmp_path) as shop:
        shop.workspace.use_runner(ProcessRunner(shop.workspace.cache, device="cuda:0", packs=[PACKS]))
        assert set(failed(shop.run(one(shop, "slow"))).values()) == {"resource.device"}


def test_a_worker_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", str(tmp_path / "nowhere"))
    with Shop(tmp_path) as shop:
        result = shop.run(one(shop, "slow"))
        assert set(failed(result).values()) == {"worker.start"}
        assert "before it was ready" in result.failures[0].message
        monkeypatch.delenv("PYTHONHOME")
        next_run_works(shop)


def test_nothing_starts_for_what_is_stored(tmp_path: Path) -> None:
    for computed in (4, 0):
        with Shop(tmp_path) as shop:
            assert shop.run(one(shop, "slow", seconds=0.0)).computed == computed
            assert (runner(shop)._worker is None) == (computed == 0)


def test_a_closed_runner_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    with Shop(tmp_path) as shop:
        result = shop.run(one(shop, "whoami"), targets=["out"])
        [ref] = result.plan.targets["out"].values()
        pid = result.runner.fetch(ref)
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


PROGRAM = """
    import sys
    from pathlib import Path
    from tests.support.runs import Shop

    shop = Shop(Path(sys.argv[1]))

    def tell(event, run):
        if event.type == "node.finished" and event.node == "who":
            print(result_of(event), flush=True)

    def result_of(event):
        return shop.workspace.runner.peek(next(k for k, s in run_steps() if s.node == "who"))["out"]

    def run_steps():
        return shop.workspace._run._plan.steps.items()

    shop.run(
        shop.graph(
            {"out": "out"},
            x=("trial/numbers", {"values": [1]}),
            one=("trial/total", {}, {"items": "x"}),
            who=("faults/whoami", {}, {"x": "one"}),
            out=("faults/hang", {"holding": True}, {"x": "who"}),
        ),
        until=tell,
    )
"""


def test_the_worker_dies_with_the_program_even_while_a_node_holds_the_interpreter(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        worker = int(program.stdout.readline())
        time.sleep(0.3)  # the node that hangs has begun, or begins now: both must end
        program.send_signal(signal.SIGKILL)
    assert gone(worker)


def gone(pid: int) -> bool:
    """Whether the process ends within ten seconds; one that nobody waited for counts as ended."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_endings_are_told_in_words() -> None:
    assert str(Ending(3, "")) == "the worker process exited with code 3"
    assert "signal 64" in str(Ending(-64, ""))
    assert "out of memory" in Ending(-9, "").hint
    lines = ["noise", "Fatal Python error: Aborted", "", "Current thread:", '  File "a.py", line 3 in f', "x"]
    assert last_words(lines) == 'Fatal Python error: Aborted; File "a.py", line 3 in f'
    assert last_words([]) == ""


def uses_torch(pid: int) -> bool:
    return any("libtorch" in one.path for one in psutil.Process(pid).memory_maps())


def test_a_worker_that_was_warmed_up_takes_the_first_step_and_has_torch(tmp_path: Path) -> None:
    with Shop(tmp_path, limits=LIMITS) as shop:
        found = runner(shop)
        found.warm()
        worker = found._worker
        assert worker is not None
        end = time.monotonic() + 60
        while worker._process is None or not uses_torch(worker._process.pid):
            assert time.monotonic() < end
            time.sleep(0.05)
        next_run_works(shop)
        found.warm()
        assert found._worker is worker
