"""HunyuanVideo 1.5: a Qwen text encoder, a second one for letters in the picture, guidance as a component.

Numbers are those of the signatures of diffusers' HunyuanVideo15 pipelines and of the HunyuanVideo-1.5 model
cards. The licence is the authors' own; it excludes some regions and the training of other models.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from graphflow.errors import NodeError

from ..guiders import put_guider
from ..pixels import pil
from ..values import Geometry, Given, Latents, Native
from . import Begin, Call, Config, Configs, Family, Keep, Task, hunyuan

STREAMS = ("prompt_embeds", "prompt_embeds_mask", "prompt_embeds_2", "prompt_embeds_mask_2")
"""What `encode_prompt` gives, in its order and by the call's argument names."""


class NoVAE:
    """For phases without a VAE: the pipelines' constructors read `vae.config` even of one that is None."""

    config = SimpleNamespace(latent_channels=1)
    spatial_compression_ratio = temporal_compression_ratio = 1


def native(configs: Configs) -> Native:
    """Published settings of the variants: for 480p and 720p; distilled to few steps (mean flow) or not. Those
    that need no guidance say so in the config of their guider."""
    large, quick = configs.transformer.get("target_size") == 960, configs.transformer.get("use_meanflow")
    sees = configs.class_of("image_encoder")
    return Native(
        width=1280 if large else 848,
        height=720 if large else 480,
        frames=121,
        fps=24.0,
        steps=12 if quick else 50,
        guidance=float(configs.guider.get("guidance_scale", 1.0 if quick else 6.0)),
        shift=9.0 if large and not sees else 7.0 if large or quick else 5.0,
        max_sequence_length=1000,
    )


def geometry(configs: Configs) -> Geometry:
    """From the VAE's config and the denoiser's patch."""
    spatial = int(configs.vae.get("spatial_compression_ratio", 16))
    return Geometry(
        channels=int(configs.vae.get("latent_channels", 32)),
        spatial=spatial,
        temporal=int(configs.vae.get("temporal_compression_ratio", 4)),
        multiple=spatial * int(configs.transformer.get("patch_size", 1)),
    )


def encode(pipe: Any, prompt: str, negative_prompt: str, max_sequence_length: int) -> dict[str, Any]:
    """Both prompts by both encoders; the second reads only the words in quotes, to be shown as letters.

    prompt_embeds: (1, max_sequence_length, text width); prompt_embeds_2: (1, 256, width of the second
    encoder); each with a mask of ones and zeros, and all four again as negative_...
    """
    pipe.tokenizer_max_length = max_sequence_length  # the pipeline takes it as an attribute
    positive, negative = (pipe.encode_prompt(prompt=text) for text in (prompt, negative_prompt))
    return {
        **dict(zip(STREAMS, positive, strict=True)),
        **{f"negative_{name}": tensor for name, tensor in zip(STREAMS, negative, strict=True)},
    }


def blank_prompt(config: Config, dtype: Any) -> dict[str, Any]:
    """One token of zeros in each stream."""
    import torch

    widths = (int(config["text_embed_dim"]), int(config["text_embed_2_dim"]))
    words, letters = (torch.zeros(1, 1, width, dtype=dtype) for width in widths)
    mask = torch.zeros(1, 1, dtype=dtype)
    return dict(zip(STREAMS, (words, mask, letters, mask), strict=True))


# ------------------------------------------------------------------------------------------- tasks


def arguments(call: Call) -> dict[str, Any]:
    """Arguments of HunyuanVideo15Pipeline.__call__; guidance is not among them."""
    return {
        "width": call.latents.width,
        "height": call.latents.height,
        "num_frames": call.latents.frames,
        "num_inference_steps": call.steps,
    }


def image_arguments(call: Call) -> dict[str, Any]:
    """Arguments of HunyuanVideo15ImageToVideoPipeline.__call__, which takes no size."""
    frames = {"num_frames": call.latents.frames, "num_inference_steps": call.steps}
    return {**frames, "image": pil(call.given.image)}


def shown(pipe: Any, call: Call, begin: Begin) -> Keep:
    """The pipeline would make a clip of its own size from the image's shape, and not always the image's size
    even if that is one of its own: rounding keeps it from 480 x 848. And it passes on what `encode_image`
    says without another change of its dtype.

    Raises NodeError for a part of the steps of a model that is told at each step where the next one begins.
    """
    tap = getattr(pipe.scheduler, "_tap", None)
    if tap is not None and tap.end < call.steps and pipe.transformer.config.use_meanflow:
        raise NodeError(
            "this model looks ahead to its next step, so it cannot stop before the last",
            where="end_step",
            hint="leave end_step empty",
        )
    size, seen = (call.latents.height, call.latents.width), pipe.encode_image()
    pipe.video_processor.calculate_default_height_width = lambda *args, **kwargs: size
    pipe.encode_image = lambda *args, **kwargs: seen.to(pipe.transformer.dtype)
    return put_guider(pipe, call, begin)


def encode_image(pipe: Any, given: Given) -> Any:
    """(1, tokens, width)."""
    encoder = pipe.image_encoder
    return pipe.encode_image(pil(given.image), 1, device=encoder.device, dtype=encoder.dtype)


def refuses_image(configs: Configs, given: Given) -> str:
    return "" if given.last_image is None else "takes no last image"


# ------------------------------------------------------------------------------------------ decode


def decode(vae: Any, samples: Any, latents: Latents) -> Any:
    """The last lines of HunyuanVideo15Pipeline.__call__: same operations, same order, same dtypes."""
    x = samples.to(vae.device).to(vae.dtype) / vae.config.scaling_factor
    return vae.decode(x, return_dict=False)[0]


FAMILY = Family(
    name="hunyuan15",
    tasks={
        "text_to_video": Task("HunyuanVideo15Pipeline", arguments, adjust=put_guider),
        "image_to_video": Task(
            "HunyuanVideo15ImageToVideoPipeline",
            image_arguments,
            adjust=shown,
            embed=encode_image,
            image_encoder=lambda configs: True,
            refuses=refuses_image,
        ),
    },
    text_parts=("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"),
    image_parts=("image_encoder", "feature_extractor"),
    settings=(),
    solvers=hunyuan.FAMILY.solvers,
    keep_in_fp32=(),
    native=native,
    geometry=geometry,
    encode=encode,
    blank_prompt=blank_prompt,
    decode=decode,
    absent={"vae": NoVAE()},
    guides=("component", "schedule"),
    text_width="text_embed_dim",
    prompt_style='one paragraph: subject, actions, setting, light, camera; letters to show stand in "quotes"',
)
