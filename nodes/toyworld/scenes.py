"""Many scenes of the toy world, drawn by seed: aligned lists that map `toyworld/clip`."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Annotated, NamedTuple

from pydantic import Field

from graphflow.node import node
from graphflow.values import Seed

from .clip import Background, Color, Motion, Shape
from .world import BACKGROUNDS, COLORS, MOTIONS, SHAPES, columns, sample_scene


class Scenes(NamedTuple):
    """Lists that belong together, an entry for each scene; wire each into the setting of its name."""

    shape: list[str]
    color: list[str]
    background: list[str]
    size: list[str]
    motion: list[str]
    seed: list[int]
    subject: list[str]
    """Such as "the red circle"."""


@node("toyworld/scenes", fold=True, depends=(".world",))
def scenes(
    *,
    count: Annotated[int, Field(ge=0, le=100_000)] = 8,
    seed: Seed = 0,
    shapes: list[Shape] | None = None,
    colors: list[Color] | None = None,
    backgrounds: list[Background] | None = None,
    motions: list[Motion] | None = None,
) -> Scenes:
    """Draw scenes that move, each of words that go together anyhow.

    shapes, colors, backgrounds, motions: what to draw from; empty is everything that moves. A longer list
    begins with the shorter one.
    """
    rng = random.Random(f"scenes {seed}")
    drawn = []
    for _ in range(count):
        scene = sample_scene(rng)
        scene = replace(
            scene,
            shape=rng.choice(shapes or SHAPES),
            color=rng.choice(colors or [*COLORS]),
            background=rng.choice(backgrounds or [*BACKGROUNDS]),
            motion=rng.choice(motions or MOTIONS[:4]),
        )
        drawn.append(scene)
    return Scenes(*columns(drawn), [f"the {scene.color} {scene.shape}" for scene in drawn])
