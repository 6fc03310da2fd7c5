"""Wan 2.1 and 2.2: one denoiser, two experts, or one with a timestep for every token; VACE for control.

Numbers are those of the model cards of the Wan-AI repositories and of diffusers' Wan pipelines.
"""

from __future__ import annotations

import math
from typing import Any

from ..pixels import pil, pils
from ..values import Geometry, Given, Latents, Native
from . import Call, Configs, Family, Solver, Task

PIPELINE_MULTIPLE = 16
"""WanPipeline refuses widths and heights that are not multiples of this."""


def native(configs: Configs) -> Native:
    """Published defaults of the variant: Animate, 5B (expanded timesteps), 2.2 A14B (two experts) or 2.1."""
    if configs.class_of("transformer") == "WanAnimateTransformer3DModel":
        return Native(width=1280, height=720, frames=77, fps=30.0, steps=20, guidance=1.0)
    if configs.index.get("expand_timesteps"):
        return Native(width=1280, height=704, frames=121, fps=24.0, steps=50, guidance=5.0)
    if configs.index.get("boundary_ratio") is not None:
        return Native(width=832, height=480, frames=81, fps=16.0, steps=40, guidance=4.0, guidance_2=3.0)
    return Native(width=832, height=480, frames=81, fps=16.0, steps=50, guidance=5.0)


def geometry(configs: Configs) -> Geometry:
    """From the VAE's config; the denoiser's patch (1, 2, 2 in every release) sets the size multiple."""
    spatial = int(configs.vae.get("scale_factor_spatial", 8))
    patch = int(configs.transformer.get("patch_size", (1, 2, 2))[-1])
    return Geometry(
        channels=int(configs.vae.get("z_dim", 16)),
        spatial=spatial,
        temporal=int(configs.vae.get("scale_factor_temporal", 4)),
        multiple=math.lcm(PIPELINE_MULTIPLE, spatial * patch),
    )


def serves(configs: Configs) -> tuple[str, ...]:
    """By the shape of the denoiser's input. A single one for text can also begin with a noised video; the
    5B variant can begin with an image, which it holds as its first latent frame."""
    named = {"WanVACETransformer3DModel": "control", "WanAnimateTransformer3DModel": "animate"}
    if configs.class_of("transformer") in named:
        return (named[configs.class_of("transformer")],)
    channels = configs.vae.get("z_dim", 16)
    if configs.transformer.get("in_channels", channels) != channels:
        return ("image_to_video",)
    if configs.index.get("expand_timesteps"):
        return ("text_to_video", "image_to_video")
    two = configs.index.get("boundary_ratio") is not None
    return ("text_to_video",) if two else ("text_to_video", "video_to_video")


def encode(pipe: Any, prompt: str, negative_prompt: str, max_sequence_length: int) -> dict[str, Any]:
    """Both prompts by the pipeline's own method, so that cleaning and padding are its own too."""
    positive, negative = pipe.encode_prompt(
        prompt=prompt, negative_prompt=negative_prompt, max_sequence_length=max_sequence_length
    )
    return {"prompt_embeds": positive, "negative_prompt_embeds": negative}


# ------------------------------------------------------------------------------------------- tasks


def arguments(call: Call) -> dict[str, Any]:
    """Arguments of WanPipeline.__call__; it takes a second guidance only with a boundary ratio.

    With a VAE that keeps every frame the pipeline would make one frame more than it is asked for.
    """
    extra = 1 if call.latents.geometry.temporal == 1 else 0
    return {
        "width": call.latents.width,
        "height": call.latents.height,
        "num_frames": call.latents.frames - extra,
        "num_inference_steps": call.steps,
        "guidance_scale": call.guidance,
        "guidance_scale_2": call.guidance_2,
    }


def image_arguments(call: Call) -> dict[str, Any]:
    """Arguments of WanImageToVideoPipeline.__call__."""
    return {**arguments(call), "image": pil(call.given.image), "last_image": pil(call.given.last_image)}


