"""Long videos a stretch at a time, decoded once by one child while the stretch before is looked at."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from graphflow.errors import StorageError
from graphflow.limited import Answer
from graphflow.values import Tensor

from .decode import MAX_PACKETS, Cut, Timeline, damaged, empty, playing


@dataclass(frozen=True)
class Window:
    """A stretch of a video."""

    begin: float
    """Seconds from the first frame of the video."""
    frames: Tensor
    """uint8, (frames, height, width, 3)."""
    timeline: Timeline
    """Of the whole video."""


def windows(
    path: Path, seconds: float, max_side: int, *, longest: float, most: int, check: Callable[[], None]
) -> Iterator[Window]:
    """All frames of a video, `seconds` of it at a time; the last stretch is up to half as long again.

    max_side: longer side of the frames, in pixels. longest: seconds of a video, most: frames of a stretch
    that are not refused. check: called while frames come; may raise to cancel. A stretch without frames is
    left out. Raises StorageError as `decode_video`, for a damaged video after the stretches that are whole.
    """
    with playing(path, Cut(max_side=max_side, max_frames=MAX_PACKETS), check) as (timeline, answers):
        if timeline.length > longest:
            length = f"it is {timeline.length / 3600:.1f} hours long"
            raise StorageError(length, where=str(path), hint="cut it first")
        shown = (answer for answer in answers if answer.size)
        edges = _edges(timeline, seconds)
        for number, (first, last) in enumerate(edges):
            if last - first > most:
                text = f"{last - first} frames in {seconds:g} s are more than the limit of {most}"
                raise StorageError(text, where=str(path), hint="convert it to a lower rate")
            frames = empty(last - first, timeline.size(max_side), path)
            for position in range(first, last):
                check()
                _take(shown, timeline, position, frames[position - first], path)
            if last == len(timeline.moments) and timeline.promised:
                raise damaged(path, timeline.promised)
            if last > first:
                yield Window(number * seconds, frames, timeline)


def _edges(timeline: Timeline, seconds: float) -> list[tuple[int, int]]:
    """First frame of each stretch, and the first behind it."""
    shown, half = timeline.seconds, timeline.unit / 2
    begins = [0.0]
    while begins[-1] + 1.5 * seconds < timeline.length:
        begins.append(begins[-1] + seconds)
    places = [bisect_left(shown, begin - half) for begin in begins]
    return list(zip(places, [*places[1:], len(shown)], strict=True))


def _take(shown: Iterator[Answer], timeline: Timeline, position: int, place: Tensor, path: Path) -> None:
    """Write the next frame into its place. Raises StorageError if it is another one, or there is none."""
    answer = next(shown, None)
    if answer is None or answer.fields["moment"] != timeline.moments[position]:
        raise damaged(path, 1 if answer is not None else len(timeline.moments) - position + timeline.promised)
    answer.into(place.numpy())
