"""Sizes and lengths that a model can make, as near as possible to a given picture or video."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from graphflow.node import Context, node
from graphflow.values import Image, Video

from .recipes import VAE
from .values import Geometry, Latents


@node("diffusion/latents_like", depends=(".values", ".recipes"))
def latents_like(
    vae: VAE,
    media: Image | Video,
    ctx: Context,
    *,
    megapixels: Annotated[float, Field(gt=0, le=64)] | None = None,
    frames: Annotated[int, Field(ge=1, le=100_000)] | None = None,
) -> Latents:
    """Empty latents of the shape of a picture or video, at a size and length that the model can make.

    megapixels: area of a frame, in million pixels; empty is the model's own. frames: at most so many; empty
        is the video's own length, or the model's for a picture. The rate is the video's.
    The proportions are kept as closely as whole latent cells allow. What is not as the picture or video has
    it is told.
    """
    latents = _like(vae, media, megapixels, frames)
    notice = _changes(media, latents)
    if notice:
        ctx.notice(notice)
    return latents


def _like(vae: VAE, media: Image | Video, megapixels: float | None, frames: int | None) -> Latents:
    rows, columns = _shape(media)[1:]
    native = vae.native
    area = native.width * native.height if megapixels is None else megapixels * 1e6
    width, height = snapped_size(columns / rows, area, vae.geometry.multiple)
    length, rate = native.frames, native.fps
    if isinstance(media, Video):
        length, rate = _shape(media)[0], media.fps
    length = snapped_frames(min(length, frames or length), vae.geometry)
    return vae.latents(width=width, height=height, frames=length, fps=rate, sound=native.sound)


def _shape(media: Image | Video) -> tuple[int, int, int]:
    """Frames, height and width."""
    shape = media.pixels.shape if isinstance(media, Image) else media.frames.shape
    return (1, *shape[:2]) if isinstance(media, Image) else (shape[0], shape[1], shape[2])


def _changes(media: Image | Video, latents: Latents) -> str:
    """What of the latents is not as in the picture or video; empty if nothing is."""
    count, rows, columns = _shape(media)
    told = []
    if (columns, rows) != (latents.width, latents.height):
        told.append(f"{columns} x {rows} becomes {latents.width} x {latents.height}")
    if isinstance(media, Video) and count != latents.frames:
        told.append(f"{count} frames become {latents.frames}")
    return ", ".join(told)


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
