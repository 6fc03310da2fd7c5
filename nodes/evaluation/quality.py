"""A quick look at a clip: how sharp, how still between frames, how much it moves."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import node
from graphflow.values import Image, Tensor, Video

Weight = Annotated[float, Field(ge=-100, le=100)]


class Quality(NamedTuple):
    """All in grey levels of 0 to 1 except `score`."""

    score: float
    sharpness: float
    """Mean absolute Laplacian of the luma: edges raise it, blur lowers it."""
    flicker: float
    """Mean absolute change of a frame's mean luma from frame to frame: 0 is steady light."""
    motion: float
    """Mean absolute change of a pixel from frame to frame: 0 is a still picture."""


@node("evaluation/clip_quality")
def clip_quality(
    video: Video, *, sharpness: Weight = 1.0, motion: Weight = 1.0, flicker: Weight = -4.0
) -> Quality:
    """Measure a clip and weigh the measures into one score, to choose the best of several takes.

    The settings are the weights. The measures compare takes of one prompt; they say nothing across prompts,
    and nothing about whether the clip shows what was asked.
    Raises NodeError for a video without frames.
    """
    if not len(video.frames):
        raise NodeError("the video has no frames")
    luma = _luma(video.frames)
    steps = (luma[1:] - luma[:-1]) if len(luma) > 1 else luma[:0]
    sharp = _laplacian(luma)
    flick = float(steps.mean(dim=(1, 2)).abs().mean()) if len(steps) else 0.0
    move = float(steps.abs().mean()) if len(steps) else 0.0
    return Quality(sharpness * sharp + motion * move + flicker * flick, sharp, flick, move)


@node("evaluation/sharpness")
def sharpness(image: Image) -> float:
    """How sharp a picture is, to choose among several of one scene.

    Returns the mean absolute Laplacian of its luma, 0..1.
    """
    return _laplacian(_luma(image.pixels.unsqueeze(0)))


def _luma(frames: Tensor) -> Any:
    """(frames, height, width), 0..1, by ITU-R BT.601 weights."""
    import torch

    return (frames.float() / 255) @ torch.tensor([0.299, 0.587, 0.114], dtype=torch.float32)


def _laplacian(luma: Any) -> float:
    """Mean absolute 4-neighbour Laplacian of the inner pixels; 0 for pictures under 3 pixels."""
    if min(luma.shape[1:]) < 3:
        return 0.0
    centre = luma[:, 1:-1, 1:-1]
    around = luma[:, :-2, 1:-1] + luma[:, 2:, 1:-1] + luma[:, 1:-1, :-2] + luma[:, 1:-1, 2:]
    return float((around - 4 * centre).abs().mean())
