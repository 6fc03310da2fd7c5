"""LTX-2: clips with sound, denoised together and decoded apart; from text, an image, keyframes or a video.

Between text encoder and denoiser stand connectors, a small transformer for each stream. Prompts are kept as
the connectors' output, some hundredths of the text encoder's hidden states. The connectors run for the prompt
alone and once more beside the negative prompt, as the pipeline would: batches of another size may differ in
the last bits.

Numbers are those of the signature of diffusers' LTX2Pipeline and of diffusers' page on LTX-2. The licence is
the authors' own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from graphflow.values import Image, Video

from ..guidance import ScheduledGuidance, StreamGuidance
from ..pixels import pil, pils
from ..stand_ins import AudioVAEStandIn, ConnectorsStandIn
from ..streams import adjust, finish, skipped, sound_of, unpack
from ..values import Blank, Geometry, Given, Keyframe, Latents, Native, Sound
from . import Call, Config, Configs, Family, Solver, Task

PIPELINE_MULTIPLE = 32
"""LTX2Pipeline refuses widths and heights that are not multiples of this."""
SOUND_COMPRESSION = 4
"""Spectrogram columns, and mel bins, in a latent cell of sound; fixed in AutoencoderKLLTX2Audio."""

_ALONE = ("prompt_embeds", "audio_prompt_embeds", "prompt_attention_mask")
_GUIDED = ("guided_prompt_embeds", "guided_audio_prompt_embeds", "guided_prompt_attention_mask")


def native(configs: Configs) -> Native:
    """The pipeline's own defaults, with what its page advises for 2.0 where they are those of 2.3."""
    newer = bool(configs.transformer.get("cross_attn_mod"))
    last_step = {"decode_timestep": 0.0, "decode_noise_scale": 0.0}
    return Native(
        width=768,
        height=512,
        frames=121,
        fps=24.0,
        steps=30,
        guidance=3.0,
        max_sequence_length=1024,
        sound=sound(configs),
        decode=last_step if configs.vae.get("timestep_conditioning") else {},
        arguments={
            "stg_scale": 1.0,
            "modality_scale": 3.0,
            "guidance_rescale": 0.7,
            "audio_guidance_scale": 7.0,
            "audio_stg_scale": 1.0,
            "audio_modality_scale": 3.0,
            "audio_guidance_rescale": 0.7,
            "spatio_temporal_guidance_blocks": [28 if newer else 29],
            "use_cross_timestep": newer,
            **({"image_crf": 18} if configs.class_of("text_encoder").startswith("Gemma4") else {}),
        },
    )


def geometry(configs: Configs) -> Geometry:
    """From the VAE's config, as the VAE itself reads it. Raises ValueError for larger denoiser patches."""
    vae, transformer = configs.vae, configs.transformer
    if (transformer.get("patch_size", 1), transformer.get("patch_size_t", 1)) != (1, 1):
        raise ValueError("the denoiser's patch is more than one latent cell")
    halvings = 2 ** sum(vae.get("spatio_temporal_scaling", (True, True, True, True)))
    spatial = int(vae.get("spatial_compression_ratio") or vae.get("patch_size", 4) * halvings)
    temporal = int(vae.get("temporal_compression_ratio") or vae.get("patch_size_t", 1) * halvings)
    return Geometry(
        channels=int(vae.get("latent_channels", 128)),
        spatial=spatial,
        temporal=temporal,
        multiple=math.lcm(PIPELINE_MULTIPLE, spatial),
    )


def sound(configs: Configs) -> Sound:
    """What the audio VAE makes a second of sound into."""
    config = configs.audio_vae
    return Sound(
        channels=int(config.get("latent_channels", 8)),
        bins=int(config.get("mel_bins", 64)) // SOUND_COMPRESSION,
        rate=int(config.get("sample_rate", 16_000)),
        hop=int(config.get("mel_hop_length", 160)),
        compression=SOUND_COMPRESSION,
    )


def serves(configs: Configs) -> tuple[str, ...]:
    """The same weights do everything."""
    return ("text_to_video", "image_to_video", "keyframes", "control")


# ------------------------------------------------------------------------------------------ prompts


