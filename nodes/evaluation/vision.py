"""Small help with frames that the metrics share. Frames are uint8 (frames, height, width, 3), sRGB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
else:
    Array = Any

cv2.setNumThreads(1)  # with more, some results depend on how many there are

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in brightness, ITU-R BT.601."""


def luma(frames: Array) -> Array:
    """Brightness, float32, 0..255, without the last dimension."""
    return frames.astype(np.float32) @ LUMA


def warped(plane: Array, flow: Array) -> Array:
    """`plane` (height, width[, channels]) seen where `flow` points: result[p] = plane[p + flow[p]]."""
    height, width = flow.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.asarray(
        cv2.remap(
            plane, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    )


def lengths(flow: Array) -> Array:
    """How long flow vectors are, without the last dimension."""
    return np.asarray(np.hypot(flow[..., 0], flow[..., 1]))


def resized(frames: Array, width: int, height: int) -> Array:
    """Frames, or grey planes, at another size, by area."""
    made = [cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in frames]
    return np.stack(made)
