"""Preferences: judged, written, and learnt from."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes.evaluation import measure
from graphflow_nodes.evaluation.values import Measurement, Missing, Scores
from graphflow_nodes.toyworld import effect_clip
from graphflow_nodes.training import (
    check_preferences,
    dpo_lora,
    prefer,
    preference_label,
    preference_sets,
    save_preferences,
    settings,
    slow_motion,
)
from graphflow_nodes.training.adapters import learning
from graphflow_nodes.training.lesson import Lesson, examples_of
from graphflow_nodes.training.optimise import build_optimiser
from graphflow_nodes.training.train_dpo import Preferring

from graphflow.errors import NodeError, ValueMismatch
from graphflow.testing import LocalContext, run_node
from graphflow.values import SavedFile
from tests.nodes.training.conftest import Course

Courses = Callable[..., Course]


def scores(**values: float) -> Scores:
    return Scores(measurements=tuple(Measurement(metric=name, value=value) for name, value in values.items()))


# ----------------------------------------------------------------------------------------- judging


def test_the_clip_with_more_of_the_metric_is_better_or_with_less() -> None:
    one, two = scores(motion=2.0), scores(motion=5.0)
    found = run_node(prefer, one, two, prompt="a ball")
    assert (found.first_better, found.better, found.worse, found.rejected_for) == (False, 5.0, 2.0, "")
    assert run_node(prefer, one, two, lower=True).first_better


def test_pairs_that_hardly_differ_or_differ_in_something_else_are_not_used() -> None:
    one, two = scores(motion=2.0, sharpness=1.0), scores(motion=5.0, sharpness=2.0)
    assert run_node(prefer, one, two, margin=4.0).rejected_for == "motion differs by 3 only"
    assert run_node(prefer, one, two, alike=["sharpness"]).rejected_for == "sharpness is 1 and 2"
    assert run_node(prefer, one, two, alike=["sharpness"], tolerance=0.5).rejected_for == ""
    (like,) = run_node(prefer, one, two, alike=["sharpness"]).alike
    assert (like.metric, like.better, like.worse) == ("sharpness", 2.0, 1.0)
    with pytest.raises(NodeError, match="beauty was not measured"):
        run_node(prefer, one, two, metric="beauty")
    lacking = Scores(measurements=one.measurements, missing=(Missing(metric="text_fit", reason="no words"),))
    with pytest.raises(NodeError, match="text_fit was not measured: no words"):
        run_node(prefer, lacking, two, alike=["text_fit"])


def test_what_was_to_be_alike_is_checked_over_all_pairs_that_are_used() -> None:
    first = scores(motion=2.0, sharpness=10.0, text_fit=1.0)
    seconds = [
        scores(motion=1.0, sharpness=9.0, text_fit=1.0),
        scores(motion=5.0, sharpness=9.0, text_fit=1.0),
        scores(motion=3.0, sharpness=4.0, text_fit=1.0),
        scores(motion=4.0, sharpness=10.0, text_fit=0.5),
    ]
    asked = {"alike": ["text_fit", "sharpness"], "tolerance": 0.15, "prompt": "a ball"}
    pairs = [run_node(prefer, first, second, **asked) for second in seconds]
    assert [bool(one.rejected_for) for one in pairs] == [False, False, True, True]
    found = run_node(check_preferences, pairs)
    assert {one.metric: round(one.value, 6) for one in found.measurements} == {
        "pairs_used": 0.5,
        "text_fit_apart": 0,
        "text_fit_lean": 0,
        "sharpness_apart": 0.1,
        "sharpness_lean": 0,
    }
    leaning = run_node(check_preferences, pairs[:1])
    assert leaning.named("sharpness_lean").value == pytest.approx(0.1)
    none = run_node(check_preferences, pairs[2:])
    assert none.named("pairs_used").value == 0 and "sharpness is 10 and 4" in none.missing[0].reason
    with pytest.raises(NodeError, match="no pairs"):
        run_node(check_preferences, [])
    assert run_node(preference_label, pairs[1]) == (
        "a ball; second is better, motion 5 over 2; text_fit 1 and 1; sharpness 9 and 10"
    )
    assert run_node(preference_label, pairs[2]) == "a ball; not used: sharpness is 10 and 4"


def test_sets_put_the_better_clips_first_and_leave_out_what_is_not_used(course: Courses) -> None:
    tiny = course("wan21")
    pairs = [
        run_node(prefer, scores(motion=a), scores(motion=b), margin=0.5) for a, b in ((1, 2), (3, 1), (1, 1))
    ]
    firsts, seconds = (tiny.latents[0],) * 3, (tiny.latents[1],) * 3
    found = run_node(preference_sets, pairs, [*firsts], [*seconds], [tiny.prompts[0]] * 3)
    assert [one is tiny.latents[1] for one in found.preferred] == [True, False]
    assert [one is tiny.latents[1] for one in found.rejected] == [False, True] and len(found.prompts) == 2
    with pytest.raises(NodeError, match="no pair can be used: motion differs by 0 only"):
        run_node(preference_sets, pairs[2:], [firsts[0]], [seconds[0]], [tiny.prompts[0]])
    with pytest.raises(ValueMismatch, match="the lists have 1, 3 items"):
        run_node(preference_sets, pairs, [*firsts], [*seconds], tiny.prompts[:1])


def test_a_clip_slowed_down_begins_alike_and_moves_less() -> None:
    clip = run_node(effect_clip, motion="right").plain
    slow = run_node(slow_motion, clip)
    assert slow.frames.shape == clip.frames.shape and torch.equal(slow.frames[0], clip.frames[0])
    assert torch.equal(slow.frames[-1], clip.frames[6]) and torch.equal(slow.frames[2], slow.frames[3])
    found = [run_node(measure, one, metrics="motion") for one in (clip, slow)]
    judged = run_node(prefer, *found, margin=0.01)
    assert judged.first_better and not judged.rejected_for


def test_pairs_are_written_as_lines_that_name_their_files(tmp_path: Path) -> None:
    pairs = [
        run_node(
            prefer,
            scores(motion=a, sharpness=5.0),
            scores(motion=2.0, sharpness=6.0),
            prompt=f"p{a}",
            margin=0.1,
            alike=["sharpness"],
        )
        for a in (1.0, 2.0)
    ]
    files = [[SavedFile(path=f"/x/{side}{i}.mp4", size=1, digest="") for i in range(2)] for side in "ab"]
    context = LocalContext(out_dir=tmp_path)
    saved = run_node(save_preferences, pairs, *files, context=context)
    lines = [json.loads(line) for line in Path(saved.path).read_text().splitlines()]
    assert lines == [
        {
            "prompt": "p1.0",
            "chosen": "b0.mp4",
            "rejected": "a0.mp4",
            "metric": "motion",
            "chosen_score": 2.0,
            "rejected_score": 1.0,
            "alike": {"sharpness": [6.0, 5.0]},
        }
    ]
    whole = run_node(save_preferences, pairs, *files, context=context, unused=True, name="all")
    assert "motion differs by 0 only" in Path(whole.path).read_text()


# ---------------------------------------------------------------------------------------- learning


def test_a_fresh_lora_prefers_nothing_and_learns_to(course: Courses) -> None:
    """Its loss is log 2; then the error of preferred clips falls, set against that of the others."""
    tiny, context = course("wan21"), LocalContext()
    how = run_node(settings, preset="toy", rank=4, batch=4, twins=True, rate=1e-2)
    examples = examples_of(
        tiny.model.denoiser, how, tiny.latents, tiny.prompts, None, tiny.latents[::-1], tiny.prompts
    )
    with context.use(tiny.model.denoiser) as experts, torch.enable_grad():
        lesson = Lesson(tiny.model.denoiser, experts, examples, how, 0, "cpu")
        with learning(experts.transformer, how, 0) as named:
            loss = Preferring(lesson, experts.transformer, 50.0)
            optimiser = build_optimiser(how, [one for _, one in named], "cpu")
            found: list[Any] = []
            for _ in range(25):
                optimiser.zero_grad()
                found.append(loss(0))
                found[-1].backward()
                optimiser.step()
    assert float(found[0].detach()) == pytest.approx(math.log(2), abs=1e-6)
    assert float(found[-1].detach()) < 0.9 * math.log(2)


def test_an_anchor_punishes_preferred_clips_that_become_less_likely(course: Courses) -> None:
    """A LoRA that only spoils makes the errors of both clips larger."""
    tiny, context = course("wan21"), LocalContext()
    how = run_node(settings, preset="toy", rank=4, batch=4, twins=True)
    examples = examples_of(
        tiny.model.denoiser, how, tiny.latents, tiny.prompts, None, tiny.latents[::-1], tiny.prompts
    )
    with context.use(tiny.model.denoiser) as experts, torch.no_grad():
        lesson = Lesson(tiny.model.denoiser, experts, examples, how, 0, "cpu")
        with learning(experts.transformer, how, 0) as named:
            for name, one in named:
                if ".lora_B." in name:
                    one.fill_(0.05)
            free, held = (float(Preferring(lesson, experts.transformer, 10.0, a)(0)) for a in (0.0, 10.0))
    assert held > free


def test_the_node_trains_and_resumes_bit_for_bit(course: Courses) -> None:
    tiny, context = course("wan21"), LocalContext()
    how = run_node(settings, preset="toy", rank=4, batch=2, steps=4)
    given = (tiny.model.denoiser, tiny.latents, tiny.prior_latents, tiny.prompts, how)
    whole = run_node(dpo_lora, *given, context=context)
    resumed = run_node(dpo_lora, *given, context=LocalContext(state=context.states[1]))
    assert whole.losses == resumed.losses and len(whole.losses.values) == 4
    assert all(torch.equal(one, resumed.lora.tensors[name]) for name, one in whole.lora.tensors.items())
    with pytest.raises(ValueMismatch, match="1 prior_latents and 2 prior_prompts"):
        run_node(dpo_lora, *given[:2], tiny.prior_latents[:1], *given[3:])
