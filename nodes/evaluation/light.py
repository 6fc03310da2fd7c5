"""Metrics of light and colour: flicker, jitter of brightness, drift, exposure."""

from __future__ import annotations

import itertools

import numpy as np

from .clip import Clip, Metric, Reading, Unmeasurable, curve_of, worst_frames
from .vision import Array

DARK, BRIGHT = 4, 251
"""Levels from which detail is taken for lost."""


def _changes(clip: Clip) -> Array:
    """Mean absolute change of all channels from frame to frame, 0..255."""
    if len(clip) < 2:
        raise Unmeasurable("one frame does not change")
    pairs = itertools.pairwise(clip.frames)
    return np.array([np.abs(b.astype(np.int16) - a).mean() for a, b in pairs])


def _flicker(clip: Clip) -> Reading:
    changes = _changes(clip)
    return Reading(
        float((255 - changes.mean()) / 255), curve_of(1 - changes / 255), worst_frames(changes, offset=1)
    )


def _brightness_jitter(clip: Clip) -> Reading:
    if len(clip) < 3:
        raise Unmeasurable("three frames are needed")
    jumps = np.abs(np.diff(clip.luma.mean((1, 2)), n=2))
    return Reading(float(jumps.mean()), curve_of(jumps), worst_frames(jumps, offset=1))


def _drift(clip: Clip) -> Reading:
    quarter = len(clip) // 4
    if quarter < 1:
        raise Unmeasurable("four frames are needed")
    parts = np.array_split(np.arange(len(clip)), max(4, len(clip) // 6))
    stills = np.stack([np.median(clip.frames[part], axis=0) for part in parts])
    away = np.abs(stills - stills[0]).mean(-1)
    changed = np.median(away, axis=(1, 2))
    return Reading(float(changed[-1]), curve_of(changed), (0, len(clip) - 1))


def _lost_detail(clip: Clip) -> Reading:
    lost = np.array([((plane <= DARK) | (plane >= BRIGHT)).mean() for plane in clip.grey])
    return Reading(float(lost.mean()), curve_of(lost), worst_frames(lost))


METRICS = (
    Metric(
        "temporal_flickering",
        "higher",
        "0..1",
        "every change between adjacent frames; motion lowers it too, so read it beside dynamic_degree. "
        "VBench: (255 - mean absolute difference of adjacent frames) / 255",
        ("flicker", "noise"),
        _flicker,
    ),
    Metric(
        "brightness_jitter",
        "lower",
        "levels of 255",
        "light that jumps: mean absolute second difference of the mean brightness",
        ("flicker",),
        _brightness_jitter,
    ),
    Metric(
        "drift",
        "lower",
        "levels of 255",
        "a background that slowly changes while the camera stands: the median over the frame of how far a "
        "pixel's colour is at the end from where it began, objects that pass left out by a median over time",
        ("drift",),
        _drift,
    ),
    Metric(
        "lost_detail",
        "lower",
        "share",
        "pixels that are nearly black or nearly white; a dark scene has them by right",
        ("overexposure",),
        _lost_detail,
    ),
)
