"""Costs are measured around the very denoise that everybody runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from graphflow_nodes.diffusion import cast_layers, empty_latents, latents_distance, measure_denoise
from graphflow_nodes.diffusion.measure import Cost
from graphflow_nodes.diffusion.recipes import Denoiser

from graphflow.errors import ValueMismatch
from graphflow.testing import run_node
from tests.support.wan_bench import Bench

STEPS = 3


@pytest.fixture
def wan(bench: Callable[..., Bench]) -> Bench:
    return bench("wan21")


def measured(wan: Bench, denoiser: Denoiser | None = None, **settings: object) -> Cost:
    model, context = wan.model, wan.context()
    latents = run_node(empty_latents, model.vae)
    parts = denoiser or model.denoiser, model.scheduler, wan.encode(), latents
    return run_node(measure_denoise, *parts, context=context, steps=STEPS, **{"seed": 3, **settings})


def test_the_clip_is_that_of_denoise_and_the_cost_that_of_a_step(wan: Bench) -> None:
    cost = measured(wan, way="as it is")
    assert torch.equal(cost.latents.samples, wan.denoise(steps=STEPS).samples)
    assert 0 < cost.seconds < 5
    with wan.context().use(wan.model.denoiser) as experts:
        weights = sum(p.nbytes for p in experts.transformer.parameters())
    assert cost.weights == pytest.approx(weights / 1e6, rel=0.01)
    assert cost.peak is None, "main memory is not measured"
    assert cost.text.startswith("as it is: ") and f"{cost.seconds:.3f} s a step" in cost.text


def test_fewer_bits_weigh_less_and_are_a_little_apart(wan: Bench) -> None:
    whole, cast = measured(wan), measured(wan, run_node(cast_layers, wan.model.denoiser))
    assert cast.weights < 0.7 * whole.weights
    assert 0 < run_node(latents_distance, cast.latents, whole.latents) < 0.5


def test_nothing_is_kept_for_a_resume(wan: Bench) -> None:
    context = wan.context()
    latents = run_node(empty_latents, wan.model.vae)
    parts = wan.model.denoiser, wan.model.scheduler, wan.encode(), latents
    run_node(measure_denoise, *parts, context=context, steps=STEPS, seed=3)
    assert not context.states
    assert context.progress_log[-1] == (STEPS, STEPS)


def test_distances(wan: Bench) -> None:
    one, same, other = (measured(wan, seed=seed).latents for seed in (3, 3, 4))
    assert run_node(latents_distance, one, same) == 0
    assert run_node(latents_distance, one, other) > 0.1
    shorter = other.model_copy(update={"samples": other.samples[:, :, :1]})
    with pytest.raises(ValueMismatch, match="cannot be compared"):
        run_node(latents_distance, shorter, one)
