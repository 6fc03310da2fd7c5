"""Objects of a frame without weights: what does not look like the frame's border, in connected pieces."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .vision import Array

SPREAD = 5.0
"""Levels of 255: least standard deviation that a background is given."""
FAR = 5.0
"""Standard deviations from which a pixel no longer belongs to the background."""
LEAST_SHARE = 0.0015
LEAST_PIXELS = 12
"""Pieces smaller than both this many pixels and this share of the frame are dust."""


@dataclass(frozen=True, slots=True)
class Blob:
    """One connected piece of a frame; places in pixels, colours 0..255."""

    x: float
    y: float
    area: float
    colour: Array
    shape: Array
    """First two Hu moments: spread for its area (a disc has 1 / 2 pi), and how oblong."""
    clipped: bool
    """It touches the frame's edge, so that part of it may be outside."""
    pixels: Array
    """bool, (height, width)."""

    @property
    def radius(self) -> float:
        """Of a disc of the same area."""
        return float(np.sqrt(self.area / np.pi))


def foregrounds(frames: Array) -> Array:
    """Where objects are, bool (frames, height, width).

    The colours along the edges of all frames are taken for the background's; a pixel is an object where its
    Mahalanobis distance from them passes half of the objects' own.
    """
    edge = max(2, min(frames.shape[1:3]) // 32)
    rings = np.ones(frames.shape[1:3], bool)
    rings[edge:-edge, edge:-edge] = False
    colours = frames[:, rings].reshape(-1, 3).astype(np.float32)
    mean, whiten = _background(colours[:: max(1, len(colours) // 20_000)])
    away = np.stack([_distance(frame.astype(np.float32), mean, whiten) for frame in frames])
    loose = away > FAR
    if not loose.any():
        return np.asarray(loose)
    return np.asarray(away > max(FAR, 0.5 * float(np.median(away[loose]))))


def _background(colours: Array) -> tuple[Array, Array]:
    """Mean and whitening matrix of border colours; objects that cross the border are left out in turns."""
    kept = colours
    for _ in range(3):
        mean = np.median(kept, axis=0)
        spread = np.cov(kept.T) + SPREAD**2 * np.eye(3)
        whiten = np.linalg.inv(np.linalg.cholesky(spread)).T.astype(np.float32)
        near = _distance(colours, mean, whiten) < 3.5
        kept = colours[near] if near.sum() > 20 else colours
    return mean, whiten


def _distance(colours: Array, mean: Array, whiten: Array) -> Array:
    return np.asarray(np.linalg.norm((colours - mean) @ whiten, axis=-1))


def blobs_of(frame: Array, inside: Array) -> list[Blob]:
    """The pieces of a mask, largest first."""
    opened = cv2.morphologyEx(inside.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    least = max(LEAST_PIXELS, LEAST_SHARE * inside.size)
    large = [label for label in range(1, count) if stats[label, cv2.CC_STAT_AREA] >= least]
    found = [measured(frame, labels == label) for label in large]
    return sorted(found, key=lambda blob: -blob.area)


def measured(frame: Array, pixels: Array) -> Blob:
    """A piece of a frame, measured; `pixels` bool (height, width), not empty."""
    moments = cv2.moments(pixels.astype(np.uint8), binaryImage=True)
    area = moments["m00"]
    spread = moments["nu20"] + moments["nu02"]
    oblong = (moments["nu20"] - moments["nu02"]) ** 2 + 4 * moments["nu11"] ** 2
    edge = pixels[[0, 1, -2, -1]].any() or pixels[:, [0, 1, -2, -1]].any()
    colour = frame[pixels].mean(0)
    place = moments["m10"] / area, moments["m01"] / area
    return Blob(*place, area, colour, np.array([spread, oblong]), bool(edge), pixels)


def parted(frame: Array, blob: Blob, colours: Array, places: Array) -> list[Blob | None]:
    """One piece that several objects share, parted among them by colour, or by place where colours are alike.

    colours: (objects, 3), places: (objects, 2), as last seen. None for an object that has no pixel left.
    """
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=-1)
    rows, columns = np.nonzero(blob.pixels)
    if apart[~np.eye(len(colours), dtype=bool)].min() > 40:
        cost = np.linalg.norm(frame[rows, columns][:, None].astype(np.float32) - colours, axis=-1)
    else:
        cost = np.hypot(columns[:, None] - places[:, 0], rows[:, None] - places[:, 1])
    owner = cost.argmin(1)
    parts: list[Blob | None] = []
    for number in range(len(colours)):
        pixels = np.zeros_like(blob.pixels)
        mine = owner == number
        pixels[rows[mine], columns[mine]] = True
        parts.append(measured(frame, pixels) if mine.sum() >= LEAST_PIXELS // 2 else None)
    return parts
