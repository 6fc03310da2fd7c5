"""What a model was given, at the size at which it got it: to put back beside what it made, or to compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from graphflow.node import Sketch, Unknown, node
from graphflow.values import Image, Video

from .pixels import Fit, fitted_image, fitted_video
from .values import Latents

P = TypeVar("P", Image, Video)


def _foreseen(latents: Latents | Unknown, media: Any, whole: bool | Unknown) -> Mapping[str, Any] | None:
    if isinstance(latents, Unknown) or isinstance(whole, Unknown) or not isinstance(media, Sketch):
        return None
    frames = media.frames if media.frames is None or whole else latents.frames
    return {"out": replace(media, width=latents.width, height=latents.height, frames=frames)}


@node("diffusion/fit_media", check=_foreseen, depends=(".pixels", ".values"))
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
