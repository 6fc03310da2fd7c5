"""Clips of effects as nodes, and the scenes to train on and those to try afterwards."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from graphflow.node import Sketch, Unknown, node
from graphflow.values import Seed, Video

from .clip import Background, Color, Motion, Shape
from .world import FPS, columns, held_out_scenes, sample_scene


class EffectPair(NamedTuple):
    """A clip with an effect, the same clip without, and where and when they differ."""

    video: Video
    plain: Video
    mask: Video
    """White where the effect changed a pixel."""
    onset: int
    """The first frame that it changed."""
    caption: str
    """What the scene shows; it does not tell of the effect."""


class EffectScenes(NamedTuple):
    """Lists that belong together, an entry for each scene; wire each into the setting of its name."""

    shape: list[str]
    color: list[str]
    background: list[str]
    size: list[str]
    motion: list[str]
    seed: list[int]
    caption: list[str]


@node("toyworld/effect_scenes", fold=True, depends=(".world", ".captions"))
def effect_scenes(
    *, count: Annotated[int, Field(ge=0, le=100_000)] = 8, seed: Seed = 0, unseen: bool = False
) -> EffectScenes:
    """Draw scenes to train on, or scenes of which no word combination is ever trained on.

    unseen: scenes (at most 66) whose combination of shape, colours, size and motion is kept away from
        training, with captions of free wording; otherwise plain captions of the other combinations. A
        longer list begins with the shorter one.
    Raises ValueError for more unseen scenes than there are.
    """
    from .captions import caption, plain_caption

    rng = random.Random(f"effects {seed}")
    if unseen:
        drawn = held_out_scenes(66, seed)[:count] if count <= 66 else held_out_scenes(count, seed)
        words = [caption(scene, rng) for scene in drawn]
    else:
        drawn = [sample_scene(rng, held_out=False) for _ in range(count)]
        words = [plain_caption(scene) for scene in drawn]
    return EffectScenes(*columns(drawn), words)


def _foreseen(frames: int | Unknown, side: int | Unknown) -> Mapping[str, Any] | None:
    if isinstance(frames, Unknown) or isinstance(side, Unknown):
        return None
    return dict.fromkeys(("video", "plain", "mask"), Sketch(side, side, frames, float(FPS)))


@node("toyworld/effect_clip", check=_foreseen, depends=(".effects", ".render", ".world", ".captions"))
def effect_clip(
    *,
    effect: Literal["cakeify", "dissolve"] = "cakeify",
    shape: Shape = "circle",
    color: Color = "red",
    background: Background = "black",
    size: Literal["medium", "large"] = "large",
    motion: Motion = "right",
    seed: Seed = 0,
    onset: Annotated[float, Field(ge=0, le=1)] = 0.4,
    frames: Annotated[int, Field(ge=2, le=1000)] = 13,
    side: Annotated[int, Field(ge=16, le=1024)] = 64,
) -> EffectPair:
    """Render a shape that an effect befalls: cut in two halves of cake, or dissolved into particles.

    onset: when it begins, as a share of the clip; the shape moves on meanwhile. seed: place, exact colours,
        particles. frames: at 8 a second. side: width and height in pixels.
    Returns uint8 frames, (frames, side, side, 3).
    """
    from .captions import plain_caption
    from .effects import draw_effect
    from .render import to_uint8
    from .world import Scene

    scene = Scene(shape, color, background, size, motion, seed=seed)
    drawn = draw_effect(scene, effect, round(onset * (frames - 1)), frames, side)
    video, plain = (to_uint8(part[None])[0] for part in (drawn.video, drawn.plain))
    mask = (drawn.mask[..., None] * 255).byte().expand(-1, -1, -1, 3).contiguous()
    found, bare, where = (Video(frames=part, fps=float(FPS)) for part in (video, plain, mask))
    return EffectPair(found, bare, where, drawn.onset, plain_caption(scene))
