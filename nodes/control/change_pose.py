"""Poses at another size, length or rate, and how far one is from another."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import node
from graphflow.values import Tensor

from .layouts import as_17, check_pose
from .values import Fps, Frames, Pose, Side

_PARTS = (".layouts", ".values")


class PoseDistance(NamedTuple):
    """How well a pose follows another.

    error: mean distance of points both see, as a share of the frame's diagonal. followed: the share of the
    reference's points that are within the threshold; a point that is missing is not.
    """

    error: float
    followed: float


@node("control/resize_pose", depends=_PARTS)
def resize_pose(
    pose: Pose, *, width: Side, height: Side, fit: Literal["cover", "pad", "stretch"] = "cover"
) -> Pose:
    """A pose for frames of another size, as a picture is brought to it: cut, with margins, or stretched."""
    import torch

    check_pose(pose)
    across, down = width / pose.width, height / pose.height
    if fit != "stretch":
        across = down = max(across, down) if fit == "cover" else min(across, down)
    scale = torch.tensor([across, down, 1.0], dtype=torch.float32)
    shift = torch.tensor(
        [(width - across * pose.width) / 2, (height - down * pose.height) / 2, 0.0], dtype=torch.float32
    )
    changed = {name: tensor * scale + shift for name, tensor in _tensors(pose).items()}
    return pose.model_copy(update={**changed, "width": width, "height": height})


@node("control/retime_pose", depends=_PARTS)
def retime_pose(pose: Pose, *, frames: Frames | None = None, fps: Fps | None = None) -> Pose:
    """A pose with another number of frames or another rate, points moved evenly between its frames.

    frames: the whole motion in so many frames, from first to last; the rate stays, or is `fps`.
    fps alone: the motion keeps its speed and the number of frames follows.
    A point that is seen in one of two neighbouring frames only stays where it is seen.
    Raises NodeError if neither is set.
    """
    import torch

    check_pose(pose)
    given = len(pose.points)
    if frames is not None:
        places = torch.linspace(0, given - 1, frames, dtype=torch.float64)
    elif fps is not None:
        count = max(1, round(given * fps / pose.fps))
        places = (torch.arange(count, dtype=torch.float64) * (pose.fps / fps)).clamp(max=given - 1)
    else:
        raise NodeError("neither frames nor fps is set", hint="set one or both")
    changed = {name: _between(tensor, places) for name, tensor in _tensors(pose).items()}
    return pose.model_copy(update={**changed, "fps": fps or pose.fps})


@node("control/pose_distance", depends=_PARTS)
def pose_distance(
    pose: Pose,
    reference: Pose,
    *,
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.05,
    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.3,
) -> PoseDistance:
    """How well a pose follows a reference, person by person; both are brought to the reference's size.

    threshold: how far a point may be off, as a share of the frame's diagonal.
    Raises ValueMismatch if the numbers of frames differ, NodeError if the reference shows nobody.
    """
    import torch

    check_pose(pose)
    check_pose(reference)
    if len(pose.points) != len(reference.points):
        raise ValueMismatch(
            f"the pose has {len(pose.points)} frames, the reference {len(reference.points)}",
            hint="use control/retime_pose first",
        )
    resized = resize_pose(pose, width=reference.width, height=reference.height, fit="stretch")
    found, wanted = (as_17(item.points, item.layout) for item in (resized, reference))
    missing = wanted.shape[1] - found.shape[1]
    if missing > 0:
        nobody = torch.zeros(len(found), missing, *found.shape[2:], dtype=torch.float32)
        found = torch.cat([found, nobody], dim=1)
    found = found[:, : wanted.shape[1]]
    asked = wanted[..., 2] >= max(min_confidence, 1e-6)
    if not asked.any():
        raise NodeError("the reference shows nobody", hint="lower min_confidence")
    both = asked & (found[..., 2] >= max(min_confidence, 1e-6))
    diagonal = (reference.width**2 + reference.height**2) ** 0.5
    away = torch.linalg.vector_norm(found[..., :2] - wanted[..., :2], dim=-1) / diagonal
    error = away[both].mean().item() if both.any() else 1.0
    return PoseDistance(error, ((away <= threshold) & both).sum().item() / asked.sum().item())


def _tensors(pose: Pose) -> dict[str, Tensor]:
    found = {"points": pose.points, "hands": pose.hands, "face": pose.face}
    return {name: tensor for name, tensor in found.items() if tensor is not None}


def _between(tensor: Tensor, places: Tensor) -> Tensor:
    """Values at places between frames, (frames, ..., 3) to (places, ..., 3)."""
    import torch

    low = places.floor().long()
    high = (low + 1).clamp(max=len(tensor) - 1)
    share = (places - low).float().view(-1, *[1] * (tensor.ndim - 1))
    a, b = tensor[low], tensor[high]
    mixed = torch.lerp(a, b, share)
    only_a = (a[..., 2:] > 0) & (b[..., 2:] <= 0)
    only_b = (a[..., 2:] <= 0) & (b[..., 2:] > 0)
    return torch.where(only_a, a, torch.where(only_b, b, mixed))
