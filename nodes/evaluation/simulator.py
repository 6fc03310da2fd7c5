"""A small physics of discs: they fall, bounce, collide, swing and pile up.

Lengths are short sides of the frame, time is in seconds, y points down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .scene import Scene, Texture
from .scenes import body
from .vision import Array

Experiment = Literal["fall", "collision", "pendulum", "stack", "roll"]
EXPERIMENTS: tuple[Experiment, ...] = ("fall", "collision", "pendulum", "stack", "roll")

GRAVITY = 1.6
FLOOR = 0.9
SUBSTEPS = 40
JITTER = 0.006
"""Standard deviation of what differs between two takes of one experiment, in places and speeds."""


@dataclass(slots=True)
class _World:
    """Discs of equal density; arrays have a row for each. restitution: speed kept at a contact; damping: of
    sliding speed at the floor, a second."""

    place: Array
    speed: Array
    radius: Array
    gravity: float = GRAVITY
    restitution: float = 0.75
    floor: float = FLOOR
    damping: float = 0.3

    def step(self, dt: float) -> None:
        self.speed[:, 1] += self.gravity * dt
        self.place += self.speed * dt
        self._walls(dt)
        for first in range(len(self.place)):
            for second in range(first + 1, len(self.place)):
                self._meet(first, second)

    def _walls(self, dt: float) -> None:
        low = self.place[:, 1] + self.radius - self.floor
        hit = (low > 0) & np.isfinite(low)
        self.place[hit, 1] -= low[hit]
        down = hit & (self.speed[:, 1] > 0)
        rest = down & (self.speed[:, 1] < 3 * self.gravity * dt)
        self.speed[down, 1] *= -self.restitution
        self.speed[rest, 1] = 0
        self.speed[hit, 0] *= 1 - self.damping * dt
        for side, sign in ((0.0, 1), (1.0, -1)):
            deep = sign * (side - self.place[:, 0]) + self.radius
            out = deep > 0
            self.place[out, 0] += sign * deep[out]
            back = out & (sign * self.speed[:, 0] < 0)
            self.speed[back, 0] *= -self.restitution

    def _meet(self, first: int, second: int) -> None:
        apart = self.place[second] - self.place[first]
        distance = float(np.linalg.norm(apart))
        deep = self.radius[first] + self.radius[second] - distance
        if deep <= 0 or distance == 0:
            return
        normal = apart / distance
        masses = self.radius[[first, second]] ** 2
        share = masses[::-1] / masses.sum()
        self.place[first] -= share[0] * deep * normal
        self.place[second] += share[1] * deep * normal
        closing = float((self.speed[first] - self.speed[second]) @ normal)
        if closing > 0:
            push = (1 + self.restitution) * closing
            self.speed[first] -= share[0] * push * normal
            self.speed[second] += share[1] * push * normal


def paths(experiment: Experiment, seed: int, take: int, frames: int, fps: float) -> tuple[Array, Array]:
    """Where the discs are, (discs, frames, 2), and their radii.

    seed: of the experiment; take: the same one done again, with hands that tremble. Take 0 is exact.
    """
    rng = np.random.default_rng([seed, EXPERIMENTS.index(experiment)])
    tremble = np.random.default_rng([seed, EXPERIMENTS.index(experiment), take])
    jitter = 0.0 if take == 0 else JITTER
    if experiment == "pendulum":
        return _pendulum(rng, tremble, jitter, frames, fps)
    world = _WORLDS[experiment](rng)
    world.place = world.place + jitter * tremble.normal(size=world.place.shape)
    world.speed = world.speed * (1 + 3 * jitter * tremble.normal(size=world.speed.shape))
    found = [world.place.copy()]
    for _ in range(frames - 1):
        for _ in range(SUBSTEPS):
            world.step(1 / fps / SUBSTEPS)
        found.append(world.place.copy())
    return np.stack(found, axis=1), world.radius


def _fall(rng: np.random.Generator) -> _World:
    radius = rng.uniform(0.08, 0.11, 1)
    place = np.array([[rng.uniform(0.2, 0.35), rng.uniform(0.2, 0.3)]])
    return _World(place, np.array([[rng.uniform(0.25, 0.4), 0.0]]), radius)


def _collision(rng: np.random.Generator) -> _World:
    radius = rng.uniform(0.08, 0.11, 2)
    level = rng.uniform(0.4, 0.6)
    place = np.array([[0.15, level], [0.8, level]])
    speed = np.array([[rng.uniform(0.5, 0.7), 0.0], [-rng.uniform(0.2, 0.35), 0.0]])
    return _World(place, speed, radius, gravity=0.0, restitution=1.0, floor=2.0)


def _roll(rng: np.random.Generator) -> _World:
    radius = np.array([0.1, 0.08])
    place = np.stack([[0.15, 0.62], FLOOR - radius], axis=1)
    return _World(place, np.array([[rng.uniform(0.6, 0.8), 0.0], [0.0, 0.0]]), radius, restitution=0.9)


def _stack(rng: np.random.Generator) -> _World:
    radius = np.array([0.1, 0.1, 0.09])
    middle = rng.uniform(0.4, 0.6)
    x = middle + np.array([-0.105, 0.105, rng.uniform(-0.03, 0.03)])
    place = np.stack([x, [FLOOR - 0.1, FLOOR - 0.1, 0.2]], axis=1)
    return _World(place, np.zeros((3, 2)), radius, restitution=0.35, damping=2.0)


_WORLDS = {"fall": _fall, "collision": _collision, "roll": _roll, "stack": _stack}


def _pendulum(
    rng: np.random.Generator, tremble: np.random.Generator, jitter: float, frames: int, fps: float
) -> tuple[Array, Array]:
    """A bob on a rod without friction, by Runge and Kutta's method of fourth order."""
    length, pivot = rng.uniform(0.45, 0.55), np.array([0.5, 0.2])
    state = np.array([rng.choice([-1, 1]) * rng.uniform(0.6, 0.9), 0.0]) + 3 * jitter * tremble.normal(size=2)

    def change(at: Array) -> Array:
        return np.array([at[1], -GRAVITY / length * np.sin(at[0])])

    angles, dt = [state[0]], 1 / fps / 8
    for _ in range(frames - 1):
        for _ in range(8):
            a = change(state)
            b = change(state + dt / 2 * a)
            c = change(state + dt / 2 * b)
            d = change(state + dt * c)
            state = state + dt / 6 * (a + 2 * b + 2 * c + d)
        angles.append(state[0])
    turned = np.array(angles)
    place = pivot + length * np.stack([np.sin(turned), np.cos(turned)], axis=1)
    return place[None], np.array([0.1])


def experiment_scene(
    experiment: Experiment, seed: int, take: int, frames: int, side: int, fps: float
) -> Scene:
    """The experiment as a scene to draw; both takes have the same surfaces."""
    rng = np.random.default_rng([seed, 99])
    place, radius = paths(experiment, seed, take, frames, fps)
    ground = Texture.drawn(rng, side / 10, side / 3)
    order = rng.permutation(5)
    bodies = tuple(
        body(rng, path * side, float(size) * side, int(order[number % 5]))
        for number, (path, size) in enumerate(zip(place, radius, strict=True))
    )
    floor = None if experiment in ("pendulum", "collision") else FLOOR * side
    return Scene(side, frames, ground, (1.0, 1.0, 1.0), bodies, floor=floor)
