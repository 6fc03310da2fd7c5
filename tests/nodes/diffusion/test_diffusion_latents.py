"""Sizes and lengths: the model's own unless said otherwise, refused with the nearest that will do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from graphflow_nodes.diffusion import empty_latents, noise_latents

from graphflow.errors import NodeError
from graphflow.testing import run_node
from graphflow.values import decode, encode
from tests.support.wan_bench import Bench

Benches = Callable[..., Bench]


def test_left_empty_it_is_the_models_own(bench: Benches) -> None:
    latents = run_node(empty_latents, bench("wan21").model.vae)
    assert (latents.width, latents.height, latents.frames, latents.fps) == (32, 32, 5, 8.0)
    assert (latents.stage, latents.samples) == ("empty", None)
    assert decode(*encode(latents)) == latents


def test_what_is_said_counts(bench: Benches) -> None:
    latents = run_node(empty_latents, bench("wan21").model.vae, width=48, height=16, frames=9, fps=24.0)
    noise = run_node(noise_latents, latents, seed=1)
    assert noise.samples.shape == (1, 16, 3, 2, 6)
    assert (noise.fps, noise.stage) == (24.0, "noise")


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        ({"width": 40}, "width 40 is not a multiple of 16", "use 32 or 48; the model was made for 32 x 32"),
        ({"height": 100}, "height 100 is not a multiple of 16", "use 96 or 112"),
        ({"frames": 8}, r"makes 1, 5, 9, ... frames, not 8", "use 5 or 9; the model was made for 5"),
    ],
)
def test_sizes_that_cannot_be_made(bench: Benches, settings: dict[str, int], message: str, hint: str) -> None:
    with pytest.raises(NodeError, match=message) as error:
        run_node(empty_latents, bench("wan21").model.vae, **settings)
    assert hint in error.value.hint


def test_the_5b_variant_needs_multiples_of_32(bench: Benches) -> None:
    with pytest.raises(NodeError) as error:
        run_node(empty_latents, bench("wan5b").model.vae, width=16)
    assert error.value.hint.startswith("use 32;")
    with pytest.raises(NodeError, match="width 48 is not a multiple of 32"):
        run_node(empty_latents, bench("wan5b").model.vae, width=48)


def test_noise_is_drawn_once(bench: Benches) -> None:
    noise = run_node(noise_latents, run_node(empty_latents, bench("wan21").model.vae))
    with pytest.raises(NodeError, match="already hold samples"):
        run_node(noise_latents, noise)
