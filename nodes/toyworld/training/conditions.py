"""Conditions for VACE around known clips: given frames, pictures that lead the object, holes.

A condition is what a person hands to `WanVACEPipeline`: a video and a mask, white where the model shall draw.
"""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate, max_pool3d

from .codec import COMPONENTS, SPACE, TIME
from .painted import Painted

CHANNELS = 2 * COMPONENTS + SPACE**2
"""Channels of a coded condition: what is kept, what is to be changed, the mask's pixels."""

Kind = Literal["box", "outline", "figure"]
KINDS: Mapping[Kind, float] = {"box": 0.55, "outline": 0.2, "figure": 0.25}
"""Shares of pictures that lead the object: its bounding box (filled), its outline, a figure in its place."""

BONES: tuple[tuple[int, int], ...] = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0),
)  # fmt: skip
"""Pairs of body points in the order of OpenPose's 18 points, the face left out."""
BONE_COLORS: tuple[tuple[int, int, int], ...] = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0),
    (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255),
)  # fmt: skip
"""Colours of OpenPose's limbs (CMU OpenPose, `poseParametersRender.hpp`)."""
STANDING: tuple[tuple[float, float], ...] = (
    (0.0, -0.9), (0.0, -0.6), (-0.22, -0.58), (-0.3, -0.25), (-0.32, 0.05), (0.22, -0.58), (0.3, -0.25),
    (0.32, 0.05), (-0.14, 0.05), (-0.16, 0.5), (-0.17, 0.95), (0.14, 0.05), (0.16, 0.5), (0.17, 0.95),
)  # fmt: skip
"""A standing figure: points in a box of height 2 around the origin, y downwards."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A video [B, 3, T, H, W] in -1..1 and a mask [B, 1, T, H, W], 1 where the model shall draw."""

    video: Tensor
    mask: Tensor


def given_frames(painted: Painted, frames: list[int]) -> Condition:
    """Some frames are given, the others are to be drawn."""
    mask = torch.ones_like(painted.over)
    mask[:, :, frames] = 0
    return Condition(painted.clips * (1 - mask), mask)


def led_by(painted: Painted, kind: Kind, rng: random.Random) -> Condition:
    """Pictures on black tell where the object is in each frame; all of it is to be drawn."""
    if kind == "box":
        video = bounding_boxes(painted.mask, 0).expand(-1, 3, -1, -1, -1) * 2 - 1
    elif kind == "outline":
        video = outlines(painted.mask).expand(-1, 3, -1, -1, -1) * 2 - 1
    else:
        video = torch.stack([figures(mask[0], rng) for mask in painted.mask])
    return Condition(video, torch.ones_like(painted.over))


def holes(painted: Painted, rng: random.Random) -> Condition:
    """A part of each clip is missing: a box that moves with the object, or one that stays, or all but one.

    What the missing part shows is grey, or another object that is to be replaced.
    """
    grown = [bounding_boxes(painted.mask[i : i + 1], rng.randint(1, 6)) for i in range(len(painted.scenes))]
    mask = torch.cat(grown)
    for i in range(len(mask)):
        choice = rng.random()
        if choice < 0.4:
            rectangle = _rectangle(rng, *mask.shape[-2:])
            mask[i] = rectangle if choice < 0.28 else 1 - rectangle
    other = painted.paint[torch.randperm(len(mask))]
    old = torch.where(torch.rand(len(mask), 1, 1, 1, 1) < 0.3, 1.0, 0.0)
    before = (painted.ground * painted.under + other * painted.over) * 2 - 1
    return Condition(painted.clips * (1 - mask) + before * mask * old, mask)


def beyond(painted: Painted, margin: int = 8) -> Condition:
    """The frame without its outer `margin` pixels is given, what lies beyond is to be drawn."""
    mask = torch.ones_like(painted.over)
    mask[..., margin:-margin, margin:-margin] = 0
    return Condition(painted.clips * (1 - mask), mask)


def bounding_boxes(mask: Tensor, margin: int) -> Tensor:
    """1 in the bounding box of each frame's object, grown by `margin` pixels, [B, 1, T, H, W]."""
    rows = mask.amax(-1, keepdim=True)
    columns = mask.amax(-2, keepdim=True)
    if margin:
        reach = 2 * margin + 1
        rows = max_pool3d(rows, (1, reach, 1), 1, (0, margin, 0))
        columns = max_pool3d(columns, (1, 1, reach), 1, (0, 0, margin))
    return rows * columns


def outlines(mask: Tensor) -> Tensor:
    """1 on a line about two pixels wide along the object's border, [B, 1, T, H, W]."""
    grown = max_pool3d(mask, (1, 3, 3), 1, (0, 1, 1))
    shrunk = -max_pool3d(-mask, (1, 3, 3), 1, (0, 1, 1))
    return grown - shrunk


