"""Frames as arrays of numbers: grey, smaller, blurred. Everything that measures begins here."""

from __future__ import annotations

from typing import Any

import cv2
import numpy
from numpy.typing import NDArray

Floats = NDArray[numpy.float32]
Bytes = NDArray[numpy.uint8]

LUMA = numpy.array([0.299, 0.587, 0.114], dtype=numpy.float32)
"""ITU-R BT.601."""


def luma(frames: NDArray[Any]) -> Floats:
    """Brightness 0..255 of (..., height, width, 3) as (..., height, width)."""
    return numpy.asarray(frames.astype(numpy.float32) @ LUMA, dtype=numpy.float32)


def peak(pixels: NDArray[Any]) -> NDArray[Any]:
    """The largest of the three channels; far faster than a reduction over so short an axis."""
    found: NDArray[Any] = numpy.maximum(numpy.maximum(pixels[..., 0], pixels[..., 1]), pixels[..., 2])
    return found


def shrunk(frames: NDArray[Any], height: int, width: int) -> Floats:
    """Frames (..., height, width) at another size, each pixel the mean of the area it covers, as float32."""
    down, right = _areas(frames.shape[-2], height), _areas(frames.shape[-1], width)
    return numpy.asarray(down @ frames.astype(numpy.float32) @ right.T, dtype=numpy.float32)


def _areas(size: int, count: int) -> Floats:
    """How much each of `size` pixels counts in each of `count` cells of equal length: (count, size), rows sum
    to 1."""
    edges = numpy.linspace(0, size, count + 1)
    pixels = numpy.arange(size)
    first = numpy.maximum(edges[:-1, None], pixels)
    last = numpy.minimum(edges[1:, None], pixels + 1)
    return numpy.asarray(numpy.maximum(0, last - first) * (count / size), dtype=numpy.float32)


def box(frames: Floats, radius: int) -> Floats:
    """Mean over squares of 2 * radius + 1 pixels; beyond the edge stands the edge."""
    pad = [(0, 0)] * (frames.ndim - 2) + [(radius + 1, radius), (radius + 1, radius)]
    table = numpy.pad(frames, pad, mode="edge").astype(numpy.float64).cumsum(-1).cumsum(-2)
    side = 2 * radius + 1
    sums = table[..., side:, side:] - table[..., :-side, side:] - table[..., side:, :-side]
    return numpy.asarray((sums + table[..., :-side, :-side]) / side**2, dtype=numpy.float32)


def laplacian(frames: Floats) -> Floats:
    """The 4-neighbour Laplacian of the inner pixels."""
    centre = frames[..., 1:-1, 1:-1]
    around = frames[..., :-2, 1:-1] + frames[..., 2:, 1:-1] + frames[..., 1:-1, :-2] + frames[..., 1:-1, 2:]
    return numpy.asarray(around - 4 * centre, dtype=numpy.float32)


def hsv(frames: NDArray[Any]) -> Floats:
    """Hue 0..360, saturation 0..1 and value 0..1 of uint8 (..., height, width, 3)."""
    flat = numpy.ascontiguousarray(frames).reshape(-1, frames.shape[-2], 3)
    found = cv2.cvtColor(flat.astype(numpy.float32) / 255, cv2.COLOR_RGB2HSV)
    return numpy.asarray(found, dtype=numpy.float32).reshape(frames.shape)