def encode(pipe: Any, prompt: str, negative_prompt: str, max_sequence_length: int) -> dict[str, Any]:
    """The connectors' output: for each stream, and its mask, (1, tokens, width); `guided` (2, tokens, width),
    the negative prompt first."""
    import torch

    embeds, mask, negative, negative_mask = pipe.encode_prompt(
        prompt=prompt, negative_prompt=negative_prompt, max_sequence_length=max_sequence_length
    )
    side = pipe.tokenizer.padding_side
    alone = pipe.connectors(embeds, mask, padding_side=side)
    guided = pipe.connectors(
        torch.cat([negative, embeds]), torch.cat([negative_mask, mask]), padding_side=side
    )
    return dict(zip((*_ALONE, *_GUIDED), (*alone, *guided), strict=True))


def prompt(tensors: Mapping[str, Any], call: Call) -> tuple[dict[str, Any], dict[str, Any]]:
    """One cell of nothing for the pipeline, which counts prompts and copies their dtype, and connectors that
    give again what they gave."""
    blank, mask = tensors["prompt_embeds"][:, :1, :1], tensors["prompt_attention_mask"][:, :1]
    arguments = {
        "prompt_embeds": blank,
        "prompt_attention_mask": mask,
        "negative_prompt_embeds": blank,
        "negative_prompt_attention_mask": mask,
    }
    return arguments, {
        "connectors": ConnectorsStandIn(
            [tensors[name] for name in _ALONE], [tensors[name] for name in _GUIDED]
        ),
        "audio_vae": AudioVAEStandIn(sound_of(call.latents)),
    }


def text_width(config: Config) -> int:
    """From 2.3 on, the connectors give the denoiser's own width, and it projects nothing."""
    projected = config.get("use_prompt_embeddings", True)
    return int(config.get("caption_channels", 3840) if projected else config.get("cross_attention_dim", 4096))


def blank_prompt(config: Config, dtype: Any) -> dict[str, Any]:
    """Enough to get to the first step, which asks the connectors for nothing."""
    import torch

    embeds, mask = torch.zeros(1, 1, 1, dtype=dtype), torch.ones(1, 1, dtype=torch.int64)
    return dict(zip((*_ALONE, *_GUIDED), (embeds, embeds, mask) * 2, strict=True))


# ------------------------------------------------------------------------------------------- denoise


def arguments(call: Call) -> dict[str, Any]:
    """Arguments of LTX2Pipeline.__call__. The frame rate is one of the denoiser's inputs."""
    chosen = call.guide
    guide: dict[str, Any] = {"guidance_scale": call.guidance}
    if isinstance(chosen, StreamGuidance):
        guide = chosen.arguments()
    if isinstance(chosen, ScheduledGuidance):
        guide["audio_guidance_scale"] = call.guidance_2
    own = dict(call.native.arguments) if call.native else {}
    own.pop("image_crf", None)
    return {
        "width": call.latents.width,
        "height": call.latents.height,
        "num_frames": call.latents.frames,
        "frame_rate": call.latents.fps,
        "num_inference_steps": call.steps,
        **own,
        **guide,
        **({"audio_latents": sound_of(call.latents).samples} if call.begun else {}),  # for its length alone
    }


def image_arguments(call: Call) -> dict[str, Any]:
    """Arguments of LTX2ImageToVideoPipeline.__call__, which compresses the image as the training's were."""
    crf = {"image_crf": _crf(call, call.given.image)}
    return {**arguments(call), "image": pil(call.given.image), **crf}


def keyframe_arguments(call: Call) -> dict[str, Any]:
    """Arguments of LTX2ConditionPipeline.__call__; it counts places in latent frames."""
    from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition

    conditions = []
    frames: Any
    for frame in call.given.keyframes:
        content = frame.content
        if isinstance(content, Image) or (isinstance(content, Blank) and content.frames == 1):
            frames = pil(content)
        else:
            frames = pils(content)
        at, crf = place(frame, call.latents), _crf(call, content)
        conditions.append(LTX2VideoCondition(frames, at, frame.strength, crf))
    return {**arguments(call), "conditions": conditions}


