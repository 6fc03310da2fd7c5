"""Decoding files from anywhere into uint8 frames.

Nothing is believed: containers are opened by `containers.py`, sizes are checked before memory is taken, and
what is broken raises StorageError.
"""

from __future__ import annotations

import os
import struct
import zlib
from bisect import bisect_right
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from graphflow.errors import StorageError
from graphflow.values import Tensor

from .containers import opened

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

MAX_SIDE = 16_384
"""Largest height or width read, in pixels."""

MAX_PIXELS = 40_000_000
"""Most pixels of one video frame; 8K has 33 million."""

MAX_BYTES = 16 << 30
"""Most bytes of decoded frames."""

MAX_PACKETS = 5_000_000
"""Most packets of a video looked at; a day at 50 frames a second has 4.3 million."""

IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")

KEEP_HINT = "set incomplete to 'keep' to use what can be read"

_BROKEN = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    struct.error,
    zlib.error,
)
"""What Pillow raises for broken files."""


Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Cut:
    """Which part of a video is wanted, and at what rate and size."""

    start: float = 0.0
    """Seconds."""
    end: float | None = None
    """Seconds; None is the end of the video."""
    fps: float | None = None
    """Frames a second; None keeps every frame."""
    max_side: int | None = None
    """Longest side in pixels; larger frames are scaled down."""
    max_frames: int = 4096
    keep_incomplete: bool = False


@dataclass(frozen=True)
class Timeline:
    """What a video's packets say before any frame is decoded."""

    moments: list[int]
    """Time of each frame in units of `unit`, in order."""
    unit: float
    """Seconds."""
    rate: float
    """Frames a second."""
    height: int
    width: int
    timed: bool
    """Whether frames carry their time; otherwise they are counted."""
    promised: int
    """Frames that the header promises and that are not there."""
    turns: int
    """Quarter turns to the left that put a frame upright, as phones ask for."""

    @property
    def length(self) -> float:
        """Seconds from the first frame to the end of the last."""
        return (self.moments[-1] - self.moments[0]) * self.unit + 1 / self.rate

    @property
    def seconds(self) -> list[float]:
        return [(moment - self.moments[0]) * self.unit for moment in self.moments]


# ------------------------------------------------------------------------------------------- videos


def decode_video(
    path: Path, cut: Cut, report: Report, timeline: Timeline | None = None
) -> tuple[Tensor, float]:
    """The frames of a video that `cut` asks for, (frames, height, width, 3), and their rate.

    Decodes straight into one tensor. report: called with the frames done and wanted; may raise to cancel.
    timeline: what `timeline_of` told of the file, if it was asked before.
    Raises StorageError for what is no video, is broken, cut off (unless `cut` keeps it) or over the limits.
    """
    timeline = timeline or timeline_of(path)
    positions = _positions(timeline, cut, path)
    height, width = _fitted(timeline.height, timeline.width, cut.max_side)
    frames = _empty(len(positions), height, width, path)
    found = _fill(path, timeline, positions, frames, report)
    missing = len(positions) - len(found)
    if missing or (timeline.promised and positions[-1] == len(timeline.moments) - 1):
        if not cut.keep_incomplete or not found:
            raise StorageError(
                f"the video is cut off or damaged: at least {missing + timeline.promised} frames are missing",
                where=str(path),
                hint=KEEP_HINT if found else "get a whole copy of the file",
            )
        frames = frames[sorted(found)] if missing else frames
    return frames, cut.fps or timeline.rate


