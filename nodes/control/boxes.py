"""Boxes over time: along a path, from masks and poses, drawn as a layout or filled as a mask."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import UNKNOWN, Alike, Sketch, Unknown, node
from graphflow.values import Video

from .frames import as_frames, marks_of
from .values import Boxes, Fps, Frames, Pose, Side

COLORS: tuple[tuple[int, int, int], ...] = (
    (255, 64, 64),
    (64, 128, 255),
    (64, 220, 96),
    (255, 208, 64),
    (200, 96, 255),
    (64, 224, 224),
)
"""Of the objects in a layout, in turn."""

MAX_KEYS = 10_000

_PARTS = (".frames", ".values")
_NUMBER = r"-?\d{1,9}(?:\.\d{0,9})?"
_KEY = re.compile(
    rf"(\d{{1,9}})\s*:\s*({_NUMBER})[,\s]+({_NUMBER})[,\s]+({_NUMBER})[,\s]+({_NUMBER})", re.ASCII
)


def foreseen(
    frames: int | Unknown, width: int | Unknown, height: int | Unknown, fps: float | Unknown
) -> Mapping[str, Any] | None:
    """What a node makes that is told its size."""
    settings: list[Any] = [width, height, frames, fps]
    return None if UNKNOWN in settings else {"out": Sketch(*settings)}


@node("control/box_path", check=foreseen, depends=_PARTS)
def box_path(
    *,
    path: str = "0: 8 8 40 40",
    label: Annotated[str, Field(max_length=200)] = "",
    frames: Frames = 81,
    width: Side = 832,
    height: Side = 480,
    fps: Fps = 16.0,
) -> Boxes:
    """A box that moves: straight and evenly from one given place to the next.

    path: one place a line, `frame: left top right bottom` in pixels, such as `0: 8 8 40 40`; before the first
    and after the last it stands still. A place may lie outside the frames.
    Raises NodeError, naming the line, for one that is not written so.
    """
    import numpy
    import torch

    keys = _keys(path, frames)
    at = numpy.arange(frames)
    sides = [numpy.interp(at, list(keys), [key[side] for key in keys.values()]) for side in range(4)]
    corners = torch.from_numpy(numpy.stack(sides, axis=-1)).float().unsqueeze(1)
    return Boxes(corners=corners, labels=(label,), width=width, height=height, fps=fps)


@node("control/merge_boxes", depends=_PARTS)
def merge_boxes(items: list[Boxes]) -> Boxes:
    """The objects of several as one.

    Raises NodeError if there are none, ValueMismatch if they are for different clips.
    """
    import torch

    if not items:
        raise NodeError("there are no boxes", hint="wire at least one")
    first = items[0]
    for number, other in enumerate(items):
        check_boxes(other)
        if _clip(other) != _clip(first):
            raise ValueMismatch(
                f"boxes {number} are for {_clip(other)}, boxes 0 for {_clip(first)} (frames, width, height)",
                hint="make all boxes for one clip",
            )
    labels = tuple(label for item in items for label in item.labels)
    return first.model_copy(
        update={"corners": torch.cat([item.corners for item in items], dim=1), "labels": labels}
    )


@node("control/boxes_of_mask", check=Alike("mask"), depends=_PARTS)
def boxes_of_mask(mask: Video, *, margin: Annotated[int, Field(ge=0, le=4096)] = 0, label: str = "") -> Boxes:
    """The box around what is inside a mask, frame by frame; none where nothing is inside.

    margin: so many pixels more on each side, within the frame.
    """
    import torch

    inside = marks_of(mask) > 127
    _, height, width = inside.shape
    corners = torch.zeros(len(inside), 1, 4, dtype=torch.float32)
    for place, frame in zip(corners, inside, strict=True):
        rows, columns = frame.any(1).nonzero().flatten(), frame.any(0).nonzero().flatten()
        if len(rows):
            box = [columns[0] - margin, rows[0] - margin, columns[-1] + 1 + margin, rows[-1] + 1 + margin]
            place[0] = torch.tensor([float(side) for side in box], dtype=torch.float32)
    corners[..., 0::2] = corners[..., 0::2].clamp(0, width)
    corners[..., 1::2] = corners[..., 1::2].clamp(0, height)
    return Boxes(corners=corners, labels=(label,), width=width, height=height, fps=mask.fps)


@node("control/boxes_of_pose", check=Alike("pose"), depends=_PARTS)
def boxes_of_pose(
    pose: Pose,
    *,
    margin: Annotated[float, Field(ge=0, le=2)] = 0.1,
    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.3,
) -> Boxes:
    """The box around each person.

    margin: a share of the box's height, added on each side. Points below min_confidence do not count.
    """
    import torch

    seen = pose.points[..., 2] >= max(min_confidence, 1e-6)
    places = pose.points[..., :2]
    low = torch.where(seen[..., None], places, torch.inf).amin(2)
    high = torch.where(seen[..., None], places, -torch.inf).amax(2)
    more = (high - low)[..., 1:] * margin
    corners = torch.cat([low - more, high + more], dim=-1)
    corners = torch.where(seen.any(2)[..., None], corners, 0.0)
    labels = tuple(f"person {number}" for number in range(corners.shape[1]))
    return Boxes(corners=corners, labels=labels, width=pose.width, height=pose.height, fps=pose.fps)


@node("control/draw_boxes", check=Alike("boxes"), depends=_PARTS)
def draw_boxes(boxes: Boxes, *, filled: bool = False, line: Annotated[int, Field(ge=1, le=64)] = 2) -> Video:
    """A layout: each object's box in a colour of its own on black.

    filled: the whole box, not only its outline. line: width of the outline, pixels.
    """
    import numpy
    import torch
    from PIL import Image as Pillow
    from PIL import ImageDraw

    check_boxes(boxes)
    frames = []
    for shown in boxes.corners.tolist():
        picture = Pillow.new("RGB", (boxes.width, boxes.height))
        pen = ImageDraw.Draw(picture)
        for number, corners in enumerate(shown):
            color = COLORS[number % len(COLORS)]
            area = _pixels(corners, boxes)
            if area is not None:
                pen.rectangle(area, fill=color if filled else None, outline=color, width=line)
        frames.append(torch.from_numpy(numpy.array(picture)))
    return Video(frames=torch.stack(frames), fps=boxes.fps)


@node("control/mask_boxes", check=Alike("boxes"), depends=_PARTS)
def mask_boxes(boxes: Boxes, *, shape: Literal["rectangle", "ellipse"] = "rectangle") -> Video:
    """A mask that is white inside every box, or inside the ellipse that fills it."""
    import torch

    check_boxes(boxes)
    rows = torch.arange(boxes.height).float().view(-1, 1) + 0.5
    columns = torch.arange(boxes.width).float().view(1, -1) + 0.5
    marks = torch.zeros(len(boxes.corners), boxes.height, boxes.width, dtype=torch.uint8)
    for mark, shown in zip(marks, boxes.corners.tolist(), strict=True):
        for left, top, right, bottom in shown:
            if right <= left or bottom <= top:
                continue
            x = (columns - (left + right) / 2) / (right - left) * 2
            y = (rows - (top + bottom) / 2) / (bottom - top) * 2
            inside = (x**2 + y**2 <= 1) if shape == "ellipse" else ((x.abs() <= 1) & (y.abs() <= 1))
            mark[inside] = 255
    return Video(frames=as_frames(marks), fps=boxes.fps)


def check_boxes(boxes: Boxes) -> None:
    """Raise NodeError unless corners are finite float32, (frames, objects, 4), with a label an object."""
    import torch

    corners = boxes.corners
    if corners.dtype != torch.float32 or corners.ndim != 3 or corners.shape[2] != 4 or not len(corners):
        raise NodeError(f"boxes are float32 (frames, objects, 4), not {corners.dtype} {tuple(corners.shape)}")
    if corners.shape[1] != len(boxes.labels):
        raise NodeError(f"{corners.shape[1]} objects have {len(boxes.labels)} labels")
    if not corners.isfinite().all():
        raise NodeError("a box has a corner that is no number")


def _pixels(corners: list[float], boxes: Boxes) -> tuple[int, int, int, int] | None:
    """Corners as pixels that are inside the box; None for a box that is not there or out of sight."""
    left, top, right, bottom = (round(side) for side in corners)
    if right <= left or bottom <= top or right <= 0 or bottom <= 0:
        return None
    if left >= boxes.width or top >= boxes.height:
        return None
    return left, top, right - 1, bottom - 1


def _clip(boxes: Boxes) -> tuple[int, int, int]:
    return len(boxes.corners), boxes.width, boxes.height


def _keys(path: str, frames: int) -> dict[int, list[float]]:
    """The given places by frame, in order."""
    lines = [line.strip() for line in path.splitlines() if line.strip()]
    if not 1 <= len(lines) <= MAX_KEYS:
        raise NodeError(f"the path has {len(lines)} places", hint=f"write 1 to {MAX_KEYS}, one a line")
    found: dict[int, list[float]] = {}
    for number, line in enumerate(lines, 1):
        match = _KEY.fullmatch(line)
        if match is None:
            raise NodeError(
                f"line {number} is no place: {line[:80]!r}", hint="write 'frame: left top right bottom'"
            )
        frame, *corners = match.groups()
        if int(frame) in found or int(frame) >= frames:
            raise NodeError(f"line {number}: frame {frame} is twice or not in a clip of {frames}")
        left, top, right, bottom = (float(side) for side in corners)
        if right <= left or bottom <= top:
            raise NodeError(f"line {number}: the box has no area", hint="left < right and top < bottom")
        found[int(frame)] = [left, top, right, bottom]
    return dict(sorted(found.items()))
