"""Pictures of clips for a page: a filmstrip, a slice through time, a short film that plays by itself."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image as Pillow

from .vision import Array, resized

TALL = 88
"""Pixels: how high frames are shown."""


def filmstrip(frames: Array, count: int = 8) -> bytes:
    """`count` frames side by side, evenly spread with both ends, as a PNG."""
    picked = frames[np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int))]
    height, width = frames.shape[1:3]
    small = _scaled(picked, round(width * TALL / height), TALL)
    gap = np.full((TALL, 3, 3), 128, np.uint8)
    parts = [part for frame in small for part in (frame, gap)][:-1]
    return _png(np.concatenate(parts, axis=1))


def time_slice(frames: Array) -> bytes:
    """The middle row of every frame, one above the other: time goes down. As a PNG.

    Vertical lines stand still, slanted ones move evenly, a step is a jump, stripes across are flicker.
    """
    row = frames[:, frames.shape[1] // 2]
    times = max(1, TALL // len(row))
    return _png(np.repeat(row, times, axis=0))


def poster(frames: Array) -> bytes:
    """The middle frame, as a PNG."""
    height, width = frames.shape[1:3]
    middle = frames[len(frames) // 2][None]
    return _png(_scaled(middle, round(width * 2 * TALL / height), 2 * TALL)[0])


def film(frames: Array, fps: float, tall: int = 256) -> bytes:
    """The clip as an animated WebP that repeats."""
    height, width = frames.shape[1:3]
    pictures = [Pillow.fromarray(frame) for frame in _scaled(frames, round(width * tall / height), tall)]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=pictures[1:],
        duration=round(1000 / fps),
        loop=0,
        quality=90,
    )
    return buffer.getvalue()


def _scaled(frames: Array, width: int, height: int) -> Array:
    """By area where smaller; small frames keep their pixels sharp."""
    width = max(1, width)
    if frames.shape[1] >= height:
        return resized(frames, width, height)
    rows = (np.arange(height) * frames.shape[1] // height).astype(int)
    columns = (np.arange(width) * frames.shape[2] // width).astype(int)
    return np.ascontiguousarray(frames[:, rows][:, :, columns])


def _png(pixels: Array) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG")
    return buffer.getvalue()
