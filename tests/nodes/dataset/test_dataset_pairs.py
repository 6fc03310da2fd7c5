"""Edit pairs: which frames are chosen, and that planted accidents are refused and good clips kept."""

from __future__ import annotations

import itertools
import random
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import numpy
import pytest
import torch
from graphflow_nodes.dataset import (
    describe_pairs,
    filter_items,
    frame_pairs,
    measure_pairs,
    pair_scores,
    swap_pairs,
)
from graphflow_nodes.dataset.objects import ground_of
from graphflow_nodes.dataset.pair_scores import scene_of, ssim
from graphflow_nodes.dataset.pairs import CLIP_BANDS, PAIR_BANDS
from graphflow_nodes.dataset.settings import Strategy
from graphflow_nodes.dataset.values import EditPair
from graphflow_nodes.toyworld.world import COLORS, SHAPES, Scene

from graphflow.errors import NodeError
from graphflow.testing import run_node
from graphflow.values import Video
from tests.nodes.dataset.conftest import Frames, camera_over_texture, moving_scenes, toy_frames, video

SCENES = moving_scenes(60, seed=21)


def judged(frames: Frames) -> EditPair:
    """The pair of a clip's ends after both default filters."""
    clip = video(frames)
    pairs = run_node(describe_pairs, clip, run_node(measure_pairs, clip, run_node(frame_pairs, clip)))
    pairs = run_node(filter_items, pairs, where=PAIR_BANDS, stage="pair")
    (pair,) = run_node(filter_items, pairs, where=CLIP_BANDS, stage="clip")
    assert isinstance(pair, EditPair)
    return pair


def other(words: object, word: str, rng: random.Random) -> str:
    return rng.choice([one for one in words if one != word])  # type: ignore[attr-defined]


def joined(first: Frames, second: Frames, rng: random.Random) -> Frames:
    """The beginning of one clip and the end of another."""
    place = rng.randrange(3, 7)
    return numpy.concatenate([first[:place], second[place:]])


def cut(scene: Scene, frames: Frames, rng: random.Random) -> Frames:
    """Another scene from the middle on."""
    return joined(frames, toy_frames(moving_scenes(1, rng.randrange(10**6)))[0], rng)


def flicker(scene: Scene, frames: Frames, rng: random.Random) -> Frames:
    light = [1 + rng.choice((-1, 1)) * rng.uniform(0.15, 0.3) * (place % 2) for place in range(len(frames))]
    return (frames * numpy.array(light)[:, None, None, None]).clip(0, 255).astype(numpy.uint8)


def vanish(scene: Scene, frames: Frames, rng: random.Random) -> Frames:
    """The object is gone for two frames, or from there on."""
    found, place = frames.copy(), rng.randrange(3, 6)
    end = rng.choice((place + 2, len(frames)))
    found[place:end] = ground_of(frames).pixels.round().astype(numpy.uint8)
    return found


def teleport(scene: Scene, frames: Frames, rng: random.Random) -> Frames:
    """Slow at both ends, with a jump between them."""
    full = toy_frames([scene], 33)[0]
    place = rng.randrange(3, 7)
    return full[[*range(place), *range(33 - (9 - place), 33)]]


def another_colour(scene: Scene, frames: Frames, rng: random.Random) -> Frames:
    return joined(frames, toy_frames([replace(scene, color=other(COLORS, scene.color, rng))])[0], rng)


def another_shape(scene: Scene, frames: Frames, rng: random.Random) -> Frames:
    return joined(frames, toy_frames([replace(scene, shape=other(SHAPES, scene.shape, rng))])[0], rng)


ACCIDENTS = (cut, flicker, vanish, teleport, another_colour, another_shape)


def test_good_clips_are_kept() -> None:
    kept = [not judged(frames).rejected for frames in toy_frames(SCENES)]
    assert sum(kept) >= 0.95 * len(SCENES)


@pytest.mark.parametrize("accident", ACCIDENTS)
def test_planted_accidents_are_refused(accident: Callable[[Scene, Frames, random.Random], Frames]) -> None:
    rng = random.Random(7)
    scenes = SCENES[:30]
    refused = [judged(accident(s, f, rng)).rejected for s, f in zip(scenes, toy_frames(scenes), strict=True)]
    assert sum(map(bool, refused)) >= 0.95 * len(scenes)


def test_the_ends_alone_do_not_see_what_happened_between_them() -> None:
    frames = toy_frames(SCENES[:1])[0]
    found = frames.copy()
    found[3:5] = ground_of(frames).pixels.round().astype(numpy.uint8)
    pair = judged(found)
    assert pair.passed == ("pair",) and pair.rejected == "clip"


def test_a_slow_fade_is_a_removal_and_no_accident() -> None:
    scenes = [replace(scene, effect="fade", motion="still") for scene in SCENES[:20]]
    pairs = [judged(frames) for frames in toy_frames(scenes, 17)]
    assert sum(not pair.rejected and pair.edit_type == "remove" for pair in pairs) >= 14


def test_a_shaking_background_and_a_still_clip_are_refused() -> None:
    shaken = camera_over_texture([(0, 0), (3, 1), (1, 3), (4, 2)])
    assert judged(shaken).rejected == "pair"
    still = toy_frames([replace(SCENES[0], motion="still")])[0]
    assert judged(still).reason.startswith("not 0.004 <= changed_area")


def test_the_way_is_summed_from_frame_to_frame() -> None:
    """Flow between the ends is useless over a long way: no patch looks that far."""
    wall = (camera_over_texture([(0, 0)], 64, 160)[0] * 0.2 + 100).astype(numpy.uint8)
    frames = numpy.stack([wall] * 25)
    ball = camera_over_texture([(0, 0)], 24, 24, seed=3)[0]
    for i in range(25):
        frames[i, 20:44, 4 + 5 * i : 28 + 5 * i] = ball
    clip = video(frames)
    (pair,) = run_node(measure_pairs, clip, run_node(frame_pairs, clip))
    assert pair.scores["path"] == pytest.approx(120 / 64, rel=0.15)


