"""Latents to frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import Context, Sketch, Unknown, node
from graphflow.values import Video

from .activations import decoding
from .checks import check_origin
from .families import family
from .modifiers.tiling import check_tiles, tiling_of
from .recipes import OPENING, VAE
from .shell import cancel_points
from .values import Latents


def _foreseen(
    vae: VAE | Unknown,
    latents: Latents | Unknown,
    tile: int | Unknown | None,
    overlap: int | Unknown,
    fps: float | Unknown | None,
) -> Mapping[str, Any] | None:
    check_decodable(vae, latents)
    if isinstance(vae, Unknown) or isinstance(latents, Unknown):
        return seen(latents, fps)
    if not (isinstance(tile, Unknown) or isinstance(overlap, Unknown)):
        _in_tiles(vae, latents, tile, overlap)
    return seen(latents, fps)


def check_decodable(vae: VAE | Unknown, latents: Latents | Unknown) -> None:
    """Refuse latents that the VAE cannot decode, before anything runs."""
    if isinstance(latents, Latents) and latents.stage == "empty":
        raise _empty()
    if isinstance(vae, VAE) and isinstance(latents, Latents):
        check_origin(vae, latents)


def seen(latents: Latents | Unknown, fps: float | Unknown | None = None) -> Mapping[str, Any] | None:
    """What frames the latents become, as far as it is known."""
    if isinstance(latents, Unknown) or isinstance(fps, Unknown):
        return None
    return {"out": Sketch(latents.width, latents.height, latents.frames, fps or latents.fps)}


@node("diffusion/decode", check=_foreseen, forecast=decoding, depends=(".checks", ".shell", *OPENING))
def decode(
    vae: VAE,
    latents: Latents,
    ctx: Context,
    *,
    tile: Annotated[int, Field(ge=64, le=8192)] | None = None,
    overlap: Annotated[int, Field(ge=16, le=4096)] = 64,
    fps: Annotated[float, Field(gt=0, le=1000)] | None = None,
    decode_timestep: Annotated[float, Field(ge=0, le=1)] | None = None,
    decode_noise_scale: Annotated[float, Field(ge=0, le=1)] | None = None,
) -> Video:
    """Decode a denoised clip into frames.

    latents: normalised, (1, channels, latent frames, height, width).
    tile: pixels; decode in square tiles that overlap by `overlap` pixels. Saves memory and changes pixels
        slightly. Empty decodes whole frames.
    fps: frames a second of the video; empty is what the latents were made for.
    decode_timestep, decode_noise_scale: for a decoder that does a last denoising step, as LTX-Video's: the
        noise level it is told, and how much noise is mixed in before it. Empty is the model's own.
    Returns uint8 frames, (frames, height, width, 3), sRGB.
    Raises ValueMismatch if the latents were made for another VAE.
    """
    import torch

    samples = check_latents(vae, latents)[:, :, latents.reference_frames :]
    chosen = {"decode_timestep": decode_timestep, "decode_noise_scale": decode_noise_scale}
    clip = latents.model_copy(update={"decode": _settings(vae, latents, chosen)})
    recipe = _in_tiles(vae, latents, tile, overlap)
    with ctx.use(recipe) as live, torch.no_grad(), _watched(live, ctx, samples.shape[2]):
        pixels = family(vae.family).decode(live, samples.to(ctx.device), clip)
    return Video(frames=to_uint8(pixels[0]), fps=fps or latents.fps)


def to_uint8(pixels: Any) -> Any:
    """(3, frames, height, width) in -1..1 to uint8 (frames, height, width, 3).

    Rounds as diffusers' video processor does, frame by frame, so that a long clip is not held twice.
    """
    import torch

    _, frames, height, width = pixels.shape
    result = torch.empty((frames, height, width, 3), dtype=torch.uint8)
    for index in range(frames):
        unit = (pixels[:, index] * 0.5).add_(0.5).clamp_(0, 1).float().cpu()
        result[index] = unit.mul_(255).round_().to(torch.uint8).permute(1, 2, 0)
    return result


def _settings(vae: VAE, latents: Latents, chosen: Mapping[str, float | None]) -> dict[str, float]:
    """The decoder's settings: the model's own, over them the clip's, over them the node's."""
    given = {name: value for name, value in chosen.items() if value is not None}
    for name in given.keys() - vae.native.decode.keys():
        raise NodeError(
            f"the decoder of model {vae.source.model!r} has no {name}", where=name, hint="leave it empty"
        )
    return {**vae.native.decode, **latents.decode, **given}


def _in_tiles(vae: VAE, latents: Latents, tile: int | None, overlap: int) -> VAE:
    """The VAE with tiles that were asked for, or its own, if it can decode these latents in them."""
    if tile is not None:
        vae = vae.model_copy(update={"tiling": tiling_of(tile, overlap)})
    if vae.tiling is not None:
        size = latents.width, latents.height
        check_tiles(vae.tiling, vae.info.config, latents.geometry.spatial, *size)
    return vae


def _empty() -> NodeError:
    return NodeError("these latents are empty", where="latents", hint="connect the result of a denoise node")


def check_latents(vae: VAE, latents: Latents) -> Any:
    """The samples of `latents`, if there are any and `vae` is theirs."""
    if latents.samples is None:
        raise _empty()
    check_origin(vae, latents)
    return latents.samples


@contextmanager
def _watched(live: Any, ctx: Context, total: int) -> Iterator[None]:
    """Report each latent frame, where the decoder takes them one by one; cancel between its blocks."""
    done = 0

    def before(module: Any, args: Any) -> None:
        nonlocal done
        ctx.progress(min(done, total), total)
        done += 1

    hook = live.decoder.register_forward_pre_hook(before)
    try:
        with cancel_points([live.decoder], ctx.check):
            yield
    finally:
        hook.remove()
