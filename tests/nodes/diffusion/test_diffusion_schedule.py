"""Schedulers: every solver gives the plain pipeline's bits, can be stopped and resumed, or is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion import scheduler
from graphflow_nodes.diffusion.schedule import SOLVERS, Scheduler

from graphflow.errors import NodeError
from graphflow.testing import LocalContext, run_node
from graphflow.values import decode, encode
from tests.support.tiny_family import FamilyBench
from tests.support.treatments import treated
from tests.support.wan_bench import Bench

pytestmark = pytest.mark.filterwarnings("ignore:__array_")  # diffusers under NumPy 2

Benches = Callable[..., Bench]
Families = Callable[..., FamilyBench]


def with_solver(bench: Bench, **settings: Any) -> Bench:
    return treated(bench, scheduler=run_node(scheduler, bench.model.scheduler, **settings))


NOISY = ("lcm", "sa")
"""Add noise at each step: from the seed here, from the process's global generator in the plain pipeline."""


@pytest.mark.parametrize("solver", NOISY)
def test_noise_of_a_step_comes_from_the_seed(bench: Benches, solver: str) -> None:
    tiny = with_solver(bench("wan21"), solver=solver)
    whole, before = tiny.denoise().samples, torch.get_rng_state()
    assert torch.equal(tiny.denoise().samples, whole)
    assert not torch.equal(tiny.denoise(seed=4).samples, whole)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("solver", sorted(SOLVERS.keys() - set(NOISY)))
def test_equal_to_the_plain_pipeline(families: Families, solver: str) -> None:
    """On SkyReels, whose pipeline takes any scheduler, as Wan's does."""
    tiny = families("skyreels")
    mine = with_solver(tiny, solver=solver, shift=4.0)
    plain = tiny.plain(scheduler=mine.model.scheduler.build())
    assert torch.equal(mine.denoise().samples, plain.latents)
    assert torch.isfinite(plain.latents).all()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("variant", ["wan21", "wan22"])
def test_stopped_gone_on_with_and_resumed(bench: Benches, variant: str, solver: str) -> None:
    tiny = with_solver(bench(variant), solver=solver)
    context = tiny.context()
    whole = tiny.denoise(context=context).samples
    half = decode(*encode(tiny.denoise(end_step=2)))
    assert torch.equal(tiny.denoise(latents=half).samples, whole)
    for state in context.states:
        assert torch.equal(tiny.denoise(context=tiny.context(state=state)).samples, whole)


def test_the_schedule_stays_when_the_solver_changes(bench: Benches) -> None:
    recipe = bench("wan21").model.scheduler
    for solver, (class_name, entry, needed) in SOLVERS.items():
        changed = run_node(scheduler, recipe, solver=solver)
        assert changed.class_name == class_name and changed.config[entry] == 7.0
        assert needed.items() <= changed.config.items()
        assert run_node(scheduler, changed, solver="euler") == run_node(scheduler, recipe, solver="euler")
        assert type(changed.build()).__name__ == class_name


def test_the_shift(bench: Benches) -> None:
    recipe = bench("wan22").model.scheduler
    assert run_node(scheduler, recipe, shift=5.0).config == {**recipe.config, "flow_shift": 5.0}
    tiny = bench("wan22")
    assert not torch.equal(with_solver(tiny, shift=9.0).denoise().samples, tiny.denoise().samples)
    strange = Scheduler(class_name="DDIMScheduler", config={})
    with pytest.raises(NodeError, match="the shift of a DDIMScheduler cannot be set"):
        run_node(scheduler, strange, shift=2.0)
    assert run_node(scheduler, strange, solver="euler", shift=2.0).config["shift"] == 2.0


def test_a_shift_that_follows_the_size(families: Families) -> None:
    recipe = families("ltx").model.scheduler
    assert recipe.config["use_dynamic_shifting"]
    with pytest.raises(NodeError, match="follows the size of the video"):
        run_node(scheduler, recipe, shift=2.0)
    with pytest.raises(NodeError, match="which the solver does not know"):
        run_node(scheduler, recipe, solver="unipc")
    assert run_node(scheduler, recipe, solver="lcm").config == recipe.config


def test_noise_levels_of_ones_own(families: Families) -> None:
    tiny = families("hunyuan")
    levels = [1.0, 0.9, 0.5]
    mine = with_solver(tiny, sigmas=levels)
    plain = tiny.plain(sigmas=levels, num_inference_steps=3)
    whole = mine.denoise()
    assert torch.equal(whole.samples, plain.latents)
    assert torch.equal(mine.denoise(latents=mine.denoise(end_step=1)).samples, whole.samples)
    with pytest.raises(NodeError, match="noise levels for 3 steps, not 5"):
        mine.denoise(steps=5)
    assert mine.model.scheduler.digest() != tiny.model.scheduler.digest()


def test_what_a_pipeline_cannot_take_is_refused_before_loading(bench: Benches, families: Families) -> None:
    prompts = {"wan": bench("wan21").encode(), "hunyuan": families("hunyuan").encode()}
    context = LocalContext()
    with pytest.raises(NodeError, match="WanPipeline takes no noise levels"):
        with_solver(bench("wan21"), sigmas=[1.0, 0.5]).denoise(prompt=prompts["wan"], context=context)
    with pytest.raises(NodeError, match="which DPMSolverMultistepScheduler does not take"):
        mine = with_solver(families("hunyuan"), solver="dpm_multistep")
        mine.denoise(prompt=prompts["hunyuan"], context=context)
    assert not context.opened


@pytest.mark.parametrize("levels", [[0.5, 0.5], [0.2, 0.9], [], [1.5], [0.0]])
def test_noise_levels_that_make_no_sense(bench: Benches, levels: list[float]) -> None:
    with pytest.raises((NodeError, ValueError), match=r"must fall|sigmas"):
        run_node(scheduler, bench("wan21").model.scheduler, sigmas=levels)