def test_ssim_of_a_ball_that_crossed_the_frame_is_high() -> None:
    """Why changed area says that something changed, and not a low SSIM."""
    frames = numpy.full((2, 160, 160, 3), 100, dtype=numpy.uint8)
    frames[0, 70:80, 10:20] = frames[1, 70:80, 140:150] = (200, 180, 60)
    clip = video(frames)
    (pair,) = run_node(measure_pairs, clip, run_node(frame_pairs, clip))
    assert pair.scores["ssim"] > 0.95 and pair.scores["changed_area"] == pytest.approx(200 / 160**2)  # type: ignore[operator]


def test_ssim_of_equal_and_of_opposite_pictures() -> None:
    rng = numpy.random.default_rng(0)
    one = rng.uniform(0, 255, (40, 40)).astype(numpy.float32)
    assert ssim(one, one) == pytest.approx(1)
    assert ssim(one, 255 - one) < 0


# ---------------------------------------------------------------------------------- which frames


def ramp(count: int) -> Video:
    """A bright block that moves three pixels a frame."""
    frames = numpy.full((count, 32, 96, 3), 60, dtype=numpy.uint8)
    for i in range(count):
        frames[i, 8:24, 3 * i : 3 * i + 12] = 220
    return video(frames)


def chosen(clip: Video, **settings: object) -> list[tuple[int, int]]:
    return [(pair.frame_before, pair.frame_after) for pair in run_node(frame_pairs, clip, **settings)]


def test_which_frames_each_strategy_takes() -> None:
    clip = ramp(25)
    assert chosen(clip) == [(0, 24)]
    assert chosen(clip, strategy="every_k", every=8) == [(0, 8), (8, 16), (16, 24)]
    assert chosen(clip, strategy="every_k", every=8, most=2) == [(0, 8), (8, 16)]
    first, last = chosen(clip, strategy="max_change_min_bg")[0]
    assert last - first >= 4
    keys = chosen(clip, strategy="keyframes")
    assert keys[0][0] == 0 and all(a[1] == b[0] for a, b in itertools.pairwise(keys))


def test_keyframes_are_far_enough_apart_to_say_what_changed_whatever_its_size() -> None:
    dot = numpy.full((25, 64, 64, 3), 90, dtype=numpy.uint8)
    for place, frame in enumerate(dot):
        frame[30:35, 4 + 2 * place : 9 + 2 * place] = (220, 30, 30)
    for frames in (*toy_frames(moving_scenes(4, seed=3), 25), dot):
        clip = video(frames)
        pairs = run_node(describe_pairs, clip, run_node(frame_pairs, clip, strategy="keyframes"))
        assert len(pairs) >= 2 and all(pair.instruction.startswith("move the ") for pair in pairs)
    assert chosen(video(numpy.full((9, 64, 64, 3), 90, dtype=numpy.uint8)), strategy="keyframes") == []


def test_the_sharpest_of_the_late_frames() -> None:
    clip = ramp(24)
    frames = clip.frames.clone()
    frames[14:] = (frames[14:].float() * 0.3 + 60).to(torch.uint8)
    frames[19] = clip.frames[19]
    assert chosen(Video(frames=frames, fps=8.0), strategy="best_late_sharp") == [(0, 19)]


def test_change_without_a_change_of_the_background() -> None:
    clip = ramp(12)
    frames = clip.frames.clone()
    frames[6:] = (frames[6:].int() + 20).clip(0, 255).to(torch.uint8)  # the light goes on in the middle
    first, last = chosen(Video(frames=frames, fps=8.0), strategy="max_change_min_bg")[0]
    assert (first < 6) == (last < 6)


@pytest.mark.parametrize("strategy", get_args(Strategy))
def test_one_frame_gives_no_pair(strategy: str) -> None:
    assert chosen(ramp(1), strategy=strategy) == []


def test_pairs_of_another_clip_are_refused() -> None:
    pairs = run_node(frame_pairs, ramp(25))
    with pytest.raises(NodeError, match="the clip has 5"):
        run_node(measure_pairs, ramp(5), pairs)


def test_the_way_back_is_a_pair_too() -> None:
    clip = video(toy_frames(SCENES[:1])[0])
    pairs = run_node(describe_pairs, clip, run_node(frame_pairs, clip, source="mine", seed=4))
    there, back = run_node(swap_pairs, pairs)
    assert torch.equal(there.before.pixels, back.after.pixels) and back.source == "mine" and back.seed == 4
    assert (there.instruction, there.inverse) == (back.inverse, back.instruction)
    assert there.id != back.id
    assert len(run_node(swap_pairs, run_node(filter_items, pairs, where="1 > 2"))) == 1


def test_a_clip_is_looked_at_in_blocks_that_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = toy_frames(SCENES[:1], 17)[0]
    whole = scene_of(frames)
    monkeypatch.setattr(pair_scores, "BLOCK", 5)
    parts = scene_of(frames)
    for name in ("light", "mass", "paths"):
        assert getattr(parts, name) == pytest.approx(getattr(whole, name), rel=1e-6), name


def test_measuring_a_long_clip_takes_little_beside_its_frames() -> None:
    frames = numpy.tile(toy_frames(SCENES[:1], 17)[0], (8, 1, 1, 1))
    scene_of(frames[:9])  # imports
    tracemalloc.start()
    try:
        scene_of(frames)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 3 * frames.nbytes
