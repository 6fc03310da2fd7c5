"""The parts of the trick by themselves: the tap, the stand-in VAE, cancel points and previews."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler
from graphflow_nodes.diffusion.families import family
from graphflow_nodes.diffusion.preview import fit_preview, preview_clip
from graphflow_nodes.diffusion.shell import cancel_points, shell
from graphflow_nodes.diffusion.stand_ins import VAEStandIn
from graphflow_nodes.diffusion.tap import Step, Tap, history_of, tapped

from tests.support.wan_bench import Bench

Benches = Callable[..., Bench]
STEPS = 6


def _unipc() -> Any:
    return UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0, solver_order=3
    )


def _run(scheduler: Any, sample: Any) -> Any:
    """A pipeline's loop, with a made-up denoiser."""
    scheduler.set_timesteps(STEPS)
    scheduler.set_begin_index(0)
    for t in scheduler.timesteps:
        sample = scheduler.step(torch.sin(sample * 3) + t / 1000, t, sample, return_dict=False)[0]
    return sample


def _tap(start: int = 0, end: int = STEPS, history: dict[str, Any] | None = None) -> tuple[Tap, list[Step]]:
    steps: list[Step] = []
    return Tap(steps.append, start, end, history or {}, torch.Generator()), steps


@pytest.mark.parametrize("make", [FlowMatchEulerDiscreteScheduler, _unipc])
@pytest.mark.parametrize("cut", range(1, STEPS))
def test_a_part_and_the_rest_equal_the_whole(make: Callable[[], Any], cut: int) -> None:
    noise = torch.randn(1, 2, 4, generator=torch.Generator().manual_seed(0))
    whole = _run(make(), noise)
    tap, steps = _tap(end=cut)
    first = tapped(make(), tap)
    middle = _run(first, noise)
    tap, more = _tap(start=cut, history=copy.deepcopy(history_of(first)))
    assert torch.equal(_run(tapped(make(), tap), middle), whole)
    assert [step.index for step in steps + more] == list(range(STEPS))
    sigmas = [step.sigma for step in steps + more]
    assert sigmas == sorted(sigmas, reverse=True)


def test_pipelines_see_the_schedulers_own_signatures() -> None:
    tap, _ = _tap()
    scheduler = tapped(FlowMatchEulerDiscreteScheduler(), tap)
    own = inspect.signature(FlowMatchEulerDiscreteScheduler.set_timesteps)
    assert inspect.signature(type(scheduler).set_timesteps) == own
    assert isinstance(scheduler, FlowMatchEulerDiscreteScheduler)
    assert type(scheduler).__name__ == "FlowMatchEulerDiscreteScheduler"


def test_a_copy_of_a_tapped_scheduler_steps_by_itself() -> None:
    tap, _ = _tap()
    scheduler = tapped(_unipc(), tap)
    twin = copy.deepcopy(scheduler)
    noise = torch.randn(1, 2, 4)
    assert torch.equal(_run(twin, noise), _run(scheduler, noise))


def test_euler_remembers_nothing_and_unipc_its_last_outputs() -> None:
    tap, _ = _tap(end=3)
    euler = tapped(FlowMatchEulerDiscreteScheduler(), tap)
    _run(euler, torch.randn(1, 2, 4))
    assert history_of(euler) == {}
    tap, _ = _tap(end=3)
    unipc = tapped(_unipc(), tap)
    _run(unipc, torch.randn(1, 2, 4))
    assert set(history_of(unipc)) == {
        "model_outputs", "timestep_list", "lower_order_nums", "this_order", "last_sample",
    }  # fmt: skip


def test_expected_is_the_clean_clip_of_a_perfect_velocity() -> None:
    clean, noise, sigma = torch.randn(4), torch.randn(4), 0.3
    step = Step(0, sigma, (1 - sigma) * clean + sigma * noise, noise - clean, clean)
    torch.testing.assert_close(step.expected(), clean)


def test_a_shell_shares_and_knows_the_vaes_sizes(bench: Benches) -> None:
    tiny = bench("wan5b")
    with tiny.context().use(tiny.model.denoiser) as experts:
        parts = {
            "vae": VAEStandIn(tiny.model.vae.info, tiny.model.vae.geometry),
            "transformer": experts.transformer,
        }
        pipe = shell(family("wan"), parts, expand_timesteps=True)
    assert pipe.transformer is experts.transformer and pipe.text_encoder is None
    assert pipe.vae_scale_factor_spatial == 16  # with vae=None it would be 8
    assert pipe.config.expand_timesteps is True and pipe.config.boundary_ratio is None


def test_cancel_points_come_before_every_block_and_go_away() -> None:
    block = torch.nn.Sequential(torch.nn.ModuleList([torch.nn.Linear(2, 2)]))
    model = torch.nn.ModuleDict(
        {"blocks": torch.nn.ModuleList([torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)])}
    )
    model["head"] = block
    seen: list[int] = []
    with cancel_points([model], lambda: seen.append(1)):
        for layer in model["blocks"]:
            layer(torch.zeros(2))
    assert len(seen) == 2
    model["blocks"][0](torch.zeros(2))
    assert len(seen) == 2


def test_cancel_points_step_over_gaps() -> None:
    """Some autoencoders keep None in a module list where a stage has no attention."""
    layer = torch.nn.Linear(2, 2)
    model = torch.nn.ModuleDict({"attentions": torch.nn.ModuleList([None, layer])})
    seen: list[int] = []
    with cancel_points([model], lambda: seen.append(1)):
        layer(torch.zeros(2))
    assert seen == [1]


def test_previews(bench: Benches) -> None:
    tiny = bench("wan21")
    latents = tiny.denoise()
    plain = preview_clip(latents.samples, latents, ())
    assert plain.frames.shape == (2, 4, 4, 3) and plain.frames.dtype == torch.uint8
    assert plain.fps == 2.0
    assert plain.frames.float().std() > 10
    assert torch.equal(preview_clip(latents.samples, latents, ((1.0, 1.0, 1.0),)).frames, plain.frames)
    broken = preview_clip(latents.samples * float("nan"), latents, ())
    assert broken.frames.shape == (2, 4, 4, 3)
    flat = preview_clip(torch.zeros_like(latents.samples), latents, ())
    assert flat.frames.unique().numel() == 1


def test_a_fitted_preview_is_close() -> None:
    generator = torch.Generator().manual_seed(0)
    samples = torch.randn(2, 5, 2, 4, 4, generator=generator) / 10
    table = torch.rand(5, 3, generator=generator)
    small = (samples.movedim(1, -1) @ table + 0.5).movedim(-1, 1)
    frames = small.repeat_interleave(8, 3).repeat_interleave(8, 4)
    matrix = fit_preview(samples, frames)
    torch.testing.assert_close(torch.tensor(matrix[:-1]), table, atol=1e-3, rtol=0)
    torch.testing.assert_close(torch.tensor(matrix[-1]), torch.full((3,), 0.5), atol=1e-3, rtol=0)
