"""Open video diffusion models as nodes: load, encode, denoise, decode. Importing this needs no torch."""

from .animate import animate
from .condition import condition_control, condition_image, condition_video
from .decode import decode
from .denoise import denoise
from .encode import encode_prompt
from .latents import empty_latents, noise_latents
from .load import load_denoiser, load_image_encoder, load_model, load_scheduler, load_text_encoder, load_vae

__all__ = [
    "animate",
    "condition_control",
    "condition_image",
    "condition_video",
    "decode",
    "denoise",
    "empty_latents",
    "encode_prompt",
    "load_denoiser",
    "load_image_encoder",
    "load_model",
    "load_scheduler",
    "load_text_encoder",
    "load_vae",
    "noise_latents",
]
