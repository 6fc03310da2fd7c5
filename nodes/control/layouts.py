"""The points of a body in the layouts that pose estimators use, and OpenPose's limbs and colours.

Sources: COCO keypoints (17), COCO-WholeBody (133), OpenPose's COCO (18) and BODY_25 outputs, and the drawing
of ControlNet's OpenPose and DWPose preprocessors.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from graphflow.errors import NodeError
from graphflow.values import Tensor

from .values import Layout, Pose

COUNTS: Mapping[Layout, int] = MappingProxyType({"coco17": 17, "coco18": 18})
"""Points of a body."""

NAMES_18: tuple[str, ...] = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow",
    "left_wrist", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
)  # fmt: skip

FROM_18: tuple[int, ...] = (0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10)
"""Where COCO's 17 points are among the 18."""

FROM_17: tuple[int, ...] = (0, 0, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
"""Where the 18 points are among COCO's 17; the neck (1) is made from the shoulders."""

FROM_25: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
"""Where the 18 points are among BODY_25's; its middle of the hips and its feet are left out."""

NECK, SHOULDERS_17 = 1, (5, 6)

LIMBS: tuple[tuple[int, int], ...] = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
"""Pairs of the 18 points, drawn in this order; limb i has colour i."""

COLORS: tuple[tuple[int, int, int], ...] = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0),
    (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255),
    (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85),
)  # fmt: skip
"""Of the 18 points; limbs have the same colours at 60 %."""

LIMB_SHARE = 0.6

FINGERS: tuple[tuple[int, int], ...] = tuple(
    (0 if joint == 0 else 4 * finger + joint, 4 * finger + joint + 1)
    for finger in range(5)
    for joint in range(4)
)
"""Pairs of the 21 points of a hand: five fingers from the wrist."""

HAND_POINTS = 21


def as_18(points: Tensor, layout: Layout) -> Tensor:
    """Bodies in OpenPose's order, (..., 18, 3); a neck half way between the shoulders."""
    import torch

    if layout == "coco18":
        return points
    found = points[..., list(FROM_17), :].clone()
    left, right = (points[..., shoulder, :] for shoulder in SHOULDERS_17)
    found[..., NECK, :2] = (left[..., :2] + right[..., :2]) / 2
    found[..., NECK, 2] = torch.minimum(left[..., 2], right[..., 2])
    return found


def as_17(points: Tensor, layout: Layout) -> Tensor:
    """Bodies in COCO's order, (..., 17, 3)."""
    return points if layout == "coco17" else points[..., list(FROM_18), :].clone()


def check_pose(pose: Pose) -> None:
    """Raise NodeError unless a pose's tensors have the shapes, type and finite values that it promises."""
    import torch

    frames, people = pose.points.shape[:2] if pose.points.ndim == 4 else (0, 0)
    wanted: dict[str, tuple[Tensor, tuple[int, ...]]]
    wanted = {"points": (pose.points, (frames, people, COUNTS[pose.layout], 3))}
    if pose.hands is not None:
        wanted["hands"] = (pose.hands, (frames, people, 2, HAND_POINTS, 3))
    if pose.face is not None:
        points = pose.face.shape[2] if pose.face.ndim == 4 else 0
        wanted["face"] = (pose.face, (frames, people, points, 3))
    for name, (tensor, shape) in wanted.items():
        if tensor.dtype != torch.float32 or tuple(tensor.shape) != shape or not frames:
            raise NodeError(
                f"{name} are {tensor.dtype} {tuple(tensor.shape)}, not float32 {shape}",
                where=name,
                hint="a pose has at least one frame",
            )
        if not tensor.isfinite().all():
            raise NodeError(f"{name} have a value that is no number", where=name)
