"""Uploads: files by id, which a workflow names `asset:ID`."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Container, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from graphflow import files
from graphflow.errors import GraphflowError, StorageError
from graphflow.quota import Quota
from graphflow.workflow import Document

REFERENCE = re.compile(r"asset:([0-9a-f]{32})")

_ID = re.compile(r"[0-9a-f]{32}")

SUFFIXES: Mapping[str, str] = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".json": "application/json",
    ".txt": "text/plain",
    ".csv": "text/csv",
    ".safetensors": "application/octet-stream",
}
"""What may be uploaded. Files of the other types are of no use to a node."""

INLINE = frozenset(kind for kind in SUFFIXES.values() if kind.startswith(("image/", "video/", "audio/")))
"""Media types that a browser may show in place; everything else is handed out as a download only."""

Probe = Callable[[Path], Mapping[str, Any]]
"""Looks into a media file: what it found. Raises AssetError if the file is not what its name says."""


class AssetError(GraphflowError):
    """An upload was refused."""

    code = "asset"


def ids_in(data: bytes) -> set[str]:
    """Everything in a text that may be the id of an upload, as `asset:ID` or in a path."""
    found = re.findall(rb"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])", data)
    return {one.decode() for one in found}


@dataclass(frozen=True)
class Asset:
    """One uploaded file. `facts` is what was found inside: kind, width, height, frames, fps, seconds."""

    id: str
    name: str
    media_type: str
    size: int
    digest: str
    facts: dict[str, Any]
    path: Path
    time: float = 0.0
    """When it was complete, in seconds since 1970."""


class Assets:
    """Uploaded files in a folder: `ID/file.SUFFIX` and beside it `asset.json`, written last.

    What has no `asset.json` was never completed. probe: looks into media before they are accepted.
    limit, total: bytes of one file, and of all together.
    """

    def __init__(self, root: Path, probe: Probe, *, limit: int, total: float = math.inf) -> None:
        self.root = root
        self.limit = limit
        self.quota = Quota(lambda: sum(asset.size for asset in self.all()), total)
        self._probe = probe

    def begin(self, name: str, size: int | None = None) -> Incoming:
        """Receive a file. Raises AssetError if a file of that name or size is not taken."""
        suffix = Path(name).suffix.lower()
        if suffix not in SUFFIXES:
            known = ", ".join(SUFFIXES)
            raise AssetError(
                f"files named '*{suffix[:16]}' are not taken", code="asset.type", hint=f"these are: {known}"
            )
        if size is not None and size > self.limit:
            raise AssetError(f"{size} bytes; the limit is {self.limit}", code="asset.size")
        id = secrets.token_hex(16)
        self.reserve(id, size or 0)
        try:
            return Incoming(self, id, Path(name).name[:200], self.root / id / f"file{suffix}", size)
        except BaseException:
            self.quota.release(id)
            raise

    def get(self, id: str) -> Asset:
        """An asset. Raises AssetError if there is none."""
        if not _ID.fullmatch(id):
            raise AssetError("there is no such upload", code="asset.unknown")
        folder = self.root / id
        try:
            raw = json.loads((folder / "asset.json").read_bytes())
            return Asset(**{**raw, "path": folder / raw["path"]})
        except (OSError, ValueError, TypeError, KeyError):
            raise AssetError("there is no such upload", where=id, code="asset.unknown") from None

    def all(self, kind: str = "") -> list[Asset]:
        """Every upload, newest first. kind: such as `image`: only those."""
        names = [path.name for path in self.root.iterdir()] if self.root.is_dir() else []
        found = []
        for name in names:
            with suppress(AssetError):
                found.append(self.get(name))
        wanted = [asset for asset in found if asset.media_type.startswith(f"{kind}/" if kind else "")]
        return sorted(wanted, key=lambda asset: (-asset.time, asset.id))

    def resolve(self, document: Document) -> Document:
        """The document with every literal `asset:ID` replaced by its file's path. Raises AssetError."""
        nodes = {
            id: entry.model_copy(update={"params": self._replaced(entry.params)})
            for id, entry in document.nodes.items()
        }
        return document.model_copy(update={"nodes": nodes})

    def _replaced(self, value: Any) -> Any:
        if isinstance(value, str):
            found = REFERENCE.fullmatch(value)
            return str(self.get(found[1]).path) if found else value
        if isinstance(value, dict):
            return {name: self._replaced(one) for name, one in value.items()}
        return [self._replaced(one) for one in value] if isinstance(value, list) else value

    def named(self, value: Any) -> Any:
        """Plain JSON with the path of every upload replaced by `asset:ID`: what `resolve` did, undone."""
        if isinstance(value, str) and value.startswith(f"{self.root}{os.sep}"):
            parts = Path(value).relative_to(self.root).parts
            return f"asset:{parts[0]}" if len(parts) == 2 and _ID.fullmatch(parts[0]) else value
        if isinstance(value, dict):
            return {name: self.named(one) for name, one in value.items()}
        return [self.named(one) for one in value] if isinstance(value, list) else value

    def worded(self, text: str) -> str:
        """A text for people: uploads go by the names under which they were sent, not by their places here."""
        place = re.escape(f"{self.root}{os.sep}") + f"({_ID.pattern})" + re.escape(os.sep) + r"file\.\w+"
        return re.sub(place, self._name_of, text) if str(self.root) in text else text

    def _name_of(self, found: re.Match[str]) -> str:
        try:
            return self.get(found[1]).name
        except AssetError:
            return "an upload that is gone"

    def reserve(self, id: str, size: int) -> None:
        """Hold room for bytes of a file that comes. Raises AssetError, code `asset.full`."""
        if not self.quota.reserve(id, size):
            raise AssetError(
                f"the uploads kept here may take {self.quota.limit:.0f} bytes together, and there is no room "
                f"for {size} more", code="asset.full",
                hint="delete uploads that nobody needs, or start the server with more --upload-space",
            )  # fmt: skip

    def tidy(self, used: Callable[[], Container[str]], before: float) -> list[str]:
        """Remove what was never completed, and uploads from before a time that `used` does not hold.

        Only while nothing is being received. used: ids, asked for only if there is anything so old. before:
        in seconds since 1970. Gives the ids of the uploads that went; what cannot be removed stays.
        """
        folders = (
            [path for path in self.root.iterdir() if _ID.fullmatch(path.name)] if self.root.is_dir() else []
        )
        for folder in folders:
            if not (folder / "asset.json").exists():
                shutil.rmtree(folder, ignore_errors=True)
        old = [asset.id for asset in self.all() if asset.time < before]
        held = used() if old else ()
        gone = [id for id in old if id not in held]
        for id in gone:
            with suppress(OSError):
                self._remove(id)
        return gone

    def delete(self, id: str) -> Asset:
        """Remove an upload and give what it was. Raises AssetError if there is none, StorageError."""
        asset = self.get(id)
        try:
            self._remove(id)
        except FileNotFoundError:  # somebody else did
            raise AssetError("there is no such upload", where=id, code="asset.unknown") from None
        except OSError as error:
            raise files.storage_error(error, asset.path) from error
        self.quota.recount()
        return asset

    def _remove(self, id: str) -> None:
        (self.root / id / "asset.json").unlink()  # first: then it is one that was never completed
        shutil.rmtree(self.root / id, ignore_errors=True)

    def complete(self, asset: Asset) -> Asset:
        """Look into a received file and keep it. Raises AssetError; then it is removed."""
        try:
            facts = dict(self._probe(asset.path)) if not asset.media_type.startswith(("app", "text")) else {}
            kept = replace(asset, facts=facts, time=time.time())
            record = {**asdict(kept), "path": asset.path.name}
            files.write_atomic(asset.path.parent / "asset.json", json.dumps(record, allow_nan=False).encode())
        except BaseException:
            self.discard(asset.path)
            raise
        self.quota.keep(asset.id)
        return kept

    def discard(self, path: Path) -> None:
        """Remove a file that was not accepted, and its folder."""
        self.quota.release(path.parent.name)
        with suppress(OSError):
            path.unlink(missing_ok=True)
            path.parent.rmdir()


