"""Frames of values as numpy arrays, checked. Importing this needs neither torch nor OpenCV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphflow.errors import NodeError, ValueMismatch
from graphflow.values import Image, Mask, Video

if TYPE_CHECKING:
    from .vision import Array


def frames_of(media: Video | Image, where: str = "") -> Array:
    """Frames as uint8 (frames, height, width, 3); an image is one. Raises NodeError for anything else."""
    pixels = media.pixels.unsqueeze(0) if isinstance(media, Image) else media.frames
    if str(pixels.dtype) != "torch.uint8" or pixels.ndim != 4 or pixels.shape[-1] != 3 or not pixels.numel():
        raise NodeError(
            f"frames are uint8 (frames, height, width, 3), not {pixels.dtype} {tuple(pixels.shape)}",
            where=where,
            hint="the video has no frames" if pixels.ndim == 4 and not len(pixels) else "decode it first",
        )
    frames: Array = pixels.detach().cpu().contiguous().numpy()
    return frames


def marks_of(mask: Mask | Video, where: str = "mask") -> Array:
    """A mask as uint8 (frames, height, width), 255 inside; a mask for all frames is one."""
    if isinstance(mask, Video):
        brightest: Array = frames_of(mask, where).max(-1)
        return brightest
    if str(mask.pixels.dtype) != "torch.uint8" or mask.pixels.ndim != 2 or not mask.pixels.numel():
        raise NodeError(f"a mask is uint8 (height, width), not {tuple(mask.pixels.shape)}", where=where)
    marks: Array = mask.pixels.detach().cpu().contiguous().numpy()
    return marks[None]


def check_alike(what: str, first: Array, other: Array, *, count: bool = True) -> None:
    """Raise ValueMismatch unless both have one size, and with `count` as many frames."""
    if first.shape[1:3] != other.shape[1:3]:
        (height, width), (own_height, own_width) = other.shape[1:3], first.shape[1:3]
        raise ValueMismatch(
            f"the {what} is {width} x {height}, the video {own_width} x {own_height}",
            hint="use media/resize first",
        )
    if count and len(first) != len(other):
        raise ValueMismatch(
            f"the {what} has {len(other)} frames, the video {len(first)}", hint="use media/trim first"
        )
