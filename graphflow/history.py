"""The queue and what became of it: accepted runs, their events and results, in one SQLite file.

A run that `accept` returned is never lost and never ends twice: every change of state is one synced
transaction, and only the attempt that was given the run may end it. Times are for people; order is by number.
"""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import RLock
from typing import Any, Literal

from graphflow import events, made
from graphflow.database import opened, sqlite_errors, transaction
from graphflow.errors import shorten
from graphflow.events import Event
from graphflow.made import Made, Measured, Sized
from graphflow.queued import STATES, QueuedRun, Refused, State, Submission, Unknown, read_run

VERSION = 1
"""Of the tables; a file with a higher one was made by a newer graphflow."""

MAX_DEATHS = 3
"""How often a run may be under way when the program dies before it is set aside."""

MAX_QUEUED = 10_000
"""Runs that may wait; more are refused."""

KEEP = 1_000
"""Ended runs that are kept; older ones are forgotten, their files stay."""

MAX_PRIORITY = 100

_TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, request TEXT UNIQUE,
    state TEXT NOT NULL, name TEXT NOT NULL, client TEXT NOT NULL, document BLOB NOT NULL,
    targets TEXT, on_error TEXT NOT NULL, priority INTEGER NOT NULL, position REAL NOT NULL,
    accepted REAL NOT NULL, started REAL, ended REAL, attempt INTEGER NOT NULL DEFAULT 0,
    deaths INTEGER NOT NULL DEFAULT 0, cancelling INTEGER NOT NULL DEFAULT 0, retry_of TEXT,
    code TEXT NOT NULL DEFAULT '', message TEXT NOT NULL DEFAULT '', results TEXT NOT NULL DEFAULT '{}');
