"""Clips with one defect each, at several strengths: what metrics must see, and what they are tested with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import cv2
import numpy as np

from .scene import COLOURS, Scene, Texture, draw
from .scenes import KINDS, Kind, bounces, clean_scene, colliding, limbed
from .vision import Array

FPS = 16.0


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing that goes wrong. strengths: weakest first, in the unit that `what` names.

    scene: changes the scene before it is drawn; frames: changes the drawn frames. Both get a random
    generator of the clip's own and the strength.
    """

    what: str
    strengths: tuple[float, ...]
    kinds: tuple[Kind, ...] = KINDS
    """Clean scenes that can have it."""
    scene: Callable[[Scene, np.random.Generator, float], Scene] | None = None
    frames: Callable[[Array, np.random.Generator, float], Array] | None = None


def defect_clip(defect: str, strength: float, seed: int, frames: int, side: int) -> Array:
    """A clip, uint8 (frames, side, side, 3); `clean` has no defect. Equal arguments give equal clips.

    With equal seed, the same scene as the clean clip of that seed where the defect allows it.
    """
    if defect == "clean":
        return draw(clean_scene(KINDS[seed % len(KINDS)], seed, frames, side))
    made = DEFECTS[defect]
    rng = np.random.default_rng([seed, 7])
    scene = clean_scene(made.kinds[seed % len(made.kinds)], seed, frames, side)
    if made.scene is not None:
        scene = made.scene(scene, rng, strength)
    drawn = draw(scene)
    return drawn if made.frames is None else made.frames(drawn, rng, strength)


def _middle(frames: int, rng: np.random.Generator) -> int:
    return int(frames * rng.uniform(0.4, 0.6))


def _bytes(values: Array) -> Array:
    return np.asarray(values.round().clip(0, 255).astype(np.uint8))


# ------------------------------------------------------------------------------- of the frames


def _flicker(frames: Array, rng: np.random.Generator, strength: float) -> Array:
    gains = 1 + strength * rng.choice([-1, 1], len(frames)) * rng.uniform(0.6, 1.4, len(frames))
    return _bytes(frames * gains[:, None, None, None])


def _noise(frames: Array, rng: np.random.Generator, strength: float) -> Array:
    return _bytes(frames + rng.normal(0, strength, frames.shape))


def _drift(frames: Array, rng: np.random.Generator, strength: float) -> Array:
    towards = rng.choice([-1.0, 1.0], 3)
    ramp = np.linspace(0, 1, len(frames))[:, None, None, None]
    return _bytes(frames + strength * ramp * towards)


def _freeze(frames: Array, rng: np.random.Generator, strength: float) -> Array:
    last = max(1, round(len(frames) * (1 - strength)))
    return frames[np.minimum(np.arange(len(frames)), last - 1)]


def _blur(frames: Array, rng: np.random.Generator, strength: float) -> Array:
    sigma = strength * frames.shape[1]
    return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in frames])


def _blocks(frames: Array, rng: np.random.Generator, strength: float) -> Array:
    height, width = frames.shape[1] // 8, frames.shape[2] // 8
    made = []
    for frame in frames:
        coarse = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
        made.append(cv2.resize(coarse, (frame.shape[1], frame.shape[0]), interpolation=cv2.INTER_NEAREST))
    return _bytes((1 - strength) * frames + strength * np.stack(made))


def _overexposure(frames: Array, rng: np.random.Generator, strength: float) -> Array:
    return _bytes(frames * strength)


# -------------------------------------------------------------------------------- of the scene


def _shake(scene: Scene, rng: np.random.Generator, strength: float) -> Scene:
    return replace(
        scene, camera=(strength * scene.side * rng.normal(size=(scene.frames, 2))).astype(np.float32)
    )


def _cut(frames: Array, rng: np.random.Generator, strength: float) -> Array:
    """To another ground under the same light, mixed with the old one."""
    at, side = _middle(len(frames), rng), frames.shape[1]
    axis = np.arange(side, dtype=np.float32)
    other = 107 + 40 * Texture.drawn(rng, side / 10, side / 3).at(axis[None, :], axis[:, None])
    made = frames.astype(np.float32)
    made[at:] = (1 - strength) * made[at:] + strength * other[None, :, :, None]
    return _bytes(made)


