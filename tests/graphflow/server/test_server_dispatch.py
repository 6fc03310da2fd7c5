"""From the queue to the result: what is told is stored first, what goes wrong ends one run only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from graphflow import events, workflow
from graphflow.errors import DocumentError, StorageError
from graphflow.history import History
from graphflow.node import Context, node
from graphflow.queued import Submission
from graphflow.server import dispatch as dispatching
from graphflow.server.dispatch import Dispatch, Journal
from graphflow.workspace import Workspace
from tests.graphflow.server.conftest import GATE, NODES, NUMBERS, gated
from tests.support.engine import raw


def submission(document: dict[str, Any], client: str = "") -> Submission:
    return Submission(workflow.dump(workflow.from_raw(document)), client=client)


class Desk:
    """A dispatch with its queue and all that it told."""

    def __init__(self, folder: Path, device: str | Sequence[str] = "cpu") -> None:
        self.told: list[events.Event] = []
        self.history = History(folder / "history.sqlite")
        self.workspace = Workspace(folder / "data", registry=NODES.with_nodes((where,)), device=device)
        self.dispatch = Dispatch(
            self.workspace, self.history, tell=self.hear, changed=lambda run: None, checkpoint_seconds=0
        )
        self.stored_before_told = True

    def hear(self, told: Sequence[events.Event]) -> None:
        for event in told:
            if not isinstance(event, dispatching.PASSING) and self.history.last_seq(event.run) < event.seq:
                self.stored_before_told = False
        self.told.extend(told)

    def submit(self, document: dict[str, Any]) -> str:
        run = self.history.accept(submission(document))
        self.dispatch.wake()
        return run.id

    def until(self, check: Callable[[], bool]) -> None:
        end = time.monotonic() + 30
        while not check():
            assert time.monotonic() < end
            time.sleep(0.005)

    def ended(self, id: str) -> str:
        self.until(lambda: self.history.get(id).over)
        return self.history.get(id).state


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(dispatching, "RETRY_SECONDS", 0.02)
    made = Desk(tmp_path)
    yield made
    made.dispatch.stop()
    made.workspace.close()


def test_nothing_is_told_that_is_not_stored(desk: Desk) -> None:
    desk.dispatch.start()
    ids = [desk.submit(NUMBERS) for _ in range(5)]
    assert [desk.ended(id) for id in ids] == ["finished"] * 5
    desk.until(lambda: sum(event.type == "run.finished" for event in desk.told) == 5)
    assert desk.stored_before_told


def test_a_fault_of_the_program_ends_one_run_and_not_the_queue(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    faults = iter([ZeroDivisionError("a fault")])

    def broken(*arguments: Any) -> dict[str, Any]:
        for fault in faults:
            raise fault
        return {}

    monkeypatch.setattr(dispatching, "results_of", broken)
    desk.dispatch.start()
    bad, good = desk.submit(NUMBERS), desk.submit(NUMBERS)
    assert (desk.ended(bad), desk.ended(good)) == ("failed", "finished")
    assert desk.history.get(bad).code == "internal"
    assert desk.history.events(bad)[-1].type == "run.failed"
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_workflow_whose_nodes_are_gone_fails_with_the_reason(desk: Desk) -> None:
    desk.dispatch.start()
    id = desk.submit(raw({"out": "x"}, x=("gone/away", {})))
    assert desk.ended(id) == "failed"
    assert "gone/away" in desk.history.get(id).message
    assert [event.type for event in desk.history.events(id)] == ["run.failed"]


def test_items_that_failed_are_named_in_the_results_of_a_run_that_finished(desk: Desk) -> None:
    desk.dispatch.start()
    nodes = {
        "a": ("numbers", {"values": [1, 2, 3]}),
        "b": ("boom", {"on": 2}, {"x": "a"}),
        "t": ("total", {}, {"items": "b"}),
    }
    id = desk.submit(raw({"out": "t"}, **nodes))
    assert desk.ended(id) == "finished"
    results = desk.history.get(id).results
    assert results["outputs"] == {"out": {"value": 4}}
    assert [(one["node"], one["item"], one["message"]) for one in results["failures"]] == [("b", [1], "no 2")]


def test_a_full_disk_makes_runs_wait_and_loses_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    full, real = threading.Event(), History._change

    def change(self: History, *, synced: bool = True) -> Any:
        if full.is_set():
            raise StorageError("the disk is full", code="storage.full")
        return real(self, synced=synced)

    monkeypatch.setattr(History, "_change", change)
    desk.dispatch.start()
    id, after = desk.submit(gated("full")), desk.submit(NUMBERS)
    desk.until(lambda: desk.history.last_seq(id) == 3)
    full.set()
    GATE["full"].set()
    desk.until(lambda: "full" in desk.dispatch.journal.trouble)
    assert desk.history.get(id).state == "running"
    full.clear()
    assert (desk.ended(id), desk.ended(after)) == ("finished", "finished")
    assert [event.seq for event in desk.history.events(id)] == [1, 2, 3, 4, 5]
    desk.until(lambda: desk.dispatch.journal.trouble == "")


def test_a_cancel_that_comes_before_the_first_step_counts(desk: Desk) -> None:
    id = desk.submit(gated("early"))
    run = desk.history.take()
    assert run is not None
    desk.history.cancel(id)
    desk.dispatch._active[id] = active = dispatching._Active(run)
    desk.dispatch._execute(active)
    assert desk.history.get(id).state == "cancelled"


def test_a_stop_gives_the_run_back_but_not_one_that_was_cancelled(desk: Desk) -> None:
    desk.dispatch.start()
    id = desk.submit(gated("stop"))
    desk.until(lambda: desk.history.last_seq(id) == 3)
    desk.dispatch.stop()
    assert desk.history.get(id).state == "queued"
    assert [event.type for event in desk.history.events(id)][-1] == "node.started"


def test_the_journal_stores_many_events_in_few_transactions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = History(tmp_path / "h.sqlite")
    run = history.accept(Submission(b"{}")).id
    batches: list[int] = []
    real, gate = history.append, threading.Event()

    def append(told: Sequence[events.Event]) -> list[events.Event]:
        gate.wait()
        batches.append(len(told))
        return real(told)

    monkeypatch.setattr(history, "append", append)
    told: list[events.Event] = []
    journal = Journal(history, told.extend)
    for i in range(300):
        journal.put(events.NodeStarted(run=run, node=f"n{i}"))
        journal.put(events.NodeProgress(run=run, node=f"n{i}", done=0, total=1))
    gate.set()
    journal.flush()
    journal.close()
    assert sum(batches) == 300 and len(batches) <= 4
    assert [event.seq for event in told if event.type == "node.started"] == list(range(1, 301))
    assert [event.seq for event in told if event.type == "node.progress"] == list(range(1, 301))


# --------------------------------------------------------------------------------- several devices

WHERE: dict[str, list[str]] = {}


@node("test/where", cache=False)
def where(ctx: Context, *, name: str = "w") -> int:
    """Says on which device it runs, then waits at its gate."""
    WHERE.setdefault(name, []).append(ctx.device)
    while not GATE[name].wait(0.01):
        ctx.check()
    return 1


def waiting(name: str) -> dict[str, Any]:
    GATE[name], WHERE[name] = threading.Event(), []
    return raw({"out": "n"}, n=("where", {"name": name}))


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path, device=("cpu:0", "cpu:1"))
    yield made
    made.dispatch.stop()
    made.workspace.close()


def test_each_device_takes_a_run_and_a_third_waits_for_the_one_that_is_free_first(two: Desk) -> None:
    two.dispatch.start()
    ids = [two.submit(waiting(name)) for name in ("dev-a", "dev-b", "dev-c")]
    two.until(lambda: bool(WHERE["dev-a"] and WHERE["dev-b"]))
    assert {*WHERE["dev-a"], *WHERE["dev-b"]} == {"cpu:0", "cpu:1"}
    assert two.history.get(ids[2]).state == "queued" and len(two.workspace.runners) == 2
    GATE["dev-b"].set()
    two.until(lambda: bool(WHERE["dev-c"]))
    assert WHERE["dev-c"] == WHERE["dev-b"], "the device that was freed"
    GATE["dev-a"].set()
    GATE["dev-c"].set()
    assert [two.ended(id) for id in ids] == ["finished"] * 3


def test_clients_take_turns_on_every_device(two: Desk) -> None:
    greedy = [two.history.accept(submission(NUMBERS, "greedy")).id for _ in range(4)]
    modest = two.history.accept(submission(NUMBERS, "modest")).id
    assert [run.id for run in two.history.queue()] == [greedy[0], modest, *greedy[1:]]
    two.dispatch.start()
    two.dispatch.wake()
    assert [two.ended(id) for id in (*greedy, modest)] == ["finished"] * 5


def test_what_one_device_computed_is_found_by_the_other(two: Desk) -> None:
    two.dispatch.start()
    first = two.submit(NUMBERS)
    two.ended(first)
    held = two.submit(waiting("dev-held"))
    two.until(lambda: bool(WHERE["dev-held"]))
    again = [two.submit(NUMBERS) for _ in range(2)]  # the other device is the only one that is free
    assert [two.ended(id) for id in again] == ["finished"] * 2
    for id in again:
        assert "node.cached" in {event.type for event in two.history.events(id)}
    GATE["dev-held"].set()
    two.ended(held)


def test_a_stop_gives_back_the_runs_of_every_device(two: Desk) -> None:
    two.dispatch.start()
    ids = [two.submit(waiting(name)) for name in ("dev-x", "dev-y")]
    two.until(lambda: bool(WHERE["dev-x"] and WHERE["dev-y"]))
    two.dispatch.stop()
    assert [two.history.get(id).state for id in ids] == ["queued", "queued"]


def test_devices_of_different_kinds_would_make_different_results_and_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="of one kind"):
        Workspace(tmp_path, registry=NODES, device=("cpu", "cuda:0"))


def test_workers_start_when_somebody_is_there(two: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    warmed: list[str] = []
    for device in two.workspace.devices:
        runner = two.workspace.runner_of(device)
        monkeypatch.setattr(runner, "warm", lambda device=device: warmed.append(device))
    two.dispatch.start()
    time.sleep(0.05)
    assert not warmed
    two.dispatch.warm()
    two.until(lambda: set(warmed) == {"cpu:0", "cpu:1"})
    assert two.ended(two.submit(NUMBERS)) == "finished"
