"""Where the windows of a long clip meet."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import node

from .forcing_plan import windows
from .long_video import FAMILIES
from .values import Latents

Frames = Annotated[int, Field(ge=1)]


@node("diffusion/window_starts", depends=(".forcing_plan", ".long_video", ".values"))
def window_starts(latents: Latents, *, window: Frames, overlap: Frames) -> list[int]:
    """The frames in which the second and later windows of a long clip begin to show something of their own.

    latents: of the whole clip, at any stage. window, overlap: frames, as in the node that makes it
    (`diffusion/diffusion_forcing`, `diffusion/denoise_long`). A clip of one window has none.
    Raises NodeError if the overlap leaves nothing of a window.
    """
    step = latents.geometry.temporal
    total = latents.geometry.latent_shape(latents.width, latents.height, latents.frames)[2]
    whole = latents.family in FAMILIES  # their pipeline takes whole latent frames, others the first apart
    base, shared = (frames // step if whole else (frames - 1) // step + 1 for frames in (window, overlap))
    if base >= total:
        return []
    if shared >= base:
        raise NodeError(
            f"an overlap of {overlap} frames leaves nothing of a window of {window}",
            where="overlap",
            hint="use a shorter overlap or longer windows",
        )
    starts, done = [], 0
    for part in windows(total, base, shared)[:-1]:
        done += part.frames - (shared if done else 0)
        starts.append((done - 1) * step + 1)
    return starts
