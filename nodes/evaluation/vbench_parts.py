"""What VBench's nodes share: the frames they look at, and scores from one number a frame."""

from __future__ import annotations

from graphflow.errors import NodeError
from graphflow.values import Tensor, Video

from .frames import frames_of
from .values import Direction, Measurement, Scores

SAMPLES = 16
"""Frames that VBench's detectors, captioners and recognisers look at."""


def tensor_of(video: Video, *, least: int) -> Tensor:
    """The frames, uint8 (frames, height, width, 3). Raises NodeError for fewer than `least`."""
    frames_of(video)
    if len(video.frames) < least:
        raise NodeError(f"at least {least} frames are needed, not {len(video.frames)}")
    return video.frames.detach().cpu()


def spread(count: int, wanted: int = SAMPLES) -> list[int]:
    """At most `wanted` places, evenly spread with both ends."""
    if count <= wanted:
        return list(range(count))
    return [round(i * (count - 1) / max(1, wanted - 1)) for i in range(wanted)]


def scores_of(
    metric: str, values: object, direction: Direction, claims: str, value: float | None = None
) -> Scores:
    """A metric with its curve; its value is the mean unless given."""
    import numpy as np

    curve = np.asarray(values, float)
    one = Measurement(
        metric=metric,
        value=float(curve.mean()) if value is None else value,
        direction=direction,
        unit="0..1",
        claims=claims,
        curve=tuple(curve.round(6).tolist()),
    )
    return Scores(measurements=(one,))
