"""Fingerprints of pictures that survive scaling and compression: bits to compare, a vector to embed."""

from __future__ import annotations

import math
from typing import Any

import numpy
from numpy.typing import NDArray

from .frames import Floats, hsv, luma, shrunk

SIDE = 8
GRID = 32
FAINT = 4.0
"""Strength of a frequency that is no more than noise; one grey level all over the picture has GRID."""


def bits(grey: Floats, side: int = SIDE) -> NDArray[numpy.bool_]:
    """The perceptual hash of pictures (..., height, width): side x side bits, (..., bits).

    The lowest frequencies of a 32 x 32 cosine transform, each above or below their median
    (C. Zauner, 2010, "Implementation and benchmarking of perceptual image hash functions"). Faint
    frequencies count as nothing, so that a plain picture has the same hash whatever its noise.
    """
    small = shrunk(grey, GRID, GRID)
    waves = _cosines(side) @ small @ _cosines(side).T
    low = waves.reshape(*waves.shape[:-2], side * side)
    low[..., 0] = 0
    low = numpy.where(numpy.abs(low) < FAINT, 0, low)
    return numpy.asarray(low > numpy.median(low, axis=-1, keepdims=True))


def _cosines(side: int) -> Floats:
    """The first rows of the orthonormal cosine transform (DCT-II) of length GRID."""
    k, n = numpy.arange(side)[:, None], numpy.arange(GRID)[None, :]
    rows = numpy.cos(math.pi * k * (2 * n + 1) / (2 * GRID)) * math.sqrt(2 / GRID)
    rows[0] /= math.sqrt(2)
    return rows.astype(numpy.float32)


def hamming(a: NDArray[numpy.bool_], b: NDArray[numpy.bool_]) -> NDArray[Any]:
    """How many bits differ."""
    return numpy.asarray((a != b).sum(axis=-1))


def as_text(code: NDArray[numpy.bool_]) -> str:
    """Bits as hexadecimal digits, four to a digit, for a table."""
    return numpy.packbits(code).tobytes().hex()


def from_text(text: str) -> NDArray[numpy.bool_]:
    """The bits of `as_text`. Raises ValueError for anything else."""
    return numpy.unpackbits(numpy.frombuffer(bytes.fromhex(text), dtype=numpy.uint8)).astype(bool)


def embedding(picture: NDArray[Any]) -> Floats:
    """What a picture looks like as one vector of length 1: its colours and the directions of its edges.

    picture: uint8 (height, width, 3). A histogram of hue (8), saturation (4) and value (4), and the energy of
    16 edge directions, each with length 1 before they are joined. Where things stand does not count, so that
    an object that moves stays the same.
    """
    parts = [_colours(picture), _edges(luma(picture))]
    joined = numpy.concatenate([part / max(1e-9, float(numpy.linalg.norm(part))) for part in parts])
    return numpy.asarray(joined / max(1e-9, float(numpy.linalg.norm(joined))), dtype=numpy.float32)


def similarity(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Cosine of the embeddings of two pictures, 0..1."""
    return float(embedding(a) @ embedding(b))


def _colours(picture: NDArray[Any]) -> Floats:
    hue, saturation, value = numpy.moveaxis(hsv(picture), -1, 0)
    level = numpy.minimum(3, (value * 4).astype(int))
    cell = (hue / 45).astype(int) % 8 * 16 + numpy.minimum(3, (saturation * 4).astype(int)) * 4 + level
    cell = numpy.where(saturation < 0.12, level, cell)  # grey has no hue
    return numpy.bincount(cell.ravel(), minlength=128).astype(numpy.float32)


def _edges(grey: Floats) -> Floats:
    down, right = numpy.gradient(grey)
    direction = (numpy.arctan2(down, right) % math.pi / math.pi * 16).astype(int) % 16
    strength = numpy.hypot(down, right)
    return numpy.bincount(direction.ravel(), weights=strength.ravel(), minlength=16).astype(numpy.float32)
