"""The vocabulary of the toy world, and scenes drawn from it by seed."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from types import MappingProxyType

FPS = 8
"""Frames a second of every clip."""

RGB = tuple[float, float, float]
"""Red, green and blue, each 0..1."""

SHAPES: tuple[str, ...] = ("circle", "square", "triangle")

COLORS: Mapping[str, RGB] = MappingProxyType(
    {
        "red": (0.90, 0.12, 0.12),
        "green": (0.10, 0.75, 0.20),
        "blue": (0.12, 0.25, 0.92),
        "yellow": (0.98, 0.88, 0.10),
        "purple": (0.60, 0.15, 0.80),
        "white": (0.97, 0.97, 0.97),
    }
)
"""What an object can be painted with."""

BACKGROUNDS: Mapping[str, RGB] = MappingProxyType(
    {
        "black": (0.04, 0.04, 0.05),
        "gray": (0.50, 0.50, 0.50),
        "pink": (1.00, 0.68, 0.78),
        "brown": (0.42, 0.26, 0.13),
    }
)
"""What it can stand on; no name is also an object colour, so word order never changes the meaning."""

SIZES: Mapping[str, float] = MappingProxyType({"medium": 10.5, "large": 15.0})
"""Radius in pixels of a 64 pixel wide frame."""

MOTIONS: tuple[str, ...] = ("right", "left", "up", "down", "still")

EFFECTS: tuple[str, ...] = ("none", "slices", "fade")
"""`slices` cuts the object in three like a cake, `fade` lets it vanish; the embedded model knows neither."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One clip in words; `seed` fixes what words leave open (place, exact size, exact colours).

    >>> Scene("circle", "red", "black", "large", "right").motion
    'right'
    """

    shape: str
    color: str
    background: str
    size: str
    motion: str
    effect: str = "none"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse a word that is not in the vocabulary (ValueError)."""
        for name, words in _CHOICES.items():
            if (value := getattr(self, name)) not in words:
                raise ValueError(f"scene {name} {value!r} is none of {', '.join(words)}")


_CHOICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "shape": SHAPES,
        "color": tuple(COLORS),
        "background": tuple(BACKGROUNDS),
        "size": tuple(SIZES),
        "motion": MOTIONS,
        "effect": EFFECTS,
    }
)

ATTRIBUTES: tuple[str, ...] = ("shape", "color", "background", "size", "motion")
"""The five words of a scene, in the order of its fields."""

_HELD_OUT_WEIGHTS = (3, 1, 5, 4, 9)
_HELD_OUT_MODULUS = 11


def is_held_out(scene: Scene) -> bool:
    """Whether this combination of five words is kept away from training (66 of the 720 are).

    A linear form modulo a prime spreads them evenly over every word of every attribute.
    """
    digits = (_CHOICES[name].index(getattr(scene, name)) for name in ATTRIBUTES)
    return sum(w * d for w, d in zip(_HELD_OUT_WEIGHTS, digits, strict=True)) % _HELD_OUT_MODULUS == 0


def every_combination() -> Iterator[Scene]:
    """All 720 scenes without effect, in vocabulary order, seed 0."""
    for words in product(SHAPES, COLORS, BACKGROUNDS, SIZES, MOTIONS):
        yield Scene(*words)


def held_out_scenes(count: int, seed: int) -> list[Scene]:
    """`count` different scenes that training never shows (at most 66), shuffled, each with its own seed."""
    rng = random.Random(seed)
    held = [scene for scene in every_combination() if is_held_out(scene)]
    if count > len(held):
        raise ValueError(f"only {len(held)} combinations are held out, {count} were asked for")
    return [replace(scene, seed=rng.getrandbits(31)) for scene in rng.sample(held, count)]


def sample_scene(rng: random.Random, effect: str = "none", held_out: bool = True) -> Scene:
    """Draw a scene uniformly; `held_out=False` draws only what training may see."""
    while True:
        shape, color, background, size, motion = (rng.choice(_CHOICES[name]) for name in ATTRIBUTES)
        scene = Scene(shape, color, background, size, motion, effect, rng.getrandbits(31))
        if held_out or not is_held_out(scene):
            return scene


def sample_scenes(count: int, seed: int, effect: str = "none") -> list[Scene]:
    """`count` scenes; the same seed always gives the same ones."""
    rng = random.Random(seed)
    return [sample_scene(rng, effect) for _ in range(count)]


def columns(
    scenes: Sequence[Scene],
) -> tuple[list[str], list[str], list[str], list[str], list[str], list[int]]:
    """Shapes, colours, backgrounds, sizes, motions and seeds: aligned lists, an entry for each scene."""
    shapes, colors, backgrounds, sizes, motions = (
        [getattr(scene, name) for scene in scenes] for name in ATTRIBUTES
    )
    return shapes, colors, backgrounds, sizes, motions, [scene.seed for scene in scenes]