def figures(mask: Tensor, rng: random.Random) -> Tensor:
    """A walking stick figure in OpenPose colours [3, T, H, W] in -1..1 in the middle of a mask [T, H, W].

    Its size and pace are its own.
    """
    frames, height, width = mask.shape
    stature, pace, start = rng.uniform(0.9, 1.6), rng.uniform(0.2, 0.7), rng.uniform(0, 6.3)
    axes = torch.arange(width) + 0.5, torch.arange(height) + 0.5
    area = mask.flatten(1).sum(1).clamp(min=1)
    x = (mask * axes[0]).flatten(1).sum(1) / area
    y = (mask * axes[1][:, None]).flatten(1).sum(1) / area
    half = stature * float(area.max()) ** 0.5 / 2
    image = torch.full((3, frames, height, width), -1.0)
    for t in range(frames):
        if mask[t].any():
            points = [
                (float(x[t]) + half * px, float(y[t]) + half * py) for px, py in _walk(start + pace * t)
            ]
            _draw_bones(image[:, t], points, max(1.0, half / 11))
    return image


def _walk(phase: float) -> list[tuple[float, float]]:
    """`STANDING` with arms and legs that swing."""
    points = list(STANDING)
    for point, root, turn in ((3, 2, 0.5), (4, 2, 0.6), (6, 5, -0.5), (7, 5, -0.6)):
        points[point] = _turned(STANDING[point], STANDING[root], turn * math.sin(phase))
    for point, root, turn in ((9, 8, -0.5), (10, 8, -0.5), (12, 11, 0.5), (13, 11, 0.5)):
        points[point] = _turned(STANDING[point], STANDING[root], turn * math.sin(phase))
    return points


def _turned(point: tuple[float, float], root: tuple[float, float], angle: float) -> tuple[float, float]:
    dx, dy = point[0] - root[0], point[1] - root[1]
    cos, sin = math.cos(angle), math.sin(angle)
    return root[0] + dx * cos - dy * sin, root[1] + dx * sin + dy * cos


def _draw_bones(image: Tensor, points: list[tuple[float, float]], width: float) -> None:
    """Draw bones on a frame [3, H, W] in place."""
    height, side = image.shape[-2:]
    x, y = (
        (torch.arange(side) + 0.5).expand(height, -1),
        (torch.arange(height) + 0.5)[:, None].expand(-1, side),
    )
    for (a, b), color in zip(BONES, BONE_COLORS, strict=True):
        (ax, ay), (bx, by) = points[a], points[b]
        length = max(1e-6, (bx - ax) ** 2 + (by - ay) ** 2)
        along = (((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length).clamp(0, 1)
        away = ((x - ax - along * (bx - ax)).square() + (y - ay - along * (by - ay)).square()).sqrt()
        ink = (width + 0.5 - away).clamp(0, 1)
        image.lerp_(torch.tensor(color)[:, None, None] / 127.5 - 1, ink)


def _rectangle(rng: random.Random, height: int, width: int) -> Tensor:
    """1 in a random rectangle of a quarter to three quarters of each side, [H, W]."""
    spans = []
    for side in (height, width):
        length = rng.randint(side // 4, side * 3 // 4)
        start = rng.randint(0, side - length)
        spans.append(slice(start, start + length))
    mask = torch.zeros(height, width)
    mask[spans[0], spans[1]] = 1
    return mask


Encode = Callable[[Tensor], Tensor]
"""Turns clips [B, 3, 1+4n, 8h, 8w] in -1..1 into latents [B, 24, 1+n, h, w]."""


def code(encode: Encode, condition: Condition) -> Tensor:
    """The condition as `WanVACEPipeline` codes it, [B, 112, n, h, w]."""
    mask = (condition.mask > 0.5).float()
    parts = [_encode(encode, condition.video * share) for share in (1 - mask, mask)]
    return torch.cat([*parts, code_mask(mask)], 1)


def as_bytes(condition: Condition) -> Condition:
    """The condition after its pictures were saved with a byte a value: what was grey is a little lighter."""
    return Condition(((condition.video + 1) * 127.5).round() / 127.5 - 1, condition.mask)


def code_mask(mask: Tensor) -> Tensor:
    """A mask [B, 1, T, H, W] as 64 channels [B, 64, n, h, w]; in time the nearest frames are kept."""
    b, _, t, height, width = mask.shape
    cells = mask.view(b, t, height // SPACE, SPACE, width // SPACE, SPACE).permute(0, 3, 5, 1, 2, 4)
    size = ((t + TIME - 1) // TIME, height // SPACE, width // SPACE)
    return interpolate(cells.flatten(1, 2), size=size, mode="nearest-exact")


def _encode(encode: Encode, clips: Tensor) -> Tensor:
    """Latents of clips; a batch of nothing but grey is coded once."""
    return encode(clips) if bool(clips.any()) else encode(clips[:1]).expand(len(clips), -1, -1, -1, -1)
