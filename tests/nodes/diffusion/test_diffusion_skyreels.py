"""SkyReels-V2's own traps: repositories saved without a shift, a solver with a memory, Wan's rules."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from diffusers import UniPCMultistepScheduler
from graphflow_nodes.diffusion import empty_latents, load_model, load_scheduler
from graphflow_nodes.diffusion.families import Configs, code_digest, family, wan
from graphflow_nodes.diffusion.tap import Tap, tapped

from graphflow.errors import NodeError
from graphflow.testing import run_node
from tests.support.tiny_family import FamilyBench
from tests.support.tiny_skyreels import save_tiny_skyreels


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory, mended_prompts: None) -> FamilyBench:
    """Saved as the published repositories are: with a shift of 1."""
    return FamilyBench(save_tiny_skyreels(tmp_path_factory.mktemp("skyreels"), shift=1.0))


def test_the_advised_shift_takes_the_place_of_none(tiny: FamilyBench) -> None:
    """Equal to the plain pipeline as its documentation sets it up, not to the bare folder."""
    assert tiny.model.scheduler.config["flow_shift"] == 8.0
    advised = UniPCMultistepScheduler.from_config(tiny.model.scheduler.build().config, flow_shift=8.0)
    mine = tiny.denoise()
    plain = tiny.plain(scheduler=advised)
    assert torch.equal(mine.samples, plain.latents)
    assert torch.equal(tiny.decode(mine), plain.frames)
    assert not torch.equal(mine.samples, tiny.plain().latents)


def test_another_shift_can_be_chosen(tiny: FamilyBench) -> None:
    other = FamilyBench(tiny.folder)
    other.model = run_node(load_model, model=str(tiny.folder), dtype="float32", shift=1.0)
    assert torch.equal(other.denoise().samples, tiny.plain().latents)


def test_a_shift_that_was_saved_stays(tmp_path: Path) -> None:
    folder = save_tiny_skyreels(tmp_path, shift=5.0)
    assert run_node(load_scheduler, model=str(folder)).config["flow_shift"] == 5.0
    assert run_node(load_scheduler, model=str(folder), sampler="euler").config["shift"] == 5.0


def test_euler_equals_the_plain_pipeline_with_euler(tiny: FamilyBench) -> None:
    other = FamilyBench(tiny.folder)
    other.model = run_node(load_model, model=str(tiny.folder), dtype="float32", sampler="euler")
    mine = other.denoise().samples
    assert torch.equal(mine, tiny.plain(scheduler=other.model.scheduler.build()).latents)


def test_the_solvers_memory_is_part_of_a_checkpoint(tiny: FamilyBench) -> None:
    context = tiny.context()
    whole = tiny.denoise(context=context)
    forgetful = tiny.context(state={**context.states[1], "history": {}})
    assert not torch.equal(tiny.denoise(context=forgetful).samples, whole.samples)


def test_many_steps_begin_at_the_first() -> None:
    """With so many steps two timesteps round to one whole number. Left to find its place the solver would
    begin at the second and miss its last step, as the plain pipeline does; ours is told where it begins."""
    seen: list[int] = []
    tap = Tap(lambda step: seen.append(step.index), 0, 130, {}, torch.Generator())
    config = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 8.0}
    scheduler = tapped(UniPCMultistepScheduler(**config), tap)
    scheduler.set_timesteps(130)
    assert scheduler.timesteps[0] == scheduler.timesteps[1]
    sample = torch.ones(1, 4)
    for time in scheduler.timesteps:
        sample = scheduler.step(sample * 0.1, time, sample, return_dict=False)[0]
    assert seen == list(range(130)) and scheduler.step_index == 130


def test_the_package_that_mends_letters_is_asked_for(
    tiny: FamilyBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it the pipeline fails with a NameError, after the text encoder is loaded."""
    monkeypatch.setitem(sys.modules, "ftfy", None)
    fresh = FamilyBench(tiny.folder)
    with pytest.raises(NodeError, match="needs the Python package 'ftfy'"):
        fresh.encode()
    assert not fresh.opened


def test_a_change_of_wans_rules_changes_the_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    digest = code_digest.__wrapped__  # the files of a running process do not change
    before = digest("skyreels"), digest("hunyuan")
    changed = tmp_path / "wan.py"
    changed.write_text(Path(str(wan.__file__)).read_text() + "# changed\n")
    monkeypatch.setattr(wan, "__file__", str(changed))
    assert digest("skyreels") != before[0]
    assert digest("hunyuan") == before[1]


def test_sizes_and_lengths_of_the_published_model(tiny: FamilyBench) -> None:
    geometry = family("skyreels").geometry(Configs({}, {"patch_size": [1, 2, 2]}, {}))
    assert geometry.model_dump() == {"channels": 16, "spatial": 8, "temporal": 4, "multiple": 16}
    native = family("skyreels").native(Configs({}, {}, {}))
    assert geometry.latent_shape(native.width, native.height, native.frames) == (1, 16, 25, 68, 120)
    with pytest.raises(NodeError, match="width 40 is not a multiple of 16"):
        run_node(empty_latents, tiny.model.vae, width=40)
    with pytest.raises(NodeError, match="frames, not 7"):
        run_node(empty_latents, tiny.model.vae, frames=7)
