"""Tiny random models for modular pipelines, as diffusers saves them, and both ways to run them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from graphflow_nodes.diffusion import modular
from graphflow_nodes.diffusion.modular.recipes import ModularModel

from graphflow.node import spec_of
from graphflow.testing import LocalContext, run_node
from graphflow.values import Audio, Video
from tests.support import tiny_ltx2, tiny_wan
from tests.support.tiny_family import byte_tokenizer

SEED = 3


class ModularBench:
    """A tiny model of one pipeline, opened once, in one dtype; its VAE is in float32."""

    def __init__(self, pipeline: str, folder: Path, dtype: str = "float32") -> None:
        self.pipeline, self.folder, self.dtype = pipeline, folder, dtype
        self.opened: dict[str, Any] = {}
        self.model: ModularModel = run_node(modular.load_model, model=str(folder), dtype=dtype)

    def context(self, **options: Any) -> LocalContext:
        context = LocalContext(**options)
        context.opened = self.opened
        return context

    def node(self, phase: str) -> Any:
        """The node of a phase."""
        return getattr(modular, f"{self.pipeline}_{phase}")

    def run(self, phase: str, state: Any = None, *, context: LocalContext | None = None, **given: Any) -> Any:
        """One phase, after the phases that made `state`."""
        function = self.node(phase)
        ports = [self.model, state] if "state" in _ports(function) else [self.model]
        return run_node(function, *ports, context=context or self.context(), **given)

    def clip(self, phases: Iterable[tuple[str, Mapping[str, Any]]]) -> Any:
        """Phases one after the other; what the last one makes."""
        state = None
        for phase, given in phases:
            state = self.run(phase, state, **given)
        return state

    def plain(self, *, seed: int = SEED, guider: float | None = None, **given: Any) -> tuple[Any, Any]:
        """diffusers' own call of the whole: uint8 frames and the waves, if there are any."""
        import torch
        from diffusers import ModularPipeline

        pipeline = ModularPipeline.from_pretrained(self.folder)
        pipeline.load_components(dtype={"default": getattr(torch, self.dtype), "vae": torch.float32})
        if guider is not None:
            pipeline.update_components(guider=pipeline.guider.new(guidance_scale=guider))
        generator = torch.Generator().manual_seed(seed)
        values = pipeline(**given, generator=generator, output_type="np").values
        videos = values["videos"]
        frames = torch.from_numpy(((videos[0] if videos.ndim == 5 else videos) * 255).round().astype("uint8"))
        return frames, values.get("audio")


def frames_of(made: Any) -> Any:
    """uint8 frames of a node's result, with sound or without."""
    return made.frames if isinstance(made, Video) else made.video.frames


def waves_of(made: Any) -> Any:
    """Samples of sound of a node's result."""
    audio: Audio = made.audio
    return audio.samples


def save_tiny_modular(pipeline: str, folder: Path) -> Path:
    """Write the tiny model for `pipeline`, by its name in node ids, to `folder`, and return the folder."""
    blocks, parts, configs = _MAKERS[pipeline]()
    live = blocks.init_pipeline()
    live.update_components(**parts, **configs)
    live.save_pretrained(str(folder), overwrite_modular_index=True)
    return folder


def _ports(function: Any) -> Mapping[str, Any]:
    spec = spec_of(function)
    assert spec is not None
    return spec.ports


_Made = tuple[Any, dict[str, Any], dict[str, Any]]


def _helios() -> _Made:
    from diffusers import HeliosAutoBlocks, HeliosScheduler

    scheduler = HeliosScheduler(stages=1, stage_range=[0, 1], use_dynamic_shifting=True)
    return HeliosAutoBlocks(), {**_helios_parts(), "scheduler": scheduler}, {}


def _helios_pyramid() -> _Made:
    from diffusers import HeliosPyramidAutoBlocks, HeliosScheduler

    return (
        HeliosPyramidAutoBlocks(),
        {**_helios_parts(), "scheduler": HeliosScheduler(stages=2, stage_range=[0, 0.5, 1], gamma=0.25)},
        {},
    )


