"""What stands at the end of a run: pictures that are not overwritten, faults of the disk, big runs."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Any

import pytest

from graphflow.cli import exits, progress, results
from graphflow.events import NodeCached, NodeFinished
from graphflow.result import Result
from tests.support.engine import built


def test_the_timeline_is_kept_when_nothing_ran_and_drawn_anew_when_something_did(
    call: Any, write: Any, place: Path
) -> None:
    write()
    call("run", "words.json")
    picture = place / "output" / "words.timeline.svg"
    first = picture.read_text()
    assert "turned" in first
    call("run", "words.json")
    assert picture.read_text() == first
    call("run", "words.json", "--text", "other")
    assert picture.read_text() != first


def test_a_file_of_that_name_that_is_not_ours_is_left_alone(call: Any, write: Any, place: Path) -> None:
    write()
    (place / "output").mkdir()
    (place / "output" / "words.timeline.svg").write_text("<svg>mine</svg>")
    done = call("run", "words.json")
    assert done.code == 0 and "timeline" not in done.out
    assert (place / "output" / "words.timeline.svg").read_text() == "<svg>mine</svg>"


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk on which no file can be finished."""

    def refuse(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)


def test_a_full_disk_is_one_clear_failure_and_nothing_half_written(
    call: Any, write: Any, place: Path, full: None
) -> None:
    write()
    (place / "data").mkdir()
    (place / "output").mkdir()
    done = call("run", "words.json")
    assert done.code == exits.STORAGE, done
    assert re.search(r"^failed    save: \S+: the disk is full \[storage\.full\]$", done.err, re.M), done.err
    assert "Traceback" not in done.err
    assert not [path for path in place.glob("output/*") if path.is_file()]


def test_a_full_disk_does_not_stop_a_run_that_saves_nothing(
    call: Any, write: Any, place: Path, full: None
) -> None:
    (place / "data").mkdir()
    write(word={"type": "desk/word", "params": {"text": "seen"}})
    done = call("run", "words.json")
    assert done.code == 0 and "out = seen" in done.out
    assert "results stay in memory" in done.err


def test_a_data_folder_that_nobody_may_make(call: Any, write: Any) -> None:
    write()
    done = call("run", "words.json", "--data-dir", "/sys/graphflow-data")  # refused to the superuser too
    assert done.code == exits.STORAGE and "/sys/graphflow-data" in done.err
    assert "Traceback" not in done.err


def test_what_another_run_computed_meanwhile_is_counted_as_such() -> None:
    """Two runs of one workflow on one data folder: the second waits for what the first is computing."""
    plan: Any = None
    told = [NodeFinished(run="r", node=name, item=(), seconds=0.0, bytes=0, stored="disk") for name in "abc"]
    result = Result("finished", plan, plan, 2.0, computed=1)
    line = "finished in 2.0 s: 1 computed, 0 from the cache"
    assert results.summary(result, told) == f"{line}, 2 by another run meanwhile"
    assert results.summary(result, told[:1]) == line


def test_rows_of_the_table() -> None:
    graph = built({"b": "b"}, a=("num", {}), b=("double", {}, {"x": "a"}))
    told = [
        NodeCached(run="r", node="b", item=(0,)),
        NodeFinished(run="r", node="b", item=(1,), seconds=1.0, bytes=1, stored="both"),
        NodeFinished(run="r", node="b", item=(2,), seconds=2.0, bytes=1, stored="both"),
    ]
    assert results.node_rows(graph, told) == [("b", "test/double", "1 cached, 2 computed", "3.0 s")]


def test_a_graph_of_thousands_of_nodes(call: Any, write: Any) -> None:
    nodes: dict[str, Any] = {"n0": {"type": "std/integer", "params": {"value": 1}}}
    nodes["n1"] = {"type": "desk/turned", "inputs": {"word": "t"}}
    nodes["t"] = {"type": "std/text", "params": {"value": "ab"}}
    for i in range(2, 300):
        nodes[f"n{i}"] = {"type": "desk/fail", "inputs": {"word": f"n{i - 1}"}} if i < 4 else {
            "type": "std/join", "inputs": {"items": [f"n{i - 1}"]}}  # fmt: skip
    write(**nodes)
    done = call("run", "words.json")
    assert done.code == 0, done
    assert len(done.out.splitlines()) < progress.MAX_LINES + results.MAX_ROWS + 20
