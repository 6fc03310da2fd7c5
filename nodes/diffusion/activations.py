"""How much memory nodes need beside the weights of their models, by formulas with measured coefficients.

A denoiser needs `rows * tokens * bytes * (a * width + b * inner)` at the stage of its block that needs most,
where `inner` is the width inside its feed-forward layers, and for some `c` bytes for each pair of tokens. A
decoder needs `pixels * bytes * (a * channels + b * frames)`. The coefficients were measured by counting every
tensor that the models of diffusers 0.42.1 allocate, on tensors without content; `benchmarks/activations.py`
measures them anew, a test compares. What kernels take for themselves is not in them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphflow.errors import MissingModel
from graphflow.node import Estimate

from .component import Component
from .families import family
from .recipes import VAE, Denoiser, TextEncoder
from .source import INDEX, locate, read_json
from .values import Condition, Latents

TILE = 256
"""Pixels of the tiles that a forecast proposes for decoding in less memory."""


@dataclass(frozen=True)
class Stage:
    """What one stage of a transformer block needs for each token, in numbers of the model's own width."""

    width: float
    inner: float = 0.0
    pair: float = 0.0
    """Bytes for each pair of tokens: some models build the whole mask of their attention."""


@dataclass(frozen=True)
class Denoising:
    """Coefficients of one transformer class."""

    float32: tuple[Stage, ...]
    half: tuple[Stage, ...]
    """More than in float32 for each number: norms work in float32 there."""
    text: int = 0
    """Text tokens that join the tokens of the clip in one sequence."""
    batched: bool = False
    """Guidance runs both prompts at once."""
    frames: float = 0.0
    """Latent frames' worth of tokens of what came before, which join those of the clip."""
    kept: str = ""
    """Entry of the config that lists layers whose outputs are all kept, one token width each."""


_WAN = Denoising((Stage(4.1, 2.0),), (Stage(4.5, 2.0), Stage(11.2)))
_LTX = Denoising((Stage(14.2),), (Stage(16.2),), batched=True)

DENOISING: Mapping[str, Denoising] = {
    "WanTransformer3DModel": _WAN,
    "WanVACETransformer3DModel": Denoising(
        (Stage(5.6, 2.0),), (Stage(5.8, 2.0), Stage(12.7)), kept="vace_layers"
    ),
    "WanAnimateTransformer3DModel": Denoising((Stage(6.1, 2.0),), (Stage(6.3, 2.0), Stage(13.1))),
    "SkyReelsV2Transformer3DModel": _WAN,
    "LTXVideoTransformer3DModel": _LTX,
    "LTX2VideoTransformer3DModel": Denoising((Stage(19.1),), (Stage(22.1),), batched=True),
    "HunyuanVideoTransformer3DModel": Denoising((Stage(16.5),), (Stage(18.5),), text=256),
    "HunyuanVideoFramepackTransformer3DModel": Denoising((Stage(16.5),), (Stage(18.5),), text=256 + 729),
    "HeliosTransformer3DModel": Denoising(
        (Stage(18.25, 2.0), Stage(21.2)), (Stage(24.5, 2.0), Stage(32.5)), frames=2.5
    ),
    "HunyuanVideo15Transformer3DModel": Denoising(
        (Stage(14.5), Stage(9.9, pair=5.5)), (Stage(18.5), Stage(10.1, pair=3.8)), text=1985
    ),
}

UNMEASURED = Denoising((Stage(16.0),), (Stage(20.0),), batched=True)
"""For other classes: as much as the hungriest that was measured."""


@dataclass(frozen=True)
class Coding:
    """Coefficients of one autoencoder class, for one direction, each per pixel of a frame."""

    channel: float
    """Numbers for each channel of the stage with the most pixels."""
    frame: float
    """Numbers for each frame."""
    frames: int = 1
    """`channel` counts for each frame up to this many; a class that works frame by frame has 1."""
    still: float = 0.0
    """`channel` for a clip of one frame, if it is another."""
    tiled: float = 5.0
    """Numbers for each frame and pixel beside the tile, when decoding in tiles."""
    half: float = 1.05
    """How many times as many numbers in half precision: some norms work in float32 there too."""

    def numbers(self, channels: int, frames: int) -> float:
        if frames == 1 and self.still:
            return self.still * channels + self.frame
        return self.channel * channels * min(frames, self.frames) + self.frame * frames


UNBOUNDED = 10**6

DECODING: Mapping[str, Coding] = {
    "AutoencoderKLWan": Coding(50.8, 3.1, still=18.1, tiled=3.6),
    "AutoencoderKLWan, residual": Coding(21.1, 3.1, still=5.7, tiled=6.0),
    "AutoencoderKLLTXVideo": Coding(0.27, 0.2, UNBOUNDED, still=0.6, half=1.45),
    "AutoencoderKLLTXVideo, narrowing": Coding(0.1345, 0.2, UNBOUNDED, still=0.265, half=1.45),
    "AutoencoderKLLTX2Video": Coding(0.17, 0.0, UNBOUNDED, still=0.364, tiled=3.5, half=1.0),
    "AutoencoderKLHunyuanVideo": Coding(9.06, 3.2, 17, still=11.6, tiled=4.0),
    "AutoencoderKLHunyuanVideo15": Coding(6.0, 0.0, UNBOUNDED, still=7.1),
}

