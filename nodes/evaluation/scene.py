"""Textured bodies before a textured ground, drawn exactly at any place: clips whose every truth is known.

The toy world draws flat shapes for a small model to learn; here surfaces have texture, so that optical flow
has something to hold on to, and any number of bodies follow any path.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .vision import Array

Colour = tuple[float, float, float]

COLOURS: tuple[Colour, ...] = (
    (0.85, 0.16, 0.14),
    (0.15, 0.32, 0.88),
    (0.12, 0.66, 0.24),
    (0.92, 0.72, 0.10),
    (0.58, 0.18, 0.76),
)
"""Of bodies, 0..1; far apart from each other and from every grey."""


@dataclass(frozen=True, slots=True)
class Texture:
    """A sum of plane waves: a surface that has values between its pixels too. Values have a spread of one."""

    waves: Array
    """(waves, 2), radians a pixel."""
    phases: Array

    @classmethod
    def drawn(cls, rng: np.random.Generator, finest: float, coarsest: float, count: int = 14) -> Texture:
        """Wavelengths from `finest` to `coarsest` pixels, every direction."""
        length = np.exp(rng.uniform(np.log(finest), np.log(coarsest), count))
        angle = rng.uniform(0, 2 * np.pi, count)
        waves = 2 * np.pi / length[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
        return cls(waves.astype(np.float32), rng.uniform(0, 2 * np.pi, count).astype(np.float32))

    def at(self, x: Array, y: Array) -> Array:
        """The surface at places of any shape."""
        total = np.zeros(np.broadcast(x, y).shape, np.float32)
        for (wx, wy), phase in zip(self.waves, self.phases, strict=True):
            total += np.cos(wx * x + wy * y + phase)
        return total * np.float32(np.sqrt(2 / len(self.phases)))


@dataclass(frozen=True, slots=True)
class Body:
    """A disc (or square) that moves. Arrays have a row for each frame; lengths are pixels.

    limbs: smaller discs fixed to it, (limbs, 3): x, y and radius, in radii of the body; `lost` says from
    which frame on each is gone (the number of frames if never). square: 0 is round, 1 is square, (frames,).
    """

    place: Array
    radius: Array
    colour: Array
    texture: Texture
    square: Array | None = None
    seen: Array | None = None
    limbs: Array | None = None
    lost: tuple[int, ...] = ()

    def with_place(self, place: Array) -> Body:
        return replace(self, place=place)


@dataclass(frozen=True, slots=True)
class Scene:
    """A ground, bodies upon it, the camera's place and the light, frame by frame."""

    side: int
    frames: int
    ground: Texture
    tint: Colour
    bodies: tuple[Body, ...]
    camera: Array | None = None
    """(frames, 2): by how much the view is shifted, pixels."""
    relief: float = 1.0
    """How much texture there is, 0..1."""
    floor: float | None = None
    """Where a darker floor begins, pixels from the top."""


def draw(scene: Scene) -> Array:
    """The scene's frames, uint8 (frames, side, side, 3)."""
    axis = np.arange(scene.side, dtype=np.float32) + 0.5
    shift = np.zeros((scene.frames, 2), np.float32) if scene.camera is None else scene.camera
    still = None if scene.camera is not None else _ground(scene, axis, axis)
    frames = np.empty((scene.frames, scene.side, scene.side, 3), np.uint8)
    for number in range(scene.frames):
        x, y = axis - shift[number, 0], axis - shift[number, 1]
        canvas = (_ground(scene, x, y) if still is None else still).copy()
        for body in scene.bodies:
            _paint(canvas, body, number, x, y, scene.relief)
        frames[number] = (canvas * 255).round().clip(0, 255)
    return frames


def _ground(scene: Scene, x: Array, y: Array) -> Array:
    light = 0.42 + 0.07 * scene.relief * scene.ground.at(x[None, :], y[:, None])
    if scene.floor is not None:
        light = np.where(y[:, None] > scene.floor, 0.72 * light, light)
    return np.asarray(light[..., None] * np.array(scene.tint, np.float32))


def _paint(canvas: Array, body: Body, number: int, x: Array, y: Array, relief: float) -> None:
    """Draw a body into (side, side, 3), only around its place."""
    if body.seen is not None and not body.seen[number]:
        return
    (bx, by), radius = body.place[number], float(body.radius[number])
    reach = radius * (2.6 if body.limbs is not None else 1.5) + 2
    columns = slice(*np.searchsorted(x, [bx - reach, bx + reach]))
    rows = slice(*np.searchsorted(y, [by - reach, by + reach]))
    dx, dy = x[None, columns] - np.float32(bx), y[rows, None] - np.float32(by)
    if not dx.size or not dy.size:
        return
    alpha = (0.5 - _outline(body, number, dx, dy, radius)).clip(0, 1)[..., None]
    scale = radius / body.radius[0]
    surface = 0.82 + 0.11 * relief * body.texture.at(dx / scale, dy / scale)
    paint = (surface[..., None] * body.colour[number]).clip(0, 1)
    canvas[rows, columns] = canvas[rows, columns] * (1 - alpha) + paint * alpha


def _outline(body: Body, number: int, dx: Array, dy: Array, radius: float) -> Array:
    """Signed distance from the outline, pixels, negative inside."""
    disc = np.hypot(dx, dy) - radius
    square = 0.0 if body.square is None else float(body.square[number])
    if square:
        box = np.maximum(np.abs(dx), np.abs(dy)) - 0.89 * radius
        disc = (1 - square) * disc + square * box
    for (lx, ly, size), lost in zip(body.limbs if body.limbs is not None else (), body.lost, strict=True):
        if number < lost:
            disc = np.minimum(disc, np.hypot(dx - lx * radius, dy - ly * radius) - size * radius)
    return np.asarray(disc)
