"""Tiny random LTX-2 models as genuine diffusers folders: clips with sound.

`ltx2` is built as LTX-2.0; `ltx2_3` has what 2.3 changed: connectors with a projection for each stream, and a
denoiser that can be perturbed and that sees the noise level of the other stream. `ltx2_5` says beside it how
long a clip should be.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from graphflow_nodes.diffusion import load_model
from graphflow_nodes.diffusion.audio import AudioDecoder, decode_audio, load_audio_decoder

from graphflow.testing import run_node
from tests.support.tiny_family import SEED, FamilyBench, byte_tokenizer, write_sidecar
from tests.support.wan_bench import NEGATIVE, PROMPT

WIDTH, HEIGHT, FRAMES, STEPS = 32, 32, 9, 3
"""What the tests make; a latent cell is 8 pixels and 8 frames."""

RATE = 16_000
"""Samples of sound a second."""

_CHANNELS, _SOUND_CHANNELS, _BINS, _TEXT_WIDTH, _TEXT_LAYERS = 4, 2, 8, 32, 2


class Clip(NamedTuple):
    """What a plain pipeline call makes."""

    frames: Any
    """uint8, (frames, height, width, 3)."""
    sound: Any
    """float32, (channels, samples)."""


class SoundBench(FamilyBench):
    """A FamilyBench that listens too.

    vae_dtype: of the VAE of the frames; that of the sound and the vocoder compute in float32.
    """

    def __init__(self, folder: Path, dtype: str = "float32", vae_dtype: str = "float32") -> None:
        super().__init__(folder, dtype)
        if vae_dtype != "float32":
            self.model = run_node(load_model, model=str(folder), dtype=dtype, vae_dtype=vae_dtype)

    @property
    def decoder(self) -> AudioDecoder:
        recipe: AudioDecoder = run_node(load_audio_decoder, model=str(self.folder))
        return recipe

    def hear(self, latents: Any) -> Any:
        """The sound of latents, (channels, samples)."""
        return run_node(decode_audio, self.decoder, latents, context=self.context()).samples

    def clip(self, pipeline: str = "LTX2Pipeline", **arguments: Any) -> Clip:
        """The stock pipeline's frames and sound."""
        import torch

        frames, sound = self.raw(pipeline, output_type="np", **arguments)
        return Clip(torch.from_numpy((frames[0] * 255).round().astype("uint8")), sound[0].float())

    def raw(
        self,
        pipeline: str,
        *,
        scheduler: Any = None,
        lora: tuple[Path, float] | None = None,
        **arguments: Any,
    ) -> Any:
        """What the stock pipeline returns.

        scheduler: changes to the config of its own, or another. lora: a file and its weight.
        """
        import diffusers
        import torch

        dtypes = {name: torch.float32 for name in ("audio_vae", "vocoder")}
        dtypes["default"] = getattr(torch, self.dtype)
        dtypes["vae"] = getattr(torch, self.model.vae.dtype)
        pipe = getattr(diffusers, pipeline).from_pretrained(self.folder, dtype=dtypes)
        pipe.set_progress_bar_config(disable=True)
        if isinstance(scheduler, dict):
            scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config, **scheduler)
        pipe.scheduler = scheduler or pipe.scheduler
        if lora is not None:
            pipe.load_lora_weights(lora[0].parent, weight_name=lora[0].name, adapter_name="own")
            pipe.set_adapters("own", lora[1])
        native = self.model.native
        usual = {
            "prompt": PROMPT,
            "negative_prompt": NEGATIVE,
            "width": native.width,
            "height": native.height,
            "num_frames": native.frames,
            "frame_rate": native.fps,
            "num_inference_steps": native.steps,
            "guidance_scale": native.guidance,
            "max_sequence_length": native.max_sequence_length,
            **native.arguments,
        }
        generator = torch.Generator().manual_seed(arguments.pop("seed", SEED))
        return pipe(**{**usual, **arguments}, generator=generator, return_dict=False)