ENCODING: Mapping[str, Coding] = {
    "AutoencoderKLWan": Coding(36.7, 0.2, still=10.1),
    "AutoencoderKLWan, residual": Coding(11.3, 3.1, still=3.1),
    "AutoencoderKLLTXVideo": Coding(0.315, 0.2, UNBOUNDED, still=0.57),
    "AutoencoderKLLTXVideo, narrowing": Coding(0.315, 0.2, UNBOUNDED, still=0.57),
    "AutoencoderKLLTX2Video": Coding(0.0, 40.6, still=0.185),
    "AutoencoderKLHunyuanVideo": Coding(5.13, 0.2, 17, still=7.1),
    "AutoencoderKLHunyuanVideo15": Coding(6.0, 0.0, UNBOUNDED, still=7.1),
}

UNMEASURED_CODING = Coding(9.1, 3.2, UNBOUNDED)


def encoding(known: Mapping[str, Any]) -> Estimate | None:
    """Of a text encoder with T5's layers: attention scores and feed-forward layers of one prompt."""
    recipe = known.get("text_encoder")
    if not isinstance(recipe, TextEncoder):
        return None
    tokens = known.get("max_sequence_length") or recipe.native.max_sequence_length
    try:
        folder = locate(recipe.source.model, revision=recipe.source.revision)
    except MissingModel:
        return None
    need = 0
    for part in recipe.parts():
        need = max(need, text_bytes(read_json(folder / part / "config.json"), tokens, recipe.dtype))
    return Estimate(need)


def text_bytes(config: Mapping[str, Any], tokens: int, dtype: str) -> int:
    """Of one prompt in a text encoder with layers like T5's."""
    config = config.get("text_config", config)
    width = config.get("d_model") or config.get("hidden_size") or 4096
    inner = config.get("d_ff") or config.get("intermediate_size") or 4 * width
    heads = config.get("num_heads") or config.get("num_attention_heads") or width // 64
    return round((tokens * (2 * inner + 3 * width) + 3 * heads * tokens**2) * _width(dtype))


def denoising(known: Mapping[str, Any]) -> Estimate | None:
    """Of the transformer, for the clip that the latents describe."""
    denoiser, latents, condition = (known.get(name) for name in ("denoiser", "latents", "condition"))
    if not (isinstance(denoiser, Denoiser) and isinstance(latents, Latents)):
        return None
    shape = latents.geometry.latent_shape(latents.width, latents.height, latents.frames)
    references = 0
    if isinstance(condition, Condition):
        references = family(denoiser.family).tasks[condition.task].reference_frames(condition.given)
    guidance = known.get("guidance")
    guided = (denoiser.native.guidance if guidance is None else guidance) > 1
    kind = _class_of(denoiser, "transformer")
    cells = (shape[2] + references, shape[3], shape[4])
    need = transformer_bytes(kind, denoiser.config, cells, denoiser.dtype, guided=guided)
    small = 6 * 4 * math.prod(shape)  # latents, noise and predictions, float32
    return Estimate(need + small, measured=kind in DENOISING)


def transformer_bytes(
    kind: str, config: Mapping[str, Any], cells: tuple[int, int, int], dtype: str, *, guided: bool
) -> int:
    """Of one forward pass of a transformer class. cells: latent frames, height and width.

    guided: a prompt and its negative are followed; some classes get both at once.
    """
    rule, width = DENOISING.get(kind, UNMEASURED), _width(dtype)
    patches = zip(cells, _patch(config), strict=True)
    frames, rows, columns = (math.ceil(size / patch) for size, patch in patches)
    tokens = rule.text + round((frames + rule.frames) * rows * columns)
    model = int(config.get("num_attention_heads", 1)) * int(config.get("attention_head_dim", 1))
    inner = int(config.get("ffn_dim") or 4 * model)
    kept = len(config.get(rule.kept) or ()) * model if rule.kept else 0
    need = max(
        tokens * width * (stage.width * model + stage.inner * inner + kept) + stage.pair * tokens**2
        for stage in (rule.float32 if width == 4 else rule.half)
    )
    return round(need * (2 if rule.batched and guided else 1))


def decoding(known: Mapping[str, Any]) -> Estimate | None:
    """Of the decoder, for the clip that the latents describe; the frames themselves are in main memory."""
    vae, latents, tile = (known.get(name) for name in ("vae", "latents", "tile"))
    if not (isinstance(vae, VAE) and isinstance(latents, Latents)):
        return None
    if tile is None and vae.tiling is not None:
        tile = vae.tiling.tile
    pixels, frames = latents.width * latents.height, latents.frames
    kind, config, dtype = vae.info.class_name, vae.info.config, vae.dtype
    need, tiled = (decoder_bytes(kind, config, pixels, frames, dtype, size) for size in (tile, TILE))
    thrifty = {f"tile={TILE}": tiled} if tiled < need else {}
    return Estimate(need, 3 * pixels * frames, thrifty=thrifty, measured=kind in DECODING)


