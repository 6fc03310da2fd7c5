"""A power cut at any moment of the queue's life: the file opens, and what was answered is there.

The states are those that a disk may hold, by SQLite's own order of writes in WAL mode: a change is appended
to the log, which is synced where the change promises something; a checkpoint syncs the log before it writes
to the main file, and syncs that before the log begins anew from its start. What is not synced may be there,
missing, zero or rubbish, sector by sector.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from graphflow import workflow
from graphflow.events import NodeFinished, RunFinished, RunStarted
from graphflow.history import History
from graphflow.queued import QueuedRun, Submission
from tests.graphflow.server.conftest import NUMBERS

SECTOR = 512
PAGE = 4096
CHANGES = 60
CHECKPOINT_PAGES = 12
"""Small, so that the log begins anew many times."""

DOCUMENT = workflow.dump(workflow.from_raw(NUMBERS))


@dataclass
class Moment:
    """The files after a change was answered, and what had been promised then."""

    main: bytes
    log: bytes
    synced: bool
    promised: dict[str, str] = field(default_factory=dict)
    """What each accepted run has come to: `waits` (it may also run), `cancelled` or `finished`."""
    paused: bool = False


@dataclass(frozen=True)
class Cut:
    """What a disk may hold after a power cut, and what it must hold."""

    name: str
    main: bytes
    log: bytes
    last: Moment
    """The last moment that is synced."""


class Story:
    """A queue that people use, with its files copied after each change."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.path = folder / "history.sqlite"
        self.history = History(self.path)
        self.history._db.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        self.chance = random.Random(seed)
        self.promised: dict[str, str] = {}
        self.paused = False
        self.running: list[QueuedRun] = []
        self.moments: list[Moment] = []
        self.note(synced=True)

    def note(self, *, synced: bool) -> None:
        log = self.path.with_name(self.path.name + "-wal")
        self.moments.append(
            Moment(self.path.read_bytes(), log.read_bytes(), synced, dict(self.promised), self.paused)
        )

    def live(self) -> list[Moment]:
        """One transaction at a time; each action says whether its own was synced."""
        actions: list[Callable[[], bool]] = [
            self.accept, self.accept, self.accept, self.take, self.take, self.tell, self.tell, self.finish,
            self.cancel, self.move, self.requeue, self.pause,
        ]  # fmt: skip
        for _ in range(CHANGES):
            synced = self.chance.choice(actions)()
            self.note(synced=synced)
        self.history._db.close()  # no checkpoint: as if it were killed
        return self.moments

    def accept(self) -> bool:
        run = self.history.accept(Submission(DOCUMENT, name="w", client=self.chance.choice("ab")))
        self.promised[run.id] = "waits"
        return True

    def take(self) -> bool:
        run = None if self.paused else self.history.take()
        if run is not None:
            self.running.append(run)
        return False

    def tell(self) -> bool:
        if self.running:
            run = self.chance.choice(self.running).id
            told = [
                NodeFinished(run=run, node=f"n{i}", key=f"{i:064x}", seconds=0.1, bytes=8, stored="disk")
                for i in range(20)
            ]
            self.history.append([RunStarted(run=run, steps=20, cached=0), *told])
        return False

    def finish(self) -> bool:
        if not self.running:
            return False
        run = self.running.pop(0)
        self.history.finish(run, "finished", results={"outputs": {"out": {"value": run.number}}},
                            told=[RunFinished(run=run.id, seconds=1.0, computed=20, cached=0)])  # fmt: skip
        self.promised[run.id] = "finished"
        return True

    def cancel(self) -> bool:
        waiting = [run for run in self.history.queue() if run.state == "queued"]
        if not waiting:
            return False
        run = self.chance.choice(waiting)
        self.history.cancel(run.id)
        self.promised[run.id] = "cancelled"
        return True

    def move(self) -> bool:
        waiting = [run for run in self.history.queue() if run.state == "queued"]
        if len(waiting) < 2:
            return False
        self.history.move(waiting[-1].id, waiting[0].id)
        return True

    def requeue(self) -> bool:
        if not self.running:
            return False
        self.history.requeue(self.running.pop())
        return True

    def pause(self) -> bool:
        self.paused = not self.paused
        self.history.pause(self.paused)
        return True


