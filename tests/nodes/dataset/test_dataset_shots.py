"""Cuts are found where they were made, and not where things only move."""

from __future__ import annotations

from typing import get_args

import numpy
import pytest
from graphflow_nodes.dataset import find_cuts, split_shots
from graphflow_nodes.dataset.settings import Method

from graphflow.testing import run_node
from tests.nodes.dataset.conftest import camera_over_texture, video


def shots() -> tuple[numpy.ndarray, list[int]]:
    """Three shots that differ in colour and texture, each with its own pan, and where they begin."""
    parts = []
    for seed, (length, colour) in enumerate([(20, (1, 0.5, 0.4)), (15, (0.3, 0.6, 1)), (18, (0.5, 1, 0.3))]):
        pan = camera_over_texture([(2 * i, 0) for i in range(length)], seed=seed)
        parts.append((pan * numpy.array(colour)).astype(numpy.uint8))
    return numpy.concatenate(parts), [20, 35]


@pytest.mark.parametrize("method", get_args(Method))
def test_cuts_are_found_exactly(method: str) -> None:
    frames, places = shots()
    assert run_node(find_cuts, video(frames), method=method) == places


@pytest.mark.parametrize("method", get_args(Method))
def test_a_moving_camera_is_no_cut(method: str) -> None:
    frames = camera_over_texture([(i, i % 2) for i in range(30)])
    assert run_node(find_cuts, video(frames), method=method) == []


def test_adaptive_is_not_misled_by_a_clip_that_changes_all_the_time() -> None:
    rng = numpy.random.default_rng(1)
    strobe = (rng.uniform(0, 1, (20, 1, 1, 3)) * 255 * numpy.ones((1, 16, 16, 1))).astype(numpy.uint8)
    assert len(run_node(find_cuts, video(strobe), method="content")) > 10
    assert len(run_node(find_cuts, video(strobe), method="adaptive")) < 4


def test_shots_become_videos_and_short_ones_stay_with_a_neighbour() -> None:
    frames, _ = shots()
    assert [len(shot.frames) for shot in run_node(split_shots, video(frames))] == [20, 15, 18]
    assert [len(shot.frames) for shot in run_node(split_shots, video(frames), shortest=21)] == [53]
    assert [len(shot.frames) for shot in run_node(split_shots, video(frames), shortest=18)] == [20, 33]
