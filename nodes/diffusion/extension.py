"""The end of a video, encoded so that a clip can go on from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import Context, Estimate, Unknown, node
from graphflow.values import Video

from .activations import conditioning
from .checks import foreseen
from .condition import encoded
from .forcing_plan import latent_frames
from .pixels import Fit, fitted_video
from .recipes import VAE
from .values import Blank, Condition, Given, Latents


def _foreseen(
    vae: VAE | Unknown, latents: Latents | Unknown, overlap_history: int | Unknown
) -> Mapping[str, Any] | None:
    """Checked as far as it is known."""
    if isinstance(vae, Unknown) or isinstance(latents, Unknown) or isinstance(overlap_history, Unknown):
        return None
    _check_overlap(vae, latents, overlap_history)
    video = Blank(frames=overlap_history, width=latents.width, height=latents.height)
    given = Given(video=video, settings={"overlap_history": overlap_history})
    return foreseen(vae, latents, "extension", given)


def _forecast(known: Mapping[str, Any]) -> Estimate | None:
    """Only the video's last frames are encoded."""
    latents, frames = known.get("latents"), known.get("overlap_history")
    if not isinstance(latents, Latents) or frames is None:
        return None
    return conditioning({**known, "latents": latents.model_copy(update={"frames": frames})})


@node(
    "diffusion/condition_extension",
    check=_foreseen,
    forecast=_forecast,
    depends=(".checks", ".condition", ".forcing_plan", ".pixels", ".values"),
)
def condition_extension(
    vae: VAE,
    video: Video,
    latents: Latents,
    ctx: Context,
    *,
    overlap_history: Annotated[int, Field(ge=1)] = 17,
    fit: Fit = "cover",
) -> Condition:
    """Let a clip go on where a video ends: diffusion forcing of SkyReels-V2, or LTX-Video from 0.9.5 on.

    latents: empty; the clip begins with the video's last frames and then goes on.
    overlap_history: how many of its last frames; 17 or 37 are advised. Cut them off the clip before it is
        put behind the video.
    Raises NodeError if the model cannot do it, the video is too short, or the clip would end with it.
    """
    _check_overlap(vae, latents, overlap_history)
    end = Video(frames=video.frames[-overlap_history:], fps=video.fps)
    content = fitted_video(end, latents.width, latents.height, overlap_history, fit, "video")
    given = Given(video=content, settings={"overlap_history": overlap_history})
    return encoded(ctx, vae, latents, "extension", given)


def _check_overlap(vae: VAE, latents: Latents, overlap_history: int) -> None:
    latent_frames("overlap_history", overlap_history, vae.geometry.temporal)
    if latents.frames <= overlap_history:
        raise NodeError(
            f"a clip of {latents.frames} frames ends with the {overlap_history} that it is given",
            where="latents",
            hint="make longer latents, or take fewer frames of the video",
        )
