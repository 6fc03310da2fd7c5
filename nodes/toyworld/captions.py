"""Captions of scenes: synonyms, free word order, words left out and words nobody knows."""

import random
from collections.abc import Mapping
from types import MappingProxyType

from .world import Scene

SYNONYMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "circle": ("circle", "circle", "ball", "disc"),
        "square": ("square", "square", "box"),
        "triangle": ("triangle",),
        "gray": ("gray", "gray", "grey"),
        "medium": ("medium", "medium", "medium sized", "mid sized"),
        "large": ("large", "big", "huge"),
    }
)
"""Words for a vocabulary entry, more frequent ones repeated; entries not listed have only their own name."""

MOTION_PHRASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "right": (
            "moving right", "moves to the right", "moves right", "slides to the right", "flies right",
            "moving to the right", "goes right", "drifting right",
        ),
        "left": (
            "moving left", "moves to the left", "moves left", "slides to the left", "flies left",
            "moving to the left", "goes left", "drifting left",
        ),
        "up": (
            "moving up", "moves up", "rises", "rising", "moving upwards", "flies up", "goes up",
            "drifting upward",
        ),
        "down": (
            "moving down", "moves down", "falls", "falling", "moving downwards", "drops down", "goes down",
            "drifting downward",
        ),
        "still": (
            "is still", "stays still", "stands still", "standing still", "is static", "static", "not moving",
            "motionless", "does not move",
        ),
    }
)  # fmt: skip
"""Ways to say each motion, the plainest first."""

BOTH_ENDS: tuple[str, ...] = (
    "travels from left to right", "travels from right to left", "travels from bottom to top",
    "travels from top to bottom",
)  # fmt: skip
"""Ways that name both ends of a motion. A small model hears the words, not their order, and takes one end for
the other; captions leave them out, the tokenizer keeps their words for larger models."""

OPENINGS: tuple[str, ...] = (
    "a", "a", "a", "", "the", "one", "a video of a", "video of a", "an animation of a", "a clip of a",
    "a simple", "there is a",
)  # fmt: skip
PLACES: tuple[str, ...] = (
    "on a {} background", "on a {} background", "on a {} background", "in front of a {} background",
    "against a {} background", "on {}", "over a {} backdrop", "with a {} background",
)  # fmt: skip
ENDINGS: tuple[str, ...] = (
    "high quality", "smooth motion", "simple animation", "best quality", "beautiful", "4k", "cinematic",
    "flat colors", "minimal",
)  # fmt: skip
PUNCTUATION: tuple[str, ...] = (",", ".")
ANYTHING: tuple[str, ...] = ("shape", "object", "thing")
"""Nouns that leave the shape open."""


def caption(scene: Scene, rng: random.Random, noise: bool = False, moving: bool = True) -> str:
    """One caption of `scene`, drawn from `rng`.

    Every attribute but the size is always named, the motion only if `moving` (a picture has none). With
    `noise` (for training only) an attribute is sometimes left out and made-up words are mixed in, so that a
    model learns to fill gaps and to ignore strangers.
    """
    drop = 0.04 if noise else 0.0
    size = "" if rng.random() < (0.25 if noise else 0.1) else _word(scene.size, rng)
    color = "" if rng.random() < drop else scene.color
    shape = rng.choice(ANYTHING) if rng.random() < drop else _word(scene.shape, rng)
    motion = "" if not moving or rng.random() < drop else rng.choice(MOTION_PHRASES[scene.motion])
    background = "" if rng.random() < drop else _word(scene.background, rng)
    text = _arrange(size, color, shape, motion, background, rng)
    if rng.random() < 0.15:
        text += ", " + rng.choice(ENDINGS)
    if noise and rng.random() < 0.3:
        text = _mix_in_strangers(text, rng)
    if rng.random() < 0.3:
        text += "."
    return text[:1].upper() + text[1:] if rng.random() < 0.5 else text


def motion_caption(scene: Scene, rng: random.Random) -> str:
    """A caption that tells the motion and leaves what the object looks like to a given picture.

    >>> motion_caption(Scene("circle", "red", "black", "large", "right"), random.Random(2))
    'moving right'
    """
    nouns = (*ANYTHING, _word(scene.shape, rng))
    subject = rng.choice(("", "it", f"the {rng.choice(nouns)}", f"the {rng.choice(nouns)}"))
    return _join(subject, rng.choice(MOTION_PHRASES[scene.motion]))


def plain_caption(scene: Scene) -> str:
    """The one caption with the scene's own words in fixed order, for the first lessons.

    >>> plain_caption(Scene("circle", "red", "black", "large", "right"))
    'a large red circle moving right on a black background'
    """
    motion = MOTION_PHRASES[scene.motion][0]
    return f"a {scene.size} {scene.color} {scene.shape} {motion} on a {scene.background} background"


def vocabulary() -> list[str]:
    """Every word the tokenizer knows, sorted, lower case, punctuation included."""
    phrases = [
        *OPENINGS,
        *PLACES,
        *ENDINGS,
        *ANYTHING,
        *BOTH_ENDS,
        "background",
        "and",
        "an",
        "is",
        "it",
        "then",
    ]
    phrases += [p for group in (*SYNONYMS.values(), *MOTION_PHRASES.values()) for p in group]
    phrases += ["red", "green", "blue", "yellow", "purple", "white", "black", "pink", "brown"]
    words = {word for phrase in phrases for word in phrase.replace("{}", " ").split()}
    return [*PUNCTUATION, *sorted(words)]


def _word(entry: str, rng: random.Random) -> str:
    return rng.choice(SYNONYMS.get(entry, (entry,)))


def _arrange(size: str, color: str, shape: str, motion: str, background: str, rng: random.Random) -> str:
    """Put the parts in one of five orders; empty parts vanish."""
    noun = _join(size, color, shape) if rng.random() < 0.85 else _join(color, size, shape)
    thing = _join(rng.choice(OPENINGS), noun)
    place = rng.choice(PLACES).format(background) if background else ""
    short = f"{background} background" if background else ""
    order = rng.random()
    if order < 0.5:
        return _join(thing, motion, place)
    if order < 0.62:
        return _join(f"{rng.choice((place, short))}," if background else "", thing, motion)
    if order < 0.74:
        return _join(thing, place, motion)
    if order < 0.82:
        return _join(f"{motion}," if motion else "", thing, place)
    parts = [part for part in (size, color, shape, motion, short) if part]
    rng.shuffle(parts)
    return rng.choice((", ", " ")).join(parts)


def _join(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _mix_in_strangers(text: str, rng: random.Random) -> str:
    """Insert one to four made-up words (which a word-level tokenizer maps to its unknown token)."""
    words = text.split()
    for _ in range(rng.randint(1, 4)):
        syllables = (rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(rng.randint(3, 5)))
        words.insert(rng.randint(0, len(words)), "".join(syllables))
    return " ".join(words)
