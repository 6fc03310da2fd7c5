"""Dense optical flow between the frames of a clip."""

from __future__ import annotations

import itertools
from typing import Any

import numpy
from graphflow_nodes.evaluation.classic_flow import pair_flow
from numpy.typing import NDArray

from .frames import Floats


def flows(grey: Floats, method: str = "dis") -> Floats:
    """Where each pixel went in the next frame: (frames - 1, height, width, 2), right and down, in pixels.

    grey: (frames, height, width), 0..255. method: `dis` or `farneback`.
    """
    between = pair_flow(method)
    planes = numpy.ascontiguousarray(grey.clip(0, 255).astype(numpy.uint8))
    found = [between(one, two) for one, two in itertools.pairwise(planes)]
    return numpy.asarray(numpy.stack(found), dtype=numpy.float32)


def lengths(motion: Floats) -> NDArray[Any]:
    """How far each pixel moves."""
    return numpy.hypot(motion[..., 0], motion[..., 1])
