"""Poses: a walking figure, drawn, found again, resized, retimed, compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from graphflow_nodes.control import (
    detect_pose,
    draw_pose,
    drawn_pose_detector,
    pose_distance,
    resize_pose,
    retime_pose,
    walker,
)
from graphflow_nodes.control.detect_pose import PoseDetector
from graphflow_nodes.control.layouts import COLORS, FROM_17, FROM_18, LIMBS, NAMES_18, as_17, as_18
from graphflow_nodes.control.values import Pose
from hypothesis import given
from hypothesis import strategies as st

from graphflow.errors import Cancelled, NodeError, ValueMismatch
from graphflow.testing import LocalContext, run_node
from graphflow.values import Video, decode, encode

SIZE = {"frames": 9, "width": 256, "height": 160, "fps": 8.0}


def walking(**settings: object) -> Pose:
    found: Pose = run_node(walker, **{**SIZE, **settings})
    return found


def place(pose: Pose, name: str) -> torch.Tensor:
    """x and y of a point, (frames, 2)."""
    return pose.points[:, 0, NAMES_18.index(name), :2]


def drawn(pose: Pose, **settings: object) -> Video:
    found: Video = run_node(draw_pose, pose, **settings)
    return found


# ----------------------------------------------------------------------------------------- the walker


def test_the_walker_is_the_same_every_time_and_walks() -> None:
    pose = walking()
    assert torch.equal(pose.points, walking().points)
    assert (place(pose, "neck").diff(dim=0)[:, 0] > 0).all()
    assert pose.points.shape == (9, 1, 18, 3) and (pose.points[..., 2] == 1).all()
    crossing = place(pose, "left_ankle")[:, 0] - place(pose, "right_ankle")[:, 0]
    assert crossing.max() > 0 > crossing.min()  # the legs pass each other


def test_the_lower_foot_stands_on_the_ground() -> None:
    pose = walking(frames=40)
    lowest = torch.maximum(place(pose, "left_ankle")[:, 1], place(pose, "right_ankle")[:, 1])
    assert (lowest - lowest[0]).abs().max() < 1e-3


def test_limbs_keep_their_length() -> None:
    pose = walking(frames=40)
    for a, b in (("left_hip", "left_knee"), ("right_knee", "right_ankle"), ("left_elbow", "left_wrist")):
        length = torch.linalg.vector_norm(place(pose, a) - place(pose, b), dim=-1)
        assert (length - length[0]).abs().max() < 1e-3


def test_walking_left_is_the_mirror_image() -> None:
    right, left = walking(), walking(direction="left")
    assert torch.allclose(left.points[..., 0], 256 - right.points[..., 0], atol=1e-4)
    assert torch.equal(left.points[..., 1], right.points[..., 1])


# ------------------------------------------------------------------------------------------ layouts


def test_the_two_layouts_are_the_same_body() -> None:
    points = torch.rand(2, 3, 17, 3)
    assert torch.equal(as_17(as_18(points, "coco17"), "coco18"), points)
    assert sorted({*FROM_18, 1}) == list(range(18)) and sorted(set(FROM_17)) == list(range(17))


def test_a_neck_is_made_from_both_shoulders() -> None:
    for left, right in ((0.5, 1.0), (1.0, 0.5)):
        points = torch.zeros(17, 3)
        points[5], points[6] = torch.tensor([2.0, 4.0, left]), torch.tensor([4.0, 8.0, right])
        assert as_18(points, "coco17")[1].tolist() == [3.0, 6.0, 0.5]


def test_a_pose_travels_on_a_wire() -> None:
    pose = walking(frames=2)
    again = decode(*encode(pose))
    assert torch.equal(again.points, pose.points) and again.layout == "coco18" and again.hands is None


# ------------------------------------------------------------------------------------------ drawing


def test_joints_have_openposes_colours() -> None:
    pose = walking(frames=1)
    frame = drawn(pose, thickness=2).frames[0]
    for name in ("nose", "neck", "right_ankle", "left_wrist"):
        x, y = (round(value) for value in place(pose, name)[0].tolist())
        assert frame[y, x].tolist() == list(COLORS[NAMES_18.index(name)])


def test_limbs_are_darker_and_under_the_joints() -> None:
    points = torch.zeros(1, 1, 18, 3)
    points[0, 0, 2] = torch.tensor([10.0, 30.0, 1.0])
    points[0, 0, 3] = torch.tensor([50.0, 30.0, 1.0])
    frame = drawn(Pose(points=points, layout="coco18", width=64, height=64, fps=8.0), thickness=3).frames[0]
    limb = LIMBS.index((2, 3))
    assert frame[30, 30].tolist() == [int(part * 0.6) for part in COLORS[limb]]
    assert frame[30, 10].tolist() == list(COLORS[2]) and frame[30, 50].tolist() == list(COLORS[3])
    assert frame[:25].sum() == 0


def test_points_below_the_confidence_are_not_drawn() -> None:
    pose = walking(frames=1)
    faint = pose.model_copy(update={"points": pose.points * torch.tensor([1.0, 1.0, 0.2])})
    assert drawn(faint).frames.sum() == 0
    assert drawn(faint, min_confidence=0.1).frames.sum() > 0
    nobody = pose.model_copy(update={"points": torch.zeros_like(pose.points)})
    assert drawn(nobody, min_confidence=0.0).frames.sum() == 0


def test_hands_and_faces_are_drawn_where_there_are_some() -> None:
    pose = walking(frames=1, size=0.5)
    hands = torch.zeros(1, 1, 2, 21, 3)
    hands[0, 0, 0] = torch.tensor([[200.0 + 2 * i, 20.0 + i, 1.0] for i in range(21)])
    face = torch.tensor([[30.0 + i, 20.0, 1.0] for i in range(68)]).view(1, 1, 68, 3)
    whole = pose.model_copy(update={"hands": hands, "face": face})
    frame = drawn(whole).frames[0]
    assert frame[20, 30].tolist() == [255, 255, 255]
    assert frame[20, 200].tolist() == [0, 0, 255]
    assert torch.equal(drawn(whole, hands=False, face=False).frames, drawn(pose).frames)


def test_thickness_follows_the_size() -> None:
    def share(width: int, height: int) -> float:
        frames = drawn(walking(frames=1, width=width, height=height)).frames
        return float((frames.amax(-1) > 0).float().mean())

    assert abs(share(512, 320) / share(1024, 640) - 1) < 0.25


def test_drawing_can_be_cancelled() -> None:
    with pytest.raises(Cancelled):
        run_node(draw_pose, walking(), context=LocalContext(cancel_after=4))


@pytest.mark.parametrize(
    "change",
    [
        {"points": torch.zeros(9, 1, 17, 3)},
        {"points": torch.zeros(0, 1, 18, 3)},
        {"points": torch.zeros(18, 3)},
        {"points": torch.zeros(9, 1, 18, 3, dtype=torch.float64)},
        {"points": torch.full((9, 1, 18, 3), torch.inf)},
        {"hands": torch.zeros(9, 1, 2, 20, 3)},
        {"face": torch.zeros(9, 2, 68, 3)},
    ],
)
def test_values_that_are_no_pose_are_refused(change: dict[str, torch.Tensor]) -> None:
    with pytest.raises(NodeError):
        run_node(draw_pose, walking().model_copy(update=change))


# ---------------------------------------------------------------------------------------- detection


def test_a_drawn_skeleton_is_read_back() -> None:
    pose = walking(width=512, height=320)
    found = run_node(detect_pose, drawn(pose), run_node(drawn_pose_detector))
    assert found.layout == "coco18" and (found.width, found.height, found.fps) == (512, 320, 8.0)
    score = run_node(pose_distance, found, pose)
    assert score.error < 0.002 and score.followed > 0.97


def test_where_nothing_is_drawn_nobody_is_found(clip: Video) -> None:
    black = Video(frames=torch.zeros(2, 8, 8, 3, dtype=torch.uint8), fps=8.0)
    assert run_node(detect_pose, black, run_node(drawn_pose_detector)).points.sum() == 0


class Fixed(PoseDetector):
    """A detector of a pack of its own: so many people, all at one place."""

    shape: tuple[int, ...] = (2, 17, 3)

    def open(self, device: str) -> Callable[[Any], Any]:
        return lambda frame: torch.full(self.shape, float(frame[0, 0, 0]))


def test_any_detector_can_be_wired() -> None:
    frames = torch.arange(3, dtype=torch.uint8).view(3, 1, 1, 1).repeat(1, 4, 4, 3)
    ctx = LocalContext()
    found = run_node(detect_pose, Video(frames=frames, fps=8.0), Fixed(), context=ctx)
    assert found.layout == "coco17" and found.points.shape == (3, 2, 17, 3)
    assert found.points[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert ctx.progress_log == [(0, 3), (1, 3), (2, 3)]


def test_a_detector_that_gives_something_else_is_named() -> None:
    frames = torch.zeros(1, 4, 4, 3, dtype=torch.uint8)
    with pytest.raises(NodeError, match=r"Fixed gave \(2, 5, 3\)"):
        run_node(detect_pose, Video(frames=frames, fps=8.0), Fixed(shape=(2, 5, 3)))


# ------------------------------------------------------------------------------- size, time, distance


@pytest.mark.parametrize("fit", ["cover", "pad", "stretch"])
def test_a_pose_is_resized_like_a_picture(fit: str) -> None:
    points = torch.tensor([[0.0, 0, 1], [100, 50, 1], [50, 25, 1]]).repeat(6, 1).view(1, 1, 18, 3)
    pose = Pose(points=points, layout="coco18", width=100, height=50, fps=8.0)
    found = run_node(resize_pose, pose, width=200, height=200, fit=fit)
    corner, far, middle = found.points[0, 0, :3, :2].tolist()
    assert middle == [100, 100]
    assert (corner, far) == {
        "stretch": ([0, 0], [200, 200]),
        "pad": ([0, 50], [200, 150]),
        "cover": ([-100, 0], [300, 200]),
    }[fit]


def test_a_motion_fits_into_any_number_of_frames() -> None:
    pose = walking()
    assert torch.equal(run_node(retime_pose, pose, frames=9).points, pose.points)
    long = run_node(retime_pose, pose, frames=17, fps=24.0)
    assert torch.allclose(long.points[::2], pose.points, atol=1e-4) and long.fps == 24.0
    assert torch.allclose(long.points[1], (pose.points[0] + pose.points[1]) / 2, atol=1e-3)
    assert len(run_node(retime_pose, pose, frames=1).points) == 1


@given(st.integers(1, 12), st.floats(1, 60))
def test_another_rate_keeps_the_speed(frames: int, fps: float) -> None:
    pose = walking(frames=frames)
    found = run_node(retime_pose, pose, fps=fps)
    assert len(found.points) == max(1, round(frames * fps / 8.0)) and found.fps == fps
    assert torch.equal(found.points[0], pose.points[0])


def test_a_point_seen_once_stays_where_it_is_seen() -> None:
    points = torch.zeros(2, 1, 18, 3)
    points[0] = torch.tensor([10.0, 10.0, 1.0])
    pose = Pose(points=points, layout="coco18", width=64, height=64, fps=8.0)
    assert run_node(retime_pose, pose, frames=3).points[1, 0, 0].tolist() == [10, 10, 1]


def test_retiming_needs_an_aim() -> None:
    with pytest.raises(NodeError, match="neither frames nor fps"):
        run_node(retime_pose, walking())


def test_distance_is_measured_in_diagonals() -> None:
    pose = walking()
    same = run_node(pose_distance, pose, pose)
    assert (same.error, same.followed) == (0.0, 1.0)
    diagonal = (256**2 + 160**2) ** 0.5
    moved = pose.model_copy(update={"points": pose.points + torch.tensor([0.1 * diagonal, 0, 0])})
    away = run_node(pose_distance, moved, pose)
    assert abs(away.error - 0.1) < 1e-4 and away.followed == 0.0
    assert run_node(pose_distance, moved, pose, threshold=0.2).followed == 1.0
    larger = run_node(resize_pose, pose, width=512, height=320, fit="stretch")
    assert run_node(pose_distance, larger, pose).error < 1e-5


def test_missing_points_are_not_followed() -> None:
    pose = walking()
    nobody = pose.model_copy(update={"points": torch.zeros_like(pose.points)})
    assert run_node(pose_distance, nobody, pose) == (1.0, 0.0)
    with pytest.raises(NodeError, match="shows nobody"):
        run_node(pose_distance, pose, nobody)
    with pytest.raises(ValueMismatch, match="9 frames, the reference 4"):
        run_node(pose_distance, pose, walking(frames=4))
    two = pose.model_copy(update={"points": pose.points.repeat(1, 2, 1, 1)})
    assert run_node(pose_distance, pose, two).followed == 0.5