def _teleport(scene: Scene, rng: np.random.Generator, strength: float) -> Scene:
    body, *others = scene.bodies
    at = _middle(scene.frames, rng)
    angle = rng.uniform(0, 2 * np.pi)
    away = strength * scene.side * np.array([np.cos(angle), np.sin(angle)])
    place = body.place.copy()
    room = 1.2 * body.radius[0]
    for turned in (away, -away, away[::-1], -away[::-1]):  # whichever keeps it in the frame
        moved = place[at:] + turned
        if room < moved.min() and moved.max() < scene.side - room:
            break
    place[at:] = moved
    return replace(scene, bodies=(body.with_place(place), *others))


def _vanish(scene: Scene, rng: np.random.Generator, strength: float) -> Scene:
    body, *others = scene.bodies
    at = _middle(scene.frames, rng)
    seen = np.ones(scene.frames, bool)
    seen[at : at + max(1, round(strength * scene.frames))] = False
    return replace(scene, bodies=(replace(body, seen=seen), *others))


def _split(scene: Scene, rng: np.random.Generator, strength: float) -> Scene:
    body, *others = scene.bodies
    at = _middle(scene.frames, rng)
    angle = rng.uniform(0, 2 * np.pi)
    apart = np.array([np.cos(angle), np.sin(angle)]) * body.radius[0]
    time = np.arange(scene.frames)
    away = ((time - at).clip(0) * 0.35).clip(0, 1.4)[:, None] * apart
    child_radius = body.radius * strength
    child = replace(
        body, place=(body.place + 1.6 * away).astype(np.float32), radius=child_radius, seen=time >= at
    )
    return replace(scene, bodies=(child, body.with_place((body.place - away).astype(np.float32)), *others))


def _grow(scene: Scene, rng: np.random.Generator, strength: float) -> Scene:
    body, *others = scene.bodies
    growth = np.linspace(0, np.log(strength) / 2, scene.frames)
    sign = rng.choice([-1, 1])
    radius = body.radius * np.exp(sign * growth - (np.log(strength) / 4 if sign > 0 else 0))
    return replace(scene, bodies=(replace(body, radius=radius.astype(np.float32)), *others))


def _morph(scene: Scene, rng: np.random.Generator, strength: float) -> Scene:
    body, *others = scene.bodies
    ramp = np.linspace(0, strength, scene.frames)[:, None]
    far = max(COLOURS, key=lambda colour: float(np.abs(body.colour[0] - colour).sum()))
    colour = (1 - ramp) * body.colour + ramp * np.array(far)
    square = np.zeros(scene.frames) if body.limbs is not None else ramp[:, 0]
    return replace(scene, bodies=(replace(body, colour=colour.astype(np.float32), square=square), *others))


def _floaty(scene: Scene, rng: np.random.Generator, strength: float) -> Scene:
    """The fall goes on as if the air were thick, then thin: a slow wave upon the path."""
    body, *others = scene.bodies
    phase = 2 * np.pi * (rng.uniform(1.3, 1.8) * np.linspace(0, 1, scene.frames) + rng.uniform())
    angle = rng.uniform(0, np.pi)
    wave = strength * scene.side * np.sin(phase)[:, None] * np.array([np.cos(angle), np.sin(angle)])
    return replace(scene, bodies=(body.with_place((body.place + wave).astype(np.float32)), *others))


def _speed_jump(scene: Scene, rng: np.random.Generator, strength: float) -> Scene:
    """From one frame on it moves so many times as fast."""
    body, *others = scene.bodies
    at = _middle(scene.frames, rng)
    steps = np.diff(body.place, axis=0)
    steps[at:] *= strength
    place = body.place[0] + np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    middle = scene.side / 2
    reach = np.abs(place - middle).max() / (middle - 1.3 * body.radius[0])
    place = middle + (place - middle) / max(1.0, reach)
    return replace(scene, bodies=(body.with_place(place.astype(np.float32)), *others))


