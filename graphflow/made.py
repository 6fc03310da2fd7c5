"""What the runs of a history made: the key of every node's result, and how long it took to compute.

Functions on the history's open database; each belongs into one of its transactions. Nothing is stored twice:
a result is in the cache, here is only its name.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from graphflow.events import Event, NodeCached, NodeFinished

TABLES = """
CREATE TABLE IF NOT EXISTS made (
    run TEXT NOT NULL, node TEXT NOT NULL, item TEXT NOT NULL, key BLOB NOT NULL, seconds REAL,
    PRIMARY KEY (run, node, item)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS made_by_node ON made (node, run);
CREATE INDEX IF NOT EXISTS runs_by_name ON runs (name);
CREATE TABLE IF NOT EXISTS timings (type TEXT PRIMARY KEY, seconds REAL NOT NULL) WITHOUT ROWID;
"""

RECENT = 5
"""Measurements of a node that its expected time is the median of."""

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


def forget(db: sqlite3.Connection, runs: Iterable[tuple[str]]) -> None:
    """Runs that the history no longer keeps."""
    db.executemany("DELETE FROM made WHERE run=?", runs)


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


def seconds_by_node(db: sqlite3.Connection, workflow: str) -> dict[str, float]:
    """How long a step of each node of a workflow takes, from its last runs."""
    found: dict[str, list[float]] = {}
    rows = db.execute(
        "SELECT node, seconds FROM made JOIN runs ON runs.id = made.run"
        " WHERE name=? AND seconds IS NOT NULL ORDER BY runs.number DESC LIMIT 20000",
        (workflow,),
    )
    for node, seconds in rows:
        measured = found.setdefault(node, [])
        if len(measured) < RECENT:
            measured.append(seconds)
    return {node: median(measured) for node, measured in found.items()}


def seconds_by_type(db: sqlite3.Connection) -> dict[str, float]:
    """How long a step of each node type takes, wherever it ran."""
    return dict(db.execute("SELECT type, seconds FROM timings").fetchall())
