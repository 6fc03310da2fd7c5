"""Procedural effects: when they begin, what they change, and that their strength can be read from pixels."""

from __future__ import annotations

import pytest
import torch
from graphflow_nodes.toyworld import effect_clip, effect_scenes, effect_strength
from graphflow_nodes.toyworld.effects import CHANGED, draw_effect
from graphflow_nodes.toyworld.world import Scene, is_held_out, sample_scenes

from graphflow.testing import run_node

EFFECTS = ("cakeify", "dissolve")


@pytest.mark.parametrize("effect", EFFECTS)
def test_before_the_onset_nothing_changes_and_the_mask_is_all_that_changes(effect: str) -> None:
    made = run_node(effect_clip, effect=effect, onset=0.5, frames=9)
    video, plain, mask = (clip.frames.short() for clip in (made.video, made.plain, made.mask))
    assert made.onset == 4
    assert torch.equal(video[:4], plain[:4]) and not mask[:4].any()
    away = (video - plain).abs().amax(-1)
    assert torch.equal(
        away[mask[..., 0] == 0] <= 4 * CHANGED * 255, torch.ones(int((mask[..., 0] == 0).sum())) > 0
    )
    assert all((mask[t] > 0).any() for t in range(4, 9))
    assert int((mask[-1] > 0).sum()) > int((mask[4] > 0).sum())


@pytest.mark.parametrize("effect", EFFECTS)
def test_the_same_seed_gives_the_same_pixels(effect: str) -> None:
    first, again, other = (run_node(effect_clip, effect=effect, seed=s).video.frames for s in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("effect", EFFECTS)
def test_an_effect_is_read_from_its_clips_and_from_no_others(effect: str) -> None:
    for scene in sample_scenes(12, seed=5):
        words = {n: getattr(scene, n) for n in ("shape", "color", "background", "size", "motion", "seed")}
        made = run_node(effect_clip, effect=effect, **words)
        strengths = [run_node(effect_strength, clip, effect=effect) for clip in (made.video, made.plain)]
        assert strengths[0] > 0.35 and strengths[1] < 0.06, (scene, strengths)


def test_scenes_to_try_share_no_combination_with_scenes_to_train_on() -> None:
    def combinations(**settings: object) -> set[tuple[str, ...]]:
        found = run_node(effect_scenes, **settings)
        return set(zip(found.shape, found.color, found.background, found.size, found.motion, strict=True))

    trained, tried = combinations(count=300, seed=1), combinations(count=66, seed=1, unseen=True)
    assert len(tried) == 66 and not trained & tried
    assert all(is_held_out(Scene(*words)) for words in tried)
    longer, shorter = (run_node(effect_scenes, count=n, unseen=True) for n in (9, 4))
    assert longer.caption[:4] == shorter.caption and longer.seed[:4] == shorter.seed


def test_an_onset_outside_the_clip() -> None:
    with pytest.raises(ValueError, match="frame 13 is none of the 13 frames"):
        draw_effect(Scene("circle", "red", "black", "large", "right"), "cakeify", 13)


@pytest.mark.parametrize("effect", EFFECTS)
def test_another_thread_that_loads_a_model_changes_no_pixel(effect: str) -> None:
    """Loading a model in half precision sets torch's default numbers for every thread meanwhile."""
    usual = run_node(effect_clip, effect=effect)
    try:
        torch.set_default_dtype(torch.bfloat16)
        meanwhile = run_node(effect_clip, effect=effect)
        strength = run_node(effect_strength, meanwhile.video, effect=effect)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(usual.video.frames, meanwhile.video.frames)
    assert torch.equal(usual.mask.frames, meanwhile.mask.frames)
    assert strength == run_node(effect_strength, usual.video, effect=effect)
