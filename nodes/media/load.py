"""Loading: videos, images and frame folders that settings name. The file's content is part of the key."""

from __future__ import annotations

import functools
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Annotated, Any, BinaryIO, Literal, TypeVar

from pydantic import Field

from graphflow.errors import StorageError
from graphflow.node import UNKNOWN, Context, Sketch, Unknown, node
from graphflow.values import Image, Tensor, Video

from .decode import MAX_BYTES, Cut, decode_video, extent_of
from .files import content_hash, source_file, source_path
from .images import decode_image
from .images import extent_of as picture_extent
from .tensors import tensor_of

PICTURE = re.compile(r".+\.(png|jpe?g|webp|bmp|tiff?)", re.IGNORECASE)
"""Names of the files in a folder or zip that are frames."""

_PARTS = (".containers", ".decode", ".images", ".tensors", ".files")

Media = TypeVar("Media", Image, Video)

Fps = Annotated[float, Field(gt=0, le=1000)]
MaxFrames = Annotated[int, Field(ge=1, le=1_000_000)]


def _file_fingerprint(*, path: str, **settings: object) -> str:
    return content_hash(path) if path else ""


def _frames_fingerprint(*, path: str, **settings: object) -> list[str]:
    if not source_path(path).is_dir():
        return [content_hash(path)]
    return [part for file in _pictures(Path(path)) for part in (file.name, content_hash(str(file)))]


def _video_seen(
    path: str | Unknown,
    example: Any,
    start: float | Unknown,
    end: float | Unknown | None,
    fps: float | Unknown | None,
    max_side: int | Unknown | None,
    max_frames: int | Unknown,
    incomplete: str | Unknown,
) -> Mapping[str, Any] | None:
    """The video's size, length and rate."""
    settings: list[Any] = [start, end, fps, max_side, max_frames]
    if path == "":
        return {"out": example} if isinstance(example, Sketch) else None
    if UNKNOWN in (path, incomplete, *settings) or incomplete == "keep":
        return None
    return _seen(str(path), Cut(*settings))


def _image_seen(path: str | Unknown, example: Any) -> Mapping[str, Any] | None:
    """The picture's size."""
    if path == "":
        return {"out": example} if isinstance(example, Sketch) else None
    return None if isinstance(path, Unknown) else _seen(path, None)


def _seen(path: str, cut: Cut | None) -> Mapping[str, Any] | None:
    """What a file holds; what is wrong with it is told when it is loaded."""
    with suppress(OSError, StorageError):
        state = source_file(path).stat()
        found = _extent(path, state.st_size, state.st_mtime_ns, cut)
        return None if found is None else {"out": found}
    return None


@functools.lru_cache(maxsize=256)
def _extent(path: str, size: int, changed: int, cut: Cut | None) -> Sketch | None:
    """Asked once until the file changes: planning comes again and again. cut: None for a picture."""
    return picture_extent(Path(path), path) if cut is None else extent_of(Path(path), cut)


@node("media/load_video", fingerprint=_file_fingerprint, check=_video_seen, depends=_PARTS)
def load_video(
    ctx: Context,
    example: Video | None = None,
    *,
    path: str = "",
    start: Annotated[float, Field(ge=0)] = 0.0,
    end: Annotated[float, Field(gt=0)] | None = None,
    fps: Fps | None = None,
    max_side: Annotated[int, Field(ge=8, le=16_384)] | None = None,
    max_frames: MaxFrames = 4096,
    incomplete: Literal["refuse", "keep"] = "refuse",
) -> Video:
    """A video from a file: mp4, mov, mkv, webm, avi or gif, recognised by content.

    example: what to use, as it is, while no path is set. start, end: seconds; an empty end is the end.
    fps: takes or repeats frames to get that rate; empty keeps every frame.
    max_side: scales larger frames down. max_frames: more are refused, before decoding.
    incomplete: what to do with a cut off or damaged file.
    Returns uint8 frames, (frames, height, width, 3), sRGB; decoded one by one into their final place.
    Raises StorageError, naming the file, for anything that cannot be read within the limits.
    """
    if not path:
        return _example(example, "video")
    cut = Cut(start, end, fps, max_side, max_frames, incomplete == "keep")
    frames, rate = decode_video(source_file(path), cut, ctx.progress)
    return Video(frames=frames, fps=rate)


