"""What the runs of a history made: the key of every node's result, and how long it took to compute.

Functions on the history's open database; each belongs into one of its transactions. Nothing is stored twice:
a result is in the cache, here is only its name.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from graphflow.events import Event, NodeCached, NodeFinished

TABLES = """
CREATE TABLE IF NOT EXISTS made (
    run TEXT NOT NULL, node TEXT NOT NULL, item TEXT NOT NULL, key BLOB NOT NULL, seconds REAL,
    PRIMARY KEY (run, node, item)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS made_by_node ON made (node, run);
CREATE INDEX IF NOT EXISTS runs_by_name ON runs (name);
CREATE TABLE IF NOT EXISTS sized (
    run TEXT NOT NULL, node TEXT NOT NULL, type TEXT NOT NULL, sizes TEXT NOT NULL,
    PRIMARY KEY (run, node)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sized_by_type ON sized (type, run);
CREATE TABLE IF NOT EXISTS timings (type TEXT PRIMARY KEY, seconds REAL NOT NULL) WITHOUT ROWID;
"""

RECENT = 5
"""Measurements of a node, or else of its type, that an expected time is made of."""

NEW_SHARE = 0.3
"""Weight of a run's own measurement in the mean of a type, so that old ones fade."""


@dataclass(frozen=True, slots=True)
class Made:
    """One result of a node. seconds: None if it was found in the cache."""

    run: str
    time: float
    """When the run began, in seconds since 1970."""
    node: str
    item: str
    """Position in the mapped lists, such as `0.2`; empty if the node is not mapped."""
    key: str
    seconds: float | None
    document: bytes
    """The workflow that ran."""


@dataclass(frozen=True, slots=True)
class Measured:
    """How long a step took, and how large its work was: such as steps and frames."""

    seconds: float
    sizes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sized:
    """A node's type and how large its work is."""

    type: str
    sizes: Mapping[str, float]


def store(db: sqlite3.Connection, told: Iterable[Event]) -> None:
    """Note what events say was made. A run that begins again replaces what it had noted."""
    rows = [
        (
            one.run, one.node, ".".join(map(str, one.item)), bytes.fromhex(one.key),
            one.seconds if isinstance(one, NodeFinished) else None,
        )
        for one in told
        if isinstance(one, (NodeFinished, NodeCached)) and one.key
    ]  # fmt: skip
    db.executemany("INSERT OR REPLACE INTO made VALUES (?,?,?,?,?)", rows)


def learn(db: sqlite3.Connection, timings: Mapping[str, float]) -> None:
    """Note seconds a step by node type."""
    db.executemany(
        f"INSERT INTO timings VALUES (?,?) ON CONFLICT (type) DO UPDATE SET"
        f" seconds = {1 - NEW_SHARE} * seconds + {NEW_SHARE} * excluded.seconds",
        list(timings.items()),
    )


def size(db: sqlite3.Connection, run: str, sized: Mapping[str, Sized]) -> None:
    """Note how large the work of a run's nodes was."""
    rows = [(run, node, one.type, json.dumps(one.sizes)) for node, one in sized.items()]
    db.executemany("INSERT OR REPLACE INTO sized VALUES (?,?,?,?)", rows)


def forget(db: sqlite3.Connection, runs: Iterable[tuple[str]]) -> None:
    """Runs that the history no longer keeps."""
    gone = list(runs)
    db.executemany("DELETE FROM made WHERE run=?", gone)
    db.executemany("DELETE FROM sized WHERE run=?", gone)


def of_node(db: sqlite3.Connection, workflow: str, node: str, limit: int) -> list[Made]:
    """Results of a node in the runs of a workflow, newest first, each key once."""
    rows = db.execute(
        "SELECT made.*, max(runs.number) AS newest, coalesce(started, accepted) AS time, document"
        " FROM made JOIN runs ON runs.id = made.run WHERE node=? AND name=?"
        " GROUP BY key, item ORDER BY newest DESC, item LIMIT ?",
        (node, workflow, limit),
    )
    return [
        Made(
            row["run"],
            row["time"],
            row["node"],
            row["item"],
            row["key"].hex(),
            row["seconds"],
            row["document"],
        )
        for row in rows
    ]


def of_nodes(db: sqlite3.Connection, workflow: str) -> dict[str, list[Measured]]:
    """How long a step of each node of a workflow took, newest first."""
    found: dict[str, list[Measured]] = {}
    rows = db.execute(
        "SELECT made.node, seconds, sizes FROM made JOIN runs ON runs.id = made.run"
        " LEFT JOIN sized ON sized.run = made.run AND sized.node = made.node"
        " WHERE name=? AND seconds IS NOT NULL ORDER BY runs.number DESC LIMIT 20000",
        (workflow,),
    )
    for node, seconds, sizes in rows:
        measured = found.setdefault(node, [])
        if len(measured) < RECENT:
            measured.append(Measured(seconds, json.loads(sizes or "{}")))
    return found


def of_type(db: sqlite3.Connection, type: str) -> list[Measured]:
    """How long steps of a node type took whose size is known, newest first, wherever they ran."""
    rows = db.execute(
        "SELECT seconds, sizes FROM sized JOIN runs ON runs.id = sized.run"
        " JOIN made ON made.run = sized.run AND made.node = sized.node"
        " WHERE type=? AND seconds IS NOT NULL ORDER BY runs.number DESC LIMIT ?",
        (type, RECENT),
    )
    return [Measured(seconds, json.loads(sizes)) for seconds, sizes in rows]


def seconds_by_type(db: sqlite3.Connection) -> dict[str, float]:
    """How long a step of each node type takes, wherever it ran."""
    return dict(db.execute("SELECT type, seconds FROM timings").fetchall())
