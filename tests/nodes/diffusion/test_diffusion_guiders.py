"""Guiders: each is the plain pipeline's own, also where a denoise goes on in the middle of its steps."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion import empty_latents
from graphflow_nodes.diffusion.guidance import (
    ComponentGuidance,
    guide_by_component,
    guide_by_step,
    guide_rescaled,
)

from graphflow.errors import NodeError, ValueMismatch
from graphflow.testing import run_node
from graphflow.values import decode, encode
from tests.support.tiny_family import FamilyBench
from tests.support.tiny_hunyuan15 import TOKENS, save_tiny_hunyuan15
from tests.support.wan_bench import NEGATIVE, PROMPT

STEPS = 4
GUIDES: Mapping[str, dict[str, Any]] = {
    "classic": {"guidance": 4.0, "rescale": 0.5},
    "early": {"guidance": 4.0, "stop": 0.5},
    "late": {"guidance": 4.0, "start": 0.5},
    "zero_star": {"method": "zero_star", "guidance": 4.0, "zero_steps": 2},
    "projected": {
        "method": "adaptive_projected",
        "guidance": 5.0,
        "momentum": -0.5,
        "eta": 0.2,
        "limit": 3.0,
    },
    "tangential": {"method": "tangential", "guidance": 4.0},
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> FamilyBench:
    return FamilyBench(save_tiny_hunyuan15(tmp_path_factory.mktemp("hunyuan15")))


def guide(name: str) -> ComponentGuidance:
    found: ComponentGuidance = run_node(guide_by_component, **GUIDES[name])
    return found


def plain(tiny: FamilyBench, chosen: ComponentGuidance) -> Any:
    """The stock pipeline's latents with the guider as its component."""
    import diffusers

    dtypes = {"default": getattr(torch, tiny.dtype), "vae": torch.float32}
    pipe = diffusers.HunyuanVideo15Pipeline.from_pretrained(tiny.folder, dtype=dtypes)
    pipe.set_progress_bar_config(disable=True)
    pipe.guider = getattr(diffusers, chosen.class_name)(**chosen.settings)
    pipe.tokenizer_max_length = TOKENS
    native = tiny.model.native
    return pipe(
        prompt=PROMPT,
        negative_prompt=NEGATIVE,
        width=native.width,
        height=native.height,
        num_frames=native.frames,
        num_inference_steps=STEPS,
        generator=torch.Generator().manual_seed(3),
        output_type="latent",
    ).frames


@pytest.mark.parametrize("name", GUIDES)
def test_a_guider_is_the_pipelines(tiny: FamilyBench, name: str) -> None:
    mine = tiny.denoise(guide=guide(name), steps=STEPS)
    assert torch.equal(mine.samples, plain(tiny, guide(name)))
    assert not torch.equal(mine.samples, tiny.denoise(guidance=4.0, steps=STEPS).samples)


@pytest.mark.parametrize("name", ["early", "late"])
def test_by_the_step_is_the_pipelines_guider_switched_on_and_off(tiny: FamilyBench, name: str) -> None:
    by_step = run_node(guide_by_step, **GUIDES[name])
    mine = tiny.denoise(guide=by_step, steps=STEPS)
    assert torch.equal(mine.samples, plain(tiny, guide(name)))
    half = tiny.denoise(guide=by_step, steps=STEPS, end_step=2)
    assert torch.equal(tiny.denoise(guide=by_step, steps=STEPS, latents=half).samples, mine.samples)


def test_a_scale_for_each_step(tiny: FamilyBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plain pipeline with a guider that is told another scale at each step."""
    from diffusers import ClassifierFreeGuidance

    rising = [1.0, 2.0, 3.0, 5.0]
    tell = ClassifierFreeGuidance.set_state

    def told(self: Any, step: int, *rest: Any, **more: Any) -> None:
        self.guidance_scale = rising[step]
        tell(self, step, *rest, **more)

    mine = tiny.denoise(guide=run_node(guide_by_step, scales=rising), steps=STEPS).samples
    monkeypatch.setattr(ClassifierFreeGuidance, "set_state", told)
    assert torch.equal(mine, plain(tiny, run_node(guide_by_component)))
    monkeypatch.undo()
    same = run_node(guide_by_step, scales=[4.0] * STEPS)
    assert torch.equal(
        tiny.denoise(guide=same, steps=STEPS).samples, tiny.denoise(guidance=4.0, steps=STEPS).samples
    )
    assert not torch.equal(mine, tiny.denoise(guide=same, steps=STEPS).samples)


def test_a_guider_in_half_precision(tiny: FamilyBench) -> None:
    half = FamilyBench(tiny.folder, "bfloat16")
    mine = half.denoise(guide=guide("projected"), steps=STEPS)
    assert torch.equal(mine.samples, plain(half, guide("projected")))


@pytest.mark.parametrize("name", GUIDES)
def test_a_guider_goes_on_in_the_middle(tiny: FamilyBench, name: str) -> None:
    """It counts steps, and one of them remembers: both must survive a resume."""
    context = tiny.context()
    whole = tiny.denoise(guide=guide(name), steps=STEPS, context=context)
    for state in context.states:
        again = tiny.context(state=decode(*encode(state)))
        made = tiny.denoise(guide=guide(name), steps=STEPS, context=again)
        assert torch.equal(made.samples, whole.samples)
    first = decode(*encode(tiny.denoise(guide=guide(name), steps=STEPS, end_step=2)))
    assert torch.equal(tiny.denoise(latents=first, guide=guide(name)).samples, whole.samples)


def test_every_setting_is_one_of_its_guider() -> None:
    import diffusers

    for name in GUIDES:
        chosen = guide(name)
        known = inspect.signature(getattr(diffusers, chosen.class_name).__init__).parameters
        assert chosen.settings.keys() <= known.keys()


def test_settings_and_models_that_do_not_fit_are_refused(tiny: FamilyBench) -> None:
    with pytest.raises(NodeError, match="momentum is a setting of adaptive_projected") as caught:
        run_node(guide_by_component, momentum=0.5)
    assert caught.value.where == "momentum"
    with pytest.raises(NodeError, match="nothing lies between start and stop"):
        run_node(guide_by_component, start=0.5, stop=0.5)
    with pytest.raises(ValueMismatch, match="cannot be guided by rescaled"):
        empty = run_node(empty_latents, tiny.model.vae)
        tiny.denoise(latents=empty, guide=run_node(guide_rescaled))
