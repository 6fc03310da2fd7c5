"""Nodes that measure a clip against what it was to show: given frames, a source around a mask, no seams."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import node
from graphflow.values import Image, Mask, Video

from .frames import check_alike, frames_of, marks_of
from .measure import PARTS
from .values import Direction, Measurement, Missing, Scores

if TYPE_CHECKING:
    from .vision import Array

INSIDE = 127
"""Level of a mask above which a pixel is inside."""


class CameraMotion(NamedTuple):
    """What the camera does, in a word, and its whole way: shares of the short side, growth and radians."""

    word: str
    right: float
    down: float
    zoom: float
    turn: float


@node("evaluation/fidelity", depends=PARTS)
def fidelity(video: Video, first: Image | None = None, last: Image | None = None) -> Scores:
    """How well a clip keeps to the images that it was given as its first and last frames.

    Gives first_frame_error and last_frame_error (mean absolute difference, levels of 255) and image_likeness,
    VBench's I2V formula with the descriptor without weights: 0.4 of the frame most like the first image, 0.3
    of the mean and 0.3 of the least likeness of adjacent frames.
    Raises NodeError without any image, ValueMismatch if sizes differ.
    """
    import numpy as np

    from .appearance import descriptors

    if first is None and last is None:
        raise NodeError("there is no image to compare with", hint="wire the first or the last one")
    frames = frames_of(video)
    found: list[Measurement] = []
    for name, image, place in (("first", first, 0), ("last", last, -1)):
        if image is not None:
            given = frames_of(image, name)
            check_alike(f"{name} image", frames, given, count=False)
            error = float(np.abs(frames[place].astype(np.int16) - given[0]).mean())
            claims = f"a {name} frame that is not the given image"
            found.append(_one(f"{name}_frame_error", error, "lower", "levels of 255", claims))
    if first is not None and len(frames) > 1:
        looks = descriptors(np.concatenate([frames_of(first), frames]))
        likeness, steps = looks[1:] @ looks[0], np.einsum("nd,nd->n", looks[2:], looks[1:-1])
        value = float(0.4 * likeness.max() + 0.3 * steps.mean() + 0.3 * steps.min())
        claims = "a subject that is not the image's, or changes; VBench's formula, another embedder"
        found.append(_one("image_likeness", value, "higher", "0..1", claims))
    return Scores(measurements=tuple(found))


@node("evaluation/preservation", depends=(".frames", ".values"))
def preservation(video: Video, source: Video, mask: Mask | Video) -> Scores:
    """How well an edit kept what it was to keep: the source outside a mask (white is what may change).

    Gives kept_error (mean absolute difference outside, levels of 255), kept_worst (of the worst frame) and
    edit_change (inside; 0 is no edit at all).
    Raises NodeError if nothing is outside the mask, ValueMismatch if sizes or numbers of frames differ.
    """
    import numpy as np

    frames, before = frames_of(video), frames_of(source, "source")
    check_alike("source", frames, before)
    inside = marks_of(mask) > INSIDE
    check_alike("mask", frames, inside, count=len(inside) > 1)
    inside = np.broadcast_to(inside, frames.shape[:3])
    if inside.all():
        raise NodeError("everything is inside the mask", where="mask", hint="white is what may change")
    apart = np.abs(frames.astype(np.int16) - before).mean(-1)
    outside = [
        float(one[~marks].mean()) if not marks.all() else 0.0
        for one, marks in zip(apart, inside, strict=True)
    ]
    changed = float(apart[inside].mean()) if inside.any() else 0.0
    unit = "levels of 255"
    worst = int(np.argmax(outside))
    kept = Measurement(
        metric="kept_error",
        value=float(apart[~inside].mean()),
        direction="lower",
        unit=unit,
        claims="change outside the mask",
        curve=tuple(outside),
        frames=(worst,),
    )
    return Scores(
        measurements=(
            kept,
            _one("kept_worst", outside[worst], "lower", unit, "change outside the mask in one frame"),
            _one("edit_change", changed, "none", unit, "change inside the mask; it judges nothing"),
        )
    )


@node("evaluation/seams", depends=PARTS)
def seams(
    video: Video,
    *,
    every: Annotated[int, Field(ge=2, le=100_000)] | None = None,
    starts: list[Annotated[int, Field(ge=1)]] | None = None,
) -> Scores:
    """Whether one sees where a long clip was put together, and whether it wears off from part to part.

    every: frames of a part; or starts: the first frames of the second part and all later ones, such as
    `diffusion/window_starts` gives. Gives seam (the greatest step into a new part, in steps as they are
    elsewhere; 1 is seamless) and, from the first part to the last, sharpness_slope, colour_slope and
    likeness_slope (to the first part), each in a part. All are missing in a clip of one part by its starts.
    Raises NodeError for a clip of fewer than two parts of `every`, or if not one of the two is given.
    """
    frames = frames_of(video)
    if (every is None) == (starts is None):
        raise NodeError("it must be said where parts begin", hint="set every, or wire starts")
    if every is not None:
        found = list(range(every, len(frames), every))
        if not found:
            raise NodeError(f"{len(frames)} frames are one part of {every}", hint="lower every")
        return _seams(frames, video.fps, found)
    found = sorted({start for start in starts or () if start < len(frames)})
    if found:
        return _seams(frames, video.fps, found)
    names = ("seam", "sharpness_slope", "colour_slope", "likeness_slope")
    reason = "the clip was made in one part"
    return Scores(missing=tuple(Missing(metric=name, reason=reason) for name in names))


@node("evaluation/join", depends=PARTS)
def join(before: Video, after: Video) -> Scores:
    """Whether one sees where a clip goes on from another: the metrics of `evaluation/seams`, for one join.

    Raises ValueMismatch if their sizes differ.
    """
    import numpy as np

    frames, more = frames_of(before, "before"), frames_of(after, "after")
    check_alike("second video", frames, more, count=False)
    return _seams(np.concatenate([frames, more]), before.fps, [len(frames)])


def _seams(frames: Array, fps: float, starts: list[int]) -> Scores:
    import numpy as np

    from .appearance import descriptors
    from .clip import Clip
    from .suite import METRICS

    steps = np.array([np.abs(b.astype(np.int16) - a).mean() for a, b in itertools.pairwise(frames)])
    at = np.array(starts) - 1
    others = np.delete(steps, at)
    usual = float(np.median(others) if len(others) else 0.0) + 0.5
    parts = [frames[start:stop] for start, stop in zip([0, *starts], [*starts, len(frames)], strict=True)]
    looks = np.stack([descriptors(part[len(part) // 2][None])[0] for part in parts])
    sharp = np.array([METRICS["sharpness"].measure(Clip(part, fps)).value for part in parts])
    colours = np.linalg.norm([part.mean((0, 1, 2)) - parts[0].mean((0, 1, 2)) for part in parts], axis=1)
    worst = int(at[steps[at].argmax()])
    seam = _one("seam", float(steps[at].max() / usual), "lower", "steps", "a jump where parts meet")
    slopes: tuple[tuple[str, Array, Direction, str, str], ...] = (
        ("sharpness_slope", sharp, "none", "a part", "a clip that blurs (or sharpens) as it goes on"),
        ("colour_slope", colours, "lower", "levels a part", "colours that wander off"),
        ("likeness_slope", looks @ looks[0], "higher", "a part", "a scene that becomes another"),
    )
    return Scores(
        measurements=(
            seam.model_copy(update={"curve": tuple(steps.tolist()), "frames": (worst, worst + 1)}),
            *(_one(name, _slope(values), better, unit, says) for name, values, better, unit, says in slopes),
        )
    )


@node("evaluation/camera_motion", depends=PARTS)
def camera_motion(video: Video) -> CameraMotion:
    """What the camera does: static, pan, tilt, zoom or roll, from optical flow; what moves by itself hardly
    counts. `unclear` where too little of the frame has texture. Raises NodeError for a clip of one frame."""
    from .camera import camera_path, camera_words
    from .clip import Clip, Unmeasurable

    frames = frames_of(video)
    if len(frames) < 2:
        raise NodeError("one frame has no motion", hint="give a clip of at least two frames")
    try:
        path = camera_path(Clip(frames, video.fps))
    except Unmeasurable:
        return CameraMotion("unclear", 0.0, 0.0, 0.0, 0.0)
    right, down = (-float(way) for way in path.shift.sum(0))
    return CameraMotion(camera_words(path), right, down, float(path.zoom.sum()), -float(path.turn.sum()))


def _slope(values: object) -> float:
    """Of a straight line through values at 0, 1, 2, ..."""
    import numpy as np

    known = np.asarray(values, float)
    return float(np.polyfit(np.arange(len(known)), known, 1)[0])


def _one(metric: str, value: float, direction: Direction, unit: str, claims: str) -> Measurement:
    return Measurement(metric=metric, value=value, direction=direction, unit=unit, claims=claims)