def video_arguments(call: Call) -> dict[str, Any]:
    """Arguments of WanVideoToVideoPipeline.__call__, which counts the video's frames itself. It takes the
    video or samples, never both."""
    common = arguments(call)
    del common["num_frames"], common["guidance_scale_2"]
    return {**common, "video": None if call.begun else pils(call.given.video), **call.given.settings}


def control_arguments(call: Call) -> dict[str, Any]:
    """Arguments of WanVACEPipeline.__call__."""
    given = call.given
    return {
        **arguments(call),
        "video": pils(given.video),
        "mask": pils(given.mask),
        "reference_images": [pil(image) for image in given.references] or None,
        **given.settings,
    }


def needs_image_encoder(configs: Configs) -> bool:
    """Wan 2.1 looks at its first image by CLIP too; 2.2 does not."""
    return configs.transformer.get("image_dim") is not None


def encode_image(pipe: Any, given: Given) -> Any:
    """(1, tokens, width); (2, ...) for a first and a last image."""
    images = [pil(image) for image in (given.image, given.last_image) if image is not None]
    return pipe.encode_image(images if len(images) > 1 else images[0])


def refuses_image(configs: Configs, given: Given) -> str:
    """5B would pass over a last image in silence; the image encoder of 2.1 sees one image or both."""
    sees, last = configs.transformer, given.last_image
    both = sees.get("pos_embed_seq_len") is not None
    if last is None:
        return "needs a last image too" if both else ""
    alone = configs.index.get("expand_timesteps") or (sees.get("image_dim") is not None and not both)
    return "takes no last image" if alone else ""


def skipped(call: Call) -> int:
    """As in the pipeline's `get_timesteps`."""
    return call.steps - min(int(call.steps * call.given.settings["strength"]), call.steps)


# ------------------------------------------------------------------------------------------ decode


def decode(vae: Any, samples: Any, latents: Latents) -> Any:
    """The last lines of WanPipeline.__call__: same operations, same order, same dtypes.

    `x / (1 / std) + mean` is not `x * std + mean` in floating point; it stays as the pipeline has it.
    """
    import torch

    x = samples.to(vae.dtype)
    shape = (1, vae.config.z_dim, 1, 1, 1)
    mean = torch.tensor(vae.config.latents_mean).view(shape).to(x.device, x.dtype)
    std = 1.0 / torch.tensor(vae.config.latents_std).view(shape).to(x.device, x.dtype)
    return vae.decode(x / std + mean, return_dict=False)[0]


FAMILY = Family(
    name="wan",
    tasks={
        "text_to_video": Task("WanPipeline", arguments),
        "image_to_video": Task(
            "WanImageToVideoPipeline",
            image_arguments,
            image_encoder=needs_image_encoder,
            embed=encode_image,
            refuses=refuses_image,
        ),
        "video_to_video": Task(
            "WanVideoToVideoPipeline", video_arguments, skipped=skipped, own_noise=lambda given: True
        ),
        "control": Task(
            "WanVACEPipeline",
            control_arguments,
            keep=("mask",),
            own_noise=lambda given: bool(given.references),
            reference_frames=lambda given: len(given.references),
        ),
        "animate": Task("WanAnimatePipeline", arguments),
    },
    text_parts=("text_encoder", "tokenizer"),
    settings=("boundary_ratio", "expand_timesteps"),
    solvers={
        "euler": Solver("FlowMatchEulerDiscreteScheduler", "shift"),
        "unipc": Solver(
            "UniPCMultistepScheduler",
            "flow_shift",
            {"prediction_type": "flow_prediction", "use_flow_sigmas": True},
        ),
    },
    keep_in_fp32=("rope", "time_embedder", "scale_shift_table", "norm1", "norm2", "norm3"),
    native=native,
    geometry=geometry,
    serves=serves,
    encode=encode,
    decode=decode,
    guides=("schedule",),
    prompt_style="one flowing paragraph: subject, action, setting, light, camera",
)
