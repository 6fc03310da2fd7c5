"""Poses from files of OpenPose, DWPose and MMPose."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from graphflow.errors import StorageError
from graphflow.node import Context, node
from graphflow.values import Tensor

from .files import fingerprint, json_files, read_json
from .layouts import FROM_25, HAND_POINTS, as_18
from .tracks import follow
from .values import Fps, Pose, Side

MAX_PEOPLE = 64
"""Most people in one frame."""
MAX_FRAMES = 100_000

Points = list[tuple[float, float, float]]
Coordinates = Literal["auto", "pixels", "normalized"]

FACE_POINTS = (68, 70)
"""Landmarks of a face: DWPose's, OpenPose's (with pupils)."""


def _fingerprint(*, path: str, **settings: object) -> list[str]:
    return fingerprint(path)


@dataclass
class _Person:
    body: Points
    """18 points."""
    hands: list[Points] = field(default_factory=list)
    face: Points = field(default_factory=list)


@dataclass
class _Frame:
    people: list[_Person]
    size: tuple[int, int] | None = None
    """Width and height, where the file says them."""


@node("control/load_pose", fingerprint=_fingerprint, depends=(".files", ".layouts", ".values", ".tracks"))
def load_pose(
    ctx: Context,
    *,
    path: str,
    width: Side | None = None,
    height: Side | None = None,
    fps: Fps = 16.0,
    coordinates: Coordinates = "auto",
) -> Pose:
    """A pose from a JSON file, or a folder with one for each frame, by the numbers in their names.

    Read are OpenPose's files (18 or 25 points, hands, face), lists of such frames as DWPose's ControlNet
    nodes write them, and MMPose's `instance_info` (17 points, or 133 with hands and face).
    width, height: of the video; empty is what the file says (`canvas_width`, `canvas_height`).
    coordinates: `normalized` are 0..1; `auto` takes them so if none is over 1.
    People are followed from frame to frame by their places.
    Raises StorageError, naming file and frame, for anything else.
    """
    found: list[_Frame] = []
    files = json_files(path)
    for number, file in enumerate(files):
        ctx.progress(number, len(files))
        found.extend(_frames(read_json(file), str(file)))
        if len(found) > MAX_FRAMES:
            raise StorageError(f"there are over {MAX_FRAMES} frames", where=path, hint="split the file")
    if not any(frame.people for frame in found):
        raise StorageError("there is nobody in it", where=path, hint="name files of a pose estimator")
    said = next((frame.size for frame in found if frame.size), None)
    size = width or (said[0] if said else None), height or (said[1] if said else None)
    if size[0] is None or size[1] is None:
        raise StorageError(
            "the files do not say the size of the video", where=path, hint="set width and height"
        )
    scale = _scale(found, said or (size[0], size[1]), (size[0], size[1]), coordinates)
    tensors = follow(*(part * scale for part in _tensors(found)))
    hands = tensors[1] if tensors[1].any() else None
    face = tensors[2] if tensors[2].any() else None
    return Pose(
        points=tensors[0], layout="coco18", hands=hands, face=face, width=size[0], height=size[1], fps=fps
    )


def _tensors(found: list[_Frame]) -> tuple[Tensor, Tensor, Tensor]:
    """Bodies, hands and faces of all frames; people who are not there have confidence 0."""
    import torch

    people = max(len(frame.people) for frame in found)
    faces = max([len(person.face) for frame in found for person in frame.people], default=0)
    bodies = torch.zeros(len(found), people, 18, 3, dtype=torch.float32)
    hands = torch.zeros(len(found), people, 2, HAND_POINTS, 3, dtype=torch.float32)
    face = torch.zeros(len(found), people, faces, 3, dtype=torch.float32)
    for number, frame in enumerate(found):
        for place, person in enumerate(frame.people):
            bodies[number, place] = torch.tensor(person.body, dtype=torch.float32)
            for side, hand in enumerate(person.hands):
                if hand:
                    hands[number, place, side] = torch.tensor(hand, dtype=torch.float32)
            if person.face:
                face[number, place, : len(person.face)] = torch.tensor(person.face, dtype=torch.float32)
    return bodies, hands, face


def _scale(
    found: list[_Frame], said: tuple[int, int], size: tuple[int, int], coordinates: Coordinates
) -> Tensor:
    """Factors for x, y and confidence: from the file's coordinates to pixels of the wanted size."""
    import torch

    seen = [point for frame in found for person in frame.people for point in person.body if point[2] > 0]
    small = bool(seen) and max(max(x, y) for x, y, _ in seen) <= 1
    normalized = coordinates == "normalized" or (coordinates == "auto" and small)
    base = (1, 1) if normalized else said
    return torch.tensor([size[0] / base[0], size[1] / base[1], 1.0], dtype=torch.float32)


