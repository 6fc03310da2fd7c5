"""The camera's path from optical flow: shift, zoom and turn between frames, and how much it shakes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .clip import Clip, Metric, Reading, Unmeasurable, curve_of, worst_frames
from .texture import SPREAD, spread, textured
from .vision import Array

GRID = 4
"""Pixels between the flow vectors that are looked at."""
ROUNDS = 6
"""Of fitting again with vectors that do not fit counted less."""


LEAST_PLACES = 8
"""Places with texture below which nothing is fitted."""


class Path(NamedTuple):
    """How the picture as a whole moves, a row for each pair of frames.

    shift: (pairs, 2), shares of the short side, x to the right and y down. zoom: natural logarithm of the
    growth. turn: radians, clockwise.
    """

    shift: Array
    zoom: Array
    turn: Array


def camera_path(clip: Clip) -> Path:
    """The similarity that most flow vectors agree with, by reweighted least squares (Cauchy weights).

    Only places with texture count. Raises Unmeasurable if too little of the frame has any: then the flow of
    an object would be taken for the camera's.
    """
    forward = clip.motion.forward
    known = textured(clip.luma[:-1])
    if np.median(spread(known)) < SPREAD:
        raise Unmeasurable("too little of the frame has texture to tell the camera from an object")
    height, width = clip.frames.shape[1:3]
    step = max(1, min(GRID, clip.side // 8))
    y, x = np.mgrid[step // 2 : height : step, step // 2 : width : step]
    flow = forward[:, y, x].reshape(len(clip) - 1, -1, 2).astype(np.float64)
    px, py = x.ravel() - width / 2, y.ravel() - height / 2
    rows = np.zeros((len(flow), 4))
    for number, (vectors, marks) in enumerate(zip(flow, known[:, y, x].reshape(len(flow), -1), strict=True)):
        if marks.sum() >= LEAST_PLACES:
            rows[number] = _fit(px[marks], py[marks], vectors[marks])
    return Path(rows[:, :2] / clip.side, np.log1p(rows[:, 2].clip(-0.9)), rows[:, 3])


def _fit(px: Array, py: Array, vectors: Array) -> Array:
    """(x, y, growth, turn) such that (u, v) is about (x + growth px - turn py, y + turn px + growth py)."""
    ones, none = np.ones_like(px), np.zeros_like(px)
    basis = np.concatenate([np.stack([ones, none, px, -py], 1), np.stack([none, ones, py, px], 1)])
    target = np.concatenate([vectors[:, 0], vectors[:, 1]])
    found = np.array([np.median(vectors[:, 0]), np.median(vectors[:, 1]), 0.0, 0.0])
    for _ in range(ROUNDS):
        left = (target - basis @ found).reshape(2, -1)
        away = np.hypot(*left)
        scale = 1.4826 * np.median(away) + 0.05
        weight = np.tile(1 / (1 + np.square(away / (2 * scale))), 2)
        weighted = basis * weight[:, None]
        found = np.linalg.solve(weighted.T @ basis + 1e-9 * np.eye(4), weighted.T @ target)
    return found


def _shake(clip: Clip) -> Reading:
    if len(clip) < 3:
        raise Unmeasurable("three frames are needed")
    path = camera_path(clip)
    corner = 0.5  # how far a turn or zoom moves a point half a side from the middle
    moves = np.column_stack([path.shift, corner * path.zoom, corner * path.turn])
    jumps = 100 * np.linalg.norm(np.diff(moves, axis=0), axis=1)
    return Reading(float(jumps.mean()), curve_of(jumps), worst_frames(jumps, offset=1))


def _travel(clip: Clip) -> Reading:
    path = camera_path(clip)
    place = np.cumsum(path.shift, axis=0)
    far = np.linalg.norm(place, axis=1)
    return Reading(float(far[-1]), curve_of(far))


METRICS = (
    Metric(
        "camera_shake",
        "lower",
        "% of the short side",
        "a camera that trembles: mean change of its motion from frame to frame",
        ("shake",),
        _shake,
    ),
    Metric(
        "camera_travel",
        "none",
        "short sides",
        "how far the camera ends from where it began; it judges nothing",
        (),
        _travel,
    ),
)

STILL = 0.02
"""Least part of the short side, or logarithm of growth, or radians, that counts as a move of the camera."""


def camera_words(path: Path) -> str:
    """What the camera does, in one word, by what moves points half a side from the middle most.

    The picture moves against the camera: what drifts to the left is seen by a camera that pans right.
    """
    x, y = path.shift.sum(0)
    strengths = {
        "pan left" if x > 0 else "pan right": abs(x),
        "tilt up" if y > 0 else "tilt down": abs(y),
        "zoom in" if path.zoom.sum() > 0 else "zoom out": 0.5 * abs(path.zoom.sum()),
        "roll": 0.5 * abs(path.turn.sum()),
    }
    word = max(strengths, key=lambda name: strengths[name])
    return word if strengths[word] >= STILL else "static"