class Incoming:
    """A file that is being received. `close` throws away what is not complete."""

    def __init__(self, assets: Assets, id: str, name: str, path: Path, size: int | None) -> None:
        self.id = id
        self.size = size
        self.received = 0
        self._assets = assets
        self._name = name
        self._path = path
        self._hash = hashlib.sha256()
        self._stack = ExitStack()
        self._fd = self._stack.enter_context(files.replacing_file(path))

    def write(self, data: bytes) -> None:
        """Add bytes. Raises AssetError if they are more than was said or than is taken, StorageError."""
        self.received += len(data)
        limit = self._assets.limit if self.size is None else self.size
        if self.received > limit:
            raise AssetError(f"more than {limit} bytes came", code="asset.size")
        if self.size is None:
            self._assets.reserve(self.id, len(data))
        try:
            files.write_all(self._fd, data)
        except OSError as error:
            raise files.storage_error(error, self._path) from error
        self._hash.update(data)

    def finish(self) -> Asset:
        """All bytes are there: keep the file. Raises AssetError if some are missing or it is not accepted."""
        if self.received == 0 or (self.size is not None and self.received != self.size):
            text = f"only {self.received} of {self.size} bytes came" if self.received else "the file is empty"
            raise AssetError(text, code="asset.size")
        self._stack.close()
        media_type = SUFFIXES[self._path.suffix]
        digest = self._hash.hexdigest()
        return self._assets.complete(
            Asset(self.id, self._name, media_type, self.received, digest, {}, self._path)
        )

    def close(self) -> None:
        """Throw away what was received, unless it was kept."""
        abandoned = AssetError("abandoned")
        with suppress(AssetError, StorageError):
            self._stack.__exit__(AssetError, abandoned, None)
        if not (self._path.parent / "asset.json").exists():
            self._assets.discard(self._path)
