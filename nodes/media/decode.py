"""Decoding files from anywhere into uint8 frames.

Nothing is believed: decoders run in a child process with limits, containers are opened by `containers.py`,
sizes are checked before memory is taken, and what is broken raises StorageError. The functions of the child
are `told` and `shown`; what they answer is checked here once more.
"""

from __future__ import annotations

import math
import os
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphflow.errors import StorageError
from graphflow.limited import Answer, Fields, asked
from graphflow.node import Sketch
from graphflow.values import Tensor

from .containers import opened

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

MAX_SIDE = 16_384
"""Largest height or width read, in pixels."""

MAX_PIXELS = 40_000_000
"""Most pixels of one video frame; 8K has 33 million."""

MAX_RATE = 1000.0
"""Most frames a second."""

MAX_BYTES = 16 << 30
"""Most bytes of decoded frames."""

MAX_PACKETS = 5_000_000
"""Most packets of a video looked at; a day at 50 frames a second has 4.3 million."""

DECODERS = ("av", "numpy", "PIL.Image")
"""What the functions of the child import."""

TICK_SECONDS = 1.0
"""While no frame is wanted, a child says this often that it goes on."""

KEEP_HINT = "set incomplete to 'keep' to use what can be read"

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
        """When each frame is shown, the first at 0."""
        return [(moment - self.moments[0]) * self.unit for moment in self.moments]

    def size(self, max_side: int | None) -> tuple[int, int]:
        """Height and width of frames whose longer side has at most so many pixels."""
        longer = max(self.height, self.width)
        if max_side is None or longer <= max_side:
            return self.height, self.width
        shorter = [max(1, round(side * max_side / longer)) for side in (self.height, self.width)]
        return shorter[0], shorter[1]


def decode_video(path: Path, cut: Cut, report: Report) -> tuple[Tensor, float]:
    """The frames of a video that `cut` asks for, (frames, height, width, 3), and their rate.

    Decodes straight into one tensor. report: called with the frames done and wanted; may raise to cancel.
    Raises StorageError for what is no video, is broken, cut off (unless `cut` keeps it) or over the limits.
    """
    done = (0, 1)
    with playing(path, cut, lambda: report(*done)) as (timeline, answers):
        positions = _positions(timeline, cut, path)
        frames = empty(len(positions), timeline.size(cut.max_side), path)
        places: dict[int, list[int]] = {}
        for place, position in enumerate(positions):
            places.setdefault(timeline.moments[position], []).append(place)
        found: set[int] = set()
        done = 0, len(positions)
        report(*done)
        for answer in answers:
            if answer.size:
                first, *others = places[answer.fields["moment"]]
                answer.into(frames[first].numpy())
                for place in others:
                    frames[place] = frames[first]
                found.update((first, *others))
            done = len(found), len(positions)
            report(*done)
    missing = len(positions) - len(found)
    if missing or (timeline.promised and positions[-1] == len(timeline.moments) - 1):
        if not cut.keep_incomplete or not found:
            raise damaged(path, missing + timeline.promised, KEEP_HINT if found else "")
        frames = frames[sorted(found)] if missing else frames
    return frames, cut.fps or timeline.rate


def damaged(path: Path, missing: int, hint: str = "") -> StorageError:
    """The error for a video that lacks frames."""
    return StorageError(
        f"the video is cut off or damaged: at least {missing} frames are missing",
        where=str(path),
        hint=hint or "get a whole copy of the file",
    )


@contextmanager
def playing(path: Path, cut: Cut, idle: Callable[[], None]) -> Iterator[tuple[Timeline, Iterator[Answer]]]:
    """A video while a child decodes it: its timeline, and as answers the frames that `cut` asks for, each
    with its `moment`, in order, as far as they can be decoded; answers without data only say that it goes on.

    idle: called while nothing comes; may raise to cancel. Raises StorageError as `timeline_of`.
    """
    fields = {"path": os.path.abspath(path), "cut": asdict(cut)}
    with asked(f"{__name__}:shown", fields, needs=DECODERS, where=str(path), idle=idle) as answers:
        yield _timeline(next(answers), path), answers


def extent_of(path: Path, cut: Cut) -> Sketch | None:
    """Size, length and rate of what `decode_video` will give, without decoding; None if frames are missing.

    Raises StorageError for what `decode_video` refuses before it decodes.
    """
    timeline = timeline_of(path)
    if timeline.promised:
        return None
    height, width = timeline.size(cut.max_side)
    return Sketch(width, height, len(_positions(timeline, cut, path)), cut.fps or timeline.rate)


def timeline_of(path: Path, idle: Callable[[], None] = lambda: None) -> Timeline:
    """What a video's packets say: when its frames come, their size, whether any are missing.

    idle: called while it is looked into; may raise to cancel.
    Raises StorageError for what is no video, has no frames or is over the limits.
    """
    fields = {"path": os.path.abspath(path)}
    with asked(f"{__name__}:told", fields, needs=DECODERS, where=str(path), idle=idle) as answers:
        return _timeline(next(answers), path)


