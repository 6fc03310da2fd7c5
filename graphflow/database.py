"""Opens the one SQLite file of a data folder, and turns what SQLite raises into errors for people."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graphflow import files
from graphflow.errors import StorageError


def opened(path: Path, tables: str, version: int) -> sqlite3.Connection:
    """The database in `path` with these tables, in WAL, for use from any thread.

    version: of the tables; a file with a higher one was made by a newer graphflow. Raises StorageError.
    """
    files.make_folder(path.parent)
    with sqlite_errors(path):
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA journal_mode=WAL")
        found = int(db.execute("PRAGMA user_version").fetchone()[0])
        if found > version:
            db.close()
            raise StorageError(
                "the history was written by a newer graphflow", where=str(path), hint="update graphflow"
            )
        db.executescript(tables)
        db.execute(f"PRAGMA user_version={version}")
    return db


@contextmanager
def transaction(db: sqlite3.Connection, *, synced: bool) -> Iterator[None]:
    """All of the block or nothing.

    synced: it is on the disk for good when the block is left; otherwise a power cut, but no crash of the
    program, may take it back, with all that came after it and was not synced either.
    """
    db.execute(f"PRAGMA synchronous={'FULL' if synced else 'NORMAL'}")
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        files.faultpoint("history.before_commit")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    files.faultpoint("history.after_commit")


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite raises into a StorageError about its file."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if "full" in str(error):
            raise StorageError(
                "the disk is full", where=str(path), hint=files.FREE_SPACE, code="storage.full"
            ) from error
        hint = "move the file away to begin with an empty history" if "malformed" in str(error) else ""
        raise StorageError(f"the history: {error}", where=str(path), hint=hint) from error
