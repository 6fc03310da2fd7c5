"""A tiny random HunyuanVideo 1.0 model as a genuine diffusers folder, with both of its text encoders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.tiny_family import byte_tokenizer, write_sidecar

WIDTH, HEIGHT, FRAMES, STEPS = 32, 16, 5, 3
"""What the tests make; a latent cell is 8 pixels and 4 frames."""

TOKENS = 640
"""With a token a byte the template around the prompt takes more than 500."""

_CHANNELS, _TEXT_WIDTH, _POOLED_WIDTH = 4, 16, 8


def save_tiny_hunyuan(folder: Path) -> Path:
    """Write the tiny model to `folder` with a sidecar, and return the folder."""
    from diffusers import FlowMatchEulerDiscreteScheduler, HunyuanVideoPipeline

    HunyuanVideoPipeline(
        text_encoder=_llama(),
        tokenizer=byte_tokenizer(end=False),
        transformer=_transformer(),
        vae=_vae(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
        text_encoder_2=_clip(),
        tokenizer_2=byte_tokenizer(length=77),
    ).save_pretrained(folder)
    return write_sidecar(
        folder,
        width=WIDTH,
        height=HEIGHT,
        frames=FRAMES,
        fps=8,
        steps=STEPS,
        guidance=6.0,
        max_sequence_length=TOKENS,
    )


def _transformer() -> Any:
    import torch
    from diffusers import HunyuanVideoTransformer3DModel

    torch.manual_seed(1)
    return HunyuanVideoTransformer3DModel(
        in_channels=_CHANNELS,
        out_channels=_CHANNELS,
        num_attention_heads=2,
        attention_head_dim=10,
        num_layers=1,
        num_single_layers=1,
        num_refiner_layers=1,
        patch_size=1,
        patch_size_t=1,
        guidance_embeds=True,
        text_embed_dim=_TEXT_WIDTH,
        pooled_projection_dim=_POOLED_WIDTH,
        rope_axes_dim=(2, 4, 4),
    ).eval()


def _vae() -> Any:
    import torch
    from diffusers import AutoencoderKLHunyuanVideo

    torch.manual_seed(0)
    return AutoencoderKLHunyuanVideo(
        latent_channels=_CHANNELS,
        down_block_types=("HunyuanVideoDownBlock3D",) * 4,
        up_block_types=("HunyuanVideoUpBlock3D",) * 4,
        block_out_channels=(8,) * 4,
        layers_per_block=1,
        norm_num_groups=4,
        scaling_factor=0.476986,
        spatial_compression_ratio=8,
        temporal_compression_ratio=4,
        mid_block_add_attention=True,
    ).eval()


def _llama() -> Any:
    """Three layers: the pipeline leaves out the last two."""
    import torch
    from transformers import LlamaConfig, LlamaModel

    torch.manual_seed(0)
    return LlamaModel(
        LlamaConfig(
            vocab_size=300,
            hidden_size=_TEXT_WIDTH,
            intermediate_size=37,
            num_hidden_layers=3,
            num_attention_heads=4,
            pad_token_id=0,
            bos_token_id=2,
            eos_token_id=1,
        )
    ).eval()


def _clip() -> Any:
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=300,
            hidden_size=_POOLED_WIDTH,
            intermediate_size=37,
            num_hidden_layers=2,
            num_attention_heads=4,
            pad_token_id=0,
            bos_token_id=2,
            eos_token_id=1,
        )
    ).eval()
