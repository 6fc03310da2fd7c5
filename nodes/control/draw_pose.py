"""Poses drawn as OpenPose draws them, which is what control models were trained on."""

from __future__ import annotations

import colorsys
import math
from typing import Annotated, Any

from pydantic import Field

from graphflow.node import Alike, Context, node
from graphflow.values import Video

from .layouts import COLORS, FINGERS, LIMB_SHARE, LIMBS, as_18, check_pose
from .values import Pose

Share = Annotated[float, Field(ge=0, le=1)]
Point = tuple[float, float, float]


@node("control/draw_pose", check=Alike("pose"), depends=(".layouts", ".values"))
def draw_pose(
    pose: Pose,
    ctx: Context,
    *,
    min_confidence: Share = 0.3,
    thickness: Annotated[int, Field(ge=1, le=64)] | None = None,
    hands: bool = True,
    face: bool = True,
) -> Video:
    """Skeletons in OpenPose's colours on black.

    min_confidence: points below it are not drawn. thickness: half the width of a limb and the radius of a
    joint, pixels; empty is 4 at 512 pixels, in proportion. hands, face: drawn where the pose has them.
    """
    import numpy
    import torch
    from PIL import Image as Pillow
    from PIL import ImageDraw

    check_pose(pose)
    radius = thickness or max(1, round(min(pose.width, pose.height) / 128))
    bodies = as_18(pose.points, pose.layout).tolist()
    drawn = {"hands": pose.hands if hands else None, "face": pose.face if face else None}
    others = {name: tensor.tolist() for name, tensor in drawn.items() if tensor is not None}
    frames = torch.empty((len(bodies), pose.height, pose.width, 3), dtype=torch.uint8)
    for number, people in enumerate(bodies):
        ctx.progress(number, len(bodies))
        picture = Pillow.new("RGB", (pose.width, pose.height))
        pen = ImageDraw.Draw(picture)
        _draw_bodies(pen, people, radius, min_confidence)
        for person in others.get("hands", [[]] * len(bodies))[number]:
            for hand in person:
                _draw_hand(pen, hand, radius, min_confidence)
        for person in others.get("face", [[]] * len(bodies))[number]:
            for point in person:
                if _seen(point, min_confidence):
                    _dot(pen, point, max(1, radius * 3 // 4), (255, 255, 255))
        frames[number] = torch.from_numpy(numpy.array(picture))
    return Video(frames=frames, fps=pose.fps)


def _draw_bodies(pen: Any, people: list[list[Point]], radius: int, least: float) -> None:
    """All limbs, darker, then all joints over them."""
    for (start, end), color in zip(LIMBS, COLORS, strict=False):
        for person in people:
            a, b = person[start], person[end]
            if _seen(a, least) and _seen(b, least):
                pen.polygon(_spindle(a, b, radius), fill=tuple(int(part * LIMB_SHARE) for part in color))
    for index, color in enumerate(COLORS):
        for person in people:
            if _seen(person[index], least):
                _dot(pen, person[index], radius, color)


def _draw_hand(pen: Any, hand: list[Point], radius: int, least: float) -> None:
    for number, (start, end) in enumerate(FINGERS):
        a, b = hand[start], hand[end]
        if _seen(a, least) and _seen(b, least):
            hue = colorsys.hsv_to_rgb(number / len(FINGERS), 1.0, 1.0)
            color = tuple(int(part * 255) for part in hue)
            pen.line([a[:2], b[:2]], fill=color, width=max(1, radius // 2))
    for point in hand:
        if _seen(point, least):
            _dot(pen, point, max(1, radius // 2), (0, 0, 255))


def _seen(point: Point, least: float) -> bool:
    return point[2] > 0 and point[2] >= least


def _dot(pen: Any, point: Point, radius: int, color: tuple[int, int, int]) -> None:
    x, y = round(point[0]), round(point[1])
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)


def _spindle(a: Point, b: Point, radius: int) -> list[tuple[float, float]]:
    """The outline of an ellipse from a to b, `radius` wide on each side."""
    x, y = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
    length, angle = math.dist(a[:2], b[:2]) / 2, math.atan2(b[1] - a[1], b[0] - a[0])
    cos, sin = math.cos(angle), math.sin(angle)
    turns = [2 * math.pi * step / 48 for step in range(48)]
    ring = [(length * math.cos(turn), radius * math.sin(turn)) for turn in turns]
    return [(x + u * cos - v * sin, y + u * sin + v * cos) for u, v in ring]
