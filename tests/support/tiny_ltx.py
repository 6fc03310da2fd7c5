"""Tiny random LTX-Video models as genuine diffusers folders: with and without a timestep for the decoder, for
keyframes, and a latent upsampler for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.tiny_family import byte_tokenizer, write_sidecar

WIDTH, HEIGHT, FRAMES, STEPS = 64, 32, 9, 3
"""What the tests make; a latent cell is 4 pixels and 4 frames."""

_CHANNELS, _TEXT_WIDTH = 8, 32


def save_tiny_ltx(folder: Path, *, timestep_conditioning: bool = True, keyframes: bool = False) -> Path:
    """Write a tiny model to `folder` with a sidecar, and return the folder.

    keyframes: a model of LTXConditionPipeline, as from 0.9.5 on.
    """
    from diffusers import FlowMatchEulerDiscreteScheduler, LTXConditionPipeline, LTXPipeline

    follows_size = {
        "use_dynamic_shifting": True,
        "base_image_seq_len": 1024,
        "max_image_seq_len": 4096,
        "base_shift": 0.95,
        "max_shift": 2.05,
        "shift_terminal": 0.1,
    }
    scheduler = FlowMatchEulerDiscreteScheduler(**({} if keyframes else follows_size))
    cls = LTXConditionPipeline if keyframes else LTXPipeline
    cls(
        scheduler=scheduler,
        vae=_vae(timestep_conditioning),
        text_encoder=_text_encoder(),
        tokenizer=byte_tokenizer(),
        transformer=_transformer(),
    ).save_pretrained(folder)
    return write_sidecar(
        folder,
        width=WIDTH,
        height=HEIGHT,
        frames=FRAMES,
        fps=8,
        steps=STEPS,
        guidance=3.0,
        max_sequence_length=24,
    )


def save_tiny_upsampler(folder: Path, **changes: Any) -> Path:
    """Write a tiny latent upsampler for the tiny models to `folder`, and return the folder.

    changes: to its config, such as `temporal_upsample`.
    """
    import torch
    from diffusers import LTXLatentUpsamplePipeline
    from diffusers.pipelines.ltx import LTXLatentUpsamplerModel

    torch.manual_seed(2)
    config = {"in_channels": _CHANNELS, "mid_channels": 32, "num_blocks_per_stage": 1, **changes}
    upsampler = LTXLatentUpsamplerModel(**config).eval()
    LTXLatentUpsamplePipeline(vae=_vae(True), latent_upsampler=upsampler).save_pretrained(folder)
    return folder


def _transformer() -> Any:
    import torch
    from diffusers import LTXVideoTransformer3DModel

    torch.manual_seed(1)
    return LTXVideoTransformer3DModel(
        in_channels=_CHANNELS,
        out_channels=_CHANNELS,
        patch_size=1,
        patch_size_t=1,
        num_attention_heads=4,
        attention_head_dim=8,
        cross_attention_dim=32,
        num_layers=2,
        caption_channels=_TEXT_WIDTH,
    ).eval()


def _vae(timestep_conditioning: bool) -> Any:
    """Mean and standard deviation are no zeros and ones, so that forgetting them shows."""
    import torch
    from diffusers import AutoencoderKLLTXVideo

    torch.manual_seed(0)
    vae = AutoencoderKLLTXVideo(
        latent_channels=_CHANNELS,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, False, False),
        decoder_spatio_temporal_scaling=(True, True, False, False),
        decoder_inject_noise=(False,) * 5,
        upsample_residual=(False,) * 4,
        upsample_factor=(1,) * 4,
        timestep_conditioning=timestep_conditioning,
        patch_size=1,
        patch_size_t=1,
        encoder_causal=True,
        decoder_causal=False,
    ).eval()
    vae.latents_mean.copy_(torch.linspace(-0.3, 0.4, _CHANNELS))
    vae.latents_std.copy_(torch.linspace(0.6, 1.3, _CHANNELS))
    return vae


def _text_encoder() -> Any:
    import torch
    from transformers import T5Config, T5EncoderModel

    torch.manual_seed(0)
    config = T5Config(vocab_size=300, d_model=_TEXT_WIDTH, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
    return T5EncoderModel(config).eval()