def save_tiny_ltx2(folder: Path, variant: str = "ltx2", *, timestep_conditioning: bool = False) -> Path:
    """Write a tiny model to `folder` with a sidecar, and return the folder."""
    from diffusers import FlowMatchEulerDiscreteScheduler, LTX2Pipeline

    newer = variant != "ltx2"
    LTX2Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True, base_shift=0.95, max_shift=2.05, shift_terminal=0.1
        ),
        vae=_vae(timestep_conditioning),
        audio_vae=_audio_vae(),
        text_encoder=_text_encoder(),
        tokenizer=_tokenizer(),
        connectors=_connectors(newer),
        transformer=_transformer(newer),
        vocoder=_vocoder(),
        duration_head=_duration_head() if variant == "ltx2_5" else None,
    ).save_pretrained(folder)
    return write_sidecar(
        folder, width=WIDTH, height=HEIGHT, frames=FRAMES, fps=25, steps=STEPS, max_sequence_length=16
    )


def save_tiny_ltx2_upsampler(folder: Path, *, index: bool = True) -> Path:
    """Write a tiny latent upsampler for the tiny models to `folder`, and return the folder.

    index: False adds it to a model that is there already.
    """
    import torch
    from diffusers import LTX2LatentUpsamplePipeline
    from diffusers.pipelines.ltx2 import LTX2LatentUpsamplerModel

    torch.manual_seed(2)
    config = {"in_channels": _CHANNELS, "mid_channels": 32, "num_blocks_per_stage": 1}
    upsampler = LTX2LatentUpsamplerModel(**config).eval()
    if index:
        LTX2LatentUpsamplePipeline(vae=_vae(False), latent_upsampler=upsampler).save_pretrained(folder)
    else:
        upsampler.save_pretrained(folder / "latent_upsampler")
    return folder


def _transformer(newer: bool) -> Any:
    import torch
    from diffusers import LTX2VideoTransformer3DModel

    torch.manual_seed(1)
    changes: dict[str, Any] = {}
    if newer:
        changes = {
            "gated_attn": True,
            "audio_gated_attn": True,
            "cross_attn_mod": True,
            "audio_cross_attn_mod": True,
            "perturbed_attn": True,
            "use_prompt_embeddings": False,
        }
    return LTX2VideoTransformer3DModel(
        in_channels=_CHANNELS,
        out_channels=_CHANNELS,
        num_attention_heads=2,
        attention_head_dim=8,
        cross_attention_dim=16,
        vae_scale_factors=(8, 8, 8),
        audio_in_channels=_SOUND_CHANNELS * _BINS // 4,
        audio_out_channels=_SOUND_CHANNELS * _BINS // 4,
        audio_num_attention_heads=2,
        audio_attention_head_dim=4,
        audio_cross_attention_dim=8,
        num_layers=2,
        caption_channels=_TEXT_WIDTH,
        rope_double_precision=False,
        rope_type="split",
        **changes,
    ).eval()


def _connectors(newer: bool) -> Any:
    """The streams of 2.3 get their own widths, those of the denoiser's two streams."""
    import torch
    from diffusers.pipelines.ltx2 import LTX2TextConnectors

    torch.manual_seed(2)
    changes: dict[str, Any] = {}
    heads = {"video_connector_num_attention_heads": 4, "audio_connector_num_attention_heads": 4}
    if newer:
        heads = {"video_connector_num_attention_heads": 2, "audio_connector_num_attention_heads": 1}
        changes = {"per_modality_projections": True, "video_hidden_dim": 16, "audio_hidden_dim": 8}
    return LTX2TextConnectors(
        caption_channels=_TEXT_WIDTH,
        text_proj_in_factor=_TEXT_LAYERS + 1,
        video_connector_attention_head_dim=8,
        video_connector_num_layers=1,
        video_connector_num_learnable_registers=8,
        audio_connector_attention_head_dim=8,
        audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=8,
        connector_rope_base_seq_len=32,
        rope_double_precision=False,
        rope_type="split",
        **heads,
        **changes,
    ).eval()


