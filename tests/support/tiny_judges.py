"""Tiny random models in the layout of the real ones, for everything that evaluates with weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BlipConfig,
    BlipForConditionalGeneration,
    CLIPConfig,
    CLIPModel,
    CLIPVisionConfig,
    Dinov2Config,
    Dinov2Model,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    OwlViTConfig,
    OwlViTForObjectDetection,
    PerceiverConfig,
    PerceiverForOpticalFlow,
    PreTrainedTokenizerFast,
    VideoMAEConfig,
    VideoMAEForVideoClassification,
    XCLIPConfig,
    XCLIPModel,
)

WORDS = [
    "<pad>",
    "<unk>",
    "<s>",
    "</s>",
    "<image>",
    "yes",
    "no",
    "Yes",
    "No",
    "a",
    "red",
    "ball",
    "photo",
    "of",
]
TEXT = {
    "vocab_size": 64,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 16,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
}
VISION = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}


def save(model: Any, folder: Path) -> Path:
    model.save_pretrained(folder)
    return folder


def save_tokenizer(folder: Path) -> None:
    """Words apart at spaces; what is unknown is `<unk>`."""
    plain = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    plain.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="<pad>", unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    ).save_pretrained(folder)


def save_clip(folder: Path) -> Path:
    torch.manual_seed(0)
    config = CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=12)
    save_tokenizer(folder)
    return save(CLIPModel(config), folder)


def save_dino(folder: Path) -> Path:
    torch.manual_seed(0)
    config = Dinov2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=28, patch_size=14
    )
    return save(Dinov2Model(config), folder)


def save_owl(folder: Path) -> Path:
    torch.manual_seed(0)
    config = OwlViTConfig(text_config=TEXT, vision_config=VISION, projection_dim=16)
    save_tokenizer(folder)
    return save(OwlViTForObjectDetection(config), folder)


def save_perceiver(folder: Path) -> Path:
    torch.manual_seed(0)
    config = PerceiverConfig(
        num_latents=8,
        d_latents=16,
        d_model=322,
        num_blocks=1,
        num_self_attends_per_block=1,
        num_self_attention_heads=2,
        num_cross_attention_heads=1,
        train_size=[16, 24],
    )
    return save(PerceiverForOpticalFlow(config), folder)


def save_llava(folder: Path) -> Path:
    torch.manual_seed(0)
    text = LlamaConfig(
        vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=512, pad_token_id=0, bos_token_id=2, eos_token_id=3,
    )  # fmt: skip
    config = LlavaConfig(text_config=text, vision_config=CLIPVisionConfig(**VISION), image_token_index=4)
    save_tokenizer(folder)
    return save(LlavaForConditionalGeneration(config), folder)


def save_blip(folder: Path) -> Path:
    torch.manual_seed(0)
    text = {**TEXT, "encoder_hidden_size": 16, "max_position_embeddings": 64, "sep_token_id": 3}
    config = BlipConfig(text_config=text, vision_config=VISION, projection_dim=12)
    save_tokenizer(folder)
    return save(BlipForConditionalGeneration(config), folder)


def save_videomae(folder: Path, actions: list[str]) -> Path:
    torch.manual_seed(0)
    config = VideoMAEConfig(
        **VISION, num_frames=4, tubelet_size=2, id2label=dict(enumerate(actions)),
        label2id={action: place for place, action in enumerate(actions)},
    )  # fmt: skip
    return save(VideoMAEForVideoClassification(config), folder)


def save_xclip(folder: Path) -> Path:
    torch.manual_seed(0)
    vision = {**VISION, "num_frames": 8, "mit_hidden_size": 12, "mit_intermediate_size": 24}
    vision |= {"mit_num_attention_heads": 2, "mit_num_hidden_layers": 1}
    config = XCLIPConfig(
        text_config=TEXT, vision_config=vision, projection_dim=12, prompt_num_attention_heads=2
    )
    save_tokenizer(folder)
    return save(XCLIPModel(config), folder)
