"""How much a clip moves, and what its camera does."""

from __future__ import annotations

import math
from typing import Any

import numpy
from graphflow_nodes.evaluation.texture import SPREAD, spread, textured
from numpy.typing import NDArray

from .flow import flows, lengths
from .frames import Floats
from .values import Score

MOVES = (
    "static",
    "pan_left",
    "pan_right",
    "tilt_up",
    "tilt_down",
    "zoom_in",
    "zoom_out",
    "roll",
    "shake",
    "unclear",
)
"""What a camera may do. `unclear`: too little of the frame has texture to tell."""

STILL = 0.01
"""Motion of the frame, in shorter sides a second, under which a camera is static."""
MOST_POINTS = 800
"""Pixels that a fit looks at."""
TURN = 0.02
"""Zoom and roll a second under which there is none."""


def motion_scores(grey: Floats, fps: float, method: str = "dis") -> dict[str, Score]:
    """Columns about the motion of frames (frames, height, width) that come `fps` times a second.

    `motion`: mean length of the flow; `motion_top`: mean of the 5 % of pixels that move most, both in percent
    of the frame's shorter side a second. `motion_jerk`: how much the mean length changes from pair to pair,
    against its mean. `camera`: one of MOVES; `camera_speed`: in percent of the shorter side a second.
    """
    if len(grey) < 2:
        return {"motion": 0.0, "motion_top": 0.0, "motion_jerk": 0.0, "camera": "static", "camera_speed": 0.0}
    found = flows(grey, method)
    side = min(grey.shape[1:])
    far = lengths(found).reshape(len(found), -1) * (100 * fps / side)
    top = largest(far).mean(axis=1)
    means = far.mean(axis=1)
    jerk = numpy.abs(numpy.diff(means)).mean() / max(1e-6, means.mean()) if len(means) > 1 else 0.0
    camera, speed = camera_move(found, textured(grey[:-1]), fps)
    return {
        "motion": float(means.mean()),
        "motion_top": float(top.mean()),
        "motion_jerk": float(jerk) if means.mean() > 0.1 else 0.0,
        "camera": camera,
        "camera_speed": float(100 * speed),
    }


def camera_move(found: Floats, known: NDArray[numpy.bool_], fps: float) -> tuple[str, float]:
    """What the camera does, and how fast the picture moves, in shorter sides a second.

    found: flow (pairs, height, width, 2), known: where it can be trusted. A similarity is fitted to
    each pair; the clip's class comes from their median. A camera that pans right moves the picture left.
    """
    fits = [
        fit for one, where in zip(found, known, strict=True) if (fit := _similarity(one, where)) is not None
    ]
    if len(fits) * 2 < len(found):
        return "unclear", 0.0
    each = numpy.array(fits) * fps
    side = min(found.shape[1:3])
    each[:, :2] /= side
    right, down, zoom, roll = numpy.median(each, axis=0)
    speed = math.hypot(right, down)
    swing = float(numpy.median(numpy.hypot(each[:, 0] - right, each[:, 1] - down)))
    if swing > max(3 * STILL, 2 * speed):
        return "shake", swing
    if abs(zoom) > max(TURN, speed) and abs(zoom) >= abs(roll):
        return ("zoom_in" if zoom > 0 else "zoom_out"), speed
    if abs(roll) > max(TURN, speed):
        return "roll", speed
    if speed < STILL:
        return "static", speed
    if abs(right) >= abs(down):
        return ("pan_right" if right < 0 else "pan_left"), speed
    return ("tilt_down" if down < 0 else "tilt_up"), speed


def _similarity(found: Floats, where: NDArray[numpy.bool_]) -> NDArray[Any] | None:
    """Shift right and down (pixels), zoom and roll (a pixel) of one flow; None with too little texture.

    Least squares, repeated on the half that fits best, so that moving objects do not count.
    """
    if spread(where[None])[0] < SPREAD:
        return None
    y, x = numpy.nonzero(where)
    few = slice(None, None, max(1, len(y) // MOST_POINTS))
    y, x = y[few], x[few]
    motion = found[y, x].astype(numpy.float64)
    x = x - (found.shape[1] - 1) / 2
    y = y - (found.shape[0] - 1) / 2
    one, none = numpy.ones(len(x)), numpy.zeros(len(x))
    across = numpy.stack([one, none, x, -y], axis=1)
    along = numpy.stack([none, one, y, x], axis=1)
    use = numpy.ones(len(x), dtype=bool)
    fit = numpy.zeros(4)
    for _ in range(4):
        one_row, two_row = across[use], along[use]
        square = one_row.T @ one_row + two_row.T @ two_row + 1e-9 * numpy.eye(4)
        fit = numpy.linalg.solve(square, one_row.T @ motion[use, 0] + two_row.T @ motion[use, 1])
        rest = numpy.hypot(motion[:, 0] - across @ fit, motion[:, 1] - along @ fit)
        use = rest <= numpy.median(rest)
    return fit


def largest(far: NDArray[Any]) -> NDArray[Any]:
    """The largest twentieth of each row."""
    count = max(1, far.shape[1] // 20)
    return numpy.asarray(numpy.partition(far, -count, axis=1)[:, -count:])