def _vae(timestep_conditioning: bool) -> Any:
    """Mean and standard deviation are no zeros and ones, so that forgetting them shows."""
    import torch
    from diffusers import AutoencoderKLLTX2Video

    torch.manual_seed(0)
    vae = AutoencoderKLLTX2Video(
        latent_channels=_CHANNELS,
        block_out_channels=(8, 8, 8),
        decoder_block_out_channels=(8, 8, 8),
        layers_per_block=(1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, True),
        decoder_spatio_temporal_scaling=(True, True, True),
        decoder_inject_noise=(False,) * 4,
        downsample_type=("spatiotemporal",) * 3,
        upsample_type=("spatiotemporal",) * 3,
        upsample_residual=(False,) * 3,
        upsample_factor=(1,) * 3,
        timestep_conditioning=timestep_conditioning,
        patch_size=1,
        patch_size_t=1,
        encoder_causal=True,
        decoder_causal=False,
    ).eval()
    vae.latents_mean.copy_(torch.linspace(-0.3, 0.4, _CHANNELS))
    vae.latents_std.copy_(torch.linspace(0.7, 1.3, _CHANNELS))
    return vae


def _audio_vae() -> Any:
    import torch
    from diffusers import AutoencoderKLLTX2Audio

    torch.manual_seed(0)
    vae = AutoencoderKLLTX2Audio(
        base_channels=_SOUND_CHANNELS * _BINS // 4,
        output_channels=2,
        ch_mult=(1, 1, 1),
        num_res_blocks=1,
        attn_resolutions=None,
        in_channels=2,
        resolution=32,
        latent_channels=_SOUND_CHANNELS,
        norm_type="pixel",
        causality_axis="height",
        mid_block_add_attention=False,
        sample_rate=RATE,
        mel_hop_length=160,
        is_causal=True,
        mel_bins=_BINS,
    ).eval()
    vae.latents_mean.copy_(torch.linspace(-0.2, 0.5, len(vae.latents_mean)))
    vae.latents_std.copy_(torch.linspace(0.8, 1.4, len(vae.latents_std)))
    return vae


def _vocoder() -> Any:
    import torch
    from diffusers.pipelines.ltx2 import LTX2Vocoder

    torch.manual_seed(0)
    return LTX2Vocoder(
        in_channels=2 * _BINS,
        hidden_channels=16,
        out_channels=2,
        upsample_kernel_sizes=[20, 16],
        upsample_factors=[20, 8],
        resnet_kernel_sizes=[3],
        resnet_dilations=[[1, 3]],
        output_sampling_rate=RATE,
    ).eval()


def _duration_head() -> Any:
    """Says something about a second and a half."""
    import torch
    from diffusers.pipelines.ltx2.duration_head import LTX2DurationHead

    torch.manual_seed(0)
    head = LTX2DurationHead(
        video_cross_attention_dim=16,
        audio_cross_attention_dim=8,
        pooler_hidden_dim=8,
        num_pooler_heads=2,
        mlp_hidden_dim=8,
    ).eval()
    torch.nn.init.constant_(head.mlp_out.bias, 0.4)
    return head


def _tokenizer() -> Any:
    """Gemma's pads on the left, and some pipelines ask before they set it so themselves."""
    tokenizer = byte_tokenizer(end=False)
    tokenizer.padding_side = "left"
    tokenizer.init_kwargs["padding_side"] = "left"
    return tokenizer


def _text_encoder() -> Any:
    import torch
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    torch.manual_seed(0)
    text = {
        "vocab_size": 300,
        "hidden_size": _TEXT_WIDTH,
        "intermediate_size": 24,
        "num_hidden_layers": _TEXT_LAYERS,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
    }
    sees = {
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "image_size": 8,
        "patch_size": 4,
    }
    config = Gemma3Config(text_config=text, vision_config=sees, mm_tokens_per_image=4)
    return Gemma3ForConditionalGeneration(config).eval()
