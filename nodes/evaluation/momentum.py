"""Momentum of two objects that meet: is it the same before and after?"""

from __future__ import annotations

import numpy as np

from .clip import Clip, Metric, Reading, Unmeasurable
from .tracks import Track
from .vision import Array

STEPS = 4
"""Steps before and after a contact over which velocities are averaged."""
SLACK = 2
"""Frames next to a contact that are left out: the turn lies somewhere between two frames."""


def _momentum(clip: Clip) -> Reading:
    tracks = clip.tracks
    found: list[tuple[float, int]] = []
    for number, first in enumerate(tracks):
        for second in tracks[number + 1 :]:
            found += _of_pair(first, second)
    if not found:
        raise Unmeasurable("no two objects meet and part")
    worst, frame = max(found)
    return Reading(worst, frames=(frame,))


def _of_pair(first: Track, second: Track) -> list[tuple[float, int]]:
    """Relative change of momentum at every meeting, and its frame; areas stand for masses."""
    gap = np.linalg.norm(first.place - second.place, axis=1) - first.radius - second.radius
    closeness = 0.35 * min(first.radius, second.radius)
    near = np.nan_to_num(gap, nan=np.inf) < closeness
    found = []
    for start, end in _runs(near):
        before, after = (max(0, start - SLACK - STEPS), start), (end, min(len(near) - 1, end + SLACK + STEPS))
        speeds = [[_velocity(track, span) for track in (first, second)] for span in (before, after)]
        if any(speed is None for both in speeds for speed in both):
            continue
        masses = [float(np.nanmedian(track.area)) for track in (first, second)]
        sums = [sum(m * v for m, v in zip(masses, both, strict=True) if v is not None) for both in speeds]
        scale = sum(
            m * float(np.linalg.norm(v)) for m, v in zip(masses, speeds[0], strict=True) if v is not None
        )
        found.append((float(np.linalg.norm(sums[1] - sums[0]) / max(scale, 1e-9)), start))
    return found


def _runs(marks: Array) -> list[tuple[int, int]]:
    """First and last place of every run of marks."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], marks.astype(int), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _velocity(track: Track, span: tuple[int, int]) -> Array | None:
    """Median step over frames first..last in which it is seen whole; None with fewer than two steps."""
    first, last = span
    places = np.where((track.seen & ~track.clipped)[:, None], track.place, np.nan)[first : last + 1]
    steps = np.diff(places, axis=0)
    steps = steps[np.isfinite(steps).all(1)]
    return np.asarray(np.median(steps, axis=0)) if len(steps) >= 2 else None


METRICS = (
    Metric(
        "object_momentum",
        "lower",
        "share",
        "two objects that meet and part with another momentum than they came with; areas stand for masses, "
        "and nothing else may push them",
        ("momentum",),
        _momentum,
    ),
)
