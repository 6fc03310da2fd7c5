"""Tiny models that more than a prompt makes clips with, run as any other: one denoise from one prompt.

Control (VACE), a picture that moves (Animate), sections after a first image (FramePack), windows (diffusion
forcing).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from graphflow_nodes.diffusion import (
    animate,
    condition_control,
    condition_image,
    diffusion_forcing,
    empty_latents,
    framepack,
)

from graphflow.testing import run_node
from graphflow.values import Image, Video
from tests.support.tiny_family import FamilyBench
from tests.support.wan_bench import Bench

SEED = 3


def clip(width: int, height: int, frames: int, seed: int = 1) -> Video:
    """Noise, from which every condition of these benches is taken."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    shape = (frames, height, width, 3)
    return Video(frames=torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8), fps=8.0)


class ControlBench(Bench):
    """VACE: every clip follows one video."""

    def denoise(self, **given: Any) -> Any:
        latents = run_node(empty_latents, self.model.vae)
        video = clip(latents.width, latents.height, latents.frames)
        follow = run_node(condition_control, self.model.vae, latents, video=video, context=self.context())
        return super().denoise(latents=latents, condition=follow, **given)


class AnimateBench(Bench):
    """Animate: two segments; what is denoised comes out decoded."""

    def denoise(self, *, prompt: Any, **given: Any) -> Any:
        model, frames = self.model, 9
        latents = run_node(empty_latents, model.vae, frames=frames)
        size = latents.width, latents.height
        pictures = {
            "image": Image(pixels=clip(*size, 1).frames[0]),
            "pose": clip(*size, frames, 2),
            "face": clip(16, 16, frames, 3),
        }
        parts = model.denoiser, model.scheduler, model.vae, model.image_encoder
        settings = {"prompt": prompt, "latents": latents, "seed": SEED, "segment": 5, **pictures, **given}
        made = run_node(animate, *parts, context=self.context(), **settings)
        return SimpleNamespace(samples=made.frames.float(), frames=made.frames)

    def decode(self, latents: Any, **settings: Any) -> Any:
        return self.denoise(prompt=self.encode(), steps=2).frames


class PackedBench(FamilyBench):
    """FramePack: one section after a first image."""

    def denoise(self, *, prompt: Any, **given: Any) -> Any:
        model = self.model
        latents = run_node(empty_latents, model.vae, frames=9)
        first = Image(pixels=clip(latents.width, latents.height, 1).frames[0])
        ports = model.vae, first, latents, None, model.image_encoder
        seen = run_node(condition_image, *ports, context=self.context())
        parts = model.denoiser, model.scheduler, prompt, latents, seen
        settings = {"seed": SEED, "latent_window_size": 2, **given}
        return run_node(framepack, *parts, context=self.context(), **settings)


class ForcingBench(FamilyBench):
    """Diffusion forcing: two windows."""

    def denoise(self, *, prompt: Any, **given: Any) -> Any:
        model = self.model
        latents = run_node(empty_latents, model.vae, frames=29)
        parts = model.denoiser, model.scheduler, prompt, latents
        settings = {"seed": SEED, "base_num_frames": 17, "overlap_history": 5, **given}
        return run_node(diffusion_forcing, *parts, context=self.context(), **settings)
