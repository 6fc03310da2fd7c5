"""Open video diffusion models as nodes: load, encode, denoise, decode. Importing this needs no torch."""

from .animate import animate
from .audio import decode_audio, load_audio_decoder
from .condition import condition_control, condition_image, condition_video
from .decode import decode
from .denoise import denoise
from .diffusion_decode import decode_by_diffusion, load_diffusion_decoder
from .diffusion_forcing import diffusion_forcing
from .duration import load_duration_head, predict_frames
from .encode import encode_prompt
from .experts import split_experts
from .extension import condition_extension
from .fit import fit_media
from .framepack import framepack
from .guidance import guide_by_component, guide_by_step, guide_rescaled, guide_streams, guide_true_cfg
from .keyframes import condition_keyframes, keyframe
from .latents import empty_latents, noise_latents
from .load import load_denoiser, load_image_encoder, load_model, load_scheduler, load_text_encoder, load_vae
from .long_decode import decode_tiles
from .long_video import denoise_long
from .measure import latents_distance, measure_denoise
from .modify import (
    attention,
    cast_layers,
    compile_blocks,
    load_weights,
    lora,
    offload,
    parallel,
    quantise,
    tile_vae,
)
from .quiet import keep_quiet
from .schedule import scheduler
from .snap import latents_like
from .step_caches import attention_cache, faster_cache, first_block_cache, magnitude_cache, taylor_cache
from .upsample import load_latent_upsampler, refine_latents, upsample_latents
from .window_plan import window_starts

keep_quiet()

__all__ = [
    "animate",
    "attention",
    "attention_cache",
    "cast_layers",
    "compile_blocks",
    "condition_control",
    "condition_extension",
    "condition_image",
    "condition_keyframes",
    "condition_video",
    "decode",
    "decode_audio",
    "decode_by_diffusion",
    "decode_tiles",
    "denoise",
    "denoise_long",
    "diffusion_forcing",
    "empty_latents",
    "encode_prompt",
    "faster_cache",
    "first_block_cache",
    "fit_media",
    "framepack",
    "guide_by_component",
    "guide_by_step",
    "guide_rescaled",
    "guide_streams",
    "guide_true_cfg",
    "keyframe",
    "latents_distance",
    "latents_like",
    "load_audio_decoder",
    "load_denoiser",
    "load_diffusion_decoder",
    "load_duration_head",
    "load_image_encoder",
    "load_latent_upsampler",
    "load_model",
    "load_scheduler",
    "load_text_encoder",
    "load_vae",
    "load_weights",
    "lora",
    "magnitude_cache",
    "measure_denoise",
    "noise_latents",
    "offload",
    "parallel",
    "predict_frames",
    "quantise",
    "refine_latents",
    "scheduler",
    "split_experts",
    "taylor_cache",
    "tile_vae",
    "upsample_latents",
    "window_starts",
]
