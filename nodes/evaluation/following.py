"""Nodes that measure whether a clip keeps to what led it: the layout of a source, the path of a control."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphflow.node import node
from graphflow.values import Video

from .frames import check_alike, frames_of, marks_of
from .values import Measurement, Missing, Scores

if TYPE_CHECKING:
    from .vision import Array

BLUR = 0.015
"""Of the shorter side: edges that lie that near to each other count as the same."""
FLAT = 2.0
"""Levels a pixel: a frame whose edges rise by less nowhere has none."""
LOST = 0.5
"""Of the diagonal: how far off a thing counts that is not seen."""
WHOLE = 0.6
"""A control that covers more of the frame leads no single thing."""


@node("evaluation/structure", depends=(".frames", ".values"))
def structure(video: Video, source: Video) -> Scores:
    """How much of the layout of a source a clip keeps, whatever the colours: video to video, restyling.

    Gives structure, the mean over frames of the correlation of both frames' edges (0 is another layout, 1 the
    same), with its curve and its worst frame. Edges are Sobel gradients, in each pixel of the channel with
    the strongest, a little blurred.
    Raises ValueMismatch if sizes or numbers of frames differ.
    """
    frames, before = frames_of(video), frames_of(source, "source")
    check_alike("source", frames, before)
    values = [_correlation(_edges(one), _edges(two)) for one, two in zip(frames, before, strict=True)]
    found = Measurement(
        metric="structure",
        value=sum(values) / len(values),
        direction="higher",
        unit="0..1",
        claims="a layout that is not the source's",
        curve=tuple(values),
        frames=(values.index(min(values)),),
    )
    return Scores(measurements=(found,))


@node("evaluation/follow", depends=(".blobs", ".frames", ".values", ".vision"))
def follow(video: Video, control: Video, objects: Video | None = None) -> Scores:
    """Whether what a clip shows goes where its control video leads: poses, boxes, outlines on a plain ground.

    objects: masks of what is to follow, white inside; without it, that is the largest thing that differs in
    colour from the frame's edges.
    Gives follow_error (how far the middle of the thing's box is from the middle of the control's, as a share
    of the diagonal; where nothing is seen half of it) and follow_overlap (intersection over union of both
    boxes), means over the frames in which the control shows something. A control that fills the frame, such
    as depth, leads no single thing: both are missing then.
    Raises ValueMismatch if sizes or numbers of frames differ.
    """
    import numpy as np

    from .blobs import foregrounds

    frames, led = frames_of(video), frames_of(control, "control")
    check_alike("control", frames, led)
    wanted = [_box(mask) for mask in foregrounds(led)]
    places = [place for place, box in enumerate(wanted) if box is not None]
    covered = np.mean([_area(box) for box in wanted if box is not None] or [0.0]) / led[0, ..., 0].size
    if not places or covered > WHOLE:
        reason = "the control fills the frame" if places else "the control shows nothing"
        missing = tuple(Missing(metric=name, reason=reason) for name in ("follow_error", "follow_overlap"))
        return Scores(missing=missing)
    if objects is None:
        seen = _largest(frames)
    else:
        marks = marks_of(objects, "objects")
        check_alike("objects", frames, marks)
        seen = [_box(mask > 127) for mask in marks]
    diagonal = float(np.hypot(*frames.shape[1:3]))
    pairs = [(seen[place], wanted[place]) for place in places]
    away = [LOST if a is None or b is None else _apart(a, b) / diagonal for a, b in pairs]
    shared = [0.0 if a is None or b is None else _overlap(a, b) for a, b in pairs]
    worst = places[int(np.argmax(away))]
    error = Measurement(
        metric="follow_error",
        value=float(np.mean(away)),
        direction="lower",
        unit="diagonals",
        claims="a thing that is not where the control is",
        curve=tuple(away),
        frames=(worst,),
    )
    overlap = Measurement(
        metric="follow_overlap",
        value=float(np.mean(shared)),
        direction="higher",
        unit="0..1",
        claims="a thing of another size or place than the control",
        curve=tuple(shared),
    )
    return Scores(measurements=(error, overlap))


def _edges(frame: Array) -> Array:
    """Strength of edges, float32 (height, width), blurred."""
    import cv2
    import numpy as np

    pixels = frame.astype(np.float32)
    along, down = (cv2.Sobel(pixels, cv2.CV_32F, x, 1 - x, scale=1 / 8) for x in (1, 0))
    strength = np.hypot(along, down).max(-1)
    blurred: Array = cv2.GaussianBlur(strength, (0, 0), max(1.0, BLUR * min(strength.shape)))
    return blurred


def _correlation(one: Array, two: Array) -> float:
    """Of two planes, at least 0; two without edges are alike, and one without is unlike any other."""
    import numpy as np

    flat = [float(plane.max()) < FLAT for plane in (one, two)]
    if any(flat):
        return float(all(flat))
    a, b = (plane - plane.mean() for plane in (one, two))
    return max(0.0, float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())))


Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""


def _box(mask: Array) -> Box | None:
    """Around all that is marked; None if nothing is."""
    import numpy as np

    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    return float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1)


def _largest(frames: Array) -> list[Box | None]:
    """The box of the largest thing in each frame."""
    from .blobs import blobs_of, foregrounds

    found = [blobs_of(frame, mask) for frame, mask in zip(frames, foregrounds(frames), strict=True)]
    return [_box(blobs[0].pixels) if blobs else None for blobs in found]


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _apart(one: Box, two: Box) -> float:
    """Distance of their middles, in pixels."""
    across, down = (one[at] + one[at + 2] - two[at] - two[at + 2] for at in (0, 1))
    return float((across**2 + down**2) ** 0.5) / 2


def _overlap(one: Box, two: Box) -> float:
    shared = _area((max(one[0], two[0]), max(one[1], two[1]), min(one[2], two[2]), min(one[3], two[3])))
    return shared / (_area(one) + _area(two) - shared)