def _helios_parts() -> dict[str, Any]:
    import torch
    from diffusers import HeliosTransformer3DModel

    torch.manual_seed(1)
    transformer = HeliosTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        text_dim=32,
        ffn_dim=32,
        num_layers=2,
        rope_dim=(4, 4, 4),
    ).eval()
    return {
        "text_encoder": tiny_wan._text_encoder(),
        "tokenizer": tiny_wan._tokenizer(),
        "transformer": transformer,
        "vae": tiny_wan._vae(),
    }


def _ltx() -> _Made:
    from diffusers import FlowMatchEulerDiscreteScheduler
    from diffusers.modular_pipelines.ltx2 import LTX25AutoBlocks

    parts = {
        "text_encoder": tiny_ltx2._text_encoder(),
        "tokenizer": tiny_ltx2._tokenizer(),
        "connectors": tiny_ltx2._connectors(True),
        "transformer": tiny_ltx2._transformer(True),
        "vae": tiny_ltx2._vae(False),
        "audio_vae": tiny_ltx2._audio_vae(),
        "vocoder": tiny_ltx2._vocoder(),
        "duration_head": tiny_ltx2._duration_head(),
        "diffusion_decoder": tiny_diffusion_decoder(),
        "scheduler": FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True, base_shift=0.95, max_shift=2.05, shift_terminal=0.1
        ),
    }
    return LTX25AutoBlocks(), parts, {}


def tiny_diffusion_decoder() -> Any:
    """Its last stage works on patches of 4 pixels, so that it is quick."""
    import torch
    from diffusers import LTX2VideoDiffusionDecoderModel

    torch.manual_seed(1)
    model = LTX2VideoDiffusionDecoderModel(
        latent_channels=4,
        patch_size=4,
        decoder_head_dim=8,
        decoder_stage_channels=(16,) * 5,
        decoder_stage_depths=(1,) * 5,
        decoder_stage_kernels=((3, 3, 3),) * 4,
        decoder_upsample_strides=((2, 1, 1), (2, 1, 1), (2, 1, 1), (1, 2, 2)),
        decoder_upsample_channel_reductions=(1,) * 4,
        decoder_stage5_kernel=(3, 3, 3),
        decoder_t_emb_dim=16,
        spatial_compression_ratio=8,
        temporal_compression_ratio=8,
    )
    return model.eval()


def _cosmos() -> _Made:
    import torch
    from diffusers import Cosmos3OmniBlocks, Cosmos3OmniTransformer, UniPCMultistepScheduler

    torch.manual_seed(1)
    transformer = Cosmos3OmniTransformer(
        head_dim=12,
        hidden_size=24,
        intermediate_size=32,
        num_attention_heads=2,
        num_key_value_heads=1,
        num_hidden_layers=2,
        patch_latent_dim=192,
        vocab_size=300,
        rope_axes_dim=[2, 2, 2],
    ).eval()
    tokenizer = byte_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|vision_start|>"]})
    tokenizer.chat_template = "{% for each in messages %}{{ each.content }}{% endfor %}"
    parts = {
        "text_tokenizer": tokenizer,
        "transformer": transformer,
        "vae": tiny_wan._vae_5b(),
        "scheduler": UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
    }
    return Cosmos3OmniBlocks(), parts, {"enable_safety_checker": False}


def _animate() -> _Made:
    """Its image encoder is as wide as the real one, as the denoiser's class takes no other."""
    import torch
    from diffusers import WanAnimate2Blocks, WanAnimate2Transformer3DModel
    from transformers import CLIPVisionConfig, CLIPVisionModel

    torch.manual_seed(1)
    transformer = WanAnimate2Transformer3DModel(
        text_len=16, dim=24, ffn_dim=32, text_dim=32, num_heads=2, num_layers=2
    )
    sees = CLIPVisionConfig(
        hidden_size=1280,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=224,
        patch_size=112,
    )
    parts = {
        "text_encoder": tiny_wan._text_encoder(),
        "tokenizer": tiny_wan._tokenizer(),
        "image_encoder": CLIPVisionModel(sees).eval(),
        "transformer": transformer.eval(),
        "vae": tiny_wan._vae(),
        "scheduler": tiny_wan._euler(),
    }
    return WanAnimate2Blocks(), parts, {}


