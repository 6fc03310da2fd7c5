"""The toy world as a node."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from graphflow_nodes.toyworld.clip import Background, Color, Effect, Motion, Shape, clip
from graphflow_nodes.toyworld.world import BACKGROUNDS, COLORS, EFFECTS, MOTIONS, SHAPES
from pydantic import ValidationError

from graphflow.testing import run_node


def test_the_settings_are_the_worlds_words() -> None:
    said = [get_args(words) for words in (Shape, Color, Background, Motion, Effect)]
    assert said == [SHAPES, tuple(COLORS), tuple(BACKGROUNDS), MOTIONS, EFFECTS]


def test_a_clip_moves_as_it_says() -> None:
    made = run_node(clip, color="blue", motion="down", frames=9, side=32)
    assert made.video.frames.shape == (9, 32, 32, 3) and made.video.fps == 8
    assert made.caption == "a large blue circle moving down on a black background"
    blue = made.video.frames[..., 2].float() > 128
    heights = [float(frame.nonzero()[:, 0].float().mean()) for frame in blue]
    assert heights == sorted(heights) and heights[-1] > heights[0]
    assert torch.equal(made.first.pixels, made.video.frames[0])
    assert torch.equal(made.last.pixels, made.video.frames[-1])


def test_the_same_settings_give_the_same_pixels_and_another_seed_others() -> None:
    first, again, other = (run_node(clip, seed=seed).video.frames for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_a_word_it_does_not_know() -> None:
    with pytest.raises(ValidationError):
        run_node(clip, shape="pentagon")
