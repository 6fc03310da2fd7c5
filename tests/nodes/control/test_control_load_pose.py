"""Poses from files of OpenPose, DWPose and MMPose; hostile files end in one clear error."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes.control import files as files_module
from graphflow_nodes.control import load_pose, walker
from graphflow_nodes.control.layouts import FROM_18
from graphflow_nodes.control.tracks import follow
from graphflow_nodes.control.values import Pose

from graphflow.errors import GraphflowError, StorageError
from graphflow.node import spec_of
from graphflow.testing import run_node

SIZE = {"width": 128, "height": 96}


def walking(frames: int = 3) -> Pose:
    found: Pose = run_node(walker, frames=frames, fps=8.0, **SIZE)
    return found


def person(points: torch.Tensor, **more: Any) -> dict[str, Any]:
    """One of OpenPose's people, from points (18, 3)."""
    return {"person_id": [-1], "pose_keypoints_2d": points.flatten().tolist(), **more}


def write_folder(folder: Path, pose: Pose) -> Path:
    folder.mkdir(exist_ok=True)
    for number, points in enumerate(pose.points[:, 0]):
        frame = {"version": 1.3, "people": [person(points)]}
        (folder / f"clip_{number}_keypoints.json").write_text(json.dumps(frame))
    return folder


def load(path: Path, **settings: object) -> Pose:
    found: Pose = run_node(load_pose, path=str(path), **settings)
    return found


def test_a_folder_of_openpose_files_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    pose = walking(12)
    found = load(write_folder(tmp_path / "json", pose), **SIZE, fps=8.0)
    assert torch.allclose(found.points, pose.points, atol=1e-4)
    assert (found.layout, found.width, found.height, found.fps) == ("coco18", 128, 96, 8.0)
    assert found.hands is None and found.face is None


def test_a_list_of_frames_says_its_own_size(tmp_path: Path) -> None:
    pose = walking()
    frames = [
        {"people": [person(points)], "canvas_width": 128, "canvas_height": 96} for points in pose.points[:, 0]
    ]
    (tmp_path / "pose.json").write_text(json.dumps(frames))
    assert torch.allclose(load(tmp_path / "pose.json").points, pose.points, atol=1e-4)
    doubled = load(tmp_path / "pose.json", width=256, height=192)
    assert torch.allclose(doubled.points[..., :2], pose.points[..., :2] * 2, atol=1e-3)


def test_coordinates_from_0_to_1_are_shares_of_the_frame(tmp_path: Path) -> None:
    pose = walking(1)
    small = pose.points[0, 0] / torch.tensor([128.0, 96.0, 1.0])
    (tmp_path / "x.json").write_text(json.dumps({"people": [person(small)]}))
    assert torch.allclose(load(tmp_path / "x.json", **SIZE).points, pose.points, atol=1e-3)
    raw = load(tmp_path / "x.json", **SIZE, coordinates="pixels")
    assert torch.allclose(raw.points[0, 0], small, atol=1e-5)


def test_25_points_hands_and_faces(tmp_path: Path) -> None:
    body = torch.rand(25, 3) + torch.tensor([5.0, 5.0, 0.0])
    hand = (torch.rand(21, 3) + 3).flatten().tolist()
    face = (torch.rand(70, 3) + 3).flatten().tolist()
    more = {"hand_left_keypoints_2d": hand, "hand_right_keypoints_2d": [], "face_keypoints_2d": face}
    (tmp_path / "x.json").write_text(json.dumps({"people": [person(body, **more)]}))
    found = load(tmp_path / "x.json", **SIZE)
    assert torch.allclose(found.points[0, 0, :8], body[:8], atol=1e-4)
    assert torch.allclose(found.points[0, 0, 8:14], body[9:15], atol=1e-4)  # without the middle of the hips
    assert found.hands is not None and found.hands.shape == (1, 1, 2, 21, 3)
    assert found.hands[0, 0, 0].abs().sum() > 0 and found.hands[0, 0, 1].sum() == 0
    assert found.face is not None and found.face.shape == (1, 1, 70, 3)


