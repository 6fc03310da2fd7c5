"""Clean scenes for the defect bench: a glide, a throw, a bounce, a collision, a body with limbs; by seed."""

from __future__ import annotations

from typing import Literal

import numpy as np

from .scene import COLOURS, Body, Scene, Texture
from .vision import Array

Kind = Literal["glide", "throw", "bounce", "collision", "limbs"]
KINDS: tuple[Kind, ...] = ("glide", "throw", "bounce", "collision", "limbs")


def clean_scene(kind: Kind, seed: int, frames: int, side: int) -> Scene:
    """A scene in which nothing is wrong; equal arguments give equal scenes.

    Bodies stay inside the frame. frames: at least 9. side: width and height in pixels, at least 32.
    """
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    ground = Texture.drawn(rng, side / 10, side / 3)
    tint = tuple(1 + rng.uniform(-0.06, 0.06, 3))
    bodies, floor = _BODIES[kind](rng, frames, side)
    return Scene(side, frames, ground, (tint[0], tint[1], tint[2]), bodies, floor=floor)


def body(rng: np.random.Generator, place: Array, radius: float, colour: int) -> Body:
    """A disc of constant size and colour along a path (frames, 2), pixels."""
    tone = np.array(COLOURS[colour]) * rng.uniform(0.9, 1.05)
    texture = Texture.drawn(rng, radius / 2, 2 * radius, 8)
    return Body(
        place=place.astype(np.float32),
        radius=np.full(len(place), radius, np.float32),
        colour=np.tile(tone.clip(0, 1).astype(np.float32), (len(place), 1)),
        texture=texture,
    )


def _glide(rng: np.random.Generator, frames: int, side: int) -> tuple[tuple[Body, ...], float | None]:
    radius = side * rng.uniform(0.12, 0.14)
    room = (1.3 * radius, side - 1.3 * radius)
    start, end = rng.uniform(*room, 2), rng.uniform(*room, 2)
    while np.linalg.norm(end - start) < 0.6 * side:
        start, end = rng.uniform(*room, 2), rng.uniform(*room, 2)
    path = start + (end - start) * np.linspace(0, 1, frames)[:, None]
    return (body(rng, path, radius, int(rng.integers(5))),), None


def _throw(rng: np.random.Generator, frames: int, side: int) -> tuple[tuple[Body, ...], float | None]:
    radius = side * rng.uniform(0.12, 0.14)
    u = np.linspace(0, 1, frames)
    left, right = radius * 1.4, side - radius * 1.4
    x = left + (right - left) * (rng.uniform(0, 0.15) + rng.uniform(0.6, 0.8) * u)
    low, high = side - 1.5 * radius, side * rng.uniform(0.2, 0.35)
    top = rng.uniform(0.4, 0.6)
    y = high + (low - high) * np.square((u - top) / max(top, 1 - top))
    if rng.random() < 0.5:
        x = side - x
    return (body(rng, np.stack([x, y], 1), radius, int(rng.integers(5))),), None


def _bounce(rng: np.random.Generator, frames: int, side: int) -> tuple[tuple[Body, ...], float | None]:
    radius = side * rng.uniform(0.13, 0.15)
    floor = side * 0.88
    fall = floor - radius - side * rng.uniform(0.28, 0.36)
    time = np.arange(frames) / (frames - 1)
    y = floor - radius - bounces(time, fall, rng.uniform(0.3, 0.4), rng.uniform(0.72, 0.82))
    x = side * (rng.uniform(0.18, 0.22) + rng.uniform(0.52, 0.6) * time)
    if rng.random() < 0.5:
        x = side - x
    return (body(rng, np.stack([x, y], 1), radius, int(rng.integers(5))),), floor


def bounces(time: Array, height: float, fall: float, restitution: float) -> Array:
    """Height above the floor of a ball dropped from `height`, at `time`; the first fall takes `fall`.

    restitution: the share of its speed that the ball keeps at each bounce.
    """
    gravity = 2 * height / fall**2
    found = height - gravity / 2 * np.square(time)
    start, speed = fall, gravity * fall * restitution
    while start < time[-1] and speed > 1e-3 * gravity * fall:
        later = time >= start
        found = np.where(later, speed * (time - start) - gravity / 2 * np.square(time - start), found)
        start, speed = start + 2 * speed / gravity, speed * restitution
    return np.asarray(np.maximum(found, 0))


def _collision(rng: np.random.Generator, frames: int, side: int) -> tuple[tuple[Body, ...], float | None]:
    return colliding(rng, frames, side, 0.0), None


def colliding(
    rng: np.random.Generator, frames: int, side: int, depth: float, kick: float = 1.0
) -> tuple[Body, ...]:
    """Two discs of equal mass that meet head-on and bounce back elastically.

    depth: how far they go into each other before, in radii; 0 is a true collision. kick: how many times as
    fast as it should the left one leaves.
    """
    radius = side * rng.uniform(0.11, 0.13)
    level = rng.uniform(0.3, 0.7) * side
    left, right = 1.6 * radius, side - 1.6 * radius
    meet = rng.uniform(0.44, 0.56) * side
    half = frames * rng.uniform(0.45, 0.55)
    time = np.arange(frames)
    # as seen from where they meet, each comes in at its speed and leaves with the other's
    speeds = (meet - radius - left) / half, (right - meet - radius) / half
    late = 2 * depth * radius / sum(speeds)
    turn = half + late
    one = np.where(
        time < turn, left + speeds[0] * time, left + speeds[0] * turn - kick * speeds[1] * (time - turn)
    )
    two = np.where(
        time < turn, right - speeds[1] * time, right - speeds[1] * turn + speeds[0] * (time - turn)
    )
    colours = rng.permutation(4)[:2]
    paths = (np.stack([x, np.full(frames, level)], 1) for x in (one, two))
    return tuple(body(rng, path, radius, colour) for path, colour in zip(paths, colours, strict=True))


def _limbs(rng: np.random.Generator, frames: int, side: int) -> tuple[tuple[Body, ...], float | None]:
    (glider,), _ = _glide(rng, frames, side)
    return (limbed(rng, glider, 0.45, frames),), None


def limbed(rng: np.random.Generator, plain: Body, size: float, lost: int) -> Body:
    """The body with four limbs, inside the frame; the first, of `size` radii, is gone from frame `lost`."""
    angles = rng.uniform(0, 2 * np.pi) + np.arange(4) * np.pi / 2
    sizes = np.array([size, 0.45, 0.45, 0.45])
    reach = 1 + 0.55 * sizes
    limbs = np.stack([reach * np.cos(angles), reach * np.sin(angles), sizes], 1)
    middle = plain.place.mean(0)
    small = plain.radius * 0.8
    return Body(
        place=middle + 0.75 * (plain.place - middle),
        radius=small,
        colour=plain.colour,
        texture=plain.texture,
        limbs=limbs,
        lost=(lost, *[len(plain.place)] * 3),
    )


_BODIES = {
    "glide": _glide,
    "throw": _throw,
    "bounce": _bounce,
    "collision": _collision,
    "limbs": _limbs,
}
