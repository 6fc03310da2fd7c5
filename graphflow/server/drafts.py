"""Unsaved edits of open workflows, kept for a browser that dies: one file for each open tab, replaced while
somebody works on it and removed when the work is saved or given up.

A draft is what the editor has, which need not be a workflow that could run: it is handed back as it came
and read by nothing here.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from graphflow import files
from graphflow.errors import GraphflowError
from graphflow.workflow import raw_bytes

KEEP = 200
"""Drafts that are kept; the oldest go."""

KEEP_BYTES = 512 * 2**20
"""What all drafts may take together; the oldest go."""


class DraftError(GraphflowError):
    """There is no such draft any more."""

    code = "draft.missing"


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody was working on. time: when it was last changed, in seconds since 1970."""

    id: str
    title: str
    client: str
    """The name of the browser that keeps it."""
    name: str
    """The kept workflow that it is a change of; empty if it was never saved."""
    version: str
    """The version of that workflow from which it departs."""
    time: float
    document: dict[str, Any]


class Drafts:
    """The drafts in a folder. Methods may be called from any thread, but of one process at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = Lock()

    def all(self) -> list[Draft]:
        """Every draft that can be read, last changed first."""
        return [one for path in self._files() if (one := _read(path)) is not None]

    def get(self, id: str) -> Draft:
        """One draft. Raises DraftError if it is gone or was spoilt."""
        found = _read(self._path(id))
        if found is None:
            raise DraftError("the draft is not there any more", where=id)
        return found

    def put(self, draft: Draft) -> None:
        """Keep a draft in the place of what was kept under its id. Raises DocumentError, StorageError."""
        document = raw_bytes(draft.document)
        head = {"title": draft.title, "client": draft.client, "name": draft.name, "version": draft.version}
        data = b'%s, "document": %s}' % (json.dumps(head).encode()[:-1], document)
        with self._lock:
            path, others = self._path(draft.id), self._files()
            last = others[0].stat().st_mtime_ns if others else 0
            files.write_atomic(path, data)
            if path.stat().st_mtime_ns <= last:  # a clock that goes back keeps the order
                os.utime(path, ns=(last + 1, last + 1))
            self._keep_to_limit()

    def drop(self, id: str) -> None:
        """Give a draft up; one that is gone already stays so. Raises StorageError."""
        path = self._path(id)
        with self._lock, files.storage_errors(path):
            path.unlink(missing_ok=True)

    def stored(self) -> Iterator[bytes]:
        """The bytes of every draft. Raises StorageError for one unreadable."""
        for path in self._files():
            with files.storage_errors(Path(path.name)), suppress(FileNotFoundError):
                yield path.read_bytes()

    def tidy(self, days: float) -> None:
        """Remove drafts that nobody changed for so long."""
        before = time.time() - days * 86_400
        for path in self._files():
            with suppress(OSError):
                if path.stat().st_mtime < before:
                    path.unlink()

    def _path(self, id: str) -> Path:
        return files.inside(self.root, f"{id}.json")

    def _files(self) -> list[Path]:
        """Last changed first."""
        found: list[tuple[int, Path]] = []
        for path in self.root.glob("*.json") if self.root.is_dir() else ():
            with suppress(FileNotFoundError):
                found.append((path.stat().st_mtime_ns, path))
        return [path for _, path in sorted(found, reverse=True)]

    def _keep_to_limit(self) -> None:
        total = 0
        for place, path in enumerate(self._files()):
            with suppress(OSError):
                total += path.stat().st_size
                if place > 0 and (place >= KEEP or total > KEEP_BYTES):
                    path.unlink()


def _read(path: Path) -> Draft | None:
    try:
        raw = json.loads(path.read_bytes())
        words = {name: str(raw[name]) for name in ("title", "client", "name", "version")}
        if not isinstance(raw["document"], dict):
            return None
        return Draft(
            id=path.stem, time=path.stat().st_mtime, document=raw["document"],
            title=words["title"], client=words["client"], name=words["name"], version=words["version"],
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
