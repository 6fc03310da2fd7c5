"""LTX-Video 0.9.x, text or image to video; from 0.9.1 on its decoder does the last denoising step.

Numbers are those of the signature of diffusers' LTXPipeline and of the model cards of the Lightricks
repositories. The licence is the authors' own and differs between weight files: read the one that comes
with the file.
"""

from __future__ import annotations

import math
from typing import Any

from ..guidance import RescaledGuidance
from ..pixels import pil
from ..values import Geometry, Given, Latents, Native
from . import Call, Config, Configs, Family, Solver, Task

PIPELINE_MULTIPLE = 32
"""LTXPipeline refuses widths and heights that are not multiples of this."""
DECODE_TIMESTEP, DECODE_NOISE_SCALE = 0.05, 0.025
"""Of the model cards of the releases whose decoder takes a timestep."""


def native(configs: Configs) -> Native:
    """The pipeline's own defaults; decoder settings only where the decoder has any."""
    last_step = {"decode_timestep": DECODE_TIMESTEP, "decode_noise_scale": DECODE_NOISE_SCALE}
    return Native(
        width=704,
        height=512,
        frames=161,
        fps=25.0,
        steps=50,
        guidance=3.0,
        max_sequence_length=128,
        decode=last_step if configs.vae.get("timestep_conditioning") else {},
    )


def geometry(configs: Configs) -> Geometry:
    """From the VAE's config, as the VAE itself reads it. Raises ValueError for larger denoiser patches."""
    vae, transformer = configs.vae, configs.transformer
    if (transformer.get("patch_size", 1), transformer.get("patch_size_t", 1)) != (1, 1):
        raise ValueError("the denoiser's patch is more than one latent cell")
    halvings = 2 ** sum(vae.get("spatio_temporal_scaling", (True, True, True, False)))
    spatial = int(vae.get("spatial_compression_ratio") or vae.get("patch_size", 4) * halvings)
    temporal = int(vae.get("temporal_compression_ratio") or vae.get("patch_size_t", 1) * halvings)
    return Geometry(
        channels=int(vae.get("latent_channels", 128)),
        spatial=spatial,
        temporal=temporal,
        multiple=math.lcm(PIPELINE_MULTIPLE, spatial),
    )


def encode(pipe: Any, prompt: str, negative_prompt: str, max_sequence_length: int) -> dict[str, Any]:
    """Both prompts with their masks, bool (1, max_sequence_length): the denoiser must not see the padding."""
    names = (
        "prompt_embeds",
        "prompt_attention_mask",
        "negative_prompt_embeds",
        "negative_prompt_attention_mask",
    )
    tensors = pipe.encode_prompt(
        prompt=prompt, negative_prompt=negative_prompt, max_sequence_length=max_sequence_length
    )
    return dict(zip(names, tensors, strict=True))


def blank_prompt(config: Config, dtype: Any) -> dict[str, Any]:
    """One token of zeros, not masked."""
    import torch

    return {
        "prompt_embeds": torch.zeros(1, 1, int(config["caption_channels"]), dtype=dtype),
        "prompt_attention_mask": torch.ones(1, 1, dtype=torch.bool),
    }


def serves(configs: Configs) -> tuple[str, ...]:
    """The same weights do both: the image is the first latent frame, at a timestep of 0."""
    return ("text_to_video", "image_to_video")


def arguments(call: Call) -> dict[str, Any]:
    """Arguments of LTXPipeline.__call__. The frame rate is one of the denoiser's inputs."""
    return {
        "width": call.latents.width,
        "height": call.latents.height,
        "num_frames": call.latents.frames,
        "frame_rate": call.latents.fps,
        "num_inference_steps": call.steps,
        **(
            call.guide.arguments()
            if isinstance(call.guide, RescaledGuidance)
            else {"guidance_scale": call.guidance}
        ),
    }


def image_arguments(call: Call) -> dict[str, Any]:
    """Arguments of LTXImageToVideoPipeline.__call__."""
    return {**arguments(call), "image": pil(call.given.image)}


def refuses_image(configs: Configs, given: Given) -> str:
    return "" if given.last_image is None else "takes no last image"


def pack(samples: Any) -> Any:
    """(1, channels, frames, height, width) to (1, frames * height * width, channels)."""
    return samples.flatten(2).transpose(1, 2)


def unpack(samples: Any, latents: Latents) -> Any:
    """(1, tokens, channels) to (1, channels, frames, height, width)."""
    shape = latents.geometry.latent_shape(latents.width, latents.height, latents.frames)
    return samples.transpose(1, 2).reshape(shape)


def decode(vae: Any, samples: Any, latents: Latents) -> Any:
    """The last lines of LTXPipeline.__call__: same operations, same order, same dtypes.

    The latents go to the dtype of the prompt embeddings first; noise is then drawn in that dtype, from the
    generator as the denoise left it.
    """
    import torch
    from diffusers.utils.torch_utils import randn_tensor

    x = samples.to(vae.device)
    mean, std = (value.view(1, -1, 1, 1, 1).to(x) for value in (vae.latents_mean, vae.latents_std))
    x = x * std / vae.config.scaling_factor + mean
    x = x.to(getattr(torch, latents.embeds_dtype or "float32"))
    timestep = None
    if vae.config.timestep_conditioning:
        generator = torch.Generator("cpu")
        if latents.rng is not None:
            generator.set_state(latents.rng)
        noise = randn_tensor(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        level = latents.decode.get("decode_timestep", 0.0)
        timestep = torch.tensor([level], device=x.device, dtype=x.dtype)
        scale = torch.tensor(
            [latents.decode.get("decode_noise_scale", level)], device=x.device, dtype=x.dtype
        )[:, None, None, None, None]
        x = (1 - scale) * x + scale * noise
    return vae.decode(x.to(vae.dtype), timestep, return_dict=False)[0]


FAMILY = Family(
    name="ltx",
    tasks={
        "text_to_video": Task("LTXPipeline", arguments),
        "image_to_video": Task(
            "LTXImageToVideoPipeline", image_arguments, refuses=refuses_image, own_noise=lambda given: True
        ),
    },
    text_parts=("text_encoder", "tokenizer"),
    settings=(),
    solvers={
        "euler": Solver(
            "FlowMatchEulerDiscreteScheduler",
            "shift",
            {
                "use_dynamic_shifting": True,
                "base_image_seq_len": 1024,
                "max_image_seq_len": 4096,
                "base_shift": 0.95,
                "max_shift": 2.05,
                "shift_terminal": 0.1,
            },
        )
    },
    keep_in_fp32=(),
    native=native,
    geometry=geometry,
    serves=serves,
    encode=encode,
    blank_prompt=blank_prompt,
    guides=("rescaled", "schedule"),
    doubles=True,
    decode=decode,
    pack=pack,
    unpack=unpack,
    text_width="caption_channels",
    prompt_style="one paragraph, in the order of events: action, looks, setting, camera, light",
)
