"""Scenes: the vocabulary, drawing by seed, and what training must not see."""

from collections import Counter

import pytest
from graphflow_nodes.toyworld.world import (
    ATTRIBUTES,
    BACKGROUNDS,
    COLORS,
    Scene,
    every_combination,
    held_out_scenes,
    is_held_out,
    sample_scene,
    sample_scenes,
)


def test_same_seed_same_scenes() -> None:
    assert sample_scenes(20, 3) == sample_scenes(20, 3)
    assert sample_scenes(20, 3) != sample_scenes(20, 4)


def test_unknown_word_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="scene color 'orange' is none of red, green"):
        Scene("circle", "orange", "black", "large", "right")


def test_no_color_names_both_an_object_and_a_background() -> None:
    assert not set(COLORS) & set(BACKGROUNDS)


def test_held_out_combinations_are_spread_over_every_word() -> None:
    held = [scene for scene in every_combination() if is_held_out(scene)]
    assert len(held) == 66
    for attribute in ATTRIBUTES:
        counts = Counter(getattr(scene, attribute) for scene in held)
        assert max(counts.values()) - min(counts.values()) <= 2, attribute


def test_training_scenes_are_never_held_out() -> None:
    import random

    rng = random.Random(0)
    assert not any(is_held_out(sample_scene(rng, held_out=False)) for _ in range(2000))


def test_held_out_scenes_are_different_and_limited() -> None:
    scenes = held_out_scenes(66, seed=1)
    assert len({tuple(getattr(s, name) for name in ATTRIBUTES) for s in scenes}) == 66
    with pytest.raises(ValueError, match="only 66"):
        held_out_scenes(67, seed=1)