def timeline_of(path: Path) -> Timeline:
    """What a video's packets say: when its frames come, their size, whether any are missing.

    Raises StorageError for what is no video, has no frames or is over the limits.
    """
    with opened(path, "video") as (container, stream):
        context = stream.codec_context
        _check_size(context.width, context.height, path)
        moments: list[int] = []
        timed, packets = True, 0
        for packet in container.demux(stream):
            if packet.size == 0 or packet.is_discard:
                packets += packet.size > 0
                continue
            packets += 1
            if packets > MAX_PACKETS:
                raise StorageError("the video has too many packets", where=str(path), hint="cut it first")
            timed = timed and packet.pts is not None
            moments.append(packet.pts if packet.pts is not None else len(moments))
        if not moments:
            raise StorageError(
                "the video has no frames", where=str(path), hint="get a whole copy of the file"
            )
        rate = min(float(stream.average_rate or stream.guessed_rate or 0) or 25.0, 1000.0)
        unit = float(stream.time_base) if timed and stream.time_base else 1 / rate
        moments = sorted(set(moments)) if timed else list(range(len(moments)))
        rate = _true_rate(moments, unit, rate)
        timed_length = ((moments[-1] - moments[0]) * unit + 1 / rate, rate)
        promised = max(0, stream.frames - packets, _cut_off(path, container, timed_length))
        height, width = context.height, context.width
        turns = _turns(container, stream)
        if turns % 2:
            height, width = width, height
        return Timeline(moments, unit, rate, height, width, timed, promised, turns)


def _turns(container: InputContainer, stream: Any) -> int:
    from av import FFmpegError

    with suppress(FFmpegError, ValueError):  # a broken first frame is found out later, with all others
        container.seek(0)
        for frame in container.decode(stream):
            return int(round(frame.rotation / 90) % 4)
    return 0


def _true_rate(moments: list[int], unit: float, told: float) -> float:
    """The rate that the frames have, where it is not about what the header tells."""
    if len(moments) < 2:
        return told
    measured = (len(moments) - 1) / ((moments[-1] - moments[0]) * unit)
    return told if abs(measured / told - 1) < 0.01 else min(measured, 1000.0)


def _cut_off(path: Path, container: InputContainer, found: tuple[float, float]) -> int:
    """Frames missing at the end, where an end mark or the length of a file with nothing but video tells.

    found: seconds and rate of the frames that are there.
    """
    if container.format.name == "gif":
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return int(file.read(1) != b";")
    lone = container.format.name.startswith("matroska") and len(container.streams) == 1
    if not lone or container.duration is None:
        return 0
    seconds, rate = found
    return int(container.duration / 1e6 * rate + 0.5) - int(seconds * rate + 0.5)


def _positions(timeline: Timeline, cut: Cut, path: Path) -> list[int]:
    """Which source frame stands at each place of the result; a frame may stand at several."""
    seconds = timeline.seconds
    total = seconds[-1] + 1 / timeline.rate
    end = total if cut.end is None else min(cut.end, total)
    slack = timeline.unit / 2
    if cut.fps is None:
        count = sum(cut.start - slack <= s < end - slack for s in seconds)
    else:
        count = max(1, round((end - cut.start) * cut.fps)) if end > cut.start else 0
    if not count:
        raise StorageError(
            f"nothing lies between {cut.start:g} s and {end:g} s",
            where=str(path),
            hint=f"the video is {total:.2f} s long",
        )
    if count > cut.max_frames:
        raise StorageError(
            f"{count} frames are more than the limit of {cut.max_frames}",
            where=str(path),
            hint="raise max_frames, or set end or a lower fps",
        )
    if cut.fps is None:
        return [i for i, s in enumerate(seconds) if cut.start - slack <= s < end - slack]
    return [max(0, bisect_right(seconds, cut.start + k / cut.fps + slack) - 1) for k in range(count)]