@pytest.mark.parametrize("count", [17, 133])
def test_mmpose_instances(tmp_path: Path, count: int) -> None:
    pose = walking(2)
    instances = []
    for points in pose.points[:, 0]:
        coco = points[list(FROM_18)].tolist() + [[1.0, 2.0, 0.5]] * (count - 17)
        one = {"keypoints": [p[:2] for p in coco], "keypoint_scores": [p[2] for p in coco]}
        instances.append({"frame_id": len(instances) + 1, "instances": [one]})
    (tmp_path / "x.json").write_text(json.dumps({"meta_info": {}, "instance_info": instances}))
    found = load(tmp_path / "x.json", **SIZE)
    others = [i for i in range(18) if i != 1]  # the neck is made from the shoulders
    assert torch.allclose(found.points[:, :, others], pose.points[:, :, others], atol=1e-4)
    assert (found.hands is not None) == (found.face is not None) == (count == 133)


def test_people_are_followed_whatever_their_order(tmp_path: Path) -> None:
    here, there = walking(6).points[:, 0], walking(6).points[:, 0] + torch.tensor([500.0, 0, 0])
    frames = []
    for number, (a, b) in enumerate(zip(here, there, strict=True)):
        people = [person(a), person(b)] if number % 2 == 0 else [person(b), person(a)]
        frames.append({"people": people[:1] if number == 3 else people})
    (tmp_path / "x.json").write_text(json.dumps(frames))
    found = load(tmp_path / "x.json", **SIZE)
    assert torch.allclose(found.points[[0, 1, 2, 4, 5], 0], here[[0, 1, 2, 4, 5]], atol=1e-3)
    assert torch.allclose(found.points[:, 1], there, atol=1e-3)
    assert found.points[3, 0, :, 2].sum() == 0  # not there in this frame


def people(*places: list[tuple[float, float]]) -> torch.Tensor:
    """Bodies whose points are all at one place; frames of people, (frames, 3, 18, 3)."""
    bodies = torch.zeros(len(places), 3, 18, 3)
    for number, frame in enumerate(places):
        for person_, (x, y) in enumerate(frame):
            bodies[number, person_] = torch.tensor([x, y, 1.0])
    return bodies


def followed(bodies: torch.Tensor) -> torch.Tensor:
    """x of each person, (frames, 3)."""
    nothing = torch.zeros(len(bodies), 3, 2, 21, 3), torch.zeros(len(bodies), 3, 0, 3)
    return follow(bodies, *nothing)[0][:, :, 0, 0]


def test_who_vanishes_is_found_again() -> None:
    found = followed(people([(10, 10), (90, 10)], [], [(88, 10), (12, 10)]))
    assert found.tolist() == [[10, 90, 0], [0, 0, 0], [12, 88, 0]]


def test_nobody_is_drawn_to_an_empty_place() -> None:
    """A place where nobody was yet has no position, not one in the corner."""
    assert followed(people([(10, 10)], [(2, 2)])).tolist() == [[10, 0, 0], [2, 0, 0]]


def test_who_comes_later_takes_a_free_place() -> None:
    found = followed(people([(10, 10)], [(10, 10), (90, 10)], [(90, 10), (12, 10)]))
    assert found.tolist() == [[10, 0, 0], [10, 90, 0], [12, 90, 0]]


def test_points_that_were_not_seen_are_nowhere(tmp_path: Path) -> None:
    points = walking(1).points[0, 0].clone()
    points[3, 2], points[4, 2], points[5, 2] = 0.0, -1.0, 7.0
    (tmp_path / "x.json").write_text(json.dumps({"people": [person(points)]}))
    found = load(tmp_path / "x.json", **SIZE).points[0, 0]
    assert found[3].tolist() == found[4].tolist() == [0, 0, 0] and found[5, 2] == 1