@node("media/load_image", fingerprint=_file_fingerprint, check=_image_seen, depends=_PARTS)
def load_image(example: Image | None = None, *, path: str = "") -> Image:
    """An image from a file: png, jpeg, webp, gif (first frame), bmp or tiff, recognised by content.

    example: what to use while no path is set. Turned upright as its EXIF says; transparency is dropped.
    Raises StorageError, naming the file, for anything that is no picture, broken or too large.
    """
    if not path:
        return _example(example, "image")
    return Image(pixels=tensor_of(decode_image(source_file(path), path)))


def _example(example: Media | None, kind: str) -> Media:
    if example is None:
        raise StorageError(f"no {kind} is chosen", where="path", hint=f"set path to the file of the {kind}")
    return example


@node("media/load_frames", fingerprint=_frames_fingerprint, depends=_PARTS)
def load_frames(ctx: Context, *, path: str, fps: Fps = 16.0, max_frames: MaxFrames = 4096) -> Video:
    """A video from a folder or a zip of pictures, in the order of the numbers in their names.

    Other files in it are ignored. All pictures have the first one's size.
    Raises StorageError for an empty folder, a broken or differing picture, or more than `max_frames`.
    """
    with _sources(path) as sources:
        if not sources:
            raise StorageError("there are no pictures in it", where=path, hint="png, jpg and webp are read")
        if len(sources) > max_frames:
            raise StorageError(
                f"{len(sources)} pictures are more than the limit of {max_frames}",
                where=path,
                hint="raise max_frames",
            )
        frames: Tensor | None = None
        for done, (name, source) in enumerate(sources):
            ctx.progress(done, len(sources))
            pixels = _picture(source, name, path)
            if frames is None:
                frames = _place_for(len(sources), pixels, path)
            if pixels.shape != frames.shape[1:]:
                raise StorageError(
                    f"{name} is {pixels.shape[1]} x {pixels.shape[0]}, the first picture "
                    f"{frames.shape[2]} x {frames.shape[1]}",
                    where=path,
                    hint="give all pictures one size",
                )
            frames[done] = pixels
    assert frames is not None
    return Video(frames=frames, fps=fps)


Source = Path | tuple[zipfile.ZipFile, zipfile.ZipInfo]


@contextmanager
def _sources(path: str) -> Iterator[list[tuple[str, Source]]]:
    """The pictures of a folder or zip, by name and in order."""
    place = source_path(path)
    if place.is_dir():
        yield [(file.name, file) for file in _pictures(place)]
        return
    try:
        with zipfile.ZipFile(source_file(path)) as archive:
            infos = [info for info in archive.infolist() if PICTURE.fullmatch(info.filename)]
            yield [(i.filename, (archive, i)) for i in sorted(infos, key=lambda i: _natural(i.filename))]
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise StorageError(
            f"not a readable zip: {error}", where=path, hint="name a folder or zip of pictures"
        ) from None


def _pictures(folder: Path) -> list[Path]:
    try:
        found = [file for file in folder.iterdir() if PICTURE.fullmatch(file.name) and file.is_file()]
    except OSError as error:
        raise StorageError(f"cannot be listed: {error.strerror}", where=str(folder)) from None
    return sorted(found, key=lambda file: _natural(file.name))


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts frame_2 before frame_10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _picture(source: Source, name: str, path: str) -> Tensor:
    where = f"{path}, {name}"
    if isinstance(source, Path):
        return tensor_of(decode_image(source, where))
    archive, info = source
    with archive.open(info) as member:
        return tensor_of(decode_image(_seekable(member, info, where), where))


def _seekable(member: IO[bytes], info: zipfile.ZipInfo, where: str) -> BinaryIO:
    import io

    limit = 256 << 20
    if info.file_size > limit:
        raise StorageError("the picture is too large", where=where, hint="scale it down first")
    return io.BytesIO(member.read(limit))


def _place_for(count: int, pixels: Tensor, path: str) -> Tensor:
    import torch

    size = count * pixels.numel()
    try:
        if size > MAX_BYTES:
            raise MemoryError
        return torch.empty((count, *pixels.shape), dtype=torch.uint8)
    except (MemoryError, RuntimeError):
        raise StorageError(
            f"{count} pictures need {size >> 20} MB, which is too much", where=path, hint="load fewer"
        ) from None
