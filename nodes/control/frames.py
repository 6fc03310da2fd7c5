"""Small help with uint8 frames and masks that the nodes of this pack share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from graphflow.errors import NodeError, ValueMismatch
from graphflow.values import Image, Mask, Tensor, Video

P = TypeVar("P", Image, Video)
"""A picture or a clip: whatever comes in goes out."""

M = TypeVar("M", Mask, Video)
"""A mask for all frames, or a grey video: one mask a frame."""

GRAY = 128
"""Fills what a model is to make anew: the middle of the range, as VACE was trained."""


def frames_of(media: Image | Video, where: str = "") -> Tensor:
    """All frames, uint8 (frames, height, width, 3); an image is one. Raises NodeError for anything else."""
    import torch

    frames = media.pixels.unsqueeze(0) if isinstance(media, Image) else media.frames
    if frames.dtype != torch.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or not frames.numel():
        raise NodeError(
            f"frames are uint8 (frames, height, width, 3), not {frames.dtype} {tuple(frames.shape)}",
            where=where,
            hint="a video needs at least one frame",
        )
    return frames


def with_frames(media: P, frames: Tensor) -> P:
    """The same kind of thing with other frames."""
    changed = {"pixels": frames[0]} if isinstance(media, Image) else {"frames": frames}
    return media.model_copy(update=changed)


def marks_of(mask: Mask | Video, where: str = "mask") -> Tensor:
    """A mask as uint8, (frames, height, width); 255 is inside. Raises NodeError for anything else."""
    import torch

    if isinstance(mask, Video):
        return frames_of(mask, where).amax(-1)
    pixels = mask.pixels
    if pixels.dtype != torch.uint8 or pixels.ndim != 2 or not pixels.numel():
        raise NodeError(
            f"a mask is uint8 (height, width), not {pixels.dtype} {tuple(pixels.shape)}", where=where
        )
    return pixels.unsqueeze(0)


def with_marks(mask: M, marks: Tensor) -> M:
    """The same kind of mask with other marks, (frames, height, width)."""
    changed = {"pixels": marks[0]} if isinstance(mask, Mask) else {"frames": as_frames(marks)}
    return mask.model_copy(update=changed)


def as_frames(gray: Tensor) -> Tensor:
    """Grey (frames, height, width) as frames, (frames, height, width, 3)."""
    return gray.unsqueeze(-1).repeat(1, 1, 1, 3)


def each(tensor: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """`change` applied frame by frame, so that only one frame is ever held in float."""
    import torch

    return torch.stack([change(frame) for frame in tensor])


def luma(frames: Tensor) -> Tensor:
    """Brightness 0..255, float32, without the last dimension; weights of Rec. 601, as Pillow's L."""
    red, green, blue = frames.float().unbind(-1)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def to_bytes(values: Tensor) -> Tensor:
    """Float values as uint8, rounded and cut to 0..255."""
    import torch

    return values.round().clamp(0, 255).to(torch.uint8)


def blurred(plane: Tensor, sigma: float) -> Tensor:
    """A float (height, width) plane under a Gaussian of `sigma` pixels; edges are continued."""
    import torch

    if sigma <= 0:
        return plane
    radius = max(1, round(3 * sigma))
    places = torch.arange(-radius, radius + 1, dtype=torch.float32)
    weights = torch.exp(-(places**2) / (2 * sigma**2))
    weights = weights / weights.sum()
    return _along(_along(plane, weights).T, weights).T


def _along(plane: Tensor, weights: Any) -> Tensor:
    import torch

    radius = len(weights) // 2
    rows = torch.cat([plane[:, :1].expand(-1, radius), plane, plane[:, -1:].expand(-1, radius)], dim=1)
    return torch.nn.functional.conv1d(rows.unsqueeze(1), weights.view(1, 1, -1)).squeeze(1)


def check_same(what: str, a: Tensor, b: Tensor) -> None:
    """Raise ValueMismatch unless frames (or marks) have one size, and one count where neither is single."""
    if a.shape[1:3] != b.shape[1:3]:
        raise ValueMismatch(
            f"the {what} is {b.shape[2]} x {b.shape[1]}, the video {a.shape[2]} x {a.shape[1]}",
            hint="use media/resize first",
        )
    if len(b) not in (1, len(a)):
        raise ValueMismatch(
            f"the {what} has {len(b)} frames, the video {len(a)}", hint="use media/trim first"
        )
