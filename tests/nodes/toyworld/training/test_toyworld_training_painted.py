"""Clips for training on conditions: colours, masks and what is kept away."""

import random

import torch
from graphflow_nodes.toyworld.render import render
from graphflow_nodes.toyworld.training.painted import Painted, PaintedPool
from graphflow_nodes.toyworld.world import is_held_out, sample_scenes


def test_drawn_clips_are_those_of_the_renderer() -> None:
    scenes = sample_scenes(4, 3)
    assert torch.allclose(Painted.draw(scenes).clips, render(scenes), atol=1e-6)


def test_pool_recolours_and_keeps_held_out_scenes_away() -> None:
    pool = PaintedPool(32, random.Random(0), first=16)
    pool.grow(24)
    assert len(pool) == 32
    painted = pool.batch(64)
    assert painted.clips.shape == (64, 3, 13, 64, 64)
    assert painted.clips.min() >= -1 and painted.clips.max() <= 1
    assert not any(is_held_out(scene) for scene in painted.scenes)


def test_coverage_tells_which_latents_hold_the_object() -> None:
    painted = Painted.draw(sample_scenes(2, 5))
    assert painted.coverage.shape == (2, 1, 4, 8, 8)
    cell = painted.mask[0, 0, 5:9].amax(0)[16:24, 24:32].amax()
    assert painted.coverage[0, 0, 2, 2, 3] == cell