def cuts(moments: list[Moment], chance: random.Random) -> Iterator[Cut]:
    """States between each moment and the next, and right after it."""
    last = moments[0]
    durable = moments[0]
    """The files as they are on the disk for sure."""
    for number, (before, after) in enumerate(pairwise(moments)):
        name = f"change {number}"
        anew = before.log[:32] != after.log[:32] and before.log[:32] != b""
        checkpointed = before.main != after.main
        if anew or checkpointed:  # the log of the moment before was synced first
            durable = before
        for i in range(3):  # the change is being written to the log
            log = torn(durable.log, after.log, chance)
            yield Cut(f"{name}, log torn {i}", before.main, log, last)
        if checkpointed:  # the log is synced; pages of the main file are being written
            for i in range(3):
                main = mixed(before.main, after.main, PAGE if i else SECTOR, chance)
                yield Cut(f"{name}, checkpoint torn {i}", main, after.log, after if after.synced else last)
            durable = after
        if after.synced:
            last, durable = after, after
            yield Cut(f"{name}, answered", after.main, after.log, after)


def torn(safe: bytes, written: bytes, chance: random.Random) -> bytes:
    """A log of which `safe` is synced and `written` was being written over or behind it."""
    same = next((i for i, (a, b) in enumerate(zip(safe, written, strict=False)) if a != b), None)
    begin = min(len(safe), len(written)) if same is None else same
    kind = chance.choice(["cut", "cut", "sectors", "zeros", "rubbish"])
    if kind == "cut":
        end = chance.randint(begin, max(begin, len(written)))
        return written[:end] + safe[end:]
    result = bytearray(written)
    for place in range(begin // SECTOR * SECTOR, len(written), SECTOR):
        piece = slice(max(place, begin), min(place + SECTOR, len(written)))
        size = piece.stop - piece.start
        if chance.random() < 0.4:
            old = safe[piece].ljust(size, b"\0")
            result[piece] = {"sectors": old, "zeros": bytes(size), "rubbish": chance.randbytes(size)}[kind]
    return bytes(result)


def mixed(old: bytes, new: bytes, unit: int, chance: random.Random) -> bytes:
    """A file of which some units are as they were and some as they will be."""
    pieces = (
        (new if chance.random() < 0.5 else old)[place : place + unit] or new[place : place + unit]
        for place in range(0, len(new), unit)
    )
    return b"".join(pieces)


def check(folder: Path, cut: Cut) -> None:
    """The file opens whole; every promise holds; the queue goes on to the end, each run once."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = folder / "history.sqlite"
    path.write_bytes(cut.main)
    path.with_name("history.sqlite-wal").write_bytes(cut.log)
    history = History(path)
    try:
        assert history._db.execute("PRAGMA integrity_check").fetchone()[0] == "ok", cut.name
        for id, came_to in cut.last.promised.items():
            run = history.get(id)
            if came_to == "waits":  # or a later change that was not answered is there as a whole
                assert run.state in ("queued", "cancelled", "finished"), (cut.name, run.state)
            else:
                assert run.state == came_to, (cut.name, run.state)
            told = history.events(id)
            assert [event.seq for event in told] == list(range(1, len(told) + 1)), cut.name
            if run.state == "finished":
                assert run.results == {"outputs": {"out": {"value": run.number}}}
                assert [event.type for event in told].count("run.finished") == 1
        history.pause(False)
        waiting = {run.id for run in history.queue()}
        taken = [run.id for run in iter(history.take, None)]
        assert len(taken) == len(set(taken)) and set(taken) == waiting, cut.name
    finally:
        history.close()


@pytest.mark.parametrize("seed", [1])
def test_a_power_cut_at_any_moment_loses_nothing_that_was_answered(tmp_path: Path, seed: int) -> None:
    (tmp_path / "story").mkdir()
    moments = Story(tmp_path / "story", seed).live()
    chance = random.Random(seed)
    found = list(cuts(moments, chance))
    assert len(found) >= 200
    assert sum("checkpoint" in cut.name for cut in found) >= 10, "the log began anew, too"
    for cut in found:
        check(tmp_path / "cut", cut)


def test_the_check_sees_a_queue_that_does_not_sync(tmp_path: Path) -> None:
    """What was answered and is not there is noticed: a log without its last synced change."""
    (tmp_path / "story").mkdir()
    moments = Story(tmp_path / "story", 1).live()
    before, after = next((a, b) for a, b in pairwise(moments) if len(b.promised) > len(a.promised))
    lost = Cut("lost", before.main, before.log, after)
    with pytest.raises(Exception, match="no such run"):
        check(tmp_path / "cut", lost)


def test_the_file_alone_without_its_log_opens_too(tmp_path: Path) -> None:
    (tmp_path / "story").mkdir()
    moments = Story(tmp_path / "story", 3).live()
    for moment in moments[:: len(moments) // 8]:
        path = tmp_path / "alone.sqlite"
        path.write_bytes(moment.main)
        for rest in ("-wal", "-shm"):
            path.with_name(path.name + rest).unlink(missing_ok=True)
        History(path).close()
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
