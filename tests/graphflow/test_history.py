"""The queue: what was accepted is never lost and never ends twice; its order is fair, and one's own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from graphflow import events, history
from graphflow.errors import StorageError
from graphflow.history import History
from graphflow.queued import QueuedRun, Refused, Submission, Unknown

DOCUMENT = b'{"graphflow":1}'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite"


def add(queue: History, name: str = "", **fields: object) -> str:
    return queue.accept(Submission(DOCUMENT, name=name, **fields)).id  # type: ignore[arg-type]


def taken(queue: History) -> QueuedRun:
    run = queue.take()
    assert run is not None
    return run


def names(queue: History) -> list[str]:
    return [run.name for run in queue.queue()]


def die(queue: History) -> None:
    """As after `kill -9`: the file is left as it is."""
    queue._db.close()


# --------------------------------------------------------------------------------- never lost


def test_an_accepted_run_is_there_after_a_restart(path: Path) -> None:
    queue = History(path)
    id = add(queue, "a", targets=("x",), on_error="stop", client="me")
    die(queue)
    run = History(path).get(id)
    assert (run.state, run.targets, run.on_error, run.client) == ("queued", ("x",), "stop", "me")
    assert run.document == DOCUMENT


def test_a_run_that_was_under_way_is_first_in_the_queue_again(path: Path) -> None:
    queue = History(path)
    add(queue, "first"), add(queue, "second")
    before = taken(queue)
    die(queue)
    again = History(path)
    assert [run.id for run in again.recovered] == [before.id]
    run = taken(again)
    assert (run.id, run.attempt, run.deaths) == (before.id, 2, 1)


def test_an_attempt_that_was_given_up_cannot_end_the_run(path: Path) -> None:
    queue = History(path)
    add(queue)
    old = taken(queue)
    die(queue)
    again = History(path)
    new = taken(again)
    with pytest.raises(Refused):
        again.finish(old, "finished", results={"out": 1})
    again.finish(new, "finished", results={"out": 2})
    with pytest.raises(Refused):
        again.finish(new, "failed")
    assert again.get(new.id).results == {"out": 2}


def test_a_run_under_which_the_program_dies_again_and_again_is_set_aside(path: Path) -> None:
    id = ""
    for _ in range(history.MAX_DEATHS):
        queue = History(path)
        id = id or add(queue)
        taken(queue)
        die(queue)
    queue = History(path)
    run = queue.get(id)
    assert (run.state, run.code, queue.take()) == ("failed", "run.poisoned", None)
    assert [event.type for event in queue.events(id)] == ["run.failed"]


def test_a_run_given_back_at_a_proper_stop_has_not_died(path: Path) -> None:
    queue = History(path)
    add(queue)
    for _ in range(5):
        queue.requeue(taken(queue))
    queue.close()
    assert taken(History(path)).deaths == 0


def test_the_same_request_is_one_run(path: Path) -> None:
    queue = History(path)
    assert add(queue, request="r1") == add(queue, request="r1") != add(queue, request="r2")


CRASH = """
import sys, os
from pathlib import Path
from graphflow import events
from graphflow.history import History
from graphflow.queued import Submission
queue = History(Path(sys.argv[1]))
os.environ["GRAPHFLOW_FAULT"] = sys.argv[2] if sys.argv[3] == "accept" else ""
print(queue.accept(Submission(b"{}", request="r")).id, flush=True)
os.environ["GRAPHFLOW_FAULT"] = sys.argv[2] if sys.argv[3] == "take" else ""
run = queue.take()
print("taken", flush=True)
os.environ["GRAPHFLOW_FAULT"] = sys.argv[2]
told = [events.RunFinished(run=run.id, seconds=1, computed=1, cached=0)]
queue.finish(run, "finished", results={"out": 1}, told=told)
"""


@pytest.mark.parametrize("point", ["history.before_commit", "history.after_commit"])
@pytest.mark.parametrize("during", ["accept", "take", "finish"])
def test_killed_at_any_point_a_run_is_whole_or_not_there(path: Path, point: str, during: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CRASH, path, point, during], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    queue = History(path)
    runs = [*queue.queue(), *queue.ended()]
    assert len(runs) == (0 if (during, point) == ("accept", "history.before_commit") else 1)
    for run in runs:
        finished = (during, point) == ("finish", "history.after_commit")
        assert run.state == ("finished" if finished else "queued")
        assert run.results == ({"out": 1} if finished else {})
        assert len(queue.events(run.id)) == finished


def test_a_full_disk_refuses_the_run_and_the_queue_goes_on_when_there_is_room(path: Path) -> None:
    queue = History(path)
    kept = add(queue)
    pages = queue._db.execute("PRAGMA page_count").fetchone()[0]
    queue._db.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StorageError) as caught:
        queue.accept(Submission(b"x" * 100_000))
    assert caught.value.error_code == "storage.full"
    queue._db.execute("PRAGMA max_page_count=1000000")
    assert [kept, add(queue)] == [run.id for run in queue.queue()]


def test_a_file_that_is_no_history_is_refused_with_its_name(path: Path) -> None:
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StorageError) as caught:
        History(path)
    assert str(path) in str(caught.value)


def test_a_newer_history_is_left_alone(path: Path) -> None:
    queue = History(path)
    queue._db.execute("PRAGMA user_version=99")
    queue.close()
    with pytest.raises(StorageError, match="newer"):
        History(path)


# --------------------------------------------------------------------------------- its order


def test_runs_come_in_the_order_in_which_they_were_accepted(path: Path) -> None:
    queue = History(path)
    for name in "abc":
        add(queue, name)
    assert [taken(queue).name for _ in "abc"] == ["a", "b", "c"]
    assert queue.take() is None


def test_clients_take_turns_however_many_runs_one_of_them_has(path: Path) -> None:
    queue = History(path)
    for i in range(4):
        add(queue, f"a{i}", client="a")
    first = taken(queue)
    for i in range(2):
        add(queue, f"b{i}", client="b")
    assert [first.name, *names(queue)[1:]] == ["a0", "a1", "b0", "a2", "b1", "a3"]


def test_a_higher_priority_comes_first(path: Path) -> None:
    queue = History(path)
    add(queue, "a"), add(queue, "b", priority=5)
    c = add(queue, "c")
    assert names(queue) == ["b", "a", "c"]
    queue.prioritise(c, 9)
    assert names(queue) == ["c", "b", "a"]


def test_a_waiting_run_can_be_moved_before_another_or_to_the_end(path: Path) -> None:
    queue = History(path)
    a, b, _c = add(queue, "a"), add(queue, "b", client="other"), add(queue, "c")
    queue.move(b, before=a)
    assert names(queue) == ["b", "a", "c"]
    queue.move(b, before=None)
    assert names(queue) == ["a", "c", "b"]
    queue.move(a, before=a)
    assert names(queue) == ["a", "c", "b"], "it stands before itself already"


def test_moving_before_a_more_urgent_run_makes_a_run_as_urgent(path: Path) -> None:
    queue = History(path)
    a, b = add(queue, "a", priority=3), add(queue, "b")
    assert queue.move(b, before=a).priority == 3
    assert names(queue) == ["b", "a"]


def test_what_was_moved_does_not_overtake_a_run_that_was_under_way_when_the_program_ended(path: Path) -> None:
    queue = History(path)
    low, _, last = add(queue, "low", priority=-1), add(queue, "first"), add(queue, "last")
    run = taken(queue)
    queue.move(low, before=last)
    queue.requeue(run)
    assert names(queue) == ["first", "low", "last"]


def test_a_run_under_way_cannot_be_moved(path: Path) -> None:
    queue = History(path)
    add(queue, "a")
    with pytest.raises(Refused, match="running"):
        queue.move(taken(queue).id, before=None)
    with pytest.raises(Unknown):
        queue.move("nothing", before=None)


def test_a_paused_queue_starts_nothing_not_even_after_a_restart(path: Path) -> None:
    queue = History(path)
    add(queue)
    queue.pause(True)
    queue.close()
    again = History(path)
    assert again.paused and again.take() is None
    again.pause(False)
    assert again.take() is not None


def test_the_queue_has_an_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_QUEUED", 2)
    queue = History(path)
    add(queue), add(queue)
    with pytest.raises(Refused) as caught:
        add(queue)
    assert caught.value.error_code == "queue.full"


# --------------------------------------------------------------------------------- cancel, retry


def test_cancelling_a_waiting_run_ends_it_with_an_event(path: Path) -> None:
    queue = History(path)
    id = add(queue)
    assert [run.state for run in queue.cancel(id)] == ["cancelled"]
    assert [event.type for event in queue.events(id)] == ["run.cancelled"]
    assert [run.state for run in queue.cancel(id)] == ["cancelled"]
    assert queue.last_seq(id) == 1


def test_a_cancelled_run_does_not_come_back_after_a_crash(path: Path) -> None:
    queue = History(path)
    id = add(queue)
    taken(queue)
    assert [run.state for run in queue.cancel(id)] == ["running"]
    die(queue)
    assert History(path).get(id).state == "cancelled"


def test_a_retry_is_a_run_of_its_own(path: Path) -> None:
    queue = History(path)
    id = add(queue, "a")
    with pytest.raises(Refused, match="queued"):
        queue.retry(id)
    queue.cancel(id)
    again = queue.retry(id)
    assert again.id != id and again.retry_of == id and again.document == DOCUMENT
    assert queue.get(id).state == "cancelled"


# --------------------------------------------------------------------------------- events


def test_events_are_numbered_without_a_gap_also_across_attempts(path: Path) -> None:
    queue = History(path)
    id = add(queue)
    taken(queue)
    queue.append([events.NodeStarted(run=id, node="a"), events.NodeStarted(run=id, node="b", seq=77)])
    die(queue)
    again = History(path)
    run = taken(again)
    again.append([events.NodeStarted(run=id, node="a")])
    again.finish(run, "failed", told=[events.RunFailed(run=id, seconds=1, code="x", message="y")])
    assert [event.seq for event in again.events(id)] == [1, 2, 3, 4]
    assert [event.seq for event in again.events(id, after=2)] == [3, 4]


def test_only_the_newest_ended_runs_are_kept(path: Path) -> None:
    queue = History(path)
    ids = [add(queue, str(i)) for i in range(5)]
    for id in ids[:4]:
        queue.cancel(id)
    queue.prune(keep=1)
    assert [run.id for run in queue.ended()] == [ids[3]]
    assert queue.events(ids[0]) == [] and names(queue) == ["4"]


# --------------------------------------------------------------------------------- as a whole


class Lives(RuleBasedStateMachine):
    """Any story of submitting, running, cancelling and dying: each run ends once, none is lost."""

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.queue = History(Path(self.folder.name) / "h.sqlite")
        self.accepted: set[str] = set()
        self.over: dict[str, str] = {}
        self.held: list[QueuedRun] = []

    @rule(target=ids, client=st.sampled_from("ab"), priority=st.integers(-1, 1))
    def submit(self, client: str, priority: int) -> str:
        id = add(self.queue, client=client, priority=priority)
        self.accepted.add(id)
        return id

    @rule()
    def begin(self) -> None:
        run = self.queue.take()
        if run is not None:
            self.held.append(run)

    @rule(state=st.sampled_from(["finished", "failed"]))
    def end(self, state: str) -> None:
        if self.held:
            run = self.held.pop()
            self.queue.finish(run, state)  # type: ignore[arg-type]
            self.over[run.id] = state

    @rule(id=consumes(ids))
    def cancel(self, id: str) -> None:
        if self.queue.cancel(id)[0].state == "cancelled":
            self.over.setdefault(id, "cancelled")

    @rule()
    def crash(self) -> None:
        die(self.queue)
        self.queue = History(self.queue.path)
        for run in self.queue.recovered:
            if run.over:
                self.over[run.id] = run.state
        self.held.clear()

    @invariant()
    def each_run_is_where_it_should_be(self) -> None:
        alive = {run.id for run in self.queue.queue()}
        ended = {run.id: run.state for run in self.queue.ended(1000)}
        assert alive | ended.keys() == self.accepted and not alive & ended.keys()
        assert ended == self.over

    def teardown(self) -> None:
        self.queue.close()
        self.folder.cleanup()


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)


def test_two_processes_share_one_file_without_losing_a_run(path: Path) -> None:
    History(path).close()
    code = (
        "import sys; from pathlib import Path; from graphflow.history import History;"
        "from graphflow.queued import Submission\n"
        "queue = History(Path(sys.argv[1]))\n"
        "for i in range(20): queue.accept(Submission(b'{}'))\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, path], env=dict(os.environ)) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert len(History(path).queue()) == 40
