"""Tiles that a decoder cannot work on are told while planning, not after the denoise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from graphflow_nodes.diffusion import decode, empty_latents, tile_vae
from graphflow_nodes.diffusion.values import Latents

from graphflow.errors import NodeError
from graphflow.testing import LocalContext, check_node, run_node
from tests.support.tiny_ltx2 import SoundBench, save_tiny_ltx2
from tests.support.wan_bench import Bench


@pytest.fixture(scope="module")
def mirrors(tmp_path_factory: pytest.TempPathFactory) -> SoundBench:
    """LTX-2, whose decoder mirrors the edges of what it is given."""
    folder: Path = tmp_path_factory.mktemp("ltx2")
    return SoundBench(save_tiny_ltx2(folder / "model", "ltx2"))


def done(bench: SoundBench | Bench) -> Latents:
    """A clip of 128 x 128 pixels, 16 x 16 latent cells, as after a denoise."""
    vae = bench.model.vae
    samples = torch.zeros(1, vae.geometry.channels, 1, 16, 16)
    empty = run_node(empty_latents, vae, width=128, height=128, frames=1)
    return empty.model_copy(update={"stage": "done", "samples": samples})


@pytest.mark.parametrize("overlap", [24, 40])
def test_a_last_tile_of_one_cell_is_refused_where_edges_are_mirrored(
    mirrors: SoundBench, bench: Callable[..., Bench], overlap: int
) -> None:
    vae, latents = mirrors.model.vae, done(mirrors)
    cut = run_node(tile_vae, vae, tile=64, overlap=overlap)
    with mirrors.context().use(cut) as live, pytest.raises(RuntimeError, match="Padding size"):
        live.decode(latents.samples)
    for known in ({"vae": cut}, {"vae": vae, "tile": 64, "overlap": overlap}):
        with pytest.raises(NodeError, match="the last of these tiles would be one latent cell"):
            check_node(decode, latents=latents, **known)
        with pytest.raises(NodeError, match="the last of these tiles would be one latent cell"):
            run_node(decode, latents=latents, context=LocalContext(), **known)
    other = bench("wan21")
    assert check_node(decode, vae=other.model.vae, latents=done(other), tile=64, overlap=overlap)


def test_one_tile_is_all_and_tiles_that_fit_pass(mirrors: SoundBench) -> None:
    vae, latents = mirrors.model.vae, done(mirrors)
    for tile, overlap in ((128, 24), (64, 16)):
        assert check_node(decode, vae=vae, latents=latents, tile=tile, overlap=overlap)


def test_tiles_that_hardly_move_on_are_refused(mirrors: SoundBench) -> None:
    vae, latents = mirrors.model.vae, done(mirrors)
    with pytest.raises(NodeError, match="overlap 60 leaves 4 of 64 pixels; tiles move on by 16 at least"):
        check_node(decode, vae=vae, latents=latents, tile=64, overlap=60)
    wide = latents.model_copy(update={"geometry": vae.geometry.model_copy(update={"spatial": 32})})
    with pytest.raises(NodeError, match="move on by 16 pixels are less than a latent cell apart, 32 pixels"):
        check_node(decode, vae=vae, latents=wide, tile=64, overlap=48)
