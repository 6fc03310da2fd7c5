"""A LoRA learns, and nothing else changes; killed or cancelled it goes on with the same bits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes.training import settings, train_lora
from graphflow_nodes.training.adapters import learning, ranged
from graphflow_nodes.training.lesson import Lesson, examples_of, focus_of
from graphflow_nodes.training.optimise import build_optimiser
from graphflow_nodes.training.values import LoRAWeights, TrainSettings

from graphflow import templates, workflow
from graphflow.errors import Cancelled, NodeError, ValueMismatch
from graphflow.testing import LocalContext, check_node, run_node
from graphflow.values import Image, Video
from graphflow.workspace import Workspace
from tests.nodes.training.conftest import Course

Courses = Callable[..., Course]

QUICK = {"preset": "toy", "rank": 4, "batch": 2, "warmup": 0}


def train(tiny: Course, context: LocalContext | None = None, steps: int = 3, **named: Any) -> Any:
    chosen = {name: named.pop(name) for name in [*named] if name in TrainSettings.model_fields}
    how = run_node(settings, **{**QUICK, "steps": steps, **chosen})
    given = {"context": context or LocalContext(), **named}
    return run_node(train_lora, tiny.model.denoiser, tiny.latents, tiny.prompts, how, **given)


def same(first: Any, second: Any) -> bool:
    return first.lora.tensors.keys() == second.lora.tensors.keys() and all(
        torch.equal(tensor, second.lora.tensors[name]) for name, tensor in first.lora.tensors.items()
    )


# ------------------------------------------------------------------------------------------ learning


@pytest.mark.parametrize("variant", ["wan21", "wan5b", "ltx", "hunyuan", "hunyuan15", "skyreels"])
def test_the_loss_of_one_batch_falls_in_every_family(course: Courses, variant: str) -> None:
    """Judged on fixed noise, before and after: the loss of training jumps with the noise it draws."""
    tiny, context = course(variant), LocalContext()
    how = run_node(settings, **{**QUICK, "rate": 5e-3, "focus": 1.0})
    examples = examples_of(tiny.model.denoiser, how, tiny.latents, tiny.prompts, None, None, None)
    with context.use(tiny.model.denoiser) as experts, torch.enable_grad():
        lesson = Lesson(tiny.model.denoiser, experts, examples, how, 0, "cpu")
        with learning(experts.transformer, how, 0) as named:
            optimiser = build_optimiser(how, [one for _, one in named], "cpu")
            losses = []
            for _ in range(12):
                optimiser.zero_grad()
                loss = lesson.loss(experts.transformer, 0)
                loss.backward()
                optimiser.step()
                losses.append(float(loss.detach()))
    assert losses[-1] < 0.97 * losses[0]


def test_the_model_is_bit_for_bit_as_it_was(course: Courses) -> None:
    tiny, context = course("wan21"), LocalContext()
    with context.use(tiny.model.denoiser) as experts:
        before = {name: tensor.clone() for name, tensor in experts.transformer.state_dict().items()}
    trained = train(tiny, context)
    with context.use(tiny.model.denoiser) as experts:
        after = experts.transformer.state_dict()
        assert not any(one.requires_grad for one in experts.transformer.parameters())
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert any(bool(t.any()) for n, t in trained.lora.tensors.items() if n.endswith("lora_B.weight"))
    assert len(trained.losses.values) == 3


def test_a_failure_takes_the_lora_off_too(course: Courses) -> None:
    tiny, context = course("wan21"), LocalContext(cancel_after=4)
    with pytest.raises(Cancelled):
        train(tiny, context)
    with context.use(tiny.model.denoiser) as experts:
        assert not getattr(experts.transformer, "peft_config", None)


def test_equal_seeds_give_equal_bits_and_others_do_not(course: Courses) -> None:
    tiny = course("wan21")
    first, again, other = (train(tiny, seed=seed) for seed in (1, 1, 2))
    assert first.losses == again.losses and same(first, again)
    assert first.losses != other.losses and not same(first, other)


def test_another_thread_that_loads_a_model_changes_no_bit(course: Courses) -> None:
    """Loading a model in half precision sets torch's default numbers for every thread meanwhile."""
    tiny = course("wan21")
    usual = train(tiny, masks=tiny.masks)
    try:
        torch.set_default_dtype(torch.bfloat16)
        meanwhile = train(tiny, LocalContext(), masks=tiny.masks)
    finally:
        torch.set_default_dtype(torch.float32)
    assert usual.losses == meanwhile.losses and same(usual, meanwhile)


def test_activation_checkpoints_save_memory_and_change_no_loss(course: Courses) -> None:
    tiny = course("wan21")
    assert train(tiny).losses.values == pytest.approx(train(tiny, checkpointing=True).losses.values, rel=1e-5)


