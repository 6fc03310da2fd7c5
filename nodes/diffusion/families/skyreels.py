"""SkyReels-V2 from text or an image: Wan's text encoder and autoencoder around a denoiser of its own.

Numbers are those of the signatures and the documentation of diffusers' SkyReelsV2 pipelines.
"""

from __future__ import annotations

import math
from typing import Any

from ..pixels import pil
from ..values import Geometry, Native
from . import Call, Configs, Family, Task, wan

PIPELINE_MULTIPLE = 16
"""SkyReelsV2Pipeline refuses widths and heights that are not multiples of this."""


def native(configs: Configs) -> Native:
    """Published defaults. The repositories were saved with no shift; their documentation sets 8, and 5 for
    models that begin with an image."""
    sees = wan.needs_image_encoder(configs)
    shift, guidance = (5.0, 5.0) if sees else (8.0, 6.0)
    return Native(width=960, height=544, frames=97, fps=24.0, steps=50, guidance=guidance, shift=shift)


def geometry(configs: Configs) -> Geometry:
    """As the pipeline counts: a halving of the sides for each stage, of the frames where a stage says so."""
    stages = configs.vae.get("temperal_downsample", (False, True, True))
    spatial = 2 ** len(stages)
    return Geometry(
        channels=int(configs.vae.get("z_dim", 16)),
        spatial=spatial,
        temporal=2 ** sum(map(bool, stages)),
        multiple=math.lcm(
            PIPELINE_MULTIPLE, spatial * int(configs.transformer.get("patch_size", (1, 2, 2))[-1])
        ),
    )


def arguments(call: Call) -> dict[str, Any]:
    """Arguments of SkyReelsV2Pipeline.__call__."""
    return {
        "width": call.latents.width,
        "height": call.latents.height,
        "num_frames": call.latents.frames,
        "num_inference_steps": call.steps,
        "guidance_scale": call.guidance,
    }


def image_arguments(call: Call) -> dict[str, Any]:
    """Arguments of SkyReelsV2ImageToVideoPipeline.__call__."""
    return {**arguments(call), "image": pil(call.given.image), "last_image": pil(call.given.last_image)}


FAMILY = Family(
    name="skyreels",
    tasks={
        "text_to_video": Task("SkyReelsV2Pipeline", arguments),
        "image_to_video": Task(
            "SkyReelsV2ImageToVideoPipeline",
            image_arguments,
            image_encoder=wan.needs_image_encoder,
            embed=wan.encode_image,
            refuses=wan.refuses_image,
        ),
    },
    text_parts=("text_encoder", "tokenizer"),
    settings=(),
    solvers=wan.FAMILY.solvers,
    keep_in_fp32=wan.FAMILY.keep_in_fp32,
    native=native,
    geometry=geometry,
    encode=wan.encode,
    decode=wan.decode,
    guides=("schedule",),
    packages=("ftfy",),
    prompt_style="one long caption: subject with its looks, action, expression, setting, camera",
)
