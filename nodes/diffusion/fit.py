"""What a model was given, at the size at which it got it: to put back beside what it made, or to compare."""

from __future__ import annotations

from typing import TypeVar

from graphflow.node import node
from graphflow.values import Image, Video

from .pixels import Fit, fitted_image, fitted_video
from .values import Latents

P = TypeVar("P", Image, Video)


@node("diffusion/fit_media", depends=(".pixels", ".values"))
def fit_media(latents: Latents, media: P, *, fit: Fit = "cover", whole: bool = False) -> P:
    """A picture or video as the condition nodes give it to a model: the size of a clip, no longer than it.

    latents: of the clip, at any stage; they say its size and length. fit: as in the condition node.
    whole: keep a video's length, whatever the clip's.
    Returns uint8 frames of that size. Raises NodeError for a video shorter than the clip.
    """
    size = latents.width, latents.height
    if isinstance(media, Image):
        return media.model_copy(update={"pixels": fitted_image(media, *size, fit).pixels})
    frames = fitted_video(media, *size, len(media.frames) if whole else latents.frames, fit, "media").frames
    return media.model_copy(update={"frames": frames})
