"""Masks: white is inside. One mask for all frames, or a grey video with a mask for each."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import Alike, node
from graphflow.values import Image, Mask, Tensor, Video

from .frames import M, as_frames, blurred, each, frames_of, luma, marks_of, to_bytes, with_marks
from .values import Fps, Frames

Color = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
Share = Annotated[float, Field(ge=0, le=1)]

_PARTS = (".frames",)


@node("control/grow_mask", check=Alike("mask"), depends=_PARTS)
def grow_mask(mask: M, *, pixels: Annotated[int, Field(ge=-256, le=256)] = 8) -> M:
    """A mask made larger by `pixels` all around, or smaller if negative; the frame's edge is no edge."""
    marks = marks_of(mask)
    if pixels < 0:
        return with_marks(mask, 255 - _grown(255 - marks, -pixels))
    return with_marks(mask, _grown(marks, pixels))


@node("control/feather_mask", check=Alike("mask"), depends=_PARTS)
def feather_mask(mask: M, *, sigma: Annotated[float, Field(ge=0, le=200)] = 4.0) -> M:
    """A mask with soft edges: blurred by a Gaussian of `sigma` pixels."""
    return with_marks(mask, each(marks_of(mask), lambda frame: to_bytes(blurred(frame.float(), sigma))))


@node("control/invert_mask", check=Alike("mask"), depends=_PARTS)
def invert_mask(mask: M) -> M:
    """Inside becomes outside."""
    return with_marks(mask, 255 - marks_of(mask))


@node("control/combine_masks", depends=_PARTS)
def combine_masks(masks: list[M], *, mode: Literal["union", "intersection", "difference"] = "union") -> M:
    """Several masks as one: inside any, inside all, or inside the first and no other.

    Raises NodeError if there are none, ValueMismatch if sizes or numbers of frames differ.
    """
    import torch

    if not masks:
        raise NodeError("there are no masks", hint="wire at least one mask")
    found, *others = [marks_of(mask) for mask in masks]
    for number, other in enumerate(others, 1):
        if other.shape != found.shape:
            raise ValueMismatch(
                f"mask {number} has shape {tuple(other.shape)}, mask 0 {tuple(found.shape)}",
                hint="give all masks one size and number of frames",
            )
        if mode == "union":
            found = torch.maximum(found, other)
        else:
            found = torch.minimum(found, other if mode == "intersection" else 255 - other)
    return with_marks(masks[0], found)


@node("control/mask_of_image", depends=_PARTS)
def mask_of_image(image: Image, *, threshold: Share | None = None) -> Mask:
    """A mask for all frames from a picture: as bright as the picture is, so is the mask.

    threshold: makes it hard; what is at least so bright is inside, 0..1.
    """
    bright = luma(frames_of(image)[0])
    hard = None if threshold is None else (bright >= threshold * 255).float() * 255
    return Mask(pixels=to_bytes(bright if hard is None else hard))


@node("control/repeat_mask", depends=(*_PARTS, ".values"))
def repeat_mask(mask: Mask, *, frames: Frames = 81, fps: Fps = 16.0) -> Video:
    """One mask for every frame of a clip, to be combined with masks that move."""
    return Video(frames=as_frames(marks_of(mask).expand(frames, -1, -1)), fps=fps)


@node("control/luma_key", check=Alike("video"), depends=_PARTS)
def luma_key(video: Video, *, low: Share = 0.5, high: Share = 1.0, softness: Share = 0.0) -> Video:
    """A mask of what is as bright as `low` to `high`, 0 is black and 1 is white.

    softness: over how much brightness the mask fades on both sides.
    Raises NodeError if low is over high.
    """
    if low > high:
        raise NodeError(f"low ({low:g}) is over high ({high:g})", hint="lower low or raise high")

    def keyed(frame: Tensor) -> Tensor:
        bright = luma(frame) / 255
        return _soft((low - bright).maximum(bright - high), softness)

    return _mask_video(video, each(frames_of(video), keyed))


@node("control/chroma_key", check=Alike("video"), depends=_PARTS)
def chroma_key(
    video: Video, *, color: Color = "#00ff00", tolerance: Share = 0.2, softness: Share = 0.05
) -> Video:
    """A mask of what has the colour of a green (or other) screen, however bright.

    tolerance: how far a colour may be off, as a share of the way between opposite colours, in the chroma
    plane of BT.601. softness: over how much more the mask fades.
    """
    import torch

    bytes_ = [int(color[place : place + 2], 16) for place in (1, 3, 5)]
    key = _chroma(torch.tensor(bytes_, dtype=torch.uint8))

    def keyed(frame: Tensor) -> Tensor:
        away = torch.linalg.vector_norm(_chroma(frame) - key, dim=-1) / 255
        return _soft(away - tolerance, softness)

    return _mask_video(video, each(frames_of(video), keyed))


def _grown(marks: Tensor, pixels: int) -> Tensor:
    """The greatest mark within a circle around each pixel, row by row of the circle."""
    import torch

    half = [math.isqrt(pixels**2 - row**2) for row in range(pixels + 1)]

    def grow(frame: Tensor) -> Tensor:
        found = frame.float()
        for row in range(min(pixels, len(frame) - 1) + 1):
            size = 2 * half[row] + 1
            wide = torch.nn.functional.max_pool2d(frame.float()[None], (1, size), 1, (0, half[row]))[0]
            found[row:] = found[row:].maximum(wide[: len(frame) - row])
            found[: len(frame) - row] = found[: len(frame) - row].maximum(wide[row:])
        return to_bytes(found)

    return each(marks, grow)


def _soft(outside: Tensor, softness: float) -> Tensor:
    """255 where `outside` is not positive, 0 where it passes the softness, between them in between."""
    if softness == 0:
        return to_bytes((outside <= 0).float() * 255)
    return to_bytes((1 - outside / softness).clamp(0, 1) * 255)


def _chroma(colors: Tensor) -> Tensor:
    """Cb and Cr of uint8 colours, -127.5..127.5, (..., 2)."""
    import torch

    bright = luma(colors)
    red, _, blue = colors.float().unbind(-1)
    return torch.stack([(blue - bright) * 0.564, (red - bright) * 0.713], dim=-1)


def _mask_video(video: Video, marks: Tensor) -> Video:
    return Video(frames=as_frames(marks), fps=video.fps)
