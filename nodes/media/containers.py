"""Opening media files from anywhere, and writing new ones.

Of a foreign file nothing is believed: the demuxer is chosen by content from a short list, and no other file
or address is ever opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from graphflow.errors import StorageError

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

Kind = Literal["video", "audio"]

_READ = {"video": "mp4, mov, mkv, webm, avi and gif", "audio": "wav, flac, mp3, ogg, m4a and videos"}
_OTHER = {"video": "convert it to mp4", "audio": "name a file that has sound, such as a wav"}


@contextmanager
def opened(path: Path, kind: Kind) -> Iterator[tuple[InputContainer, Any]]:
    """A media file and its first stream of this kind.

    Raises StorageError if there is none, and for whatever goes wrong inside the file while it is open.
    """
    import av

    try:
        with av.open(
            f"file:{path.resolve()}",
            format=_demuxer(path, kind),
            container_options={"protocol_whitelist": "file"},
            metadata_errors="replace",
        ) as container:
            streams = container.streams.video if kind == "video" else container.streams.audio
            stream: Any = next(iter(streams), None)
            if stream is None or stream.codec_context is None:
                raise StorageError(
                    f"the file has no {kind} that can be decoded",
                    where=str(path),
                    hint=_OTHER[kind],
                )
            yield container, stream
    except (av.FFmpegError, ValueError, MemoryError) as error:
        raise StorageError(
            f"the {kind} cannot be decoded: {getattr(error, 'strerror', None) or error}",
            where=str(path),
            hint=f"get a whole copy of the file, or convert it to {'mp4' if kind == 'video' else 'wav'}",
        ) from error


def _demuxer(path: Path, kind: Kind) -> str:
    """The one demuxer that fits the first bytes. Playlists and the like are no media files."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise StorageError(f"cannot be read: {error.strerror}", where=str(path)) from None
    if not head:
        raise StorageError("the file is empty", where=str(path), hint="get a whole copy of the file")
    found = _of_video(head) or (_of_sound(head) if kind == "audio" else None)
    if found is None:
        raise StorageError(
            f"this is not {'a video' if kind == 'video' else 'an audio'} file that can be read",
            where=str(path),
            hint=f"{_READ[kind]} are read",
        )
    return found


def _of_video(head: bytes) -> str | None:
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return "mov"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    return None


def _of_sound(head: bytes) -> str | None:
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "wav"
    if head.startswith(b"fLaC"):
        return "flac"
    if head.startswith(b"OggS"):
        return "ogg"
    sync = int.from_bytes(head[:2].ljust(2, b"\0"), "big")
    return "mp3" if head.startswith(b"ID3") or sync & 0xFFE6 == 0xFFE2 else None


@contextmanager
def written(path: Path, muxer: str, options: Mapping[str, str], what: str) -> Iterator[OutputContainer]:
    """A new media file. what: the name of its content that errors show.

    Raises StorageError if the encoder or the disk refuses.
    """
    import av

    try:
        # bitexact: no random ids and no library versions in the file
        with av.open(str(path), "w", format=muxer, options={"fflags": "+bitexact", **options}) as container:
            yield container
    except av.FFmpegError as error:
        raise StorageError(
            f"the {what} could not be written: {error.strerror}",
            where=path.name,
            hint="check the free space of the output folder",
        ) from error
