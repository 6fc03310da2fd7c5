"""Physics-IQ's scores (Motamed et al. 2025): does motion happen where, when and as much as in a real take?"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from .classic_flow import grey
from .vision import Array

LEARNING = 0.3
"""Share of each frame in the running mean that stands for the background."""
THRESHOLD = 10
"""Levels of 255 by which something that moves differs from it."""
KERNEL = 5


class Likeness(NamedTuple):
    """Two clips of one scene against each other; the first three 0..1, more is more alike."""

    spatial: float
    """Intersection over union of where anything ever moves."""
    weighted: float
    """The same, weighted by how long it moves there."""
    spatiotemporal: float
    """Intersection over union of where it moves in each frame, the mean over frames."""
    error: float
    """Mean squared error of the frames, 0..1."""


def motion_masks(frames: Array) -> Array:
    """Where something moves, bool (frames, height, width)."""
    kernel = np.ones((KERNEL, KERNEL), np.uint8)
    smooth = [cv2.GaussianBlur(plane, (KERNEL, KERNEL), 0) for plane in grey(frames)]
    background = smooth[0].astype(np.float32)
    masks = []
    for plane in smooth:
        background = cv2.accumulateWeighted(plane.astype(np.float32), background, LEARNING)
        moved = cv2.absdiff(plane, cv2.convertScaleAbs(background)) > THRESHOLD
        opened = cv2.morphologyEx(moved.astype(np.uint8), cv2.MORPH_OPEN, kernel)
        masks.append(cv2.morphologyEx(opened, cv2.MORPH_CLOSE, kernel) > 0)
    return np.stack(masks)


def likeness(first: Array, second: Array) -> Likeness:
    """Two clips of equal shape, uint8 (frames, height, width, 3). Where neither moves they are alike."""
    a, b = motion_masks(first), motion_masks(second)
    both, either = (a & b).sum((1, 2)), (a | b).sum((1, 2))
    moving = np.where(either > 0, both / np.maximum(either, 1), 1.0)
    apart = np.square((first.astype(np.float32) - second) / 255).mean()
    return Likeness(
        _overlap(a.any(0).astype(float), b.any(0).astype(float)),
        _overlap(a.mean(0), b.mean(0)),
        float(moving.mean()),
        float(apart),
    )


def _overlap(a: Array, b: Array) -> float:
    top, bottom = np.minimum(a, b).sum(), np.maximum(a, b).sum()
    return 1.0 if bottom == 0 else float(top / bottom)


def score(made: Likeness, real: Likeness) -> float:
    """Physics-IQ, 0..100: `made` against a real take, by what two real takes reach against each other.

    The mean of the three overlaps, each divided by that of the real takes, less the error beyond theirs.
    """
    shares = [own / max(best, 1e-9) for own, best in zip(made[:3], real[:3], strict=True)]
    return float(np.clip(100 * (np.mean(shares) - (made.error - real.error)), 0, 100))
