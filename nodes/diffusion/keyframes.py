"""Pictures and clips that a video must show at certain places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import Context, Unknown, node
from graphflow.values import Image, Video

from .activations import conditioning
from .checks import foreseen
from .condition import encoded
from .pixels import Fit, fitted_image, fitted_video
from .recipes import VAE
from .values import Blank, Condition, Given, Keyframe, Latents


def _placed_somewhere(index: int | Unknown, strength: float | Unknown) -> Mapping[str, Any] | None:
    if isinstance(index, Unknown) or isinstance(strength, Unknown):
        return None
    return {"out": Keyframe(content=Blank(frames=1, width=1, height=1), index=index, strength=strength)}


@node("diffusion/keyframe", check=_placed_somewhere, depends=(".values",))
def keyframe(
    content: Image | Video,
    *,
    index: Annotated[int, Field(ge=-100_000, le=100_000)] = 0,
    strength: Annotated[float, Field(ge=0, le=1)] = 1.0,
) -> Keyframe:
    """A picture or a clip, and where a video must show it.

    index: the first frame that shows it; -1 is the last frame. A clip at 0 is a video to be extended.
    strength: 1 keeps it as it is, less lets the model change it.
    """
    return Keyframe(content=content, index=index, strength=strength)


def _foreseen(
    vae: VAE | Unknown,
    keyframes: list[Keyframe | Unknown] | Unknown,
    latents: Latents | Unknown,
    image_cond_noise_scale: float | Unknown | None,
) -> Mapping[str, Any] | None:
    """Checked as far as it is known: the places of keyframes, whatever they will show."""
    if isinstance(keyframes, Unknown) or isinstance(latents, Unknown):
        return None
    for frame in keyframes:
        if isinstance(frame, Keyframe):
            _place(frame, latents)
    return foreseen(vae, latents, "keyframes", Given(settings=_noise(image_cond_noise_scale)))


def _noise(scale: float | Unknown | None) -> dict[str, Any]:
    return {} if scale is None else {"image_cond_noise_scale": scale}


@node(
    "diffusion/condition_keyframes",
    check=_foreseen,
    forecast=conditioning,
    depends=(".checks", ".condition", ".recipes", ".shell", ".stand_ins", ".pixels", ".values"),
)
def condition_keyframes(
    vae: VAE,
    keyframes: list[Keyframe],
    latents: Latents,
    ctx: Context,
    *,
    image_cond_noise_scale: Annotated[float, Field(ge=0, le=1)] | None = None,
    fit: Fit = "cover",
) -> Condition:
    """Let a clip show pictures and clips at their places, and invent what is between, before and after.

    keyframes: in any order. Of a clip as many frames are used as come after the first in whole latent frames
        and are not past the end: for LTX-Video 1, 9, 17, ...
    latents: they say the clip's size.
    image_cond_noise_scale: noise laid over keyframes of full strength, for more motion; empty is the
        pipeline's own. fit: how a picture of another shape comes to the clip's: cut, with black bars, or
        stretched.
    Raises NodeError if the model takes no keyframes, or not there.
    """
    if not keyframes:
        raise NodeError("there are no keyframes", where="keyframes", hint="wire at least one")
    placed = tuple(_placed(frame, latents, fit) for frame in keyframes)
    given = Given(keyframes=placed, settings=_noise(image_cond_noise_scale))
    return encoded(ctx, vae, latents, "keyframes", given)


def _placed(frame: Keyframe, latents: Latents, fit: Fit) -> Keyframe:
    """The keyframe at the clip's size and within its length, its index counted from the start."""
    index = _place(frame, latents)
    return Keyframe(content=_fitted(frame.content, latents, index, fit), index=index, strength=frame.strength)


def _place(frame: Keyframe, latents: Latents) -> int:
    """Its index counted from the start. Raises NodeError if it is not in the clip."""
    index = frame.index + latents.frames if frame.index < 0 else frame.index
    if not 0 <= index < latents.frames:
        raise NodeError(
            f"there is no frame {frame.index} in a clip of {latents.frames}",
            where="keyframes",
            hint=f"frames are 0 to {latents.frames - 1}, or -1 to {-latents.frames} from the end",
        )
    return index


def _fitted(content: Any, latents: Latents, index: int, fit: Fit) -> Image | Video:
    if isinstance(content, Image):
        return fitted_image(content, latents.width, latents.height, fit)
    step = latents.geometry.temporal
    frames = (min(len(content.frames), latents.frames - index) - 1) // step * step + 1
    return fitted_video(content, latents.width, latents.height, frames, fit, "keyframes")
