"""Guidance by the step: a schedule of one number is that number; any other is its parts, one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion import (
    condition_image,
    denoise,
    empty_latents,
    first_block_cache,
    guide_by_step,
    keyframe,
)
from graphflow_nodes.diffusion.keyframes import condition_keyframes
from graphflow_nodes.diffusion.stepwise import Stepwise

from graphflow.errors import Cancelled, NodeError
from graphflow.testing import check_node, run_node
from graphflow.values import Image
from tests.support.tiny_family import FamilyBench
from tests.support.treatments import treated
from tests.support.wan_bench import Bench

Benches = Callable[..., Bench]
Families = Callable[..., FamilyBench]

STEPS = 4


@pytest.fixture
def tiny(bench: Benches, families: Families) -> Callable[[str, str], Bench]:
    """A bench of any family by the name of its model."""
    return lambda name, dtype: bench(name, dtype) if name.startswith("wan") else families(name, dtype)


@pytest.fixture
def extra() -> Callable[[str, Bench], dict[str, Any]]:
    """What a model needs beside a prompt: an image for those that begin with one."""

    def given(name: str, made: Bench) -> dict[str, Any]:
        native = made.model.native
        picture = Image(pixels=torch.full((native.height, native.width, 3), 90, dtype=torch.uint8))
        latents = run_node(empty_latents, made.model.vae)
        if name == "ltx_0.9.5":
            frames = [run_node(keyframe, picture, index=0)]
            ports = made.model.vae, frames, latents
            condition = run_node(condition_keyframes, *ports, context=made.context())
            return {"steps": STEPS, "condition": condition}
        if name.endswith(("image", "ends")):
            last = picture if name.endswith("ends") else None
            ports = made.model.vae, picture, latents, last, made.model.image_encoder
            return {"steps": STEPS, "condition": run_node(condition_image, *ports, context=made.context())}
        return {"steps": STEPS}

    return given


MODELS = ["wan21", "wan22", "wan5b", "wan21_ends", "ltx", "ltx_0.9.5", "skyreels"]
"""One of each way in which pipelines guide: two passes, two experts, two images, one batch, masks."""


@contextmanager
def counted(made: Bench) -> Iterator[list[int]]:
    """Clips in each call of the denoiser."""
    seen: list[int] = []

    def note(module: Any, args: Any, inputs: Any) -> None:
        seen.append(inputs["hidden_states"].shape[0])

    with made.context().use(made.model.denoiser) as experts:
        hooks = [one.register_forward_pre_hook(note, with_kwargs=True) for one in experts.live()]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", MODELS)
def test_one_number_for_all_steps_is_plain_guidance(tiny: Any, extra: Any, name: str, dtype: str) -> None:
    made = tiny(name, dtype)
    given = extra(name, made)
    plain = made.denoise(guidance=3.0, **given)
    for settings in ({"guidance": 3.0}, {"scales": [3.0] * STEPS}):
        guide = run_node(guide_by_step, **settings)
        assert torch.equal(made.denoise(guide=guide, **given).samples, plain.samples)
    with counted(made) as passes:
        made.denoise(guide=run_node(guide_by_step, scales=[1.0] * STEPS), **given)
    assert passes == [1] * STEPS
    alone = made.denoise(guidance=1.0, **given).samples
    assert torch.equal(
        made.denoise(guide=run_node(guide_by_step, scales=[0.5] * STEPS), **given).samples, alone
    )
    assert not torch.equal(alone, plain.samples)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", MODELS)
def test_a_schedule_is_its_parts_one_after_the_other(tiny: Any, extra: Any, name: str, dtype: str) -> None:
    """No guidance, then 3, then none: the bits of three denoises, each with plain guidance, that go on where
    the one before stopped; and an unguided step makes one pass, as diffusers does."""
    made = tiny(name, dtype)
    given = extra(name, made)
    part = made.denoise(guidance=1.0, end_step=1, **given)
    part = made.denoise(latents=part, guidance=3.0, end_step=3, **given)
    parts = made.denoise(latents=part, guidance=1.0, **given).samples
    with counted(made) as passes:
        guide = run_node(guide_by_step, guidance=3.0, start=0.25, stop=0.75)
        whole = made.denoise(guide=guide, **given).samples
    assert torch.equal(whole, parts)
    assert passes == ([1, 2, 2, 1] if name.startswith("ltx") else [1] * 6)
    listed = run_node(guide_by_step, scales=[1.0, 3.0, 3.0, 0.0])
    assert torch.equal(made.denoise(guide=listed, **given).samples, whole)
    rising = run_node(guide_by_step, scales=[1.0, 2.0, 3.0, 4.0])
    assert not torch.equal(made.denoise(guide=rising, **given).samples, whole)


def test_each_expert_has_its_own_scale(bench: Benches) -> None:
    made = bench("wan22")
    plain = made.denoise(guidance=4.0, guidance_2=2.0).samples
    assert torch.equal(
        made.denoise(guide=run_node(guide_by_step, guidance=4.0, guidance_2=2.0)).samples, plain
    )
    same = run_node(guide_by_step, guidance=4.0)
    assert torch.equal(made.denoise(guide=same).samples, made.denoise(guidance=4.0, guidance_2=4.0).samples)


def test_it_goes_on_at_the_right_step_after_a_cancel(bench: Benches) -> None:
    made, guide = bench("wan21"), run_node(guide_by_step, scales=[1.0, 2.0, 3.0, 4.0])
    whole = made.denoise(guide=guide).samples
    context = made.context()
    made.denoise(guide=guide, context=context)
    for state in context.states:
        assert torch.equal(made.denoise(guide=guide, context=made.context(state=state)).samples, whole)
    stopped = made.context(cancel_after=3)
    with pytest.raises(Cancelled):
        made.denoise(guide=guide, context=stopped)
    assert torch.equal(made.denoise(guide=guide).samples, whole)


def test_halves_of_a_schedule(bench: Benches) -> None:
    made, guide = bench("wan22"), run_node(guide_by_step, scales=[1.0, 2.0, 3.0, 4.0])
    half = made.denoise(guide=guide, end_step=2)
    assert torch.equal(made.denoise(guide=guide, latents=half).samples, made.denoise(guide=guide).samples)


# ----------------------------------------------------------------------------------------- refusals


def test_a_schedule_for_another_number_of_steps(bench: Benches) -> None:
    made, guide = bench("wan21"), run_node(guide_by_step, scales=[3.0] * 5)
    with pytest.raises(NodeError, match="for 5 steps, not 4"):
        made.denoise(guide=guide)
    latents = run_node(empty_latents, made.model.vae)
    parts = {"denoiser": made.model.denoiser, "scheduler": made.model.scheduler, "latents": latents}
    with pytest.raises(NodeError, match="for 5 steps, not 4"):  # already while planning
        check_node(denoise, **parts, guide=guide)


def test_two_things_at_once(bench: Benches) -> None:
    made, guide = bench("wan22"), run_node(guide_by_step)
    for name in ("guidance", "guidance_2"):
        with pytest.raises(NodeError, match="the guide says how strongly"):
            made.denoise(guide=guide, **{name: 2.0})
    cached = treated(made, denoiser=run_node(first_block_cache, made.model.denoiser))
    with pytest.raises(NodeError, match="a step cache counts on both prompts"):
        cached.denoise(guide=guide)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"start": 0.5, "stop": 0.5}, "nothing lies between"),
        ({"scales": []}, "there are no scales"),
        ({"scales": [2.0], "start": 0.5}, "scales say all"),
        ({"scales": [2.0], "guidance_2": 3.0}, "scales say all"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(NodeError, match=problem):
        run_node(guide_by_step, **settings)


def test_what_a_pipeline_has_not_been_seen_to_do_with_a_scale_is_an_error() -> None:
    scale = Stepwise(lambda: 3.0)
    assert torch.equal(scale * torch.ones(2), torch.full((2,), 3.0)) and scale > 1 and scale - 1 == 2
    for use in (lambda: scale + 1, lambda: torch.ones(2) * scale, lambda: scale < 1, lambda: float(scale)):  # type: ignore[operator, arg-type]
        with pytest.raises(TypeError):
            use()
