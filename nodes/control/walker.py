"""A figure that walks: a pose without a camera, a model or a file, for demos and tests."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from graphflow.node import node

from .boxes import foreseen
from .layouts import NAMES_18
from .values import Fps, Frames, Pose, Side

Point = tuple[float, float]

HEAD, NECK, SHOULDER, HIP, ANKLE = 0.93, 0.83, 0.81, 0.53, 0.03
"""Heights above the ground, in body heights."""

UPPER_ARM, LOWER_ARM, THIGH, SHIN = 0.17, 0.15, 0.26, 0.25
"""Lengths, in body heights; thigh and shin reach from the hip almost to the ground."""


@node("control/walker", check=foreseen, depends=(".layouts", ".values"))
def walker(
    *,
    frames: Frames = 81,
    width: Side = 832,
    height: Side = 480,
    fps: Fps = 16.0,
    direction: Literal["right", "left"] = "right",
    steps: Annotated[float, Field(gt=0, le=10)] = 1.8,
    start: Annotated[float, Field(ge=-1, le=2)] = 0.2,
    end: Annotated[float, Field(ge=-1, le=2)] = 0.8,
    size: Annotated[float, Field(gt=0, le=2)] = 0.8,
) -> Pose:
    """One person who walks across the frame, seen from the side; the same settings give the same points.

    steps: a second. start, end: where the body is in the first and last frame of a walk to the right, as a
    share of the width; to the left it is mirrored. size: body height as a share of the frame's height.
    Returns 18 points with confidence 1, whether or not they are inside the frame.
    """
    import torch

    people = []
    for number in range(frames):
        share = number / max(1, frames - 1)
        figure = _figure(math.pi * steps * number / fps)
        tall, ground = size * height, height * (1 + size) / 2
        middle = (start + (end - start) * share) * width
        points = [(middle + figure[name][0] * tall, ground - figure[name][1] * tall) for name in NAMES_18]
        if direction == "left":
            points = [(width - x, y) for x, y in points]
        people.append([[(x, y, 1.0) for x, y in points]])
    tensor = torch.tensor(people, dtype=torch.float32)
    return Pose(points=tensor, layout="coco18", width=width, height=height, fps=fps)


def _figure(phase: float) -> dict[str, Point]:
    """The points of a body that walks to the right, in body heights from the middle of the ground.

    phase: half a turn is one step. Legs swing against each other, arms against legs; the far side is drawn
    a little ahead, so that both can be told apart. The lower foot always stands on the ground.
    """
    found: dict[str, Point] = {"neck": (0.01, NECK), "nose": (0.06, HEAD)}
    for side, turn, depth in (("right", phase, -0.02), ("left", phase + math.pi, 0.02)):
        found[f"{side}_eye"] = (0.04 + depth / 2, HEAD + 0.025)
        found[f"{side}_ear"] = (-0.02 + depth / 2, HEAD + 0.01)
        shoulder, hip = (depth, SHOULDER), (depth, HIP)
        swing = 0.45 * math.sin(turn)
        knee = _hanging(hip, THIGH, swing)
        ankle = _hanging(knee, SHIN, swing - 0.08 - 0.7 * max(0.0, math.cos(turn)))
        back = -0.5 * math.sin(turn)
        elbow = _hanging(shoulder, UPPER_ARM, back)
        wrist = _hanging(elbow, LOWER_ARM, back + 0.5)
        found |= {f"{side}_shoulder": shoulder, f"{side}_elbow": elbow, f"{side}_wrist": wrist}
        found |= {f"{side}_hip": hip, f"{side}_knee": knee, f"{side}_ankle": ankle}
    lowest = min(found["left_ankle"][1], found["right_ankle"][1]) - ANKLE
    return {name: (x, y - lowest) for name, (x, y) in found.items()}


def _hanging(top: Point, length: float, angle: float) -> Point:
    """The end of a limb that hangs from `top`, swung forward by `angle` radians."""
    return top[0] + length * math.sin(angle), top[1] - length * math.cos(angle)
