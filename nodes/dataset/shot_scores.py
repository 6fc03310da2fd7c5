"""Everything that is measured of one shot, from small frames that were decoded once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy
from numpy.typing import NDArray

from .frames import Floats, luma
from .hashing import as_text, bits, embedding
from .motion import motion_scores
from .picture import overlay_share, picture_scores
from .settings import Flow
from .shots import changes
from .values import Score

SIDE = 160
"""Longer side of the frames that are measured, in pixels."""
RATE = 8.0
"""Frames a second that are measured; VBench measures motion at this rate too."""
MOST = 24
"""Frames of one shot that are measured."""


def columns(
    frames: NDArray[Any], fps: float, flow: Flow = "dis", change: Floats | None = None
) -> Mapping[str, Score]:
    """The columns of one shot.

    frames: uint8 (frames, height, width, 3), small. change: what `changes` says of them, if that is known.
    `seconds`; `change_max`: the largest change from frame to frame, 0..255, high where a cut was missed;
    `steadiness`: likeness of the first and the middle frame, 0..1; `phash`: of three frames, 192 bits;
    `overlay`: share of the picture that looks like text laid over it; and those of `motion_scores`,
    `picture_scores`.
    """
    change = changes(frames) if change is None else change
    stride = max(1, round(fps / RATE))
    few = frames[::stride][:MOST]
    grey = luma(few)
    middle = few[len(few) // 2]
    return {
        "seconds": len(frames) / fps,
        **motion_scores(grey, fps / stride, flow),
        **picture_scores(grey),
        "change_max": float(change[1:].max()) if len(change) > 1 else 0.0,
        "steadiness": float(embedding(few[0]) @ embedding(middle)),
        "overlay": overlay_share(grey),
        "phash": as_text(bits(grey[[0, len(grey) // 2, -1]]).ravel()),
    }


def small(frames: NDArray[Any]) -> NDArray[Any]:
    """Frames uint8 (frames, height, width, 3) with a longer side of at most SIDE, by the mean of cells."""
    from .frames import shrunk

    height, width = frames.shape[1:3]
    longer = max(height, width)
    if longer <= SIDE:
        return frames
    size = max(1, round(height * SIDE / longer)), max(1, round(width * SIDE / longer))
    planes = shrunk(numpy.moveaxis(frames, -1, 1), *size)
    return numpy.ascontiguousarray(numpy.moveaxis(planes.round().astype(numpy.uint8), 1, -1))
