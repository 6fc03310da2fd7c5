"""HunyuanVideo 1.0 from an image: Llava reads the image together with the prompt.

Two variants were released. One puts the image in place of the first latent frame (token replace), the other
beside every frame (latent concat, 33 channels) and makes a first latent frame that is not shown.
Numbers are those of the signature and the documentation of diffusers' HunyuanVideoImageToVideoPipeline.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from graphflow.errors import NodeError
from graphflow.values import Image

from ..pixels import pil
from ..values import Given, Latents, Native
from . import Begin, Call, Configs, Family, Keep, Task, hunyuan

IMAGE_TOKENS = 576
"""Of Llava, at the front of the prompt; the pipeline's template has the same number."""

UNSHOWN = 4.0
"""Frames that the variant with 33 channels makes first and that the pipeline cuts off."""


def native(configs: Configs) -> Native:
    """Published defaults; the variant with 33 channels takes no guidance."""
    guidance = 6.0 if configs.transformer.get("guidance_embeds") else 1.0
    return hunyuan.native(configs).model_copy(update={"guidance": guidance})


def encode(
    pipe: Any, prompt: str, negative_prompt: str, max_sequence_length: int, image: Image
) -> dict[str, Any]:
    """Prompt and image by Llava, the prompt alone by CLIP. All tokens of the image are kept; how many of them
    the denoiser sees is only known with it.

    prompt_embeds: (1, 576 + text tokens, text width), with a mask.
    """
    options = {"max_sequence_length": max_sequence_length, "image_embed_interleave": 1}
    tensors = pipe.encode_prompt(image=pil(image), prompt=prompt, **options)
    found = dict(zip(hunyuan.EMBEDS, tensors, strict=True))
    if negative_prompt:
        black = pil(Image(pixels=image.pixels * 0))  # as the pipeline does
        other = pipe.encode_prompt(image=black, prompt=negative_prompt, **options)
        found |= dict(zip(hunyuan.NEGATIVE_EMBEDS, other, strict=True))
    return found


def arguments(call: Call) -> dict[str, Any]:
    """Arguments of HunyuanVideoImageToVideoPipeline.__call__."""
    return {**hunyuan.arguments(call), "image": pil(call.given.image)}


def adjusted(pipe: Any, call: Call, begin: Begin) -> Keep:
    """The pipeline thins out the image's tokens where it encodes them, and mixes the image into the latents
    where they begin: also into latents of a stopped run, which hold it already."""
    encode_prompt, prepare = pipe.encode_prompt, pipe.prepare_latents

    usual = inspect.signature(encode_prompt).parameters["image_embed_interleave"].default

    def thinned(*args: Any, image_embed_interleave: int = usual, **kwargs: Any) -> tuple[Any, Any, Any]:
        words, pooled, mask = encode_prompt(*args, **kwargs)
        return _thin(words, image_embed_interleave), pooled, _thin(mask, image_embed_interleave)

    def resumed(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        mixed, image = prepare(*args, **kwargs)
        return begin.samples.to(mixed), image

    pipe.encode_prompt = thinned
    if begin.kept is not None:
        pipe.prepare_latents = resumed
    unshown = UNSHOWN if pipe.transformer.config.image_condition_type == "latent_concat" else 0.0
    if call.latents.frames <= unshown:
        raise NodeError(
            f"this model does not show the first {unshown:.0f} frames that it makes",
            where="latents",
            hint=f"make longer latents than {call.latents.frames} frames",
        )
    return lambda tensors: {"unshown": unshown}


def _thin(tokens: Any, every: int) -> Any:
    import torch

    return torch.cat([tokens[:, :IMAGE_TOKENS:every], tokens[:, IMAGE_TOKENS:]], 1)


def finish(latents: Latents, kept: Mapping[str, Any]) -> dict[str, Any]:
    """How many frames the decoder is to cut off."""
    unshown = kept.get("unshown", 0.0)
    return {"decode": {**latents.decode, "unshown": unshown}} if unshown else {}


def refuses_image(configs: Configs, given: Given) -> str:
    return "" if given.last_image is None else "takes no last image"


def decode(vae: Any, samples: Any, latents: Latents) -> Any:
    """The last lines of the pipeline: frames before the image are made and cut off."""
    return hunyuan.decode(vae, samples, latents)[:, :, int(latents.decode.get("unshown", 0)) :]


FAMILY = Family(
    name="hunyuan_image",
    tasks={
        "image_to_video": Task(
            "HunyuanVideoImageToVideoPipeline",
            arguments,
            adjust=adjusted,
            finish=finish,
            last="report",
            refuses=refuses_image,
        ),
    },
    text_parts=(*hunyuan.FAMILY.text_parts, "image_processor"),
    settings=(),
    solvers=hunyuan.FAMILY.solvers,
    keep_in_fp32=(),
    native=native,
    geometry=hunyuan.geometry,
    encode=encode,
    reads_image=True,
    blank_prompt=hunyuan.blank_prompt,
    decode=decode,
    text_width="text_embed_dim",
    negative_prompts=False,
    guides=hunyuan.FAMILY.guides,
    prompt_style=hunyuan.FAMILY.prompt_style,
)
