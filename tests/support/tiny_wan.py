"""Tiny random Wan models as genuine diffusers folders: 2.1, 2.2 with two experts and UniPC, 2.2 5B, and
one whose VAE keeps every frame."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WIDTH, HEIGHT, FRAMES, STEPS = 32, 32, 5, 4
"""The size and length the tests make; one latent cell is 8 pixels (16 for the 5B variant)."""

VARIANTS = ("wan21", "wan22", "wan5b", "wan1t")

_TEXT_WIDTH = 32


def save_tiny_wan(variant: str, folder: Path) -> Path:
    """Write the tiny model `variant` to `folder` with a sidecar, and return the folder."""
    from diffusers import WanPipeline

    parts: dict[str, Any] = {
        "tokenizer": _tokenizer(),
        "text_encoder": _text_encoder(),
        "transformer_2": None,
    }
    if variant == "wan21":
        parts.update(transformer=_transformer(1), vae=_vae(), scheduler=_euler())
    elif variant == "wan22":
        parts.update(
            transformer=_transformer(1), transformer_2=_transformer(2), vae=_vae(), scheduler=_unipc()
        )
        parts.update(boundary_ratio=0.875)
    elif variant == "wan1t":
        every_frame = {"temperal_downsample": [False] * 3, "scale_factor_temporal": 1}
        parts.update(transformer=_transformer(1), vae=_vae(**every_frame), scheduler=_euler())
    else:
        parts.update(transformer=_transformer(1, channels=48), vae=_vae_5b(), scheduler=_unipc())
        parts.update(expand_timesteps=True)
    WanPipeline(**parts).save_pretrained(folder)
    sidecar = {"width": WIDTH, "height": HEIGHT, "frames": FRAMES, "fps": 8, "steps": STEPS, "guidance": 3.0}
    (folder / "graphflow.json").write_text(json.dumps({**sidecar, "max_sequence_length": 24}))
    return folder


def _tokenizer() -> Any:
    """One token a byte, closed by an end mark."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={w: i for i, w in enumerate(words)}, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=512,
    )


def _text_encoder() -> Any:
    import torch
    from transformers import UMT5Config, UMT5EncoderModel

    torch.manual_seed(0)
    return UMT5EncoderModel(
        UMT5Config(vocab_size=300, d_model=_TEXT_WIDTH, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
    ).eval()


def _transformer(seed: int, channels: int = 16) -> Any:
    import torch
    from diffusers import WanTransformer3DModel

    torch.manual_seed(seed)
    return WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=channels,
        out_channels=channels,
        text_dim=_TEXT_WIDTH,
        freq_dim=256,
        ffn_dim=32,
        num_layers=2,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        rope_max_seq_len=32,
    ).eval()


def _vae(**changes: Any) -> Any:
    import torch
    from diffusers import AutoencoderKLWan

    config = {
        "base_dim": 3,
        "dim_mult": [1, 1, 1, 1],
        "num_res_blocks": 1,
        "temperal_downsample": [False, True, True],
    }
    torch.manual_seed(0)
    return AutoencoderKLWan(**{**config, **changes}).eval()


def _vae_5b() -> Any:
    return _vae(
        z_dim=48,
        in_channels=12,
        out_channels=12,
        is_residual=True,
        patch_size=2,
        latents_mean=[0.1] * 48,
        latents_std=[0.7] * 48,
        scale_factor_spatial=16,
    )


def _euler() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(shift=7.0)


def _unipc() -> Any:
    from diffusers import UniPCMultistepScheduler

    return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