def test_accumulated_batches_are_averaged(course: Courses) -> None:
    tiny = course("wan21")
    alone = train(tiny, steps=2, rate=1e-12).losses.values
    both = train(tiny, steps=1, rate=1e-12, accumulate=2).losses.values
    assert both[0] == pytest.approx(sum(alone) / 2, rel=1e-4)


def test_a_model_in_bfloat16_learns_in_float32(course: Courses) -> None:
    trained = train(course("wan21", "bfloat16"))
    assert {tensor.dtype for tensor in trained.lora.tensors.values()} == {torch.float32}
    assert trained.losses.values == pytest.approx(train(course("wan21")).losses.values, rel=0.1)


# ------------------------------------------------------------------------------ what is learnt from


def test_masks_make_the_loss_look_at_what_they_show(course: Courses) -> None:
    tiny, context = course("wan21"), LocalContext()
    focus = focus_of(tiny.masks[0], tiny.latents[0])
    assert focus.shape == tiny.latents[0].samples.shape[2:] and 0 < float(focus.mean()) < 1
    plain, weighted = (train(tiny, context, steps=1, focus=9.0, masks=masks) for masks in (None, tiny.masks))
    assert plain.losses != weighted.losses
    with pytest.raises(ValueMismatch, match="a mask has 3 frames"):
        train(tiny, masks=[Video(frames=mask.frames[:3], fps=8.0) for mask in tiny.masks])


def test_clips_that_must_stay_take_part_by_their_weight(course: Courses) -> None:
    tiny = course("wan21")
    prior = {"prior_latents": tiny.prior_latents, "prior_prompts": tiny.prior_prompts}
    without, ignored, heard = train(tiny), train(tiny, prior=0.0, **prior), train(tiny, **prior)
    assert len({without.losses.values, ignored.losses.values, heard.losses.values}) == 3


def test_twins_stand_in_one_batch_under_the_same_noise(course: Courses) -> None:
    tiny, context = course("wan21"), LocalContext()
    prior = (tiny.prior_latents, tiny.prior_prompts)
    how = run_node(settings, twins=True, batch=4)
    examples = examples_of(tiny.model.denoiser, how, tiny.latents, tiny.prompts, None, *prior)
    with context.use(tiny.model.denoiser) as experts:
        lesson = Lesson(tiny.model.denoiser, experts, examples, how, 0, "cpu")
        places = lesson.batch(0)
        assert sorted(places[:2]) == [0, 1] and places[2:] == [place + 2 for place in places[:2]]
        clean = torch.cat([examples[place].latents.samples for place in places])
        levels, noise = lesson.drawn(clean, torch.Generator().manual_seed(0))
    assert torch.equal(levels[:2], levels[2:]) and torch.equal(noise[:2], noise[2:])
    assert not torch.equal(levels[0], levels[1])
    for wrong, text in (({"batch": 3}, "batches of 3"), ({}, "not every clip has a twin")):
        with pytest.raises(NodeError, match=text):
            train(tiny, twins=True, **wrong)


@pytest.mark.parametrize("variant", ["wan5b", "ltx"])
def test_a_given_first_frame_has_no_noise_and_no_loss(course: Courses, variant: str) -> None:
    tiny, context = course(variant), LocalContext()
    how = run_node(settings, first_frame=1.0, batch=2)
    examples = examples_of(tiny.model.denoiser, how, tiny.latents, tiny.prompts, None, None, None)
    with context.use(tiny.model.denoiser) as experts:
        lesson = Lesson(tiny.model.denoiser, experts, examples, how, 0, "cpu")
        clean = torch.cat([one.samples for one in tiny.latents])
        levels, _ = lesson.drawn(clean, torch.Generator().manual_seed(0))
        assert not levels[:, 0].any() and bool((levels[:, 1:] > 0).all())
        with torch.no_grad():
            assert float(lesson.loss(experts.transformer, 0)) > 0


def test_a_model_with_one_noise_level_a_clip_takes_no_first_frame(course: Courses) -> None:
    with pytest.raises(NodeError, match="cannot be given a first frame"):
        train(course("wan21"), first_frame=0.5)


def test_each_expert_is_trained_on_its_own_noise_levels(course: Courses) -> None:
    tiny = course("wan22")
    first, second = (ranged(tiny.model.denoiser, one, TrainSettings()) for one in ("first", "second"))
    assert (first.lowest, first.highest) == (0.875, 1.0) and (second.lowest, second.highest) == (0.0, 0.875)
    assert not same(train(tiny, expert="first"), train(tiny, expert="second"))
    with pytest.raises(NodeError, match="has two experts"):
        train(tiny)
    with pytest.raises(NodeError, match="has one transformer"):
        train(course("wan21"), expert="second")