def decoder_bytes(
    kind: str, config: Mapping[str, Any], pixels: int, frames: int, dtype: str, tile: int | None = None
) -> int:
    """Of decoding a whole clip. pixels: of one frame. tile: sides of the tiles, in pixels; None is none."""
    rule = DECODING.get(_variant(kind, config), UNMEASURED_CODING)
    numbers = rule.numbers(_channels(config), frames) * (1.0 if dtype == "float32" else rule.half)
    if tile is None or tile**2 >= pixels:
        return round(_width(dtype) * numbers * pixels)
    return round(_width(dtype) * (numbers * tile**2 + rule.tiled * pixels * frames))


def conditioning(known: Mapping[str, Any]) -> Estimate | None:
    """Of the VAE's encoder, for pixels of the clip's size. Wan encodes an image as a whole clip."""
    vae, latents = (known.get(name) for name in ("vae", "latents"))
    if not (isinstance(vae, VAE) and isinstance(latents, Latents)):
        return None
    kind, pixels = vae.info.class_name, latents.width * latents.height
    still = "image" in known and kind != "AutoencoderKLWan"
    frames = 1 if still else latents.frames
    need = encoder_bytes(kind, vae.info.config, pixels, frames, vae.dtype)
    read = 4 * 3 * pixels * frames  # the pixels, float32
    return Estimate(need + read, 3 * pixels * frames, measured=kind in ENCODING)


def encoder_bytes(kind: str, config: Mapping[str, Any], pixels: int, frames: int, dtype: str) -> int:
    """Of encoding a whole clip. pixels: of one frame."""
    rule = ENCODING.get(_variant(kind, config), UNMEASURED_CODING)
    stages = config.get("block_out_channels") or (128,)
    channels = int(config.get("base_dim") or min(stages))
    return round(_width(dtype) * rule.numbers(channels, frames) * pixels)


@dataclass(frozen=True)
class Voicing:
    """Coefficients of one vocoder class."""

    hidden: str
    """Entry of the config with the channels of its first stage; every later stage has half as many."""
    stages: str
    """Entry with the factors by which the stages lengthen the sound."""
    channel: float
    """Numbers for each sample and channel of the last stage."""


VOICING: Mapping[str, Voicing] = {
    "LTX2Vocoder": Voicing("hidden_channels", "upsample_factors", 10.0),
    "LTX2VocoderWithBWE": Voicing("bwe_hidden_channels", "bwe_upsample_factors", 14.1),
}

SPECTRUM = 1805.0
"""Numbers for each latent cell of sound and channel of the audio VAE."""


def spectrum_bytes(config: Mapping[str, Any], cells: int, dtype: str) -> int:
    """Of decoding latents of sound to a spectrogram. cells: their length."""
    return round(_width(dtype) * SPECTRUM * int(config.get("base_channels", 128)) * cells)


def vocoder_bytes(kind: str, config: Mapping[str, Any], samples: int, dtype: str) -> int:
    """Of making waves of a spectrogram. kind: of `VOICING`. samples: of one channel, at the rate they get."""
    rule = VOICING[kind]
    last = int(config.get(rule.hidden, 1024)) / (1 << len(config.get(rule.stages, (1,) * 5)))
    return round(_width(dtype) * rule.channel * last * samples)


def _variant(kind: str, config: Mapping[str, Any]) -> str:
    """The class, and what of its config makes it another one."""
    if kind == "AutoencoderKLLTXVideo" and max(config.get("upsample_factor") or (1,)) > 1:
        return f"{kind}, narrowing"  # from 0.9.1 on stages have fewer channels after they were enlarged
    return f"{kind}, residual" if kind == "AutoencoderKLWan" and config.get("is_residual") else kind


def _class_of(component: Component, part: str) -> str:
    """The class that the model's index names for a part; empty if the model is not here."""
    try:
        folder = locate(component.source.model, revision=component.source.revision)
    except MissingModel:
        return ""
    named = read_json(folder / INDEX).get(part)
    return str(named[1]) if isinstance(named, list) and len(named) == 2 else ""


def _channels(config: Mapping[str, Any]) -> int:
    """Of the decoder's stage with the most pixels, by the names that the classes use."""
    wan = config.get("decoder_base_dim") or config.get("base_dim")
    stages = config.get("decoder_block_out_channels") or config.get("block_out_channels") or (128,)
    return int(wan or min(stages))


def _patch(config: Mapping[str, Any]) -> tuple[int, int, int]:
    """Latent cells that one token stands for, along time, height and width."""
    size = config.get("patch_size", 1)
    if isinstance(size, int):
        return int(config.get("patch_size_t", 1)), size, size
    time, height, width = size
    return int(time), int(height), int(width)


def _width(dtype: str) -> int:
    return 4 if dtype == "float32" else 2
