"""The files of a folder. What they hold is part of the key, so that a changed file is worked on again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from graphflow.errors import StorageError
from graphflow.node import Context, node
from graphflow.values import SavedFile

from .values import Row

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".gif", ".m4v")
MAX_FILES = 1_000_000
CAPTION = ".txt"
MAX_CAPTION = 20_000
"""Bytes of a caption's file."""


class VideoFile(Row):
    """A file on this machine, perhaps a video. digest: its sha256; empty with the reason if it was
    unreadable."""

    path: str
    name: str
    """Path inside the folder that was listed."""
    digest: str
    problem: str = ""
    caption: str = ""
    """What the text file beside it says."""


def _fingerprint(*, folder: str, **settings: object) -> list[str]:
    """Names, sizes and times of the files: cheap, and it changes when a file does."""
    return [
        part
        for video in _files(folder)
        for file in (video, video.with_suffix(CAPTION))
        if file is video or file.is_file()
        for part in (str(file), str(file.stat().st_size), str(file.stat().st_mtime_ns))
    ]


@node("dataset/list_files", fingerprint=_fingerprint)
def list_files(
    ctx: Context, *, folder: str, most: Annotated[int, Field(ge=1, le=MAX_FILES)] = MAX_FILES
) -> list[VideoFile]:
    """The video files of a folder and those below it, sorted by name: mp4, mov, mkv, webm, avi, gif, m4v.

    most: the first so many. A text file beside a video, `a.txt` for `a.mp4`, is its caption. Each carries the
    sha256 of its content; one that cannot be read carries the reason and is refused later, by name. Links are
    not followed out of the folder; what is left out is told.
    Raises StorageError if the folder cannot be listed or has no videos.
    """
    root = Path(folder)
    files = _files(folder)
    if strange := _strange(folder, files):
        some = ", ".join(file.relative_to(root).as_posix() for file in strange[:3])
        ctx.notice(f"{len(strange)} left out, as links out of the folder or no files at all, such as {some}")
    if not files:
        hint = f"{', '.join(SUFFIXES)} are looked for; links that lead out of it are not followed"
        raise StorageError("there are no videos in it", where=folder, hint=hint)
    found = files[:most]
    listed = []
    for place, file in enumerate(found):
        ctx.progress(place, len(found))
        digest, problem = _digest(file)
        caption, wrong = _caption(file, root.resolve())
        listed.append(
            VideoFile(
                path=str(file),
                name=file.relative_to(root).as_posix(),
                digest=digest,
                problem=problem or wrong,
                caption=caption,
            )
        )
    return listed


@node("dataset/use_file", fold=True)
def use_file(file: SavedFile, *, caption: str = "") -> VideoFile:
    """A video that this workflow saved, as a file to curate. Its content was hashed when it was saved.

    caption: of what it shows, if that is known.
    """
    return VideoFile(path=file.path, name=Path(file.path).name, digest=file.digest, caption=caption)


def _files(folder: str) -> list[Path]:
    if not folder or any(ord(c) < 32 for c in folder):
        raise StorageError(
            "no folder is named", where=ascii(folder), hint="set folder to where the clips are"
        )
    root = Path(folder)
    if not root.is_dir():
        raise StorageError("there is no such folder", where=folder, hint="check the path")
    inside = root.resolve()
    try:
        found = [
            file
            for file in root.rglob("*")
            if file.suffix.lower() in SUFFIXES and file.is_file() and file.resolve().is_relative_to(inside)
        ]
    except OSError as error:
        raise StorageError(f"cannot be listed: {error.strerror}", where=folder) from None
    if len(found) > MAX_FILES:
        raise StorageError(f"there are over {MAX_FILES} files", where=folder, hint="name a part of it")
    return sorted(found)


def _strange(folder: str, files: Sequence[Path]) -> list[Path]:
    """What has a video's name and is neither a file of this folder nor a folder."""
    known = set(files)
    return sorted(
        file
        for file in Path(folder).rglob("*")
        if file.suffix.lower() in SUFFIXES
        and file not in known
        and not file.is_dir()
        and (file.is_symlink() or not file.is_file())
    )


def _digest(file: Path) -> tuple[str, str]:
    try:
        return file_digest(file), ""
    except StorageError as error:
        return "", error.message


def _caption(video: Path, inside: Path) -> tuple[str, str]:
    """What the text file beside a video says; empty if there is none. And what is wrong with it."""
    file = video.with_suffix(CAPTION)
    if not (file.is_file() and file.resolve().is_relative_to(inside)):
        return "", ""
    try:
        if file.stat().st_size > MAX_CAPTION:
            return "", f"its caption {file.name} is longer than {MAX_CAPTION} bytes"
        return " ".join(file.read_text("utf-8").split()), ""
    except UnicodeDecodeError:
        return "", f"its caption {file.name} is not UTF-8 text"
    except OSError as error:
        return "", f"its caption {file.name} cannot be read: {error.strerror}"


def file_digest(file: Path) -> str:
    """sha256 of a file's bytes, as hex. Raises StorageError if it cannot be read."""
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise StorageError(
            f"it cannot be read: {error.strerror}", where=str(file), hint="check its permissions"
        ) from None