# ------------------------------------------------------------------------------------- the formats


def _frames(content: Any, where: str) -> Iterator[_Frame]:
    """The frames of one file."""
    if isinstance(content, dict) and "instance_info" in content:
        content, read = content["instance_info"], _mmpose_frame
    else:
        content, read = [content] if isinstance(content, dict) else content, _openpose_frame
    if not isinstance(content, list):
        raise _wrong("it holds no frames", where)
    for number, frame in enumerate(content):
        place = f"{where}, frame {number}"
        if not isinstance(frame, dict):
            raise _wrong("a frame is not an object", place)
        yield read(frame, place)


def _openpose_frame(frame: dict[str, Any], where: str) -> _Frame:
    people = [_openpose_person(one, where) for one in _people(frame, "people", where)]
    width, height = frame.get("canvas_width"), frame.get("canvas_height")
    if width is None and height is None:
        return _Frame(people)
    if (
        type(width) is not int
        or type(height) is not int
        or not (0 < width <= 16_384 and 0 < height <= 16_384)
    ):
        raise _wrong(f"the canvas is {width!r} x {height!r}"[:100], where)
    return _Frame(people, (width, height))


def _openpose_person(person: dict[str, Any], where: str) -> _Person:
    body = _flat(person, "pose_keypoints_2d", (18, 25), where)
    if len(body) == 25:
        body = [body[place] for place in FROM_25]
    hands = [_flat(person, f"hand_{side}_keypoints_2d", (HAND_POINTS,), where) for side in ("left", "right")]
    face = _flat(person, "face_keypoints_2d", FACE_POINTS, where)
    return _Person(body or [(0.0, 0.0, 0.0)] * 18, hands, face)


def _mmpose_frame(frame: dict[str, Any], where: str) -> _Frame:
    return _Frame([_mmpose_person(one, where) for one in _people(frame, "instances", where)])


def _mmpose_person(person: dict[str, Any], where: str) -> _Person:
    """COCO's 17 points; of the 133, body 0-16, face 23-90, left hand 91-111, right hand 112-132."""
    import torch

    places, scores = person.get("keypoints"), person.get("keypoint_scores")
    if not isinstance(places, list) or len(places) not in (17, 133):
        raise _wrong("a person has no 17 or 133 keypoints", where)
    if not isinstance(scores, list) or len(scores) != len(places):
        raise _wrong("keypoint_scores are not one a keypoint", where)
    points = [_point(place, score, where) for place, score in zip(places, scores, strict=True)]
    body = as_18(torch.tensor(points[:17], dtype=torch.float32), "coco17").tolist()
    return _Person([tuple(point) for point in body], [points[91:112], points[112:133]], points[23:91])


def _people(frame: dict[str, Any], name: str, where: str) -> list[dict[str, Any]]:
    people = frame.get(name)
    if not isinstance(people, list) or not all(isinstance(person, dict) for person in people):
        raise _wrong(f"{name!r} is no list of people", where)
    if len(people) > MAX_PEOPLE:
        raise _wrong(f"there are {len(people)} people, at most {MAX_PEOPLE} are read", where)
    return people


def _flat(person: dict[str, Any], name: str, counts: tuple[int, ...], where: str) -> Points:
    """Points from x, y, confidence, x, y, ...; none if the field is absent or empty."""
    numbers = person.get(name) or []
    if not isinstance(numbers, list) or (numbers and len(numbers) not in [3 * count for count in counts]):
        known = " or ".join(str(3 * count) for count in counts)
        raise _wrong(f"{name} are not {known} numbers", where)
    places = range(0, len(numbers), 3)
    return [_point(numbers[place : place + 2], numbers[place + 2], where) for place in places]


def _point(place: Any, score: Any, where: str) -> tuple[float, float, float]:
    if not isinstance(place, list) or len(place) != 2:
        raise _wrong("a keypoint is not x and y", where)
    values = [float(v) for v in (*place, score) if type(v) in (int, float) and abs(v) < 1e6]
    if len(values) != 3 or not all(map(math.isfinite, values)):
        raise _wrong("a keypoint has something else than three numbers below a million", where)
    x, y, confidence = values
    return (x, y, min(1.0, confidence)) if confidence > 0 else (0.0, 0.0, 0.0)


def _wrong(text: str, where: str) -> StorageError:
    return StorageError(text, where=where, hint="OpenPose, DWPose and MMPose files are read")