def _minimax() -> _Made:
    """Its processor is of another class, as its own wants torchvision; it only tells words from pictures."""
    import torch
    from diffusers import (
        AutoencoderKLMiniMaxH3,
        MiniMaxH3Blocks,
        MiniMaxH3Scheduler,
        MiniMaxH3Transformer3DModel,
    )
    from transformers import CLIPImageProcessor, LlavaProcessor

    torch.manual_seed(1)
    transformer = MiniMaxH3Transformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        hidden_size=32,
        num_layers=2,
        num_refiner_layers=1,
        ffn_dim=32,
        in_channels=4,
        audio_in_channels=4,
        text_dim=16,
        freq_dim=16,
        time_embed_hidden_dim=16,
        time_embed_dim=16,
        rope_freq_dim=2,
    )
    vae = AutoencoderKLMiniMaxH3(
        latent_channels=4,
        block_out_channels=(8, 8, 8),
        layers_per_block=1,
        spatial_downsample_factors=(2, 2, 1),
        temporal_downsample_factors=(1, 2, 2),
        norm_num_groups=2,
        decoder_num_layers=1,
        decoder_num_attention_heads=2,
        decoder_attention_head_dim=16,
        decoder_num_register_tokens=1,
        decoder_ffn_mult=1,
        latents_mean=(0.1,) * 4,
        latents_std=(0.9,) * 4,
    )
    images = CLIPImageProcessor(crop_size=8, size=8)
    parts = {
        "text_encoder": _qwen(),
        "tokenizer": byte_tokenizer(),
        "processor": LlavaProcessor(image_processor=images, tokenizer=byte_tokenizer(), patch_size=4),
        "transformer": transformer.eval(),
        "vae": vae.eval(),
        "audio_vae": _minimax_audio(),
        "scheduler": MiniMaxH3Scheduler(),
        "audio_scheduler": MiniMaxH3Scheduler(shift=3.0),
    }
    return MiniMaxH3Blocks(), parts, {}


def _minimax_audio() -> Any:
    import torch
    from diffusers import AutoencoderKLMiniMaxH3Audio

    torch.manual_seed(1)
    model = AutoencoderKLMiniMaxH3Audio(
        encoder_dim=4,
        latent_dim=16,
        latent_channels=4,
        num_attention_heads=2,
        decoder_dim=128,
        resblock_kernel_sizes=(3,),
        resblock_dilation_sizes=((1,),),
        latents_mean=[0.2] * 4,
        latents_std=[1.1] * 4,
    )
    return model.eval()


def _qwen() -> Any:
    """51 layers, as the pipeline reads what the 50th says."""
    import torch
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    torch.manual_seed(0)
    text = {
        "vocab_size": 300,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 51,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "rope_scaling": {"rope_type": "default", "mrope_section": [2, 1, 1], "mrope_interleaved": True},
        "pad_token_id": 0,
    }
    sees = {
        "depth": 1,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_heads": 2,
        "out_hidden_size": 16,
        "patch_size": 4,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [],
    }
    return Qwen3VLForConditionalGeneration(Qwen3VLConfig(text_config=text, vision_config=sees)).eval()


_MAKERS: dict[str, Callable[[], _Made]] = {
    "helios": _helios,
    "helios_pyramid": _helios_pyramid,
    "ltx2_5": _ltx,
    "cosmos3_omni": _cosmos,
    "minimax_h3": _minimax,
    "wan_animate_2": _animate,
}
