"""Sizes and lengths that a model can make, as near as possible to a given picture or video."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from graphflow.node import Context, Estimate, Foreseen, Sketch, Unknown, node
from graphflow.values import Image, Video

from .recipes import VAE
from .values import Geometry, Latents

Media = Image | Video | Sketch


def _foreseen(
    vae: VAE | Unknown,
    media: Any,
    megapixels: float | Unknown | None,
    frames: int | Unknown | None,
) -> Mapping[str, Any] | None:
    """The latents, where the size of the picture or video is known already."""
    if isinstance(vae, Unknown) or not isinstance(media, Sketch):
        return None
    if isinstance(megapixels, Unknown) or isinstance(frames, Unknown):
        return None
    latents = _like(vae, media, megapixels, frames)
    return Foreseen({"out": latents}, _changes(media, latents))


def _forecast(known: Mapping[str, Any]) -> Estimate:
    """It opens no model."""
    return Estimate(0)


@node("diffusion/latents_like", check=_foreseen, forecast=_forecast, depends=(".values", ".recipes"))
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


def _like(vae: VAE, media: Media, megapixels: float | None, frames: int | None) -> Latents:
    seen = _seen(media)
    native = vae.native
    area = native.width * native.height if megapixels is None else megapixels * 1e6
    width, height = snapped_size(seen.width / seen.height, area, vae.geometry.multiple)
    length, rate = native.frames, native.fps
    if seen.frames is not None:
        length, rate = seen.frames, seen.fps
    length = snapped_frames(min(length, frames or length), vae.geometry)
    return vae.latents(width=width, height=height, frames=length, fps=rate, sound=native.sound)


def _seen(media: Media) -> Sketch:
    if isinstance(media, Sketch):
        return media
    if isinstance(media, Video):
        count, rows, columns = media.frames.shape[:3]
        return Sketch(columns, rows, count, media.fps)
    rows, columns = media.pixels.shape[:2]
    return Sketch(columns, rows)


def _changes(media: Media, latents: Latents) -> str:
    """What of the latents is not as in the picture or video; empty if nothing is."""
    seen, told = _seen(media), []
    if (seen.width, seen.height) != (latents.width, latents.height):
        told.append(f"{seen.width} x {seen.height} becomes {latents.width} x {latents.height}")
    if seen.frames not in (None, latents.frames):
        told.append(f"{seen.frames} frames become {latents.frames}")
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
