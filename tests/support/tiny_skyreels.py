"""Tiny random SkyReels-V2 models as genuine diffusers folders: from text or an image, diffusion forcing."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.support.tiny_family import byte_tokenizer, write_sidecar

WIDTH, HEIGHT, FRAMES, STEPS = 32, 16, 5, 4
"""What the tests make; a latent cell is 8 pixels and 4 frames."""

_TEXT_WIDTH, _IMAGE_WIDTH = 32, 20


@contextmanager
def ftfy_or_stand_in() -> Iterator[None]:
    """The pipeline mends broken letters with the package ftfy and fails without it.

    Where it is not installed a stand-in leaves texts as they are, for the plain pipeline and the nodes alike.
    """
    from diffusers.pipelines.skyreels_v2 import pipeline_skyreels_v2 as pipeline

    if importlib.util.find_spec("ftfy") is not None:
        yield
        return
    stand_in: Any = ModuleType("ftfy")
    stand_in.__spec__ = ModuleSpec("ftfy", None)
    stand_in.fix_text = str
    known: Any = pipeline
    sys.modules["ftfy"] = known.ftfy = stand_in
    try:
        yield
    finally:
        del sys.modules["ftfy"], known.ftfy


def save_tiny_skyreels(folder: Path, *, shift: float = 8.0) -> Path:
    """Write the tiny model to `folder` with a sidecar, and return the folder.

    shift: of the saved scheduler. The published repositories have 1, which is none.
    """
    return _save("SkyReelsV2Pipeline", folder, _transformer(), shift)


def save_tiny_skyreels_df(folder: Path, *, shift: float = 8.0) -> Path:
    """The same for diffusion forcing: the denoiser is told the frame rate too."""
    return _save("SkyReelsV2DiffusionForcingPipeline", folder, _transformer(inject_sample_info=True), shift)


def save_tiny_skyreels_image(folder: Path, *, ends: bool = False) -> Path:
    """The same for image to video, with an image encoder. ends: made for a first and a last image."""
    both = 2 * 5 if ends else None  # two images of 2 x 2 patches and a class token
    transformer = _transformer(in_channels=36, image_dim=_IMAGE_WIDTH, pos_embed_seq_len=both)
    eyes = {"image_encoder": _image_encoder(), "image_processor": _image_processor()}
    return _save("SkyReelsV2ImageToVideoPipeline", folder, transformer, 5.0, **eyes)


def _save(pipeline: str, folder: Path, transformer: Any, shift: float, **parts: Any) -> Path:
    import diffusers

    getattr(diffusers, pipeline)(
        **parts,
        tokenizer=byte_tokenizer(),
        text_encoder=_text_encoder(),
        transformer=transformer,
        vae=_vae(),
        scheduler=diffusers.UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift
        ),
    ).save_pretrained(folder)
    return write_sidecar(
        folder,
        width=WIDTH,
        height=HEIGHT,
        frames=FRAMES,
        fps=8,
        steps=STEPS,
        guidance=6.0,
        max_sequence_length=24,
    )


def _transformer(**changes: Any) -> Any:
    import torch
    from diffusers import SkyReelsV2Transformer3DModel

    torch.manual_seed(1)
    usual = {
        "patch_size": (1, 2, 2),
        "num_attention_heads": 2,
        "attention_head_dim": 12,
        "in_channels": 16,
        "out_channels": 16,
        "text_dim": _TEXT_WIDTH,
        "freq_dim": 256,
        "ffn_dim": 32,
        "num_layers": 2,
        "cross_attn_norm": True,
        "qk_norm": "rms_norm_across_heads",
        "rope_max_seq_len": 32,
    }
    return SkyReelsV2Transformer3DModel(**{**usual, **changes}).eval()


def _image_encoder() -> Any:
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(0)
    config = {"intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "projection_dim": 8}
    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(hidden_size=_IMAGE_WIDTH, image_size=8, patch_size=4, **config)
    ).eval()


def _image_processor() -> Any:
    from transformers import CLIPImageProcessor

    return CLIPImageProcessor(crop_size=8, size=8)


def _vae() -> Any:
    import torch
    from diffusers import AutoencoderKLWan

    torch.manual_seed(0)
    return AutoencoderKLWan(
        base_dim=3,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
    ).eval()


def _text_encoder() -> Any:
    import torch
    from transformers import UMT5Config, UMT5EncoderModel

    torch.manual_seed(0)
    config = UMT5Config(vocab_size=300, d_model=_TEXT_WIDTH, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
    return UMT5EncoderModel(config).eval()
