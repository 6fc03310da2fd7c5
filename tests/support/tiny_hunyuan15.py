"""Tiny random HunyuanVideo 1.5 models as genuine diffusers folders: from text and from an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.tiny_family import byte_tokenizer, write_sidecar

WIDTH, HEIGHT, FRAMES, STEPS = 32, 16, 5, 3
"""What the tests make; a latent cell is 4 pixels and 2 frames."""

SIDE = 24
"""Of clips that begin with an image."""

TOKENS = 64

_CHANNELS, _TEXT_WIDTH, _GLYPH_WIDTH, _IMAGE_WIDTH = 4, 16, 8, 8

_CHAT = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'][:100] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
"""With a token a byte the pipeline's own words would be 500 tokens; it cuts off the first 108 of them, which
are then all."""


def save_tiny_hunyuan15(folder: Path, *, small: bool = False) -> Path:
    """Write the tiny model to `folder` with a sidecar, and return the folder.

    small: its large layer is empty, and stored in 8-bit floating point, which loading brings to what is asked
        for.
    """
    import torch

    transformer = _transformer()
    if small:
        letters = transformer.context_embedder_2.linear_2
        letters.weight.data = torch.zeros_like(letters.weight, dtype=torch.float8_e4m3fn)
    return _save("HunyuanVideo15Pipeline", folder, (WIDTH, HEIGHT), transformer)


def save_tiny_hunyuan15_image(folder: Path, *, meanflow: bool = False) -> Path:
    """The same for image to video: clips are square, the size that its pipeline gives to square images.

    meanflow: as if distilled to few steps, each of which is told where the next begins.
    """
    eyes = {"image_encoder": _siglip(), "feature_extractor": _siglip_processor()}
    transformer = _transformer(task_type="i2v", target_size=SIDE, use_meanflow=meanflow)
    return _save("HunyuanVideo15ImageToVideoPipeline", folder, (SIDE, SIDE), transformer, **eyes)


def _save(pipeline: str, folder: Path, size: tuple[int, int], transformer: Any, **parts: Any) -> Path:
    import diffusers
    from diffusers import ClassifierFreeGuidance, FlowMatchEulerDiscreteScheduler
    from transformers import ByT5Tokenizer

    getattr(diffusers, pipeline)(
        **parts,
        text_encoder=_qwen(),
        tokenizer=_chat_tokenizer(),
        transformer=transformer,
        vae=_vae(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
        text_encoder_2=_t5(),
        tokenizer_2=ByT5Tokenizer(),
        guider=ClassifierFreeGuidance(guidance_scale=6.0),
    ).save_pretrained(folder)
    return write_sidecar(
        folder,
        width=size[0],
        height=size[1],
        frames=FRAMES,
        fps=8,
        steps=STEPS,
        guidance=6.0,
        max_sequence_length=TOKENS,
    )


def _chat_tokenizer() -> Any:
    tokenizer = byte_tokenizer(end=False)
    tokenizer.chat_template = _CHAT
    return tokenizer


def _transformer(task_type: str = "t2v", target_size: int = 16, use_meanflow: bool = False) -> Any:
    """Most of its 16 MB is one layer for letters, 2048 wide in every model; half of that as bfloat16."""
    import torch
    from diffusers import HunyuanVideo15Transformer3DModel

    torch.manual_seed(1)
    return HunyuanVideo15Transformer3DModel(
        in_channels=2 * _CHANNELS + 1,
        out_channels=_CHANNELS,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=1,
        num_refiner_layers=1,
        mlp_ratio=2.0,
        patch_size=1,
        patch_size_t=1,
        text_embed_dim=_TEXT_WIDTH,
        text_embed_2_dim=_GLYPH_WIDTH,
        image_embed_dim=_IMAGE_WIDTH,
        rope_axes_dim=(2, 2, 4),
        target_size=target_size,
        task_type=task_type,
        use_meanflow=use_meanflow,
    ).to(torch.bfloat16)


def _vae() -> Any:
    import torch
    from diffusers import AutoencoderKLHunyuanVideo15

    torch.manual_seed(0)
    return AutoencoderKLHunyuanVideo15(
        latent_channels=_CHANNELS,
        block_out_channels=(8, 8),
        layers_per_block=1,
        spatial_compression_ratio=4,
        temporal_compression_ratio=2,
        downsample_match_channel=False,
        upsample_match_channel=False,
    ).eval()


def _qwen() -> Any:
    """Three layers: the pipeline leaves out the last two."""
    import torch
    from transformers import Qwen2_5_VLTextConfig, Qwen2_5_VLTextModel

    torch.manual_seed(0)
    return Qwen2_5_VLTextModel(
        Qwen2_5_VLTextConfig(
            vocab_size=300,
            hidden_size=_TEXT_WIDTH,
            intermediate_size=16,
            num_hidden_layers=3,
            num_attention_heads=2,
            num_key_value_heads=2,
            pad_token_id=0,
            bos_token_id=2,
            eos_token_id=1,
            rope_parameters={"mrope_section": [1, 1, 2], "rope_type": "default", "rope_theta": 1e6},
        )
    ).eval()


def _t5() -> Any:
    """Reads the words in quotes, that the video should show as letters."""
    import torch
    from transformers import T5Config, T5EncoderModel

    torch.manual_seed(0)
    config = T5Config(vocab_size=400, d_model=_GLYPH_WIDTH, d_kv=4, d_ff=16, num_layers=1, num_heads=2)
    return T5EncoderModel(config).eval()


def _siglip() -> Any:
    import torch
    from transformers import SiglipVisionConfig, SiglipVisionModel

    torch.manual_seed(0)
    config = {"intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    return SiglipVisionModel(
        SiglipVisionConfig(hidden_size=_IMAGE_WIDTH, image_size=8, patch_size=4, **config)
    ).eval()


def _siglip_processor() -> Any:
    from transformers import SiglipImageProcessor

    return SiglipImageProcessor(size={"height": 8, "width": 8})
