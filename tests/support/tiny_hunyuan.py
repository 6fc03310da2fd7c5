"""Tiny random HunyuanVideo 1.0 models as genuine diffusers folders: from text, from an image, FramePack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.tiny_family import byte_tokenizer, write_sidecar

WIDTH, HEIGHT, FRAMES, STEPS = 32, 16, 5, 3
"""What the tests make; a latent cell is 8 pixels and 4 frames."""

TOKENS, IMAGE_TOKENS = 96, 720
"""The second with a token a byte of the template around an image, which takes more than 600."""

_CHANNELS, _TEXT_WIDTH, _POOLED_WIDTH = 4, 16, 8

_ARCHITECTURE: dict[str, Any] = {
    "in_channels": _CHANNELS,
    "out_channels": _CHANNELS,
    "num_attention_heads": 2,
    "attention_head_dim": 10,
    "num_layers": 1,
    "num_single_layers": 1,
    "num_refiner_layers": 1,
    "patch_size": 1,
    "patch_size_t": 1,
    "guidance_embeds": True,
    "text_embed_dim": _TEXT_WIDTH,
    "pooled_projection_dim": _POOLED_WIDTH,
    "rope_axes_dim": (2, 4, 4),
}


def save_tiny_hunyuan(folder: Path) -> Path:
    """Write the tiny model to `folder` with a sidecar, and return the folder."""
    parts = {"text_encoder": _llama(), "tokenizer": _tokenizer()}
    return _save("HunyuanVideoPipeline", folder, TOKENS, transformer=_transformer(), **parts)


def save_tiny_hunyuan_image(folder: Path, *, concat: bool = False) -> Path:
    """The same for image to video. concat: the variant that has the image beside each frame."""
    tokenizer = byte_tokenizer(end=False)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>", "<|end_header_id|>"]})
    kind: dict[str, Any] = {"image_condition_type": "token_replace"}
    if concat:
        kind = {"image_condition_type": "latent_concat", "in_channels": 2 * _CHANNELS + 1}
    return _save(
        "HunyuanVideoImageToVideoPipeline",
        folder,
        IMAGE_TOKENS,
        text_encoder=_llava(tokenizer.convert_tokens_to_ids("<image>")),
        tokenizer=tokenizer,
        transformer=_transformer(**kind, guidance_embeds=not concat),
        image_processor=_image_processor(),
    )


def save_tiny_framepack(folder: Path) -> Path:
    """The same for FramePack, which is shown the image by SigLIP. Its patches are 2 x 2 cells."""
    import torch
    from diffusers import HunyuanVideoFramepackTransformer3DModel

    torch.manual_seed(1)
    sees = {"has_image_proj": True, "image_proj_dim": _POOLED_WIDTH, "has_clean_x_embedder": True}
    transformer = HunyuanVideoFramepackTransformer3DModel(**{**_ARCHITECTURE, "patch_size": 2}, **sees)
    return _save(
        "HunyuanVideoFramepackPipeline",
        folder,
        TOKENS,
        text_encoder=_llama(),
        tokenizer=_tokenizer(),
        transformer=transformer.eval(),
        image_encoder=_siglip(),
        feature_extractor=_siglip_processor(),
    )


def _save(pipeline: str, folder: Path, tokens: int, **parts: Any) -> Path:
    import diffusers

    getattr(diffusers, pipeline)(
        **parts,
        vae=_vae(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
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
        max_sequence_length=tokens,
    )


def _transformer(**changes: Any) -> Any:
    import torch
    from diffusers import HunyuanVideoTransformer3DModel

    torch.manual_seed(1)
    return HunyuanVideoTransformer3DModel(**{**_ARCHITECTURE, **changes}).eval()


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


def _tokenizer() -> Any:
    """A token a byte, but one for four letters of the template, of which the pipeline cuts off 95 tokens."""
    from diffusers.pipelines.hunyuan_video.pipeline_hunyuan_video import DEFAULT_PROMPT_TEMPLATE

    tokenizer, template = byte_tokenizer(end=False), str(DEFAULT_PROMPT_TEMPLATE["template"])
    before, _, after = template.partition("{}")
    tokenizer.add_tokens([text[i : i + 4] for text in (before, after) for i in range(0, len(text), 4)])
    return tokenizer


def _llama() -> Any:
    import torch
    from transformers import LlamaModel

    torch.manual_seed(0)
    return LlamaModel(_llama_config()).eval()


def _llama_config() -> Any:
    """Three layers: the pipeline leaves out the last two."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=400,
        hidden_size=_TEXT_WIDTH,
        intermediate_size=37,
        num_hidden_layers=3,
        num_attention_heads=4,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=1,
    )


def _llava(image_token: int) -> Any:
    """An image is 576 tokens, as the pipeline's template says."""
    import torch
    from transformers import CLIPVisionConfig, LlavaConfig, LlavaForConditionalGeneration

    torch.manual_seed(0)
    sees = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=CLIPVisionConfig(image_size=48, patch_size=2, **sees),
            text_config=_llama_config(),
            image_token_index=image_token,
            pad_token_id=0,
        )
    ).eval()


def _image_processor() -> Any:
    from transformers import CLIPImageProcessor

    return CLIPImageProcessor(crop_size=48, size=48)


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


def _siglip() -> Any:
    import torch
    from transformers import SiglipVisionConfig, SiglipVisionModel

    torch.manual_seed(0)
    config = {"intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    return SiglipVisionModel(
        SiglipVisionConfig(hidden_size=_POOLED_WIDTH, image_size=8, patch_size=4, **config)
    ).eval()


def _siglip_processor() -> Any:
    from transformers import SiglipImageProcessor

    return SiglipImageProcessor(size={"height": 8, "width": 8})
