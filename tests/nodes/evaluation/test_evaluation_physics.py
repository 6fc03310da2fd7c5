"""The simulator keeps the laws that the checks look for; Physics-IQ's score knows a real take."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from graphflow_nodes.evaluation import measure, physics_iq, simulate
from graphflow_nodes.evaluation.motion_likeness import motion_masks
from graphflow_nodes.evaluation.simulator import EXPERIMENTS, GRAVITY, Experiment, paths

from graphflow.errors import ValueMismatch
from graphflow.testing import run_node
from graphflow.values import Video

ALL = pytest.mark.parametrize("experiment", EXPERIMENTS)


def test_a_free_fall_gains_the_gravity_it_should() -> None:
    (path,), _ = paths("fall", 3, 0, 6, 20.0)
    assert np.diff(path[:, 1], n=2) * 20**2 == pytest.approx(GRAVITY, rel=0.01)


def test_a_collision_keeps_momentum_and_energy() -> None:
    places, radius = paths("collision", 5, 0, 16, 20.0)
    speeds = np.diff(places, axis=1) * 20
    mass = radius**2
    momentum = np.einsum("d,dtx->tx", mass, speeds)
    energy = np.einsum("d,dt->t", mass, np.square(speeds).sum(-1))
    assert momentum[0] == pytest.approx(momentum[-1], abs=1e-6)
    assert energy[0] == pytest.approx(energy[-1], rel=1e-6)
    assert speeds[0, 0, 0] != pytest.approx(speeds[0, -1, 0])  # they did meet


def test_a_pendulum_keeps_its_length_and_energy() -> None:
    (path,), _ = paths("pendulum", 1, 0, 60, 30.0)
    length = np.linalg.norm(path - [0.5, 0.2], axis=1)
    assert length == pytest.approx(length[0], rel=1e-9)
    speed = np.linalg.norm(np.diff(path, axis=0), axis=1) * 30
    height = (path[1:, 1] + path[:-1, 1]) / 2
    assert np.ptp(speed**2 / 2 - GRAVITY * height) < 0.02


@ALL
def test_bodies_never_enter_each_other_or_leave_the_frame(experiment: Experiment) -> None:
    places, radius = paths(experiment, 2, 1, 40, 16.0)
    assert (places > 0).all() and (places < 1).all()
    for a in range(len(places)):
        for b in range(a + 1, len(places)):
            gap = np.linalg.norm(places[a] - places[b], axis=1) - radius[a] - radius[b]
            assert gap.min() > -0.02


@ALL
def test_conservation_checks_find_nothing_wrong_with_the_simulator(experiment: Experiment) -> None:
    names = "object_count object_overlap object_area object_colour object_energy object_momentum"
    found = run_node(measure, run_node(simulate, experiment=experiment, seed=4, side=96).video, metrics=names)
    values = {one.metric: one.value for one in found.measurements}
    assert values["object_count"] == 0
    assert values["object_overlap"] < 0.12
    assert values.get("object_energy", 0) < 0.06
    if experiment == "collision":
        assert values["object_momentum"] < 0.05


@ALL
def test_a_second_take_scores_full_and_other_things_score_less(experiment: Experiment) -> None:
    real, again = (run_node(simulate, experiment=experiment, seed=2, take=t, side=64).video for t in (1, 2))
    still = Video(frames=real.frames[:1].expand_as(real.frames).contiguous(), fps=16.0)
    other = run_node(simulate, experiment=experiment, seed=7, take=1, side=64).video

    def iq(video: Video) -> float:
        found = run_node(physics_iq, video, real, again).named("physics_iq")
        assert found is not None
        return float(found.value)

    assert iq(again) == pytest.approx(100)
    assert iq(real) == 100
    assert iq(still) < 40 < iq(again)
    assert iq(other) < 90


def test_the_overlap_formulas_by_hand() -> None:
    frames = torch.zeros(4, 48, 48, 3, dtype=torch.uint8)
    frames[1:, 8:24, 8:24] = 255  # a square that appears moves at once and then slowly becomes background
    masks = motion_masks(frames.numpy())
    assert not masks[0].any() and masks[1].sum() == pytest.approx(256, abs=130)
    left = Video(frames=frames, fps=8.0)
    right = Video(frames=frames.flip(2), fps=8.0)
    scores = run_node(physics_iq, right, left, left)
    values = {one.metric: one.value for one in scores.measurements}
    # a square at the left and one at the right: they never overlap
    assert values["spatial_iou"] < 0.1
    assert values["spatiotemporal_iou"] == pytest.approx(
        0.25, abs=0.08
    )  # only the first frame, without motion
    assert values["frame_error"] == pytest.approx(3 * 2 * 256 / (4 * 48 * 48), abs=0.01)


def test_clips_of_other_sizes_are_refused_and_longer_ones_cut() -> None:
    clip = run_node(simulate, side=32, frames=6).video
    with pytest.raises(ValueMismatch, match="second take"):
        run_node(physics_iq, clip, clip, run_node(simulate, side=40, frames=6).video)
    short = Video(frames=clip.frames[:4], fps=16.0)
    assert run_node(physics_iq, short, clip, clip) == run_node(physics_iq, short, short, short)


def test_without_relief_surfaces_are_flat() -> None:
    flat = run_node(simulate, experiment="pendulum", side=64, frames=2, relief=0.0).video.frames
    assert len(flat[:, 0, :].reshape(-1, 3).unique(dim=0)) == 1