def test_the_size_must_be_known(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "json", walking())
    with pytest.raises(StorageError, match="do not say the size") as caught:
        load(folder)
    assert "width and height" in caught.value.hint


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "json", walking())
    spec = spec_of(load_pose)
    assert spec is not None and spec.fingerprint is not None
    before = spec.fingerprint(path=str(folder), fps=8.0)
    assert spec.fingerprint(path=str(folder), fps=9.0) == before
    (folder / "clip_1_keypoints.json").write_text("{}")
    assert spec.fingerprint(path=str(folder), fps=8.0) != before


HOSTILE = {
    "empty": "",
    "text": "hello",
    "deep": "[" * 100_000,
    "number": "3",
    "no people": "{}",
    "people no list": '{"people": 3}',
    "person no object": '{"people": [3]}',
    "frame no object": "[[1]]",
    "nobody": '{"people": []}',
    "too few points": '{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}',
    "points no list": '{"people": [{"pose_keypoints_2d": "x"}]}',
    "words": json.dumps({"people": [{"pose_keypoints_2d": ["1"] * 54}]}),
    "nothing known": json.dumps({"people": [{"pose_keypoints_2d": [None] * 54}]}),
    "endless": '{"people": [{"pose_keypoints_2d": [' + ",".join(["Infinity"] * 54) + "]}]}",
    "no number": '{"people": [{"pose_keypoints_2d": [' + ",".join(["NaN"] * 54) + "]}]}",
    "far away": json.dumps({"people": [{"pose_keypoints_2d": [1e30] * 54}]}),
    "huge": '{"people": [{"pose_keypoints_2d": [' + ",".join(["9" * 400] * 54) + "]}]}",
    "crowd": json.dumps({"people": [{"pose_keypoints_2d": [1] * 54}] * 65}),
    "canvas": json.dumps({"people": [], "canvas_width": "x", "canvas_height": 3}),
    "large canvas": json.dumps({"people": [], "canvas_width": 10**9, "canvas_height": 10**9}),
    "half an mmpose": '{"instance_info": [{"instances": [{"keypoints": [[1, 2]]}]}]}',
    "scores": json.dumps(
        {"instance_info": [{"instances": [{"keypoints": [[1, 2]] * 17, "keypoint_scores": [1]}]}]}
    ),
    "shape": json.dumps(
        {"instance_info": [{"instances": [{"keypoints": [[1, 2, 3]] * 17, "keypoint_scores": [1] * 17}]}]}
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(HOSTILE[name])
    with pytest.raises(StorageError) as caught:
        load(file, **SIZE)
    assert str(file) in caught.value.where and caught.value.hint


def test_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    frames = [{"people": [person(walking().points[0, 0])], "canvas_width": 128, "canvas_height": 96}]
    text = json.dumps(frames).encode()
    rng = random.Random(5)
    for _ in range(150):
        broken = bytearray(text)
        for _ in range(rng.choice((1, 3, 20))):
            broken[rng.randrange(len(broken))] = rng.choice(b'0-9"[]{},:.e \xff\x00')
        file.write_bytes(broken)
        try:
            assert load(file).points.isfinite().all()
        except GraphflowError as error:
            assert error.hint


def test_only_files_within_the_limits_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    empty = tmp_path / "empty"
    empty.mkdir()
    for path in ("", "a\0b", "/dev/zero", str(tmp_path / "none"), str(tmp_path), str(empty)):
        with pytest.raises(StorageError) as caught:
            run_node(load_pose, path=path)
        assert caught.value.hint
    folder = write_folder(tmp_path / "json", walking())
    limits = [
        ("MAX_FILES", 2, "3 JSON files"),
        ("MAX_TOTAL", 100, "folder is over"),
        ("MAX_BYTES", 10, "file is over"),
    ]
    for limit, value, reason in limits:
        with monkeypatch.context() as patch:
            patch.setattr(files_module, limit, value)
            with pytest.raises(StorageError, match=reason):
                load(folder, **SIZE)
