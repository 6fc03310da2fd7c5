"""Decode a clip of LTX-Video as its long video pipeline does: in tiles of all frames, softly joined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import Context, Estimate, Unknown, node
from graphflow.values import Video

from .activations import decoding
from .decode import check_decodable, check_latents, seen, to_uint8
from .long_video import FAMILIES, PIPELINE, Strength
from .recipes import VAE
from .shell import cancel_points
from .values import Latents

Tiles = Annotated[int, Field(ge=1, le=64)]


def _decoding(known: Mapping[str, Any]) -> Estimate | None:
    """What one tile needs, and the whole clip in float32 with the weights of its joins."""
    latents = known.get("latents")
    if not isinstance(latents, Latents) or not {"columns", "rows", "overlap"} <= known.keys():
        return None
    shared = known["overlap"] * latents.geometry.spatial
    sides = {"width": (latents.width, known["columns"]), "height": (latents.height, known["rows"])}
    update = {name: min(side, side // count + shared) for name, (side, count) in sides.items()}
    found = decoding({**known, "latents": latents.model_copy(update=update), "tile": None})
    pixels = latents.width * latents.height * latents.frames
    return found and replace(found, device=found.device + 4 * 4 * pixels, host=3 * pixels, thrifty={})


def _foreseen(vae: VAE | Unknown, latents: Latents | Unknown) -> Mapping[str, Any] | None:
    check_decodable(vae, latents)
    return seen(latents)


@node("diffusion/decode_tiles", check=_foreseen, forecast=_decoding, depends=(".recipes", ".decode"))
def decode_tiles(
    vae: VAE,
    latents: Latents,
    ctx: Context,
    *,
    columns: Tiles = 4,
    rows: Tiles = 4,
    overlap: Annotated[int, Field(ge=0, le=64)] = 3,
    decode_timestep: Strength | None = None,
    decode_noise_scale: Strength | None = None,
) -> Video:
    """Decode an LTX-Video clip as the long video pipeline does: in tiles of all its frames, softly joined.

    columns, rows: of tiles; 1 and 1 is no tiles. overlap: of neighbours, in latent cells.
    decode_timestep, decode_noise_scale: as in decode.
    Returns uint8 frames, (frames, height, width, 3), sRGB.
    Raises ValueMismatch if the latents were made for another VAE, NodeError for tiles that overlap entirely.
    """
    import diffusers
    import torch

    samples = _check_tiles(vae, latents, columns, rows, overlap)
    given = {"decode_timestep": decode_timestep, "decode_noise_scale": decode_noise_scale}
    chosen = {name: value for name, value in given.items() if value is not None}
    generator = torch.Generator("cpu")
    if latents.rng is not None:
        generator.set_state(latents.rng)
    with ctx.use(vae) as live, cancel_points([live.decoder], ctx.check):
        parts = dict.fromkeys(("text_encoder", "tokenizer", "transformer"))
        solver: Any = diffusers.LTXEulerAncestralRFScheduler  # without another one the pipeline complains
        pipe = getattr(diffusers, PIPELINE)(scheduler=solver(), vae=live, **parts)
        pixels = pipe.vae_decode_tiled(
            samples,
            **{**vae.native.decode, **latents.decode, **chosen},
            horizontal_tiles=columns,
            vertical_tiles=rows,
            overlap=overlap,
            generator=generator,
        )
    return Video(frames=to_uint8(pixels[0]), fps=latents.fps)


def _check_tiles(vae: VAE, latents: Latents, columns: int, rows: int, overlap: int) -> Any:
    """The samples of `latents`, if there are any, `vae` is theirs and they can be cut so."""
    if vae.family not in FAMILIES:
        raise ValueMismatch("only LTX-Video's decoder decodes in such tiles", where="vae", hint="use decode")
    samples = check_latents(vae, latents)
    for where, tiles, cells in (("rows", rows, samples.shape[3]), ("columns", columns, samples.shape[4])):
        if tiles > 1 and (cells + (tiles - 1) * overlap) // tiles <= overlap:
            raise NodeError(
                f"{cells} latent cells cannot be cut into {tiles} {where} that overlap by {overlap}",
                where=where,
                hint=f"use fewer {where} or a smaller overlap",
            )
    return samples
