"""Clips to latents as a denoiser sees them: computed once, kept like every other result."""

from __future__ import annotations

from typing import Any

from graphflow_nodes.diffusion.recipes import VAE
from graphflow_nodes.diffusion.values import Latents

from graphflow.errors import NodeError
from graphflow.node import Context, node
from graphflow.values import Video


@node(
    "training/encode_clip",
    depends=("graphflow_nodes.diffusion.recipes", "graphflow_nodes.diffusion.opening"),
)
def encode_clip(vae: VAE, video: Video, ctx: Context) -> Latents:
    """Encode a clip to train on: the encoder's mean, normalised as the denoiser sees it.

    video: its size and number of frames must suit the model; see fit_bucket.
    Returns latents at stage `done`, float32, which diffusion/decode turns into what the VAE keeps of the
    clip.
    Raises NodeError for a size that the model cannot have, naming it.
    """
    import torch

    frames, height, width, _ = video.frames.shape
    check_size(vae, frames, height, width)
    pixels = video.frames.permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    with ctx.use(vae) as live, torch.no_grad():
        moments = live.encode(pixels.to(live.device, live.dtype)).latent_dist.mode()
        samples = normalised(live, moments.float()).cpu()
    return vae.latents(
        width=width, height=height, frames=frames, fps=video.fps, stage="done", samples=samples
    )


def check_size(vae: VAE, frames: int, height: int, width: int) -> None:
    """Raises NodeError unless the model can have a clip of that size."""
    geometry = vae.geometry
    for name, value in (("height", height), ("width", width)):
        if value % geometry.multiple:
            raise NodeError(
                f"{name} {value} is no multiple of {geometry.multiple}, as model {vae.source.model!r} needs",
                where="video",
                hint="bring the clip to a bucket first",
            )
    if (frames - 1) % geometry.temporal:
        raise NodeError(
            f"model {vae.source.model!r} takes 1, {geometry.temporal + 1}, {2 * geometry.temporal + 1}, ... "
            f"frames, not {frames}",
            where="video",
            hint="bring the clip to a bucket first",
        )


def normalised(vae: Any, samples: Any) -> Any:
    """What an encoder says, (batch, channels, frames, height, width), as the family's pipelines normalise it.

    By the mean and spread that the VAE holds (Wan in its config, LTX beside its weights), else by its scale.
    """
    import torch

    config = vae.config
    held = dict(vae.named_buffers())
    mean, std = (held.get(name, config.get(name)) for name in ("latents_mean", "latents_std"))
    factor = config.get("scaling_factor") or 1.0
    if mean is None or std is None:
        return (samples - (config.get("shift_factor") or 0.0)) * factor
    mean, std = (
        torch.as_tensor(value, dtype=samples.dtype).view(1, -1, 1, 1, 1).to(samples.device)
        for value in (mean, std)
    )
    return (samples - mean) * factor / std
