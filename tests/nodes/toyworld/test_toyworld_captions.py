"""Captions: they name the scene, vary, and stay inside the vocabulary."""

import random
import re

from graphflow_nodes.toyworld.captions import (
    BOTH_ENDS,
    MOTION_PHRASES,
    SYNONYMS,
    caption,
    motion_caption,
    plain_caption,
    vocabulary,
)
from graphflow_nodes.toyworld.world import BACKGROUNDS, COLORS, Scene, sample_scenes
from hypothesis import given
from hypothesis import strategies as st

SCENES = sample_scenes(50, 0)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text.lower())


@given(st.integers(0, 49), st.integers(0, 10_000))
def test_caption_names_every_attribute_but_the_size(index: int, seed: int) -> None:
    scene = SCENES[index]
    text = caption(scene, random.Random(seed)).lower()
    assert scene.color in text
    assert any(word in text for word in SYNONYMS.get(scene.background, (scene.background,)))
    assert any(word in text for word in SYNONYMS[scene.shape])
    assert any(phrase in text for phrase in MOTION_PHRASES[scene.motion])


@given(st.integers(0, 49), st.integers(0, 10_000))
def test_caption_uses_known_words_only(index: int, seed: int) -> None:
    assert set(_words(caption(SCENES[index], random.Random(seed)))) <= set(vocabulary())


@given(st.integers(0, 49), st.integers(0, 10_000))
def test_caption_names_no_other_color_or_background(index: int, seed: int) -> None:
    scene = SCENES[index]
    words = set(_words(caption(scene, random.Random(seed), noise=True)))
    assert words & set(COLORS) <= {scene.color}
    assert words & set(BACKGROUNDS) <= {scene.background}


def test_captions_cover_the_vocabulary() -> None:
    rng = random.Random(1)
    scenes = sample_scenes(3000, 2)
    seen = {word for scene in scenes for word in _words(caption(scene, rng, noise=True))}
    kept_for_later = {"and", "an", "it", "then"}.union(*(phrase.split() for phrase in BOTH_ENDS))
    assert set(vocabulary()) - seen <= kept_for_later


def test_noise_mixes_in_strangers() -> None:
    rng = random.Random(1)
    known = set(vocabulary())
    strange = [bool(set(_words(caption(scene, rng, noise=True))) - known) for scene in sample_scenes(500, 2)]
    assert 0.2 < sum(strange) / len(strange) < 0.4


def test_same_scene_is_said_in_many_ways() -> None:
    rng = random.Random(0)
    assert len({caption(SCENES[0], rng) for _ in range(200)}) > 150


def test_plain_caption() -> None:
    scene = Scene("square", "blue", "pink", "medium", "still")
    assert plain_caption(scene) == "a medium blue square is still on a pink background"


@given(st.integers(0, 49), st.integers(0, 10_000))
def test_caption_of_a_picture_tells_no_motion(index: int, seed: int) -> None:
    text = caption(SCENES[index], random.Random(seed), moving=False).lower()
    phrases = {phrase for group in MOTION_PHRASES.values() for phrase in group}
    assert not any(re.search(rf"\b{phrase}\b", text) for phrase in phrases)


@given(st.integers(0, 49), st.integers(0, 10_000))
def test_motion_caption_leaves_looks_to_a_picture(index: int, seed: int) -> None:
    scene = SCENES[index]
    text = motion_caption(scene, random.Random(seed))
    assert any(text.endswith(phrase) for phrase in MOTION_PHRASES[scene.motion])
    assert not set(_words(text)) & {*COLORS, *BACKGROUNDS}