def _fill(path: Path, timeline: Timeline, positions: list[int], frames: Tensor, report: Report) -> set[int]:
    """Decode into `frames` until the decoder gives up; the places that were filled."""
    import torch
    from av import FFmpegError

    places: dict[int, list[int]] = {}
    for place, position in enumerate(positions):
        places.setdefault(position, []).append(place)
    order = {moment: i for i, moment in enumerate(timeline.moments)}
    found: set[int] = set()
    with opened(path, "video") as (container, stream), suppress(FFmpegError, ValueError):
        if timeline.timed and positions[0] > 0:
            container.seek(timeline.moments[positions[0]], stream=stream, backward=True)
        for count, frame in enumerate(container.decode(stream)):
            report(len(found), len(positions))
            position = order.get(frame.pts, -1) if timeline.timed else count
            if position in places and not frame.is_corrupt:
                pixels = torch.from_numpy(_rgb(frame, frames.shape[1], frames.shape[2], timeline.turns))
                for place in places[position]:
                    frames[place] = pixels
                    found.add(place)
            if len(found) == len(positions):
                break
    return found


def _rgb(frame: VideoFrame, height: int, width: int, turns: int) -> Any:
    """A frame as a uint8 array of this size, upright."""
    import numpy
    from av.video.reformatter import Interpolation

    if turns % 2:
        height, width = width, height
    smooth = Interpolation.AREA if frame.width > width else Interpolation.BICUBIC
    shown = frame.reformat(
        width=width,
        height=height,
        format="rgb24",
        interpolation=smooth
        | Interpolation.ACCURATE_RND
        | Interpolation.FULL_CHR_H_INT
        | Interpolation.BITEXACT,
        threads=1,
    )
    array = shown.to_ndarray()
    return numpy.ascontiguousarray(numpy.rot90(array, turns)) if turns else array


def _fitted(height: int, width: int, max_side: int | None) -> tuple[int, int]:
    longer = max(height, width)
    if max_side is None or longer <= max_side:
        return height, width
    return max(1, round(height * max_side / longer)), max(1, round(width * max_side / longer))


def _check_size(width: int, height: int, path: Path) -> None:
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE) or width * height > MAX_PIXELS:
        raise StorageError(
            f"frames of {width} x {height} are outside the limits",
            where=str(path),
            hint=f"at most {MAX_PIXELS // 1_000_000} megapixels and {MAX_SIDE} a side; scale it down first",
        )


def _empty(count: int, height: int, width: int, path: Path) -> Tensor:
    import torch

    size = count * height * width * 3
    try:
        if size > MAX_BYTES:
            raise MemoryError
        return torch.empty((count, height, width, 3), dtype=torch.uint8)
    except (MemoryError, RuntimeError):
        raise StorageError(
            f"{count} frames of {width} x {height} need {size >> 20} MB, which is too much",
            where=str(path),
            hint="set start and end, a lower fps or max_side",
        ) from None


# ------------------------------------------------------------------------------------------- images


def decode_image(source: Path | BinaryIO, where: str) -> Any:
    """The pixels of a picture, uint8 (height, width, 3), turned as its EXIF says, without transparency.

    where: the name that errors show. Raises StorageError for what is no picture, is broken or has more
    pixels than Pillow's `MAX_IMAGE_PIXELS`.
    """
    import numpy
    from PIL import Image as Pillow
    from PIL import ImageOps, UnidentifiedImageError

    try:
        with Pillow.open(source, formats=IMAGE_FORMATS) as picture:
            limit = Pillow.MAX_IMAGE_PIXELS
            if limit is not None and picture.width * picture.height > limit:
                raise Pillow.DecompressionBombError
            upright = ImageOps.exif_transpose(picture)
            if upright.mode.startswith("I"):  # 16 bits a pixel
                return numpy.repeat((numpy.asarray(upright) >> 8).astype("uint8")[..., None], 3, axis=2)
            return numpy.array(upright.convert("RGB"))
    except UnidentifiedImageError:
        raise StorageError(
            "this is not a picture that can be read", where=where, hint=f"{', '.join(IMAGE_FORMATS)} are read"
        ) from None
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning):
        raise StorageError("the picture is too large", where=where, hint="scale it down first") from None
    except _BROKEN as error:
        raise StorageError(
            f"the picture is broken: {error}", where=where, hint="get a whole copy of the file"
        ) from error
