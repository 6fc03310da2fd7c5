"""Workflows kept in a folder, each with its last versions, and a trash.

    NAME/000012.json           the versions of a workflow; the highest number is the workflow as it is
    .trash/WHEN-ID/NAME/       a deleted one, as it was

Files are written whole or not at all, and everything else is one rename, so that a crash leaves the old or
the new. A version is named by the digest of its bytes: a file that somebody edited by hand is another one.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any

from graphflow import files, workflow
from graphflow.errors import GraphflowError
from graphflow.workflow import Document

KEEP = 20
"""Versions of one workflow that are kept, the present one included."""

KEEP_DELETED = 200
"""Workflows in the trash; the oldest go."""

MAX_NAME = 100
"""Longest name, in characters."""

_VERSION = re.compile(r"[0-9]{6,12}\.json")
_TRASHED = re.compile(r"([0-9]{20})-[0-9a-f]{8}")


class LibraryError(GraphflowError):
    """A workflow cannot be kept, found or named so."""

    code = "workflow"


@dataclass(frozen=True, slots=True)
class Kept:
    """One workflow in one version. time: when it was saved, in seconds since 1970."""

    name: str
    version: str
    time: float
    data: bytes

    @property
    def document(self) -> Document:
        """The workflow. Raises DocumentError if its file was spoilt by hand."""
        return workflow.parse(self.data)

    def summary(self) -> tuple[int, str]:
        """How many nodes it has and what it says of itself; nothing of a spoilt file."""
        try:
            raw: Any = json.loads(self.data)
            return len(raw["nodes"]), str(raw.get("description", ""))[:1_000]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return 0, ""


@dataclass(frozen=True, slots=True)
class Deleted:
    """A workflow in the trash. time: when it was deleted, in seconds since 1970."""

    id: str
    name: str
    time: float


class Library:
    """The workflows below `root`. Methods may be called from any thread, but of one process at a time.

    changed: hears the name and version of every workflow that changes; None as version if it is gone.
    """

    def __init__(self, root: Path, *, changed: Callable[[str, str | None], None] = lambda *_: None) -> None:
        self.root = root
        self.changed = changed
        self._lock = RLock()

    # ------------------------------------------------------------------------ looking

    def names(self) -> list[str]:
        """Every workflow, sorted."""
        found = [path.name for path in self.root.iterdir()] if self.root.is_dir() else []
        return sorted(name for name in found if self._refusal(name) is None and self._files(name))

    def all(self) -> list[Kept]:
        """Every workflow as it is."""
        return [kept for name in self.names() if (kept := next(self._versions(name), None)) is not None]

    def has(self, name: str) -> bool:
        """Whether there is such a workflow; False for what cannot be a name."""
        return self._refusal(name) is None and bool(self._files(name))

    def get(self, name: str, version: str | None = None) -> Kept:
        """A workflow as it is, or in one of its versions. Raises LibraryError if there is none."""
        self._check(name)
        there = False
        for kept in self._versions(name):
            if version in (None, kept.version):
                return kept
            there = True
        text = "it has no such version" if there else "there is no such workflow"
        hint = f"the last {KEEP} versions are kept" if there else ""
        raise LibraryError(text, where=name, hint=hint, code="workflow.missing")

    def versions(self, name: str) -> list[Kept]:
        """All that is kept of a workflow, newest first; the first is as it is. Raises LibraryError."""
        self.get(name)
        return list(self._versions(name))

    def deleted(self) -> list[Deleted]:
        """What is in the trash, newest first."""
        found = []
        for folder in self._trash.iterdir() if self._trash.is_dir() else ():
            when = _TRASHED.fullmatch(folder.name)
            inside = next(folder.iterdir(), None) if when and folder.is_dir() else None
            if when and inside is not None:
                found.append(Deleted(folder.name, inside.name, int(when[1]) / 1e9))
        return sorted(found, key=lambda one: one.id, reverse=True)

    def stored(self) -> Iterator[bytes]:
        """Every version of every workflow, those in the trash too. Raises StorageError for one unreadable."""
        for path in self.root.rglob("*.json"):
            with files.storage_errors(Path(path.name)), suppress(FileNotFoundError):
                yield path.read_bytes()

    # ------------------------------------------------------------------------ changing

    def save(self, name: str, document: Document, seen: str | None) -> Kept:
        """Keep a workflow; gives it back with its version.

        seen: the version that this one replaces; None for a new workflow. Saving what is there already
        changes nothing. Raises LibraryError, code `workflow.conflict`, if another version is there or the
        workflow is gone, and StorageError.
        """
        self._check(name)
        data = workflow.dump(document)
        with self._lock:
            present = next(self._versions(name), None)
            if present is not None and present.data == data:
                return present
            self._check_seen(name, present, seen)
            if present is None:
                self._check_free(name)
            old = self._files(name)
            files.write_atomic(self._folder(name) / _numbered(int(old[-1].stem) + 1 if old else 1), data)
            for path in old[: max(0, len(old) + 1 - KEEP)]:
                with suppress(OSError):
                    path.unlink()
        return self._told(name)

    def rename(self, name: str, to: str) -> Kept:
        """Give a workflow another name; its versions go with it. Raises LibraryError, StorageError."""
        with self._lock:
            self.get(name)
            self._check_free(to, beside=name)
            files.move(self._folder(name), self._folder(to))
        self.changed(name, None)
        return self._told(to)

    def duplicate(self, name: str, to: str) -> Kept:
        """Keep a copy under another name; it begins with one version. Raises LibraryError, StorageError."""
        with self._lock:
            data = self.get(name).data
            self._check_free(to)
            files.write_atomic(self._folder(to) / _numbered(1), data)
        return self._told(to)

    def delete(self, name: str) -> Deleted:
        """Put a workflow and its versions into the trash. Raises LibraryError, StorageError."""
        with self._lock:
            self.get(name)
            last = next((one.id for one in self.deleted()), "")
            now = max(time.time_ns(), int(last[:20] or 0) + 1)  # a clock that goes back keeps the order
            id = f"{now:020}-{secrets.token_hex(4)}"
            files.move(self._folder(name), self._trash / id / name)
            for old in self.deleted()[KEEP_DELETED:]:
                shutil.rmtree(self._trash / old.id, ignore_errors=True)
        self.changed(name, None)
        return Deleted(id, name, now / 1e9)

    def restore(self, id: str, name: str | None = None) -> Kept:
        """Take a workflow out of the trash, perhaps under another name. Raises LibraryError, StorageError."""
        with self._lock:
            gone = next((one for one in self.deleted() if one.id == id), None)
            if gone is None:
                raise LibraryError("it is not in the trash", where=id[:MAX_NAME], code="workflow.missing")
            to = gone.name if name is None else name
            self._check_free(to)
            files.move(self._trash / gone.id / gone.name, self._folder(to))
            with suppress(OSError):
                (self._trash / gone.id).rmdir()
        return self._told(to)

    # ------------------------------------------------------------------------ places

    @property
    def _trash(self) -> Path:
        return self.root / ".trash"

    def _folder(self, name: str) -> Path:
        return files.inside(self.root, name)

    def _files(self, name: str) -> list[Path]:
        """The versions of a workflow, oldest first."""
        found = [path for path in self._folder(name).glob("*.json") if _VERSION.fullmatch(path.name)]
        return sorted(found, key=lambda path: int(path.stem))

    def _versions(self, name: str) -> Iterator[Kept]:
        """Newest first. Raises StorageError if one cannot be read."""
        for path in reversed(self._files(name)):
            with files.storage_errors(Path(path.name)), suppress(FileNotFoundError):
                data = path.read_bytes()
                yield Kept(name, hashlib.sha256(data).hexdigest()[:32], path.stat().st_mtime, data)

    def _told(self, name: str) -> Kept:
        kept = self.get(name)
        self.changed(name, kept.version)
        return kept

    # ------------------------------------------------------------------------ refusals

    def _refusal(self, name: str) -> GraphflowError | None:
        """Why a text cannot be a workflow's name; None if it can."""
        if "/" in name or name.startswith(".") or not 0 < len(name) <= MAX_NAME:
            hint = f"use up to {MAX_NAME} characters, without / and not beginning with a dot"
            text = f"{name[:80]!r} cannot be a workflow's name"
            return LibraryError(text, hint=hint, code="storage.name")
        try:
            files.inside(self.root, name)
        except GraphflowError as error:
            return error
        return None

    def _check(self, name: str) -> None:
        refusal = self._refusal(name)
        if refusal is not None:
            raise refusal

    def _check_free(self, name: str, beside: str | None = None) -> None:
        """Refuse a name that is none or taken, also by one that some systems take for the same."""
        self._check(name)
        for taken in self.names():
            if taken.casefold() == name.casefold() and taken != beside:
                raise LibraryError(
                    f"there is a workflow {taken!r} already", where=name, hint="choose another name",
                    code="workflow.exists",
                )  # fmt: skip

    def _check_seen(self, name: str, present: Kept | None, seen: str | None) -> None:
        if seen == (None if present is None else present.version):
            return
        if present is None:
            text, hint = "it was deleted or renamed meanwhile", "save it as a new workflow"
        elif seen is None:
            text, hint = "there is a workflow of that name already", "choose another name, or open that one"
        else:
            text = "somebody saved another version meanwhile"
            hint = "compare the two; to replace the other one, save again as seen with its version"
        raise LibraryError(text, where=name, hint=hint, code="workflow.conflict")


def _numbered(number: int) -> str:
    return f"{number:06}.json"
