"""A VAE that works on overlapping tiles: less memory, slightly other pixels near the seams."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Annotated, Any

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.values import Value


class Tiling(Value):
    """Square tiles, in pixels."""

    tile: Annotated[int, Field(ge=32)]
    stride: Annotated[int, Field(ge=16)]
    """From the start of one tile to the start of the next; smaller than `tile`."""


def tiling_of(tile: int, overlap: int) -> Tiling:
    """Tiles of `tile` pixels that overlap by `overlap`. Raises NodeError if they never move on."""
    if overlap >= tile:
        raise NodeError(f"overlap {overlap} is not smaller than tile {tile}", where="overlap")
    return Tiling(tile=tile, stride=tile - overlap)


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