def test_what_cannot_be_trained_at_all_is_told_while_planning(course: Courses) -> None:
    one, two = course("wan21").model.denoiser, course("wan22").model.denoiser
    how = run_node(settings, preset="wan")
    assert check_node(train_lora, denoiser=one, settings=how) == {}
    assert check_node(train_lora, denoiser=one) == {}
    for denoiser, changed, text in (
        (two, {}, "has two experts"),
        (one, {"first_frame": 0.5}, "cannot be given a first frame"),
    ):
        with pytest.raises(NodeError, match=text):
            check_node(train_lora, denoiser=denoiser, settings=how.model_copy(update=changed))


def test_what_cannot_be_trained_is_refused_with_the_reason(course: Courses) -> None:
    tiny = course("wan21")
    with pytest.raises(NodeError, match="no layer's name ends with any of nowhere"):
        train(tiny, targets=["nowhere"])
    with pytest.raises(ValueMismatch, match="to learn from of 'ltx'"):
        other = course("ltx")
        how = run_node(settings, **QUICK)
        run_node(train_lora, tiny.model.denoiser, other.latents, other.prompts, how)
    with pytest.raises(ValueMismatch, match="2 latents and 1 prompts"):
        run_node(train_lora, tiny.model.denoiser, tiny.latents, tiny.prompts[:1], run_node(settings, **QUICK))
    with pytest.raises(NodeError, match="is no number"):
        huge = [one.model_copy(update={"samples": one.samples * 1e30}) for one in tiny.latents]
        run_node(train_lora, tiny.model.denoiser, huge, tiny.prompts, run_node(settings, **QUICK))


# ---------------------------------------------------------------------------------- shown, resumed


def test_the_loss_and_clips_of_validation_prompts_are_shown_and_change_nothing(course: Courses) -> None:
    tiny, quiet, watched = course("wan21"), LocalContext(), LocalContext()
    alone = train(tiny, quiet, steps=10)
    scheduler, prompts = tiny.model.scheduler, tiny.prompts
    both = train(tiny, watched, steps=10, scheduler=scheduler, validation=prompts, validate_every=4)
    assert same(alone, both) and alone.losses == both.losses
    assert [type(one) for one in quiet.previews] == [Image]
    assert [type(one) for one in watched.previews] == [Video, Video, Image]
    assert watched.progress_log[-1] == (10, 10)


def test_a_cancelled_training_goes_on_with_the_same_bits(course: Courses) -> None:
    tiny = course("wan21")
    whole, halted = train(tiny, steps=6), LocalContext(cancel_after=7)
    with pytest.raises(Cancelled):
        train(tiny, halted, steps=6)
    reached = len(halted.state["losses"])  # type: ignore[index]
    assert 0 < reached < 6
    resumed = LocalContext(state=halted.state)
    assert same(train(tiny, resumed, steps=6), whole)
    assert resumed.progress_log[0] == (reached + 1, 6)


def effect_training(folder: Path, model: str) -> tuple[LoRAWeights, int]:
    """The LoRA of a template's training, and the first step that this run did."""
    found, home = templates.find("effect_cakeify_train")
    document = workflow.from_raw({**json.loads(workflow.dump(found)), "outputs": {"lora": "train.lora"}})
    few = {"count": 2, "steps": 5, "batch": 2, "tries": 1, "bucket": "5x32x32", "model": model}
    done: list[int] = []

    def listen(event: Any) -> None:
        if event.type == "node.progress" and event.node == "train":
            done.append(event.done)

    with Workspace(folder) as workspace:
        graph = workspace.graph(document, few, folder=home)
        result = workspace.run(graph, targets=["train"], checkpoint_seconds=0, on_event=listen)
        assert result.status == "finished", result.failures
        lora: LoRAWeights = result.value("lora")
    return lora, done[0]


def test_killed_after_a_checkpoint_it_ends_with_the_bits_of_one_that_was_not(
    course: Courses, tmp_path: Path
) -> None:
    model = str(course("wan21").folder)
    code = (
        f"import torch; torch.set_num_threads(1); from {__name__} import effect_training as run; import sys; "
    )
    program = [sys.executable, "-c", f"{code} from pathlib import Path; run(Path(sys.argv[1]), sys.argv[2])"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GRAPHFLOW_FAULT": "checkpoint.after_write"}
    dead = subprocess.run(
        [*program, str(tmp_path / "killed"), model], env=environment, check=False, timeout=120
    )
    assert dead.returncode == -signal.SIGKILL
    (whole, first), (resumed, later) = (
        effect_training(tmp_path / name, model) for name in ("whole", "killed")
    )
    assert (first, later) == (1, 2)
    assert whole.tensors.keys() == resumed.tensors.keys()
    assert all(torch.equal(tensor, resumed.tensors[name]) for name, tensor in whole.tensors.items())
