"""Measures of a clip: each sees its own defect and not the others."""

from __future__ import annotations

import pytest
import torch
from graphflow_nodes.evaluation import clip_quality, sharpness

from graphflow.errors import NodeError
from graphflow.testing import run_node
from graphflow.values import Image, Video


def clip(frames: torch.Tensor) -> Video:
    """A grey clip from (frames, height, width), 0..1."""
    return Video(frames=(frames * 255).byte().unsqueeze(-1).expand(-1, -1, -1, 3).contiguous(), fps=8.0)


def edge(at: int) -> torch.Tensor:
    """A picture that is dark left of column `at` and bright from there on."""
    return (torch.arange(32) >= at).float().expand(32, 32)


STILL = clip(torch.stack([edge(16)] * 6))
MOVING = clip(torch.stack([edge(10 + i) for i in range(6)]))


def test_a_still_clip_does_not_move_or_flicker() -> None:
    quality = run_node(clip_quality, STILL)
    assert quality.motion == quality.flicker == 0
    assert quality.sharpness > 0


def test_motion_is_seen() -> None:
    assert run_node(clip_quality, MOVING).motion > 0


def test_blur_lowers_sharpness() -> None:
    ramp = clip(torch.stack([(torch.arange(32) / 31).expand(32, 32)] * 6))
    assert run_node(clip_quality, ramp).sharpness < run_node(clip_quality, STILL).sharpness / 4


def test_light_that_jumps_is_flicker() -> None:
    steady = torch.full((6, 32, 32), 0.5)
    jumping = steady * torch.tensor([1.0, 0.5, 1.0, 0.5, 1.0, 0.5]).view(6, 1, 1)
    assert run_node(clip_quality, clip(steady)).flicker == 0
    assert run_node(clip_quality, clip(jumping)).flicker > 0.2


def test_the_score_is_the_weighted_sum() -> None:
    quality = run_node(clip_quality, MOVING, sharpness=2.0, motion=3.0, flicker=-1.0)
    expected = 2 * quality.sharpness + 3 * quality.motion - quality.flicker
    assert quality.score == pytest.approx(expected)


def test_one_frame_and_tiny_pictures_are_measured() -> None:
    assert run_node(clip_quality, clip(torch.rand(1, 32, 32))).motion == 0
    assert run_node(clip_quality, clip(torch.rand(3, 2, 2))).sharpness == 0


def test_a_clip_without_frames_is_refused() -> None:
    with pytest.raises(NodeError, match="no frames"):
        run_node(clip_quality, clip(torch.zeros(0, 8, 8)))


def test_a_blurred_picture_is_less_sharp() -> None:
    sharp = STILL.frames[0]
    blurred = (sharp.float().unfold(1, 5, 1).mean(-1)).byte()
    assert run_node(sharpness, Image(pixels=sharp)) > 2 * run_node(sharpness, Image(pixels=blurred)) > 0
