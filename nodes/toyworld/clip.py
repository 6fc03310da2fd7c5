"""A clip of the toy world as a node: something true to test, show and measure with, without a download."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from graphflow.node import Sketch, Unknown, node
from graphflow.values import Image, Seed, Video

from .world import FPS

Shape = Literal["circle", "square", "triangle"]
Color = Literal["red", "green", "blue", "yellow", "purple", "white"]
Background = Literal["black", "gray", "pink", "brown"]
Motion = Literal["right", "left", "up", "down", "still"]
Effect = Literal["none", "slices", "fade"]


class ToyClip(NamedTuple):
    """A rendered clip, its first and last frames, and what it shows in words."""

    video: Video
    first: Image
    last: Image
    caption: str


def _foreseen(frames: int | Unknown, side: int | Unknown) -> Mapping[str, Any] | None:
    if isinstance(frames, Unknown) or isinstance(side, Unknown):
        return None
    still = Sketch(side, side)
    return {"video": Sketch(side, side, frames, float(FPS)), "first": still, "last": still}


@node("toyworld/clip", check=_foreseen, depends=(".render", ".world", ".captions"))
def clip(
    *,
    shape: Shape = "circle",
    color: Color = "red",
    background: Background = "black",
    size: Literal["medium", "large"] = "large",
    motion: Motion = "right",
    effect: Effect = "none",
    seed: Seed = 0,
    frames: Annotated[int, Field(ge=1, le=1000)] = 13,
    side: Annotated[int, Field(ge=16, le=1024)] = 64,
) -> ToyClip:
    """Render one coloured shape that moves on a plain background.

    effect: `slices` cuts the shape like a cake, `fade` lets it vanish. seed: where it is and its exact
        colours. frames: the whole motion takes that many, at 8 a second. side: width and height in pixels.
    Returns uint8 frames, (frames, side, side, 3), and a caption such as the embedded models were taught.
    """
    from .captions import plain_caption
    from .render import render, to_uint8
    from .world import Scene

    scene = Scene(shape, color, background, size, motion, effect, seed)
    pixels = to_uint8(render([scene], frames, side))[0]
    first, last = (Image(pixels=pixels[index].clone()) for index in (0, -1))
    return ToyClip(Video(frames=pixels, fps=float(FPS)), first, last, plain_caption(scene))
