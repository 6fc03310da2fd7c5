"""A VAE that works on overlapping tiles: less memory, slightly other pixels near the seams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from typing import Annotated, Any

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.values import Value

LEAST = 16
"""Pixels between tiles."""


class Tiling(Value):
    """Square tiles, in pixels."""

    tile: Annotated[int, Field(ge=32)]
    stride: Annotated[int, Field(ge=LEAST)]
    """From the start of one tile to the start of the next; smaller than `tile`."""


def tiling_of(tile: int, overlap: int) -> Tiling:
    """Tiles of `tile` pixels that overlap by `overlap`. Raises NodeError if they hardly move on."""
    if overlap >= tile:
        raise NodeError(f"overlap {overlap} is not smaller than tile {tile}", where="overlap")
    if tile - overlap < LEAST:
        text = (
            f"overlap {overlap} leaves {tile - overlap} of {tile} pixels; tiles move on by {LEAST} at least"
        )
        raise NodeError(text, where="overlap", hint=f"lower the overlap to at most {tile - LEAST}")
    return Tiling(tile=tile, stride=tile - overlap)


def check_tiles(tiling: Tiling, config: Mapping[str, Any], cell: int, width: int, height: int) -> None:
    """Refuse tiles that a decoder cannot work on. Raises NodeError.

    config: of the VAE. cell: pixels along one side of a latent cell. A decoder that mirrors the edges of its
    input, as LTX-2's, needs two cells on each side, so a last tile of one would fail.
    """
    step = tiling.stride // cell
    if step < 1:
        raise NodeError(
            f"tiles that move on by {tiling.stride} pixels are less than a latent cell apart, {cell} pixels",
            where="overlap",
            hint=f"lower the overlap to at most {tiling.tile - cell}",
        )
    if config.get("decoder_spatial_padding_mode") != "reflect":
        return
    sides = {"width": width // cell, "height": height // cell}
    if all(cells <= tiling.tile // cell for cells in sides.values()):
        return  # one tile is all
    for name, cells in sides.items():
        if tiling.tile // cell < 2 or (cells > 1 and (cells - 1) % step == 0):
            raise NodeError(
                f"in a {name} of {cells * cell} pixels the last of these tiles would be one latent cell, "
                "which this decoder cannot work on",
                where="overlap",
                hint=f"change the overlap by {cell} pixels, or the tile",
            )


@contextmanager
def tiled(vae: Any, tiling: Tiling | None) -> Iterator[None]:
    """Tiling on or off in a live VAE, put back on the way out."""
    before = {
        name: value for name, value in vars(vae).items() if name == "use_tiling" or name.startswith("tile_")
    }
    try:
        if tiling is not None:
            vae.enable_tiling()
            for name, value in _sizes(vae, tiling).items():
                setattr(vae, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(vae, name, value)


def _sizes(vae: Any, tiling: Tiling) -> dict[str, Any]:
    """A VAE's attributes for tiles. That of HunyuanVideo 1.5 counts cells, and a share that tiles overlap by:
    a fraction, since as a float it would cut tiles and steps that do not fit each other."""
    if not hasattr(vae, "tile_overlap_factor"):
        kinds = {"tile_sample_min": tiling.tile, "tile_sample_stride": tiling.stride}
        factor = {}
    else:
        cell = vae.spatial_compression_ratio
        cells = tiling.tile // cell
        kinds = {"tile_sample_min": cells * cell, "tile_latent_min": cells}
        factor = {"tile_overlap_factor": Fraction((tiling.tile - tiling.stride) // cell, cells)}
    return {f"{kind}_{side}": size for kind, size in kinds.items() for side in ("height", "width")} | factor
