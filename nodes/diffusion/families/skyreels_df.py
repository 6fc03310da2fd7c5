"""SkyReels-V2 diffusion forcing: every latent frame has a noise level of its own, so a clip can begin with
given frames and go on as long as is wanted. It is made by the node diffusion/diffusion_forcing.

Numbers are those of the signatures and the documentation of diffusers' SkyReelsV2DiffusionForcing pipelines.
"""

from __future__ import annotations

from typing import Any

from graphflow.errors import NodeError

from ..pixels import pil, pils
from ..values import Native
from . import Call, Configs, Family, Task, skyreels, wan


def native(configs: Configs) -> Native:
    """Published defaults; `frames` is also the longest window. Variants for 720p were made for 121."""
    return skyreels.native(configs)


def arguments(call: Call) -> dict[str, Any]:
    """Arguments of SkyReelsV2DiffusionForcingPipeline.__call__; the node sets those of the windows."""
    usual = {"prompt": None, "fps": call.latents.fps, "overlap_history": 17}
    return {**skyreels.arguments(call), **usual, **call.given.settings}


def image_arguments(call: Call) -> dict[str, Any]:
    """Arguments of SkyReelsV2DiffusionForcingImageToVideoPipeline.__call__.

    Raises NodeError for a clip of one frame, of which nothing would be left to make.
    """
    if call.latents.frames == 1:
        raise NodeError("a clip of one frame is its first image", where="latents", hint="make longer latents")
    return {**arguments(call), "image": pil(call.given.image), "last_image": pil(call.given.last_image)}


def video_arguments(call: Call) -> dict[str, Any]:
    """Arguments of SkyReelsV2DiffusionForcingVideoToVideoPipeline.__call__."""
    return {**arguments(call), "video": pils(call.given.video)}


FAMILY = Family(
    name="skyreels_df",
    tasks={
        "text_to_video": Task("SkyReelsV2DiffusionForcingPipeline", arguments),
        "image_to_video": Task("SkyReelsV2DiffusionForcingImageToVideoPipeline", image_arguments),
        "extension": Task("SkyReelsV2DiffusionForcingVideoToVideoPipeline", video_arguments),
    },
    text_parts=skyreels.FAMILY.text_parts,
    settings=(),
    solvers={"unipc": wan.FAMILY.solvers["unipc"]},
    keep_in_fp32=wan.FAMILY.keep_in_fp32,
    native=native,
    geometry=skyreels.geometry,
    serves=lambda configs: ("text_to_video", "image_to_video", "extension"),
    denoised_by="diffusion/diffusion_forcing",
    encode=wan.encode,
    decode=wan.decode,
    packages=("ftfy",),
    guides=("schedule",),
    prompt_style=skyreels.FAMILY.prompt_style,
)
