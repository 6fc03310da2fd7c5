"""What a running node is given: progress, previews, checkpoints, models and a place to save."""

from __future__ import annotations

import hashlib
import io
import mimetypes
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Flag
from typing import Any, Protocol

from graphflow import files
from graphflow.cache.tiers import Cache
from graphflow.errors import Cancelled, shorten
from graphflow.node import State
from graphflow.pool import Pool
from graphflow.provenance import read_provenance
from graphflow.telling import MAX_CHARACTERS, MAX_OF_STEP
from graphflow.values import Image, Recipe, SavedFile, Value, Video

PROGRESS_SECONDS = 0.05
"""Progress is reported at most this often; the last report of a step always goes out."""

PREVIEW_SIZE = 512
"""Longest side of a preview, pixels."""


class Signals(Protocol):
    """Where a step's messages go while it runs."""

    def progress(self, done: int, total: int, eta: float | None) -> None: ...

    def preview(self, media_type: str, data: bytes) -> None: ...


@dataclass(frozen=True)
class Settings:
    """How steps are run, the same for all steps of a run."""

    out_dir: Path
    checkpoint_seconds: float = 15.0
    """A long node offers its state at every step; it is written at most this often."""
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class StepContext:
    """The Context of one step; see `graphflow.node.Context` for what each method promises."""

    key: str
    content: str
    """Names what is computed; files are named by it."""
    cache: Cache
    pool: Pool
    settings: Settings
    signals: Signals
    cancelled: Flag
    watched: Flag
    provenance: Mapping[str, Any] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    """What the node has told, each thing once."""
    _started: float = field(default_factory=time.monotonic)
    _reported: float = 0.0
    _saved: float = field(default_factory=time.monotonic)

    @property
    def device(self) -> str:
        return self.pool.device

    def check(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled

    def progress(self, done: int, total: int) -> None:
        self.check()
        now = time.monotonic()
        if now - self._reported >= PROGRESS_SECONDS or done >= total:
            self._reported = now
            eta = (now - self._started) / done * (total - done) if done > 0 else None
            self.signals.progress(int(done), int(total), eta)

    def notice(self, text: str) -> None:
        text = shorten(" ".join(str(text).split()), MAX_CHARACTERS)
        if text and text not in self.notices and len(self.notices) < MAX_OF_STEP:
            self.notices.append(text)

    def preview(self, make: Callable[[], Value]) -> None:
        if self.watched.is_set():
            self.signals.preview(*picture_of(make()))

    def checkpoint(self, make: Callable[[], State]) -> None:
        self.check()
        now = time.monotonic()
        if self.cache.disk is None or now - self._saved < self.settings.checkpoint_seconds:
            return
        self.cache.write_checkpoint(self.key, make())
        self._saved = time.monotonic()
        files.faultpoint("checkpoint.after_write")

    def restore(self) -> State | None:
        return self.cache.read_checkpoint(self.key)

    def use(self, recipe: Recipe) -> AbstractContextManager[Any]:
        return self.pool.use(recipe)

    def save(self, name: str, suffix: str, write: Callable[[Path], None]) -> SavedFile:
        path = self._free_name(name, suffix)
        with files.replacing(path, suffix=suffix) as temporary:
            write(temporary)
            size, digest = temporary.stat().st_size, _sha256(temporary)
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return SavedFile(path=str(path), size=size, digest=digest, media_type=media_type)

    def _free_name(self, name: str, suffix: str) -> Path:
        """`name-<start of content key><suffix>`; a file of that name that is not ours is never touched."""
        for attempt in range(1, 1000):
            tail = "" if attempt == 1 else f"-{attempt}"
            path = files.inside(self.settings.out_dir, f"{name}-{self.content[:10]}{tail}{suffix}")
            if not path.exists():
                return path
            if path.is_file() and (read_provenance(path) or {}).get("key") == self.content:
                return path
        raise files.storage_error(FileExistsError(f"too many files named {name}"), self.settings.out_dir)


def picture_of(value: Value) -> tuple[str, bytes]:
    """A small webp of an Image or Video (animated): media type and bytes."""
    from PIL import Image as Pillow

    if isinstance(value, Image):
        frames, fps = [value.pixels], 1.0
    elif isinstance(value, Video):
        frames, fps = list(value.frames), value.fps
    else:
        raise TypeError(f"a preview is an Image or a Video, not {type(value).__name__}")
    pictures = [Pillow.fromarray(frame.cpu().numpy()) for frame in frames]
    for picture in pictures:
        picture.thumbnail((PREVIEW_SIZE, PREVIEW_SIZE))
    data = io.BytesIO()
    pictures[0].save(
        data,
        "WEBP",
        save_all=len(pictures) > 1,
        append_images=pictures[1:],
        duration=round(1000 / fps),
        loop=0,
        quality=80,
        method=0,
    )
    return "image/webp", data.getvalue()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
