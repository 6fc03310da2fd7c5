"""A video file becomes clips: decoded once and small, cut into shots, trimmed, measured."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from graphflow.errors import StorageError
from graphflow.node import Context, node
from graphflow.values import rows

from .listing import VideoFile
from .settings import Flow, Method
from .values import Clip, Crop, with_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

Seconds = Annotated[float, Field(ge=0, le=3600)]

_PARTS = (
    ".values", ".listing", ".shot_scores", ".motion", ".flow", ".picture", ".shots", ".hashing", ".frames",
    ".reading", "graphflow_nodes.media.windows", "graphflow_nodes.media.decode",
    "graphflow_nodes.evaluation.classic_flow", "graphflow_nodes.evaluation.texture",
)  # fmt: skip

WINDOW = 60.0
"""Seconds of a file that are decoded at a time; a longer shot is cut there."""
LONGEST_FILE = 4 * 3600.0
MOST_FRAMES = 20_000
"""Small frames held at a time."""


@dataclass(frozen=True)
class _Wish:
    """The settings of `cut_shots`."""

    method: Method
    shortest: float
    longest: float
    margin: float
    crop_borders: bool
    flow: Flow


@node("dataset/cut_shots", depends=_PARTS)
def cut_shots(
    file: VideoFile,
    ctx: Context,
    cuts: list[float] | None = None,
    *,
    method: Method = "content",
    shortest: Seconds = 1.0,
    longest: Annotated[float, Field(gt=0, le=3600)] = 10.0,
    margin: Annotated[float, Field(ge=0, le=10)] = 0.0,
    crop_borders: bool = True,
    flow: Flow = "dis",
) -> list[Clip]:
    """Cut a video file into shots and measure each.

    cuts: seconds where shots begin, such as a model found them; without it `method` looks: `content` by
    changes of colour, `adaptive` by changes that stand out (less misled by fast motion), `hash` by a
    perceptual hash. shortest, longest: seconds; longer shots are cut into equal parts, shorter ones refused.
    margin: seconds left out on both sides of a cut, where transitions are. crop_borders: look for black
    borders and leave them out. flow: how motion is measured.
    Gives clips with the caption of their file, the columns of `dataset/measure`, and `height` and `width`
    without borders. Frames are decoded once, at 160 pixels, a minute at a time. What cannot be read becomes
    one clip that is refused with the reason; nothing here is fatal.
    """
    wish = _Wish(method, shortest, longest, margin, crop_borders, flow)
    if file.problem:
        return rows([_unreadable(file, file.problem)])
    try:
        found = [clip for part in _stretches(file, ctx, cuts, wish) for clip in part]
    except StorageError as error:
        return rows([_unreadable(file, error.message)])
    return rows(found or [_unreadable(file, "it has no frames")])


def _unreadable(file: VideoFile, reason: str) -> Clip:
    source = file.digest[:16] or hashlib.sha256(file.name.encode()).hexdigest()[:16]
    return Clip(
        id=f"{source}-unreadable", source=source, path=file.path, start=0.0, end=0.0, fps=1.0, height=0,
        width=0, rejected="read", reason=reason,
    )  # fmt: skip


def _stretches(file: VideoFile, ctx: Context, cuts: list[float] | None, wish: _Wish) -> Iterator[list[Clip]]:
    """The clips of each minute of the file."""
    from .reading import windows
    from .shot_scores import SIDE

    for window in windows(
        Path(file.path), WINDOW, SIDE, longest=LONGEST_FILE, most=MOST_FRAMES, check=ctx.check
    ):
        timeline = window.timeline
        size = timeline.height, timeline.width
        yield _shots(file, window.frames.numpy(), timeline.rate, window.begin, size, cuts, wish)
        done = window.begin + len(window.frames) / timeline.rate
        ctx.progress(int(min(timeline.length, done)), int(max(1, timeline.length)))


def _shots(
    file: VideoFile,
    frames: NDArray[Any],
    fps: float,
    begin: float,
    size: tuple[int, int],
    told: list[float] | None,
    wish: _Wish,
) -> list[Clip]:
    from .shot_scores import columns
    from .shots import changes, cuts, of_changes

    change = changes(frames)
    if told is not None:
        places = sorted({round((cut - begin) * fps) for cut in told} & set(range(1, len(frames))))
    elif wish.method == "hash":
        places = cuts(frames, "hash")
    else:
        places = of_changes(change, wish.method)
    made = []
    for first, last in zip([0, *places], [*places, len(frames)], strict=True):
        for start, stop in _parts(first, last, len(frames), fps, wish):
            clip = _clip(file, frames[start:stop], (start, stop), fps, begin, size, wish)
            if clip.rejected:
                made.append(clip)
                continue
            crop = clip.crop
            shown = frames[start:stop] if crop is None else _cropped(frames[start:stop], crop, size)
            within = change[start:stop].copy()
            within[0] = 0
            scores = {**columns(shown, fps, wish.flow, within), "fps": fps}
            height, width = size if crop is None else crop[2:]
            made.append(with_scores(clip, {**scores, "height": height, "width": width}))
    return made


def _parts(first: int, last: int, total: int, fps: float, wish: _Wish) -> list[tuple[int, int]]:
    """A shot without its margins, in equal parts that are not too long."""
    margin = round(wish.margin * fps)
    first += margin if first else 0
    last -= margin if last < total else 0
    length = last - first
    if length <= 0:
        return []
    count = max(1, -(-length // max(1, round(wish.longest * fps))))
    edges = [first + round(place * length / count) for place in range(count + 1)]
    return list(itertools.pairwise(edges))


def _clip(
    file: VideoFile,
    frames: NDArray[Any],
    span: tuple[int, int],
    fps: float,
    begin: float,
    size: tuple[int, int],
    wish: _Wish,
) -> Clip:
    from .frames import luma
    from .picture import active_area

    start, end = begin + span[0] / fps, begin + span[1] / fps
    source = file.digest[:16]
    crop = None
    if wish.crop_borders:
        small = active_area(luma(frames[:: max(1, len(frames) // 16)]))
        crop = None if small is None else _native(small, frames.shape[1:3], size)
    clip = Clip(
        id=f"{source}-{round(start * 1000):08d}", source=source, path=file.path, start=start, end=end,
        fps=fps, height=size[0], width=size[1], crop=crop, caption=file.caption,
    )  # fmt: skip
    if span[1] - span[0] < wish.shortest * fps - 0.5:
        reason = f"a shot of {end - start:.2f} s is shorter than {wish.shortest:g} s"
        return clip.model_copy(update={"rejected": "length", "reason": reason})
    return clip


def _native(small: Crop, shape: tuple[int, ...], size: tuple[int, int]) -> Crop:
    """A crop of small frames in the file's own pixels, even, and rather a pixel inside than outside."""
    down, right = size[0] / shape[0], size[1] / shape[1]
    top, left, height, width = small
    first = [-(-round(top * down) // 2) * 2, -(-round(left * right) // 2) * 2]
    last = [round((top + height) * down) // 2 * 2, round((left + width) * right) // 2 * 2]
    return first[0], first[1], max(2, last[0] - first[0]), max(2, last[1] - first[1])


def _cropped(frames: NDArray[Any], crop: Crop, size: tuple[int, int]) -> NDArray[Any]:
    down, right = frames.shape[1] / size[0], frames.shape[2] / size[1]
    top, left = round(crop[0] * down), round(crop[1] * right)
    bottom, end = round((crop[0] + crop[2]) * down), round((crop[1] + crop[3]) * right)
    return frames[:, top : max(top + 1, bottom), left : max(left + 1, end)]
