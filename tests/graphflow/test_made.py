"""What runs made can be found again by node, and how long it took tells how long it will take."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

import pytest

from graphflow import events
from graphflow.history import History
from graphflow.made import Measured, Sized
from graphflow.queued import Submission


@pytest.fixture
def queue(tmp_path: Path) -> History:
    return History(tmp_path / "history.sqlite")


def key(number: int) -> str:
    return f"{number:064x}"


def ran(
    queue: History,
    made: dict[str, tuple[int, float | None]],
    name: str = "w",
    document: bytes = b"{}",
    sized: Mapping[str, Sized] | None = None,
) -> str:
    """A run that made these results: number of the key, and seconds or None if it was in the cache."""
    id = queue.accept(Submission(document, name=name)).id
    run = queue.take()
    assert run is not None
    told: list[events.Event] = []
    for place, (number, seconds) in made.items():
        node, _, item = place.partition("#")
        where = tuple(map(int, item.split("."))) if item else ()
        if seconds is None:
            told.append(events.NodeCached(run=id, node=node, item=where, key=key(number)))
        else:
            told.append(
                events.NodeFinished(
                    run=id, node=node, item=where, seconds=seconds, bytes=1, stored="disk", key=key(number)
                )
            )
    queue.append(told)
    queue.finish(run, "finished", sized=sized)
    return id


def test_results_of_a_node_are_listed_newest_first_and_each_once(queue: History) -> None:
    first = ran(queue, {"a": (1, 0.5), "b": (9, 0.1)}, document=b"one")
    ran(queue, {"a": (2, 0.6)})
    ran(queue, {"a": (3, 0.1)}, name="other")
    last = ran(queue, {"a": (1, None)}, document=b"last")
    found = queue.made("w", "a")
    assert [(one.key, one.run) for one in found] == [(key(1), last), (key(2), found[1].run)]
    assert (found[0].document, found[0].seconds) == (b"last", None) and first != last
    assert [one.key for one in queue.made("w", "a", limit=1)] == [key(1)]
    assert queue.made("w", "gone") == []


def test_items_of_a_mapped_node_are_results_of_their_own(queue: History) -> None:
    ran(queue, {"a#0": (1, 0.5), "a#1": (2, 0.5), "a#0.2": (3, 0.5)})
    assert [(one.item, one.key) for one in queue.made("w", "a")] == [
        ("0", key(1)), ("0.2", key(3)), ("1", key(2)),
    ]  # fmt: skip


def test_the_times_of_a_node_are_those_of_the_last_runs_of_its_workflow(queue: History) -> None:
    for seconds in (100.0, 3.0, 1.0, 2.0, 50.0, 2.5):
        ran(queue, {"a": (1, seconds)})
    ran(queue, {"a": (1, None)})
    ran(queue, {"a": (1, 7.0)}, name="other")
    assert [one.seconds for one in queue.measured("w")["a"]] == [2.5, 50.0, 2.0, 1.0, 3.0]


def test_how_large_the_work_was_stands_beside_how_long_it_took(queue: History) -> None:
    ran(queue, {"a": (1, 2.0)}, sized={"a": Sized("x/slow", {"steps": 20.0})})
    ran(queue, {"a": (2, 4.0), "b": (3, 1.0)}, name="other", sized={"a": Sized("x/slow", {"steps": 40.0})})
    assert queue.measured("w") == {"a": [Measured(2.0, {"steps": 20.0})]}
    assert queue.measured("other")["b"] == [Measured(1.0)]
    assert queue.measured_of_type("x/slow") == [
        Measured(4.0, {"steps": 40.0}),
        Measured(2.0, {"steps": 20.0}),
    ]
    queue.prune(keep=1)
    assert [one.seconds for one in queue.measured_of_type("x/slow")] == [4.0]


def test_the_time_of_a_type_follows_what_is_measured(queue: History) -> None:
    for seconds in (10.0, 20.0):
        queue.accept(Submission(b"{}"))
        run = queue.take()
        assert run is not None
        queue.finish(run, "finished", timings={"x/slow": seconds})
    assert [one.seconds for one in queue.measured_of_type("x/slow")] == [pytest.approx(13.0)]
    assert queue.measured_of_type("x/never") == []


def test_what_was_made_is_forgotten_with_its_run(queue: History) -> None:
    for number in range(4):
        ran(queue, {"a": (number, 1.0)})
    queue.prune(keep=1)
    assert [one.key for one in queue.made("w", "a")] == [key(3)]


def test_a_history_from_before_is_opened_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    old = History(path)
    ran(old, {"a": (1, 1.0)})
    old.close()
    with sqlite3.connect(path) as db:
        db.executescript("DROP TABLE made; DROP TABLE timings; DROP TABLE sized; DROP INDEX runs_by_name;")
    db.close()
    queue = History(path)
    ran(queue, {"a": (2, 1.0)})
    assert [one.key for one in queue.made("w", "a")] == [key(2)]
