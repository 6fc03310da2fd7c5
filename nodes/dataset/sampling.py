"""Which two frames of a clip become an edit pair."""

from __future__ import annotations

import itertools
from typing import Any

import numpy
from numpy.typing import NDArray

from .frames import laplacian, luma, peak
from .pair_scores import CHANGED
from .settings import Strategy

CANDIDATES = 12
"""Frames that `max_change_min_bg` tries, spread over the clip."""
KEY_CHANGE = 0.4
"""Part of the clip's largest change that must have happened since the last keyframe: a fixed share of pixels
takes each frame of a large thing, too near to its neighbour to be told apart, and none of a small one."""
KEY_LEAST = 0.004
"""Share of pixels under which nothing has changed."""
STILL_WEIGHT = 0.05
"""What a level of difference in the background costs against changed area."""


def pairs_of(frames: NDArray[Any], strategy: Strategy, every: int, most: int) -> list[tuple[int, int]]:
    """Numbers of the first and second frame of each pair, at most `most`. frames: uint8 (frames, h, w, 3).

    first_last: the ends. every_k: frames `every` apart, each with the next. best_late_sharp: the first and
    the sharpest of the last third, because models go on moving after they have done what was asked.
    max_change_min_bg: the two that differ most in some place and least everywhere else. keyframes: frames
    that differ from the one before them, each with the next.
    """
    last = len(frames) - 1
    if last < 1:
        return []
    if strategy == "first_last":
        return [(0, last)]
    if strategy == "every_k":
        keys = list(range(0, last + 1, every))
    elif strategy == "best_late_sharp":
        late = range(max(1, last - len(frames) // 3), last + 1)
        sharp = [float(numpy.abs(laplacian(luma(frames[place]))).mean()) for place in late]
        return [(0, late[int(numpy.argmax(sharp))])]
    elif strategy == "max_change_min_bg":
        return [_apart(frames)]
    else:
        keys = _keyframes(frames)
    return list(itertools.pairwise(keys))[:most]


def _apart(frames: NDArray[Any]) -> tuple[int, int]:
    places = numpy.unique(numpy.linspace(0, len(frames) - 1, CANDIDATES).round().astype(int))
    best, found = -numpy.inf, (0, len(frames) - 1)
    for i, one in enumerate(places):
        for two in places[i + 1 :]:
            apart = numpy.abs(frames[one].astype(numpy.int16) - frames[two])
            changed = peak(apart) > CHANGED
            still = float(apart[~changed].mean()) if not changed.all() else 255.0
            score = float(changed.mean()) - STILL_WEIGHT * still
            if score > best:
                best, found = score, (int(one), int(two))
    return found


def _keyframes(frames: NDArray[Any]) -> list[int]:
    enough = max(KEY_LEAST, KEY_CHANGE * max(_changed(frame, frames[0]) for frame in frames))
    keys = [0]
    for place in range(1, len(frames)):
        if _changed(frames[place], frames[keys[-1]]) > enough:
            keys.append(place)
    return keys


def _changed(one: NDArray[Any], two: NDArray[Any]) -> float:
    """Share of pixels that differ visibly."""
    return float((peak(numpy.abs(one.astype(numpy.int16) - two)) > CHANGED).mean())
