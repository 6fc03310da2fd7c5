"""A VAE that works on overlapping tiles: less memory, slightly other pixels near the seams."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
    names = [
        "use_tiling",
        *(f"tile_sample_{kind}_{side}" for kind in ("min", "stride") for side in ("height", "width")),
    ]
    before = {name: getattr(vae, name) for name in names if hasattr(vae, name)}
    try:
        if tiling is not None:
            vae.enable_tiling(  # by name: some VAEs have frames in between
                tile_sample_min_height=tiling.tile,
                tile_sample_min_width=tiling.tile,
                tile_sample_stride_height=tiling.stride,
                tile_sample_stride_width=tiling.stride,
            )
        yield
    finally:
        for name, value in before.items():
            setattr(vae, name, value)