def _timeline(answer: Answer, path: Path) -> Timeline:
    """What a child says of a file, checked."""
    import numpy

    if not 0 < answer.size <= 8 * MAX_PACKETS:
        raise ValueError("no times")
    moments = numpy.empty(answer.size // 8, "<i8")
    answer.into(moments)
    timeline = Timeline(moments.tolist(), **{name: kind(answer.fields[name]) for name, kind in _TOLD})
    _check_size(timeline.width, timeline.height, path)
    if not (0 < timeline.unit < math.inf and 0 < timeline.rate <= MAX_RATE and timeline.promised >= 0):
        raise StorageError("its times make no sense", where=str(path), hint="convert it to mp4")
    return timeline


_TOLD: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("unit", float), ("rate", float), ("height", int), ("width", int), ("timed", bool), ("promised", int),
    ("turns", int),
)  # fmt: skip
"""The fields of a Timeline beside its moments, and what they are."""


def told(fields: Fields, data: bytes) -> Iterator[tuple[Fields, Any]]:
    """In the child: the fields of a Timeline, with its moments as 64-bit integers."""
    import numpy

    path = Path(fields["path"])
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
        rate = min(float(stream.average_rate or stream.guessed_rate or 0) or 25.0, MAX_RATE)
        unit = float(stream.time_base) if timed and stream.time_base else 1 / rate
        moments = sorted(set(moments)) if timed else list(range(len(moments)))
        rate = _true_rate(moments, unit, rate)
        timed_length = ((moments[-1] - moments[0]) * unit + 1 / rate, rate)
        promised = max(0, stream.frames - packets, _cut_off(path, container, timed_length))
        height, width = context.height, context.width
        turns = _turns(container, stream)
        if turns % 2:
            height, width = width, height
        found = {"unit": unit, "rate": rate, "height": height, "width": width, "timed": timed}
        yield {**found, "promised": promised, "turns": turns}, numpy.array(moments, "<i8")


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
    return told if abs(measured / told - 1) < 0.01 else min(measured, MAX_RATE)


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


def shown(fields: Fields, data: bytes) -> Iterator[tuple[Fields, Any]]:
    """In the child: what `told` says, then the frames of a Cut as far as they can be decoded."""
    from av import FFmpegError

    path, cut = Path(fields["path"]), Cut(**fields["cut"])
    ((found, moments),) = told(fields, data)
    yield found, moments
    timeline = Timeline(moments.tolist(), **found)
    positions = _positions(timeline, cut, path)
    size = timeline.size(cut.max_side)
    wanted = frozenset(timeline.moments[position] for position in positions)
    missing = set(wanted)
    said = time.monotonic()
    with opened(path, "video") as (container, stream), suppress(FFmpegError, ValueError):
        if timeline.timed and positions[0] > 0:
            container.seek(timeline.moments[positions[0]], stream=stream, backward=True)
        for count, frame in enumerate(container.decode(stream)):
            moment = frame.pts if timeline.timed else count
            if moment in wanted and not frame.is_corrupt:
                missing.discard(moment)
                yield {"moment": moment}, _rgb(frame, size, timeline.turns)
                said = time.monotonic()
            elif time.monotonic() - said > TICK_SECONDS:
                yield {}, b""
                said = time.monotonic()
            if not missing:
                return


def _rgb(frame: VideoFrame, size: tuple[int, int], turns: int) -> Any:
    """A frame as a uint8 array of this size, upright."""
    import numpy
    from av.video.reformatter import Interpolation

    height, width = size[::-1] if turns % 2 else size
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
    return numpy.ascontiguousarray(numpy.rot90(shown.to_ndarray(), turns))


def _check_size(width: int, height: int, path: Path) -> None:
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE) or width * height > MAX_PIXELS:
        raise StorageError(
            f"frames of {width} x {height} are outside the limits",
            where=str(path),
            hint=f"at most {MAX_PIXELS // 1_000_000} megapixels and {MAX_SIDE} a side; scale it down first",
        )


def empty(count: int, size: tuple[int, int], path: Path) -> Tensor:
    """Room for frames of this height and width. Raises StorageError if they are too large."""
    import torch

    height, width = size
    taken = count * height * width * 3
    try:
        if taken > MAX_BYTES:
            raise MemoryError
        return torch.empty((count, height, width, 3), dtype=torch.uint8)
    except (MemoryError, RuntimeError):
        raise StorageError(
            f"{count} frames of {width} x {height} need {taken >> 20} MB, which is too much",
            where=str(path),
            hint="set start and end, a lower fps or max_side",
        ) from None