def control_arguments(call: Call) -> dict[str, Any]:
    """Arguments of LTX2InContextPipeline.__call__. The video is context that the denoiser looks at.

    Which kind of video it understands, such as poses or depth, is in the LoRA that it was given. There is one
    video at most: the pipeline asks for places as soon as it has encoded it, and there a recording ends.
    """
    from diffusers.pipelines.ltx2.pipeline_ltx2_ic_lora import LTX2ReferenceCondition

    frames: Any = pils(call.given.video)
    strength = call.given.settings["conditioning_scale"]
    return {
        **arguments(call),
        "reference_conditions": [LTX2ReferenceCondition(frames)],
        "conditioning_attention_strength": strength,
    }


def place(frame: Keyframe, latents: Latents) -> int:
    """The latent frame in which a keyframe is."""
    index = frame.index % latents.frames
    return -(-index // latents.geometry.temporal)


def refuses_image(configs: Configs, given: Given) -> str:
    return "" if given.last_image is None else "takes a last image only as a keyframe"


def refuses_control(configs: Configs, given: Given) -> str:
    """A video in full, as strongly as it is or less."""
    if given.mask is not None:
        return "takes no mask"
    if given.references or given.video is None:
        return "follows a control video, not reference pictures"
    return "takes a scale of 0 to 1" if given.settings["conditioning_scale"] > 1 else ""


def refuses_keyframes(configs: Configs, given: Given) -> str:
    """A clip must begin where a latent frame does; an image holds for the latent frame that it is in."""
    for name in given.settings:
        return f"takes no {name}"
    step = geometry(configs).temporal
    for frame in given.keyframes:
        if isinstance(frame.content, Video) and frame.index and (frame.index - 1) % step:
            return f"takes a video only at frames 0, 1, {step + 1}, {2 * step + 1}, ..., not at {frame.index}"
    return ""


def _crf(call: Call, content: Image | Video | Blank | None) -> int | None:
    """How strongly to compress an image before it is encoded; None is the pipeline's own, blanks are not."""
    if isinstance(content, Blank):
        return 0
    return call.native.arguments.get("image_crf") if call.native else None


# -------------------------------------------------------------------------------------------- decode


def decode(vae: Any, samples: Any, latents: Latents) -> Any:
    """The last lines of LTX2Pipeline.__call__: same operations, same order, same dtypes.

    The latents go to the dtype of the prompt embeddings before they are denormalised: what the pipeline
    itself gives for `output_type="latent"` decodes to other bits.
    """
    import torch
    from diffusers.utils.torch_utils import randn_tensor

    x = samples.to(vae.device, dtype=getattr(torch, latents.embeds_dtype or "float32"))
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
    mean, std = (value.view(1, -1, 1, 1, 1).to(x) for value in (vae.latents_mean, vae.latents_std))
    x = x * std / vae.config.scaling_factor + mean
    return vae.decode(x.to(vae.dtype), timestep, return_dict=False)[0]


_SOUND: dict[str, Any] = {
    "skipped": skipped,
    "cuts": False,
    "refines": True,
    "reports": ("latents", "audio_latents"),
    "last": "report",
    "adjust": adjust,
    "finish": finish,
}
"""What all tasks have in common."""

FAMILY = Family(
    name="ltx2",
    tasks={
        "text_to_video": Task("LTX2Pipeline", arguments, **_SOUND),
        "image_to_video": Task(
            "LTX2ImageToVideoPipeline",
            image_arguments,
            refuses=refuses_image,
            own_noise=lambda given: True,
            **_SOUND,
        ),
        "keyframes": Task(
            "LTX2ConditionPipeline",
            keyframe_arguments,
            refuses=refuses_keyframes,
            own_noise=lambda given: True,
            **_SOUND,
        ),
        "control": Task(
            "LTX2InContextPipeline",
            control_arguments,
            refuses=refuses_control,
            own_noise=lambda given: True,
            **_SOUND,
        ),
    },
    text_parts=("text_encoder", "tokenizer", "connectors"),
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
    encode=encode,
    prompt=prompt,
    blank_prompt=blank_prompt,
    decode=decode,
    serves=serves,
    pack=lambda samples: samples,
    unpack=unpack,
    guides=("streams", "schedule"),
    doubles=True,
    text_width=text_width,
    prompt_style="one flowing paragraph in the present tense: picture and sound in the order of events",
)
