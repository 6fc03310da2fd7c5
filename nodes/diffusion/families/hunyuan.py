"""HunyuanVideo 1.0 text to video: a Llama and a CLIP text encoder, guidance as an input of the denoiser.

Numbers are those of the signature of diffusers' HunyuanVideoPipeline and of the HunyuanVideo model card.
The licence is the authors' own; it excludes some regions and the training of other models on what is made.
"""

from __future__ import annotations

import math
from typing import Any

from ..guidance import ScheduledGuidance, TrueGuidance
from ..values import Geometry, Latents, Native
from . import Call, Config, Configs, Family, Solver, Task

PIPELINE_MULTIPLE = 16
"""HunyuanVideoPipeline refuses widths and heights that are not multiples of this."""

EMBEDS = ("prompt_embeds", "pooled_prompt_embeds", "prompt_attention_mask")
"""What `encode_prompt` gives, in its order and by the call's argument names."""
NEGATIVE_EMBEDS = tuple(f"negative_{name}" for name in EMBEDS)


def native(configs: Configs) -> Native:
    """Published defaults; the shift of 7 is in the published scheduler's own config too."""
    return Native(
        width=1280,
        height=720,
        frames=129,
        fps=24.0,
        steps=50,
        guidance=6.0,
        shift=7.0,
        max_sequence_length=256,
    )


def geometry(configs: Configs) -> Geometry:
    """From the VAE's config and the denoiser's patch."""
    spatial = int(configs.vae.get("spatial_compression_ratio", 8))
    return Geometry(
        channels=int(configs.vae.get("latent_channels", 16)),
        spatial=spatial,
        temporal=int(configs.vae.get("temporal_compression_ratio", 4)),
        multiple=math.lcm(PIPELINE_MULTIPLE, spatial * int(configs.transformer.get("patch_size", 2))),
    )


def encode(pipe: Any, prompt: str, negative_prompt: str, max_sequence_length: int) -> dict[str, Any]:
    """By both encoders, the first with the pipeline's own template around the prompt; a negative prompt only
    if there is one.

    prompt_embeds: (1, max_sequence_length, text width); prompt_attention_mask: int64, (1,
    max_sequence_length); pooled_prompt_embeds: (1, width of the second encoder).
    """
    tensors = pipe.encode_prompt(prompt=prompt, max_sequence_length=max_sequence_length)
    found = dict(zip(EMBEDS, tensors, strict=True))
    if negative_prompt:
        other = pipe.encode_prompt(prompt=negative_prompt, max_sequence_length=max_sequence_length)
        found |= dict(zip(NEGATIVE_EMBEDS, other, strict=True))
    return found


def arguments(call: Call) -> dict[str, Any]:
    """Arguments of HunyuanVideoPipeline.__call__. guidance_scale goes into the denoiser; it costs no work."""
    return {
        "width": call.latents.width,
        "height": call.latents.height,
        "num_frames": call.latents.frames,
        "num_inference_steps": call.steps,
        **scales(call),
    }


def scales(call: Call) -> dict[str, Any]:
    """The guidance that the denoiser is told, and how far to keep away from a negative prompt."""
    if isinstance(call.guide, ScheduledGuidance):
        assert call.native is not None  # told by the nodes that take a guide
        return {"guidance_scale": call.native.guidance, "true_cfg_scale": call.guidance}
    guided = call.guide.arguments() if isinstance(call.guide, TrueGuidance) else {}
    return {"guidance_scale": call.guidance, **guided}


def blank_prompt(config: Config, dtype: Any) -> dict[str, Any]:
    """One token of zeros for each encoder."""
    import torch

    words = torch.zeros(1, 1, int(config["text_embed_dim"]), dtype=dtype)
    pooled = torch.zeros(1, int(config["pooled_projection_dim"]), dtype=dtype)
    return dict(zip(EMBEDS, (words, pooled, torch.zeros(1, 1, dtype=dtype)), strict=True))


def decode(vae: Any, samples: Any, latents: Latents) -> Any:
    """The last lines of HunyuanVideoPipeline.__call__: same operations, same order, same dtypes."""
    x = samples.to(vae.device, dtype=vae.dtype) / vae.config.scaling_factor
    return vae.decode(x, return_dict=False)[0]


FAMILY = Family(
    name="hunyuan",
    tasks={"text_to_video": Task("HunyuanVideoPipeline", arguments)},
    text_parts=("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"),
    settings=(),
    solvers={
        "euler": Solver("FlowMatchEulerDiscreteScheduler", "shift"),
        "unipc": Solver(
            "UniPCMultistepScheduler",
            "flow_shift",
            {"prediction_type": "flow_prediction", "use_flow_sigmas": True},
        ),
    },
    keep_in_fp32=(),
    native=native,
    geometry=geometry,
    encode=encode,
    decode=decode,
    text_width="text_embed_dim",
    negative_prompts=False,
    guides=("true_cfg", "schedule"),
    prompt_style="one paragraph: theme, objects and their places, actions, background, light, camera",
)
