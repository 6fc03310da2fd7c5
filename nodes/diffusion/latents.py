"""Where a denoise begins: an empty frame of latents, or one filled with noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import Unknown, node
from graphflow.values import Seed

from .recipes import VAE
from .values import Latents

Side = Annotated[int, Field(ge=16, le=16_384)]


@node("diffusion/empty_latents", fold=True, depends=(".values", ".recipes"))
def empty_latents(
    vae: VAE,
    *,
    width: Side | None = None,
    height: Side | None = None,
    frames: Annotated[int, Field(ge=1, le=100_000)] | None = None,
    fps: Annotated[float, Field(gt=0, le=1000)] | None = None,
) -> Latents:
    """The size and length of a clip that is to be made; the denoise draws the noise.

    width, height: pixels. frames: 1 makes a still picture. fps: frames a second the clip is made for.
    Left empty, each is what the model was made for.
    Raises NodeError, naming the nearest allowed values, for a size the model cannot make.
    """
    native = vae.native
    width, height, frames = width or native.width, height or native.height, frames or native.frames
    for name, value in (("width", width), ("height", height)):
        _check_side(name, value, vae)
    _check_frames(frames, vae)
    rate = float(fps or native.fps)
    return vae.latents(width=width, height=height, frames=frames, fps=rate, sound=native.sound)


def _filled(latents: Latents | Unknown) -> Mapping[str, Any] | None:
    """What comes out is noise whose samples are not known yet."""
    if isinstance(latents, Unknown):
        return None
    _check_empty(latents)
    return {"out": latents.model_copy(update={"stage": "noise"})}


def _check_empty(latents: Latents) -> None:
    if latents.stage != "empty":
        raise NodeError(
            "these latents already hold samples", where="latents", hint="connect an 'empty latents' node"
        )


@node("diffusion/noise_latents", check=_filled, depends=(".values",))
def noise_latents(latents: Latents, *, seed: Seed = 0) -> Latents:
    """Fill empty latents with the noise that a denoise with the same seed would draw.

    Useful to denoise the same noise in different ways. The generator is the CPU's on every device.
    Raises NodeError if the latents are filled already.
    """
    import torch

    _check_empty(latents)
    generator = torch.Generator("cpu").manual_seed(seed)
    shape = latents.geometry.latent_shape(latents.width, latents.height, latents.frames)
    update: dict[str, Any] = {
        "stage": "noise",
        "samples": torch.randn(shape, generator=generator, dtype=torch.float32),
    }
    if latents.sound is not None:
        heard = torch.randn(latents.sound.latent_shape(latents.frames, latents.fps), generator=generator)
        update["sound"] = latents.sound.model_copy(update={"samples": heard})
    return latents.model_copy(update={**update, "rng": generator.get_state()})


def _check_side(name: str, value: int, vae: VAE) -> None:
    geometry, native = vae.geometry, vae.native
    below = value // geometry.multiple * geometry.multiple
    if value != below:
        near = [str(size) for size in (below, below + geometry.multiple) if size > 0]
        raise NodeError(
            f"{name} {value} is not a multiple of {geometry.multiple}, as model {vae.source.model!r} needs",
            where=name,
            hint=f"use {' or '.join(near)}; the model was made for {native.width} x {native.height}",
        )


def _check_frames(frames: int, vae: VAE) -> None:
    step = vae.geometry.temporal
    below = (frames - 1) // step * step + 1
    if frames != below:
        raise NodeError(
            f"model {vae.source.model!r} makes 1, {step + 1}, {2 * step + 1}, ... frames, not {frames}",
            where="frames",
            hint=f"use {below} or {below + step}; the model was made for {vae.native.frames}",
        )


def check_reach(latents: Latents, config: Mapping[str, Any]) -> None:
    """Refuse a clip with more positions along one side than the denoiser has names for.

    config: the denoiser's; those of Wan and SkyReels-V2 tell how many. Raises ValueMismatch.
    """
    most, geometry = config.get("rope_max_seq_len"), latents.geometry
    if not isinstance(most, int):
        return
    shape = geometry.latent_shape(latents.width, latents.height, latents.frames)[-3:]
    for name, size, patch in zip(
        ("frames", "height", "width"), shape, config.get("patch_size", (1, 2, 2)), strict=True
    ):
        if size > most * patch:
            most_frames = (most * patch - 1) * geometry.temporal + 1
            largest = most_frames if name == "frames" else most * patch * geometry.spatial
            raise ValueMismatch(
                f"{name} {getattr(latents, name)} is more than the model can tell apart",
                where="latents",
                hint=f"use at most {largest}",
            )
