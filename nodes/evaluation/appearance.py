"""Metrics of how frames look as a whole, without weights: consistency, cuts, the seam of a loop."""

from __future__ import annotations

import cv2
import numpy as np

from .clip import Clip, Metric, Reading, Unmeasurable, curve_of, worst_frames
from .vision import Array, resized

HUES, SATURATIONS = 16, 8
CELL, ORIENTATIONS, LOOK = 8, 9, 64
"""Gradients are counted in cells of 8 pixels and 9 directions, in a picture of 64 pixels."""
CUT = 0.3
"""From here on a pair of frames counts as a cut."""


def descriptors(frames: Array) -> Array:
    """Frames as unit vectors, (frames, numbers): roots of a histogram of hue and saturation, and of
    gradients by direction in cells (Dalal and Triggs 2005, normalised as a whole)."""
    small = resized(frames, LOOK, LOOK)
    colours = np.stack([_colours(frame) for frame in small])
    shapes = _gradients(np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in small]))
    both = np.concatenate([np.sqrt(colours), shapes], axis=1)
    return np.asarray(both / (np.linalg.norm(both, axis=1, keepdims=True) + 1e-9))


def _colours(frame: Array) -> Array:
    hsv = cv2.cvtColor(frame, cv2.COLOR_RGB2HSV)
    bins = cv2.calcHist([hsv], [0, 1], None, [HUES, SATURATIONS], [0, 180, 0, 256])
    return np.asarray(bins.ravel() / LOOK**2)


def _gradients(planes: Array) -> Array:
    """(frames, cells x directions), each frame's of length one."""
    values = planes.astype(np.float32)
    down, across = np.gradient(values, axis=(1, 2))
    strength = np.hypot(across, down)
    direction = (np.arctan2(down, across) % np.pi) * (ORIENTATIONS / np.pi)
    low = np.floor(direction).astype(np.int64) % ORIENTATIONS
    share = (direction - np.floor(direction)).astype(np.float32)
    cells = np.zeros((len(planes), (LOOK // CELL) ** 2, ORIENTATIONS), np.float32)
    place = (np.arange(LOOK) // CELL)[:, None] * (LOOK // CELL) + np.arange(LOOK) // CELL
    frame = np.arange(len(planes))[:, None, None]
    for bin_, weight in ((low, 1 - share), ((low + 1) % ORIENTATIONS, share)):
        np.add.at(cells, (frame, place[None], bin_), strength * weight)
    flat = np.sqrt(cells.reshape(len(planes), -1))
    return np.asarray(flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 1e-3))


def consistency(features: Array) -> Array:
    """VBench's consistency of unit vectors: for each frame but the first, the mean of its likeness to the
    frame before it and to the first; 0..1, (frames - 1,)."""
    before = np.einsum("nd,nd->n", features[1:], features[:-1]).clip(0)
    first = (features[1:] @ features[0]).clip(0)
    return np.asarray((before + first) / 2)


def _consistency(clip: Clip) -> Reading:
    if len(clip) < 2:
        raise Unmeasurable("one frame is consistent with itself")
    alike = consistency(descriptors(clip.frames))
    return Reading(float(alike.mean()), curve_of(alike), worst_frames(-alike, offset=1))


def cut_strengths(clip: Clip) -> Array:
    """How much like a cut each pair of frames is, 0..1, against what is usual in the clip, (pairs,).

    Either the picture's descriptor jumps, or motion between the two frames cannot be followed.
    """
    if len(clip) < 4:
        raise Unmeasurable("four frames are needed")
    looks = descriptors(clip.frames)
    jump = 1 - np.einsum("nd,nd->n", looks[1:], looks[:-1])
    lost = 1 - clip.matched.mean((1, 2))
    usual_jump, usual_lost = np.median(jump), np.median(lost)
    return np.asarray(np.maximum(3 * (jump - usual_jump), lost - usual_lost).clip(0, 1))


def _cuts(clip: Clip) -> Reading:
    strengths = cut_strengths(clip)
    frames = tuple(int(place) + 1 for place in np.flatnonzero(strengths > CUT))
    return Reading(float(strengths.max()), curve_of(strengths), frames)


def _loop_seam(clip: Clip) -> Reading:
    """How far the step from the last frame to the first is longer than the steps inside."""
    if len(clip) < 3:
        raise Unmeasurable("three frames are needed")
    frames = clip.frames.astype(np.int16)
    steps = np.abs(np.diff(frames, axis=0)).mean((1, 2, 3))
    seam = np.abs(frames[0] - frames[-1]).mean()
    return Reading(float(seam / (steps.mean() + 0.5)), frames=(len(clip) - 1, 0))


METRICS = (
    Metric(
        "appearance_consistency",
        "higher",
        "0..1",
        "a picture that becomes another: VBench's consistency with a descriptor without weights (colours and "
        "gradients); what happens to one small object hardly moves it",
        ("cut",),
        _consistency,
    ),
    Metric(
        "cut",
        "lower",
        "0..1",
        f"a jump from one picture to another; {CUT} and more is taken for a cut",
        ("cut",),
        _cuts,
    ),
    Metric(
        "loop_seam",
        "none",
        "steps",
        "for clips that repeat: the step from the last frame to the first, in mean steps; 1 is seamless",
        (),
        _loop_seam,
    ),
)