CREATE INDEX IF NOT EXISTS waiting ON runs (state, priority DESC, position, number);
CREATE INDEX IF NOT EXISTS of_client ON runs (client, state, position);
CREATE TABLE IF NOT EXISTS events (
    run TEXT NOT NULL, seq INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (run, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID;
"""

_ORDER = "ORDER BY priority DESC, position, number"


class History:
    """The queue in `path`. All methods may be called from any thread; each is one transaction.

    Opening recovers: runs that were under way when the program died are queued again in front, or set aside
    after MAX_DEATHS. `recovered` lists them. Raises StorageError.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._clock = clock
        self._lock = RLock()
        self._db = opened(path, _TABLES + made.TABLES, VERSION)
        self.recovered = self._recover()
        self.prune()

    def close(self) -> None:
        """Write everything into the one file and close it."""
        with self._lock, sqlite_errors(self.path):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._db.close()

    # ------------------------------------------------------------------------ the queue

    def accept(self, submission: Submission) -> QueuedRun:
        """Queue a run, or give the one that the same request made before.

        Raises Refused if too many runs wait, StorageError if it could not be written: then nothing is queued.
        """
        with self._change() as db:
            if submission.request is not None:
                row = db.execute("SELECT * FROM runs WHERE request=?", (submission.request,)).fetchone()
                if row is not None:
                    return read_run(row)
            waiting = db.execute("SELECT count(*) FROM runs WHERE state='queued'").fetchone()[0]
            if waiting >= MAX_QUEUED:
                raise Refused(
                    f"{waiting} runs are waiting already", code="queue.full", hint="cancel some, or wait"
                )
            id = uuid.uuid4().hex
            targets = None if submission.targets is None else json.dumps(submission.targets)
            db.execute(
                "INSERT INTO runs (id, request, state, name, client, document, targets, on_error, priority,"
                " position, accepted, retry_of) VALUES (?,?,'queued',?,?,?,?,?,?,?,?,?)",
                (
                    id, submission.request, submission.name, submission.client, submission.document, targets,
                    submission.on_error, max(-MAX_PRIORITY, min(MAX_PRIORITY, submission.priority)),
                    self._next_position(submission.client), self._clock(), submission.retry_of,
                ),
            )  # fmt: skip
            return self._get(id)

    def _next_position(self, client: str) -> float:
        """Fair queueing: a client's runs stand one round apart, beginning at the round that is served now."""
        served = self._db.execute("SELECT value FROM facts WHERE name='round'").fetchone()
        mine = self._db.execute(
            "SELECT max(position) FROM runs WHERE client=? AND state='queued'", (client,)
        ).fetchone()[0]
        return float(max(served[0] if served else 0.0, mine if mine is not None else 0.0)) + 1.0

    def take(self) -> QueuedRun | None:
        """The run whose turn it is, now running; None if none waits or the queue is paused.

        Not synced: after a power cut it waits again, and with it is gone whatever it had done.
        """
        with self._change(synced=False) as db:
            if self._paused():
                return None
            row = db.execute(f"SELECT * FROM runs WHERE state='queued' {_ORDER} LIMIT 1").fetchone()
            if row is None:
                return None
            db.execute(
                "UPDATE runs SET state='running', attempt=attempt+1, started=? WHERE id=?",
                (self._clock(), row["id"]),
            )
            db.execute(
                "INSERT INTO facts VALUES ('round', ?) ON CONFLICT (name) DO UPDATE SET"
                " value=max(value, excluded.value)",
                (row["position"],),
            )
            return self._get(row["id"])

    def finish(
        self,
        run: QueuedRun,
        state: Literal["finished", "failed", "cancelled"],
        *,
        code: str = "",
        message: str = "",
        results: dict[str, Any] | None = None,
        told: Sequence[Event] = (),
        timings: Mapping[str, float] | None = None,
        sized: Mapping[str, Sized] | None = None,
    ) -> list[Event]:
        """End a run with its last events, which come back numbered.

        timings: seconds a step by node type. sized: how large the work was, by node.
        Raises Refused if this attempt is not the one that has the run: nobody's result is stored twice.
        """
        with self._change() as db:
            done = db.execute(
                "UPDATE runs SET state=?, ended=?, code=?, message=?, results=?"
                " WHERE id=? AND state='running' AND attempt=?",
                (
                    state, self._clock(), code, shorten(message),
                    json.dumps(results or {}, allow_nan=False), run.id, run.attempt,
                ),
            ).rowcount  # fmt: skip
            if not done:
                raise Refused("this attempt does not have the run any more", where=run.id)
            made.learn(db, timings or {})
            made.size(db, run.id, sized or {})
            return self._append(told)

    def requeue(self, run: QueuedRun) -> None:
        """Give a run back that was stopped because the program ends; it keeps its place."""
        with self._change() as db:
            db.execute(
                "UPDATE runs SET state='queued' WHERE id=? AND state='running' AND attempt=?",
                (run.id, run.attempt),
            )

    def cancel(self, *ids: str) -> list[QueuedRun]:
        """Cancel runs that wait; mark those that run, so that they stay cancelled whatever happens.

        Cancelling a run that is over changes nothing. Raises Unknown; then none is cancelled.
        """
        with self._change() as db:
            for run in [self._get(id) for id in ids]:
                if run.state == "queued":
                    self._end_waiting(run, "cancelled", events.RunCancelled(run=run.id, seconds=0.0))
                elif run.state == "running":
                    db.execute("UPDATE runs SET cancelling=1 WHERE id=?", (run.id,))
            return [self._get(id) for id in ids]

    def retry(self, id: str, client: str = "") -> QueuedRun:
        """Queue a run that failed or was cancelled once more, under a new id. Raises Unknown, Refused."""
        old = self.get(id)
        if old.state not in ("failed", "cancelled"):
            raise Refused(f"it is {old.state}", where=id, hint="only failed and cancelled runs are retried")
        again = Submission(
            old.document, old.name, client or old.client, old.targets, old.on_error, old.priority, retry_of=id
        )
        return self.accept(again)

    def prioritise(self, id: str, priority: int) -> QueuedRun:
        """Runs of higher priority come first. Raises Unknown, Refused if it does not wait any more."""
        with self._change() as db:
            self._waiting(id)
            db.execute("UPDATE runs SET priority=? WHERE id=?", (priority, id))
            return self._get(id)

    def move(self, id: str, before: str | None) -> QueuedRun:
        """Put a waiting run before another, whose priority it takes, or at the end of its own priority.

        Raises Unknown, Refused if one of them does not wait.
        """
        with self._change() as db:
            run = self._waiting(id)
            if before == id:
                return run
            priority = self._waiting(before).priority if before is not None else run.priority
            rows = db.execute(
                "SELECT id, position FROM runs WHERE state='queued' AND priority=? AND id<>?"
                " ORDER BY position, number",
                (priority, id),
            ).fetchall()
            order = [row["id"] for row in rows]
            order.insert(order.index(before) if before in order else len(order), id)
            # Among others of its own priority only: elsewhere its place may be one before what runs there.
            own = [run.position] if run.priority == priority else []
            first = min([*own, *(row["position"] for row in rows)])
            db.executemany(
                "UPDATE runs SET priority=?, position=? WHERE id=?",
                [(priority, first + place, one) for place, one in enumerate(order)],
            )
            return self._get(id)

    def pause(self, on: bool) -> None:
        """Start no further run, or go on. Holds across restarts; what runs is not stopped."""
        with self._change() as db:
            db.execute("INSERT OR REPLACE INTO facts VALUES ('paused', ?)", (float(on),))

    @property
    def paused(self) -> bool:
        with self._lock, sqlite_errors(self.path):
            return self._paused()

    def _paused(self) -> bool:
        row = self._db.execute("SELECT value FROM facts WHERE name='paused'").fetchone()
        return bool(row and row[0])

    # ------------------------------------------------------------------------ looking

    def get(self, id: str) -> QueuedRun:
        """One run. Raises Unknown."""
        with self._lock, sqlite_errors(self.path):
            return self._get(id)

    def queue(self) -> list[QueuedRun]:
        """What runs, by number, and what waits, in the order in which it will run."""
        with self._lock, sqlite_errors(self.path):
            running = self._db.execute("SELECT * FROM runs WHERE state='running' ORDER BY number").fetchall()
            waiting = self._db.execute(f"SELECT * FROM runs WHERE state='queued' {_ORDER}").fetchall()
            return [read_run(row) for row in (*running, *waiting)]

    def ended(self, limit: int = 100) -> list[QueuedRun]:
        """Runs that are over, newest first."""
        with self._lock, sqlite_errors(self.path):
            rows = self._db.execute(
                "SELECT * FROM runs WHERE state NOT IN ('queued','running') ORDER BY number DESC LIMIT ?",
                (limit,),
            ).fetchall()
            return [read_run(row) for row in rows]

    def counts(self) -> dict[str, int]:
        """How many runs are in each state."""
        with self._lock, sqlite_errors(self.path):
            rows = self._db.execute("SELECT state, count(*) FROM runs GROUP BY state").fetchall()
            return {**dict.fromkeys(STATES, 0), **{row[0]: row[1] for row in rows}}

    # ------------------------------------------------------------------------ events

    def append(self, told: Sequence[Event]) -> list[Event]:
        """Store events of running runs; they come back numbered, in this order, each run's without a gap.

        Not synced: the end of a run is, and with it all that came before.
        """
        with self._change(synced=False):
            return self._append(told)

    def _append(self, told: Sequence[Event]) -> list[Event]:
        last = {run: self._last_seq(run) for run in {event.run for event in told}}
        numbered: list[Event] = []
        for event in told:
            last[event.run] += 1
            numbered.append(replace(event, seq=last[event.run]))
        rows = [(event.run, event.seq, events.to_msgpack(event)) for event in numbered]
        self._db.executemany("INSERT INTO events VALUES (?,?,?)", rows)
        made.store(self._db, numbered)
        return numbered

    def last_seq(self, run: str) -> int:
        """Number of a run's last stored event; 0 if it has none."""
        with self._lock, sqlite_errors(self.path):
            return self._last_seq(run)

    def _last_seq(self, run: str) -> int:
        return int(self._db.execute("SELECT max(seq) FROM events WHERE run=?", (run,)).fetchone()[0] or 0)

    def events(self, run: str, after: int = 0, limit: int = 1_000_000) -> list[Event]:
        """A run's stored events behind number `after`, in order."""
        with self._lock, sqlite_errors(self.path):
            rows = self._db.execute(
                "SELECT data FROM events WHERE run=? AND seq>? ORDER BY seq LIMIT ?", (run, after, limit)
            ).fetchall()
        return [events.from_msgpack(row[0]) for row in rows]

    # ------------------------------------------------------------------------ what was made

    def made(self, workflow: str, node: str, limit: int = 20) -> list[Made]:
        """Results of a node in the runs of a workflow, newest first, each key once."""
        with self._lock, sqlite_errors(self.path):
            return made.of_node(self._db, workflow, node, limit)

    def measured(self, workflow: str) -> dict[str, list[Measured]]:
        """How long steps of the nodes of a workflow took in its last runs, by node."""
        with self._lock, sqlite_errors(self.path):
            return made.of_nodes(self._db, workflow)

    def measured_of_type(self, type: str) -> list[Measured]:
        """How long steps of a node type took: the last whose size is known, else the mean of all."""
        with self._lock, sqlite_errors(self.path):
            seconds = made.seconds_by_type(self._db).get(type)
            return made.of_type(self._db, type) or ([Measured(seconds)] if seconds is not None else [])

    # ------------------------------------------------------------------------ upkeep

    def documents(self) -> Iterator[bytes]:
        """The workflow of every run that is kept, as it is stored."""
        with self._lock, sqlite_errors(self.path):
            numbers = [row[0] for row in self._db.execute("SELECT number FROM runs").fetchall()]
        for number in numbers:
            with self._lock, sqlite_errors(self.path):
                row = self._db.execute("SELECT document FROM runs WHERE number=?", (number,)).fetchone()
            if row is not None:
                yield bytes(row[0])

    def prune(self, keep: int = KEEP) -> None:
        """Forget all but the newest `keep` ended runs."""
        with self._change() as db:
            old = db.execute(
                "SELECT id FROM runs WHERE state NOT IN ('queued','running') ORDER BY number DESC"
                " LIMIT -1 OFFSET ?",
                (keep,),
            ).fetchall()
            db.executemany("DELETE FROM events WHERE run=?", old)
            db.executemany("DELETE FROM runs WHERE id=?", old)
            made.forget(db, old)

    def _recover(self) -> list[QueuedRun]:
        with self._change() as db:
            found = [read_run(r) for r in db.execute("SELECT * FROM runs WHERE state='running'").fetchall()]
            for run in found:
                db.execute("UPDATE runs SET state='queued', deaths=deaths+1 WHERE id=?", (run.id,))
                if run.cancelling:
                    self._end_waiting(run, "cancelled", events.RunCancelled(run=run.id, seconds=0.0))
                elif run.deaths + 1 >= MAX_DEATHS:
                    text = f"the program died {run.deaths + 1} times while it ran"
                    failed = events.RunFailed(run=run.id, seconds=0.0, code="run.poisoned", message=text)
                    self._end_waiting(run, "failed", failed)
            return [self._get(run.id) for run in found]

    def _end_waiting(self, run: QueuedRun, state: State, last: Event) -> None:
        code, message = getattr(last, "code", ""), getattr(last, "message", "")
        self._db.execute(
            "UPDATE runs SET state=?, ended=?, code=?, message=? WHERE id=? AND state='queued'",
            (state, self._clock(), code, message, run.id),
        )
        self._append([last])

    def _waiting(self, id: str) -> QueuedRun:
        run = self._get(id)
        if run.state != "queued":
            raise Refused(f"it is {run.state}", where=id, hint="only runs that wait can be moved")
        return run

    def _get(self, id: str) -> QueuedRun:
        row = self._db.execute("SELECT * FROM runs WHERE id=?", (id,)).fetchone()
        if row is None:
            raise Unknown("there is no such run", where=shorten(id, 80))
        return read_run(row)

    @contextmanager
    def _change(self, *, synced: bool = True) -> Iterator[sqlite3.Connection]:
        """One transaction; see `transaction`."""
        with self._lock, sqlite_errors(self.path), transaction(self._db, synced=synced):
            yield self._db