def _penetration(scene: Scene, rng: np.random.Generator, strength: float) -> Scene:
    return replace(scene, bodies=colliding(rng, scene.frames, scene.side, strength))


def _momentum(scene: Scene, rng: np.random.Generator, strength: float) -> Scene:
    """One of two bodies leaves slower than it should."""
    return replace(scene, bodies=colliding(rng, scene.frames, scene.side, 0.0, strength))


def _part_loss(scene: Scene, rng: np.random.Generator, strength: float) -> Scene:
    body = replace(scene.bodies[0], limbs=None, lost=())
    at = _middle(scene.frames, rng)
    made = limbed(rng, replace(body, radius=body.radius / 0.8), strength, at)
    return replace(scene, bodies=(replace(made, place=body.place),))


def _energy_gain(scene: Scene, rng: np.random.Generator, strength: float) -> Scene:
    """A ball that leaves the floor faster than it came."""
    body = scene.bodies[0]
    time = np.arange(scene.frames) / (scene.frames - 1)
    floor = float(body.place[:, 1].max())
    height = scene.side * 0.25
    y = floor - bounces(time, height, rng.uniform(0.3, 0.36), np.sqrt(strength))
    place = np.stack([body.place[:, 0], y.clip(1.2 * body.radius[0])], 1)
    return replace(scene, bodies=(body.with_place(place.astype(np.float32)),))


_FREE: tuple[Kind, ...] = ("glide", "throw")

DEFECTS: Mapping[str, Defect] = MappingProxyType(
    {
        "flicker": Defect("light that jumps, share", (0.05, 0.08, 0.12), frames=_flicker),
        "noise": Defect("grain, levels", (6, 12, 20), frames=_noise),
        "shake": Defect("the camera trembles, short sides", (0.005, 0.01, 0.03), scene=_shake),
        "cut": Defect("another picture from one frame on, share", (0.7, 0.85, 1.0), frames=_cut),
        "drift": Defect("colours wander, levels", (8, 16, 32), frames=_drift),
        "teleport": Defect(
            "the body is elsewhere, short sides",
            (0.06, 0.12, 0.2),
            ("glide", "throw", "limbs"),
            scene=_teleport,
        ),
        "vanish": Defect("the body is gone for a time, share", (0.05, 0.15, 0.3), scene=_vanish),
        "split": Defect(
            "the body becomes two, radii of the second", (0.5, 0.7, 1.0), ("glide", "throw"), scene=_split
        ),
        "grow": Defect("the body's area changes, factor", (1.4, 2.0, 3.0), scene=_grow),
        "morph": Defect("colour and outline become others, share", (0.2, 0.4, 1.0), scene=_morph),
        "floaty": Defect("a wave upon a free path, short sides", (0.01, 0.02, 0.05), _FREE, scene=_floaty),
        "penetration": Defect(
            "bodies enter each other, radii", (0.3, 0.6, 1.2), ("collision",), scene=_penetration
        ),
        "speed_jump": Defect("all at once so many times as fast", (1.6, 2.2, 3.0), _FREE, scene=_speed_jump),
        "momentum": Defect(
            "speed that one of two bodies keeps, factor", (0.5, 0.25, 0.0), ("collision",), scene=_momentum
        ),
        "part_loss": Defect("a limb is gone, radii", (0.4, 0.5, 0.65), ("limbs",), scene=_part_loss),
        "energy_gain": Defect(
            "a bounce gives energy, factor", (1.15, 1.3, 1.6), ("bounce",), scene=_energy_gain
        ),
        "freeze": Defect("the last part stands still, share", (0.9, 0.95, 1.0), frames=_freeze),
        "blur": Defect("out of focus, short sides", (0.015, 0.025, 0.04), frames=_blur),
        "blocks": Defect("blocks of a codec, share", (0.25, 0.5, 1.0), frames=_blocks),
        "overexposure": Defect("too much light, factor", (2.4, 2.8, 3.4), frames=_overexposure),
    }
)
