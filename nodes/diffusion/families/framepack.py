"""FramePack: HunyuanVideo 1.0 that makes a long clip section by section from its first image.

Earlier sections are packed into ever fewer tokens, so each costs the same. It is made by the node
diffusion/framepack. Numbers are those of the signature and the documentation of diffusers'
HunyuanVideoFramepackPipeline and of the FramePack model card.
"""

from __future__ import annotations

from typing import Any

from ..pixels import pil
from ..values import Given, Latents, Native
from . import Call, Configs, Family, Task, hunyuan

SECTION = 9
"""Latent frames of a section, as the released models were made for."""


def native(configs: Configs) -> Native:
    """Published defaults; four sections."""
    return hunyuan.native(configs).model_copy(
        update={"width": 832, "height": 480, "frames": 145, "fps": 30.0, "steps": 30, "guidance": 9.0}
    )


def arguments(call: Call) -> dict[str, Any]:
    """Arguments of HunyuanVideoFramepackPipeline.__call__; the node sets those of the sections."""
    images = {"image": pil(call.given.image), "last_image": pil(call.given.last_image)}
    return {**hunyuan.arguments(call), **images}


def encode_image(pipe: Any, given: Given) -> Any:
    """What is said of the first image and of the last, if there is one: (1 or 2, tokens, width)."""
    import torch

    images = [pil(image) for image in (given.image, given.last_image) if image is not None]
    return torch.cat([pipe.encode_image(pipe.video_processor.preprocess(image)) for image in images])


def decode(vae: Any, samples: Any, latents: Latents) -> Any:
    """As the pipeline decodes: section after section, each with the one beside it, and blended into it."""
    from diffusers import HunyuanVideoFramepackPipeline

    section = int(latents.decode.get("latent_window_size", SECTION))
    forward, count = bool(latents.decode.get("vanilla")), (samples.shape[2] - 1) // section
    overlap = (section - 1) * vae.temporal_compression_ratio + 1
    video = None
    for index in range(count):
        part = hunyuan.decode(vae, _with_neighbour(samples, section, index, count, forward), latents)
        if video is None:
            video = part
            continue
        pair = (video, part) if forward else (part, video)
        video = HunyuanVideoFramepackPipeline._soft_append(None, *pair, overlap)
    return video


def _with_neighbour(samples: Any, section: int, index: int, count: int, forward: bool) -> Any:
    """The latents that the pipeline decodes when it has made a section: all of the first section, the new and
    the one beside it later. Made forwards, the clip grows at its end; else at its front, the image last."""
    made = (index + 1) * section
    if forward:
        return samples[:, :, : made + 1] if index == 0 else samples[:, :, made + 1 - 2 * section : made + 1]
    last = index == count - 1
    grown = samples if last else samples[:, :, -made:]
    return grown if index == 0 else grown[:, :, : 2 * section + last]


FAMILY = Family(
    name="framepack",
    tasks={
        "image_to_video": Task(
            "HunyuanVideoFramepackPipeline",
            arguments,
            embed=encode_image,
            image_encoder=lambda configs: True,
        ),
    },
    text_parts=hunyuan.FAMILY.text_parts,
    image_parts=("image_encoder", "feature_extractor"),
    settings=(),
    solvers=hunyuan.FAMILY.solvers,
    keep_in_fp32=(),
    native=native,
    geometry=hunyuan.geometry,
    denoised_by="diffusion/framepack",
    encode=hunyuan.encode,
    blank_prompt=hunyuan.blank_prompt,
    decode=decode,
    text_width="text_embed_dim",
    negative_prompts=False,
    guides=hunyuan.FAMILY.guides,
    prompt_style="one short sentence that says who moves and how, such as: the girl dances gracefully",
)
