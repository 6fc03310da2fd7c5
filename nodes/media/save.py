"""Saving: videos, images and frame folders, each with the workflow that made it inside."""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import Context, FileName, node
from graphflow.values import Audio, Image, SavedFile, Tensor, Video

from .embed import KEY, MAX_JPEG_TEXT, MAX_TEXT, exif_with, provenance_text
from .encode import H264, VP9, encode_gif, encode_video
from .files import save, still_stands
from .soundtrack import sound_of
from .tensors import Scaling, array_of, check_picture, check_video, scaled

_PARTS = (".containers", ".embed", ".encode", ".files", ".soundtrack", ".tensors")


@node("media/save_video", cache=False, effect=still_stands, depends=_PARTS)
def save_video(
    video: Video,
    ctx: Context,
    audio: Audio | None = None,
    *,
    name: FileName = "video",
    format: Literal["mp4", "webm", "gif"] = "mp4",
    fps: Annotated[float, Field(gt=0, le=1000)] | None = None,
    crf: Annotated[int, Field(ge=0, le=51)] = 16,
    upscale: Annotated[int, Field(ge=1, le=16)] = 1,
    scaling: Scaling = "nearest",
    embed_workflow: bool = True,
) -> SavedFile:
    """Save a video: mp4 (H.264), webm (VP9) or gif, with the workflow inside.

    name: begins the file's name, in the run's output folder; what follows stands for all that
        made it, so that no result overwrites another.
    audio: its sound, written as AAC into mp4 and as Opus into webm; it is cut where the frames end.
    fps: frames a second; empty keeps the video's own. A gif has at most 50.
    crf: quality of mp4 and webm; 0 is best, 16 looks like the frames, 23 is small.
    upscale: enlarge this many times, so that a tiny clip can be watched; `nearest` keeps pixels sharp.
    mp4 and webm need even sizes: an odd height or width gets its last row or column twice.
    embed_workflow: False leaves prompts and settings out of the file; it cannot be replayed then.
    Frames are encoded one by one; equal frames and settings give equal bytes.
    Raises NodeError for a video without frames or over 16384 pixels a side, and for sound in a gif;
    StorageError if it cannot be written.
    """
    check_video(video)
    _check_sides(video.frames, upscale, 16_384)
    if audio is not None and format == "gif":
        raise NodeError("a gif has no sound", where="audio", hint="use mp4 or webm, or leave the sound out")
    sound = None if audio is None else sound_of(audio)
    text = provenance_text(ctx.provenance, whole=embed_workflow)
    rate = video.fps if fps is None else fps
    done = itertools.count()
    total = len(video.frames) * (2 if format == "gif" else 1)

    def shown() -> Iterator[Any]:
        for frame in video.frames:
            ctx.progress(next(done), total)
            yield _enlarged(array_of(frame), upscale, scaling)

    if format == "gif":
        return save(ctx, name, ".gif", "image/gif", lambda path: encode_gif(path, shown, rate, text=text))
    codec = H264 if format == "mp4" else VP9

    def write(path: Path) -> None:
        encode_video(path, codec, shown(), rate, crf=crf, text=text, sound=sound)

    return save(ctx, name, f".{format}", codec.media_type, write)


@node("media/save_image", cache=False, effect=still_stands, depends=_PARTS)
def save_image(
    image: Image,
    ctx: Context,
    *,
    name: FileName = "image",
    format: Literal["png", "jpeg", "webp"] = "png",
    quality: Annotated[int, Field(ge=1, le=100)] = 95,
    upscale: Annotated[int, Field(ge=1, le=16)] = 1,
    scaling: Scaling = "nearest",
    embed_workflow: bool = True,
) -> SavedFile:
    """Save an image: png (exact), jpeg, or webp (exact at quality 100), with the workflow inside.

    name: begins the file's name, in the run's output folder; what follows stands for all that
        made it, so that no result overwrites another.
    quality: of jpeg and webp, 100 is best.
    upscale: enlarge this many times; `nearest` keeps pixels sharp.
    embed_workflow: False leaves prompts and settings out of the file; it cannot be replayed then.
    Raises NodeError for pixels that are not uint8 RGB or over 16383 a side,
    StorageError if it cannot be written.
    """
    check_picture(image.pixels)
    _check_sides(image.pixels, upscale, 16_383)
    array = _enlarged(array_of(image.pixels), upscale, scaling)
    limit = MAX_JPEG_TEXT if format == "jpeg" else MAX_TEXT
    text = provenance_text(ctx.provenance, whole=embed_workflow, limit=limit)
    suffix = ".jpg" if format == "jpeg" else f".{format}"
    return save(
        ctx, name, suffix, f"image/{format}", lambda path: _write_image(path, array, format, quality, text)
    )


@node("media/save_frames", cache=False, effect=still_stands, depends=_PARTS)
def save_frames(
    video: Video, ctx: Context, *, name: FileName = "frames", embed_workflow: bool = True
) -> SavedFile:
    """Save every frame as a PNG in one zip file, with the workflow as `graphflow.json` beside them.

    name: begins the file's name, in the run's output folder; what follows stands for all that
        made it, so that no result overwrites another.
    embed_workflow: False leaves prompts and settings out of the file; it cannot be replayed then.
    Names are frame_00000.png and on; `media/load_frames` reads the file back exactly.
    Raises NodeError for a video without frames, StorageError if it cannot be written.
    """
    check_video(video)
    text = provenance_text(ctx.provenance, whole=embed_workflow)

    def write(path: Path) -> None:
        total = len(video.frames)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(_member(f"{KEY}.json"), text)
            for done, frame in enumerate(video.frames):
                ctx.progress(done, total)
                archive.writestr(_member(f"frame_{done:05}.png"), _png(array_of(frame)))

    return save(ctx, name, ".zip", "application/zip", write)


def _check_sides(pixels: Tensor, upscale: int, limit: int) -> None:
    height, width = (side * upscale for side in pixels.shape[-3:-1])
    if max(height, width) > limit:
        raise NodeError(
            f"it would be {width} x {height} pixels; at most {limit} a side can be written",
            hint="lower upscale, or use media/resize first",
        )


def _enlarged(array: Any, factor: int, scaling: str) -> Any:
    height, width = array.shape[:2]
    return scaled(array, width * factor, height * factor, scaling)


def _write_image(path: Path, array: Any, format: str, quality: int, text: str) -> None:
    from PIL import Image as Pillow
    from PIL.PngImagePlugin import PngInfo

    picture = Pillow.fromarray(array)
    if format == "png":
        info = PngInfo()
        info.add_itxt(KEY, text)
        picture.save(path, "PNG", pnginfo=info)
    elif format == "jpeg":
        picture.save(path, "JPEG", quality=quality, subsampling=0, exif=exif_with(text))
    else:
        picture.save(path, "WEBP", quality=quality, lossless=quality == 100, exact=True, exif=exif_with(text))


def _member(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))  # a fixed time: equal frames, equal bytes


def _png(array: Any) -> bytes:
    import io

    from PIL import Image as Pillow

    buffer = io.BytesIO()
    Pillow.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()
