"""Metrics of optical flow: smoothness, warping error, agreement of both directions, how much moves."""

from __future__ import annotations

import numpy as np

from .clip import Clip, Metric, Reading, Unmeasurable, curve_of, worst_frames
from .vision import Array, warped

SAMPLE_FPS = 8
"""Frames a second at which VBench looks for motion."""
TOP = 0.05
"""Share of fastest pixels whose mean speed counts."""


def _smoothness(clip: Clip) -> Reading:
    """Odd frames are made anew from their neighbours, each moved half way by the flow between them."""
    _, _, forward, backward = clip.motion
    if not len(forward):
        raise Unmeasurable("three frames are needed")
    errors = []
    for number, (f, b) in enumerate(zip(forward, backward, strict=True)):
        before, middle, after = clip.frames[2 * number : 2 * number + 3]
        guess = 0.5 * warped(before, 0.5 * b) + 0.5 * warped(after, 0.5 * f)
        errors.append(np.abs(guess - middle).mean())
    wrong = np.array(errors)
    places = worst_frames(wrong)
    return Reading(float(1 - wrong.mean() / 255), curve_of(1 - wrong / 255), tuple(2 * p + 1 for p in places))


def _warping_error(clip: Clip) -> Reading:
    """Lai et al. 2018, on pixels that both directions of the flow agree on."""
    errors = []
    for number, (f, fits) in enumerate(zip(clip.motion.forward, clip.matched, strict=True)):
        again = warped(clip.frames[number + 1], f).astype(np.float32)
        apart = np.square((again - clip.frames[number]) / 255).mean(-1)
        errors.append(apart[fits].mean() if fits.any() else 1.0)
    wrong = 1000 * np.array(errors)
    return Reading(float(wrong.mean()), curve_of(wrong), worst_frames(wrong, offset=1))


def _flow_consistency(clip: Clip) -> Reading:
    share = clip.matched.mean((1, 2))
    return Reading(float(share.mean()), curve_of(share), worst_frames(-share, offset=1))


def fastest(speeds: Array) -> Array:
    """Mean of the fastest pixels of each pair of frames, (pairs,)."""
    flat = speeds.reshape(len(speeds), -1)
    count = max(1, int(flat.shape[1] * TOP))
    return np.asarray(np.partition(flat, -count, axis=1)[:, -count:].mean(1))


def _motion(clip: Clip) -> Reading:
    speeds = fastest(clip.speeds) * clip.fps / clip.side
    return Reading(float(speeds.mean()), curve_of(speeds), worst_frames(speeds, offset=1))


def dynamic_threshold(side: int) -> float:
    """Speed, in pixels a pair, from which VBench takes the fastest pixels for moving."""
    return 6 * side / 256


def _dynamic_degree(clip: Clip) -> Reading:
    """As VBench decides it: sampled at 8 frames a second, with as many fast pairs as it asks for."""
    stride = max(1, round(clip.fps / SAMPLE_FPS))
    if stride == 1 or len(clip) <= stride:
        speeds = fastest(clip.speeds)
        count = len(clip)
    else:
        sampled = Clip(clip.frames[::stride], clip.fps / stride)
        speeds = fastest(sampled.speeds)
        count = len(sampled)
    fast = int((speeds > dynamic_threshold(clip.side)).sum())
    return Reading(float(fast >= round(4 * count / 16)), curve_of(speeds))


METRICS = (
    Metric(
        "motion_smoothness",
        "higher",
        "0..1",
        "frames that do not lie between their neighbours: VBench's measure with frames interpolated by "
        "optical flow instead of a network",
        ("flicker", "noise"),
        _smoothness,
    ),
    Metric(
        "warping_error",
        "lower",
        "squared error x 1000",
        "pixels that change while they move: error after undoing the motion, where it could be followed",
        ("flicker", "noise"),
        _warping_error,
    ),
    Metric(
        "flow_consistency",
        "higher",
        "share",
        "pixels whose motion there and back agrees; cuts and things that melt lower it",
        ("cut",),
        _flow_consistency,
    ),
    Metric(
        "motion",
        "none",
        "short sides a second",
        "how fast the fastest twentieth of the pixels moves; it judges nothing",
        (),
        _motion,
    ),
    Metric(
        "dynamic_degree",
        "none",
        "0 or 1",
        "whether the clip moves at all, by VBench's thresholds; a still clip gets the best marks of every "
        "consistency metric, so this stands beside them",
        ("freeze",),
        _dynamic_degree,
    ),
)
