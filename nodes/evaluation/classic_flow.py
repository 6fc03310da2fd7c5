"""Optical flow by OpenCV, without weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from .vision import Array

if TYPE_CHECKING:
    from graphflow.values import Tensor

LEAST_SIDE = 24
"""Pixels; smaller frames are enlarged for the search, because its patches are eight pixels wide."""


def pair_flow(method: str = "dis") -> Callable[[Array, Array], Array]:
    """A function of two grey uint8 planes that gives flow, float32 (height, width, 2)."""
    if method == "farneback":
        return lambda a, b: np.asarray(cv2.calcOpticalFlowFarneback(a, b, None, 0.5, 4, 15, 3, 5, 1.2, 0))
    search: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return lambda a, b: _searched(search, a, b)


def flows_by(method: str) -> Callable[[Tensor, Tensor], Tensor]:
    """The same for batches of frames, as a flow model gives it."""
    import torch

    between = pair_flow(method)

    def flows(first: Tensor, second: Tensor) -> Tensor:
        pairs = zip(grey(first.numpy()), grey(second.numpy()), strict=True)
        return torch.from_numpy(np.stack([between(a, b) for a, b in pairs]))

    return flows


def grey(frames: Array) -> Array:
    """Frames as grey planes, uint8."""
    return np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])


def _searched(search: Any, a: Array, b: Array) -> Array:
    least = min(a.shape)
    if least >= LEAST_SIDE:
        return np.asarray(search.calc(a, b, None))
    factor = -(-LEAST_SIDE // least)
    height, width = a.shape
    size = (width * factor, height * factor)
    large = search.calc(
        cv2.resize(a, size, interpolation=cv2.INTER_LINEAR),
        cv2.resize(b, size, interpolation=cv2.INTER_LINEAR),
        None,
    )
    return np.asarray(cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)) / np.float32(factor)
