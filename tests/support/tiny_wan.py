"""Tiny random Wan models as genuine diffusers folders.

Text to video: 2.1, 2.2 with two experts and UniPC, 2.2 5B, and one whose VAE keeps every frame. Image to
video: 2.1 with its image encoder (one for a first image, one for both ends), and 2.2 with two experts.
Control: VACE. A picture that moves as somebody does: Animate.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WIDTH, HEIGHT, FRAMES, STEPS = 32, 32, 5, 4
"""The size and length the tests make; one latent cell is 8 pixels (16 for the 5B variant)."""

VARIANTS = (
    "wan21",
    "wan22",
    "wan5b",
    "wan1t",
    "wan21_image",
    "wan21_ends",
    "wan22_image",
    "wan_vace",
    "wan_animate",
)

_TEXT_WIDTH = 32


def save_tiny_wan(variant: str, folder: Path) -> Path:
    """Write the tiny model `variant` to `folder` with a sidecar, and return the folder."""
    import diffusers

    named = {"wan_vace": "WanVACEPipeline", "wan_animate": "WanAnimatePipeline"}
    pipeline = named.get(variant, "WanPipeline")
    if variant.endswith(("_image", "_ends")):
        pipeline = "WanImageToVideoPipeline"
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
    elif variant in ("wan21_image", "wan21_ends"):
        both = 2 * 5 if variant == "wan21_ends" else None  # two images of 2 x 2 patches and a class token
        sees = {"image_dim": 20, "pos_embed_seq_len": both}
        parts.update(transformer=_transformer(1, in_channels=36, **sees), vae=_vae(), scheduler=_unipc())
        parts.update(image_encoder=_image_encoder(), image_processor=_image_processor())
    elif variant == "wan22_image":
        first, second = (_transformer(seed, in_channels=36) for seed in (1, 2))
        parts.update(transformer=first, transformer_2=second, vae=_vae(), scheduler=_unipc())
        parts.update(boundary_ratio=0.9, image_encoder=None, image_processor=None)
    elif variant == "wan_animate":
        parts.update(transformer=_animate(), vae=_vae(), scheduler=_unipc())
        parts.update(image_encoder=_image_encoder(), image_processor=_image_processor())
        del parts["transformer_2"]
    elif variant == "wan_vace":
        parts.update(transformer=_vace(), vae=_vae(), scheduler=_unipc())
    else:
        parts.update(transformer=_transformer(1, channels=48), vae=_vae_5b(), scheduler=_unipc())
        parts.update(expand_timesteps=True)
    getattr(diffusers, pipeline)(**parts).save_pretrained(folder)
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


def _transformer(seed: int, channels: int = 16, **changes: Any) -> Any:
    import torch
    from diffusers import WanTransformer3DModel

    torch.manual_seed(seed)
    return WanTransformer3DModel(**{**_architecture(channels), **changes}).eval()


def _vace() -> Any:
    import torch
    from diffusers import WanVACETransformer3DModel

    torch.manual_seed(1)
    model = WanVACETransformer3DModel(**_architecture(16), vace_layers=[0], vace_in_channels=96)
    for block in model.vace_blocks:  # as released, these start at zero and would change nothing
        torch.nn.init.normal_(block.proj_out.weight, std=0.5)
    return model.eval()


def _animate() -> Any:
    import torch
    from diffusers import WanAnimateTransformer3DModel

    face = {"face_encoder_hidden_dim": 16, "face_encoder_num_heads": 2, "inject_face_latents_blocks": 2}
    motion = {"motion_encoder_size": 16, "motion_style_dim": 8, "motion_dim": 4, "motion_encoder_dim": 16}
    channels = {"motion_encoder_channel_sizes": {"4": 16, "8": 16, "16": 16}, "latent_channels": 16}
    torch.manual_seed(1)
    plan = {**_architecture(16), **face, **motion, **channels, "in_channels": 36, "image_dim": 20}
    return WanAnimateTransformer3DModel(**plan).eval()


def _architecture(channels: int) -> dict[str, Any]:
    return {
        "patch_size": (1, 2, 2),
        "num_attention_heads": 2,
        "attention_head_dim": 12,
        "in_channels": channels,
        "out_channels": channels,
        "text_dim": _TEXT_WIDTH,
        "freq_dim": 256,
        "ffn_dim": 32,
        "num_layers": 2,
        "cross_attn_norm": True,
        "qk_norm": "rms_norm_across_heads",
        "rope_max_seq_len": 32,
    }


def _image_encoder() -> Any:
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModel

    torch.manual_seed(0)
    config = {"hidden_size": 20, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    return CLIPVisionModel(CLIPVisionConfig(**config, image_size=8, patch_size=4)).eval()


def _image_processor() -> Any:
    from transformers import CLIPImageProcessor

    return CLIPImageProcessor(crop_size=8, size=8)


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
