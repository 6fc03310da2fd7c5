"""Sizes and lengths that a model can make, as near as possible to a given picture or video."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from graphflow.node import node
from graphflow.values import Image, Video

from .recipes import VAE
from .values import Geometry, Latents


@node("diffusion/latents_like", depends=(".values", ".recipes"))
def latents_like(
    vae: VAE,
    media: Image | Video,
    *,
    megapixels: Annotated[float, Field(gt=0, le=64)] | None = None,
    frames: Annotated[int, Field(ge=1, le=100_000)] | None = None,
) -> Latents:
    """Empty latents of the shape of a picture or video, at a size and length that the model can make.

    megapixels: area of a frame, in million pixels; empty is the model's own. frames: at most so many; empty
        is the video's own length, or the model's for a picture. The rate is the video's.
    The proportions are kept as closely as whole latent cells allow; the chosen size stands in the result.
    """
    rows, columns = (media.pixels if isinstance(media, Image) else media.frames[0]).shape[:2]
    native = vae.native
    area = native.width * native.height if megapixels is None else megapixels * 1e6
    width, height = snapped_size(columns / rows, area, vae.geometry.multiple)
    length, rate = native.frames, native.fps
    if isinstance(media, Video):
        length, rate = len(media.frames), media.fps
    length = snapped_frames(min(length, frames or length), vae.geometry)
    return vae.latents(width=width, height=height, frames=length, fps=rate, sound=native.sound)


def snapped_size(ratio: float, area: float, multiple: int) -> tuple[int, int]:
    """Width and height in pixels: multiples, with nearly this ratio, and an area of at most this many pixels
    unless a side of one multiple is too much already.

    >>> snapped_size(16 / 9, 832 * 480, 16)
    (832, 464)
    """
    best = (multiple, multiple)
    for rows in range(1, max(1, int(math.sqrt(area * 4) / multiple)) + 1):
        columns = max(1, min(round(rows * ratio), int(area / (rows * multiple * multiple))))
        size = (columns * multiple, rows * multiple)
        if size[0] * size[1] <= area and _likeness(size, ratio, area) > _likeness(best, ratio, area):
            best = size
    return best


def _likeness(size: tuple[int, int], ratio: float, area: float) -> float:
    """1 for the wanted shape and area; a wrong ratio counts more than a small area."""
    width, height = size
    wrong = abs(math.log(width / height / ratio))
    return min(width * height / area, 1.0) * math.exp(-4 * wrong)


def snapped_frames(frames: int, geometry: Geometry) -> int:
    """The longest clip a model can make of so many frames.

    >>> snapped_frames(20, Geometry(channels=16, spatial=8, temporal=4, multiple=16))
    17
    """
    return (frames - 1) // geometry.temporal * geometry.temporal + 1
