"""Draws two effects on objects, from a known frame on: cut like a cake, dissolved into particles.

What is known of them (when they begin, which pixels they change) makes "the effect was learnt" a figure.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor

from .render import FRAMES, SIZE, Track, distance, render, scene_colors, track
from .world import RGB, Scene

Effect = Literal["cakeify", "dissolve"]

LAYERS: Mapping[str, RGB] = MappingProxyType({"sponge": (0.90, 0.66, 0.34), "cream": (1.0, 0.95, 0.84)})
"""What a cake is made of, from the top: these in turns."""
LAYER_HEIGHT = 0.67
"""Of a layer, in radii of the object."""
HALVES_APART = 0.5
"""How far each half moves, in radii."""
FACE = 0.72
"""How much of a half is cut open, in radii."""
CRUST = 1.2
"""Pixels that keep the object's colour around the cut face."""

PARTICLE = 0.5
"""Side of a particle in radii."""
RELEASE = 0.4
"""Share of the effect's time over which particles come off."""
FLIGHT, LIFT = 1.1, 0.7
"""How far particles fly outwards and upwards, in radii."""
SHRINK = 0.55
"""How much of its side a particle loses."""
CHANGED = 3 / 255
"""Least difference (0..1, any channel) of a pixel that the effect changed."""


@dataclass(frozen=True, slots=True)
class EffectClip:
    """An effect and the same scene without it.

    video, plain: (3, frames, size, size), -1..1. mask: (frames, size, size), 1 where they differ. onset: the
    first frame that the effect changes.
    """

    video: Tensor
    plain: Tensor
    mask: Tensor
    onset: int


def draw_effect(
    scene: Scene, effect: Effect, onset: int, frames: int = FRAMES, size: int = SIZE
) -> EffectClip:
    """Draw a scene with an effect from frame `onset` on; the same scene always gives the same pixels.

    Raises ValueError unless the onset is one of the frames.
    """
    if not 0 <= onset < frames:
        raise ValueError(f"frame {onset} is none of the {frames} frames")
    plain = render([scene], frames, size)[0]
    drawn = (_cake if effect == "cakeify" else _particles)(scene, plain, onset)
    video = torch.cat([plain[:, :onset], drawn[:, onset:]], 1)
    mask = ((video - plain).abs().amax(0) > 2 * CHANGED).float()
    return EffectClip(video, plain, mask, onset)


def _progress(frames: int, onset: int) -> Tensor:
    """How far the effect is in each frame, [frames]: above 0 from the onset on, 1 in the last frame."""
    return ((torch.arange(frames, dtype=torch.float32) - onset + 1) / (frames - onset)).clamp(0, 1)


def _around(at: Track, size: int) -> tuple[Tensor, Tensor]:
    """Pixels seen from the object's centre, in radii: [frames, 1, size] and [frames, size, 1]."""
    axis = torch.arange(size, dtype=torch.float32) + 0.5
    return (axis - at.x[:, None, None]) / at.radius, (axis[:, None] - at.y[:, None, None]) / at.radius


def _background(scene: Scene, size: int) -> Tensor:
    """[3, size, size], 0..1, as `render` paints it."""
    _, ground = scene_colors(scene)
    light = torch.linspace(1.0, 0.8, size, dtype=torch.float32)[:, None].expand(size, size)
    return torch.tensor(ground, dtype=torch.float32)[:, None, None] * light


def _paint(scene: Scene) -> Tensor:
    """The object's colour, [3, 1, 1, 1], 0..1."""
    return torch.tensor(scene_colors(scene)[0], dtype=torch.float32)[:, None, None, None]


def _cake(scene: Scene, plain: Tensor, onset: int) -> Tensor:
    """The object cut upright in two halves that part and show layers inside."""
    _, frames, size, _ = plain.shape
    at = track(scene, frames, size)
    x, y = _around(at, size)
    done = _progress(frames, onset)[:, None, None]
    gap = HALVES_APART * done
    side = torch.where(x >= 0, 1.0, -1.0)
    own = x - side * gap
    inside = torch.minimum(
        -distance(scene.shape, own.expand(-1, size, -1), y.expand(-1, -1, size)), x.abs() - gap
    )
    alpha = (inside * at.radius + 0.5).clamp(0, 1)
    face = (own.abs() < FACE * (2 * done).clamp(max=1)) & (inside * at.radius > CRUST)
    layer = torch.floor(y / LAYER_HEIGHT).long() % len(LAYERS)
    filling = torch.tensor([*LAYERS.values()], dtype=torch.float32)[layer].permute(3, 0, 1, 2)
    paint = _paint(scene) * (0.92 - 0.08 * y.clamp(-1, 1))
    body = torch.where(face, filling, paint)
    picture = _background(scene, size)[:, None] * (1 - alpha) + body * alpha
    return picture * 2 - 1


def _particles(scene: Scene, plain: Tensor, onset: int) -> Tensor:
    """The object falls into squares that fly off outwards and upwards and shrink."""
    _, frames, size, _ = plain.shape
    at = track(scene, frames, size)
    x, y = (part.expand(frames, size, size) for part in _around(at, size))
    done = _progress(frames, onset)
    rng = random.Random(f"particles {scene.seed}")
    reach = int(1.6 / PARTICLE) + 1
    cells = [(i, j) for j in range(-reach, reach + 1) for i in range(-reach, reach + 1)]
    starts = torch.tensor([rng.uniform(0, RELEASE) for _ in cells], dtype=torch.float32)
    ways = torch.tensor(
        [[rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5)] for _ in cells], dtype=torch.float32
    )
    centres = torch.tensor(cells, dtype=torch.float32) * PARTICLE
    flown = ((done[:, None] - starts) / (1 - starts)).clamp(0, 1)  # frames, cells

    column = torch.round(x / PARTICLE).long().clamp(-reach, reach) + reach
    row = torch.round(y / PARTICLE).long().clamp(-reach, reach) + reach
    still = flown.gather(1, (row * (2 * reach + 1) + column).flatten(1)).view_as(x) == 0
    outside = distance(scene.shape, x, y) * at.radius
    cover = (0.5 - outside).clamp(0, 1) * still

    solid = distance(scene.shape, centres[:, 0], centres[:, 1]) < 0.1
    for start, way, centre in zip(flown.T[solid], ways[solid], centres[solid], strict=True):
        push = centre * FLIGHT + way
        dx, dy = (
            x - centre[0] - start[:, None, None] * push[0],
            y - centre[1] - start[:, None, None] * (push[1] - LIFT),
        )
        side = PARTICLE / 2 * (1 - SHRINK * start)[:, None, None]
        square = (0.5 - (torch.maximum(dx.abs(), dy.abs()) - side) * at.radius).clamp(0, 1)
        cover = torch.maximum(cover, square * (start > 0)[:, None, None])
    paint = _paint(scene) * 0.92
    picture = _background(scene, size)[:, None] * (1 - cover) + paint * cover
    return picture * 2 - 1
