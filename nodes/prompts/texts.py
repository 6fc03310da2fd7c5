"""From plain text to a structured prompt, by rules: known words become fields, the rest stays as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from graphflow.node import node

from .build import checked
from .values import Camera, Lighting, Shot, StructuredPrompt
from .words import (
    CAMERA_WORDS,
    COMPOSITION_WORDS,
    INTENSITY_WORDS,
    SIZE_WORDS,
    WAN_ANGLE,
    WAN_COMPOSITION,
    WAN_DIRECTION,
    WAN_QUALITY,
    WAN_SIZE,
    WAN_SOURCE,
    WAN_TIME,
    WAN_TONE,
    WAN_VIEW,
)

_SENTENCE = re.compile(r"(?<=[.!?])\s+")


@node("prompts/from_text", fold=True, depends=(".values", ".words", ".build"))
def from_text(*, text: str = "", trigger: str = "") -> StructuredPrompt:
    """A structured prompt from plain text.

    Cinematic tags at the head of a sentence (`Day time, Medium shot, a man ...`) and sentences about the
    camera (`The camera pans left.`) become fields; everything else is the description, unchanged.
    """
    found: dict[str, dict[str, str]] = {"shot": {}, "lighting": {}, "camera": {}}
    rest = [left for part in _SENTENCE.split(text.strip()) for left in [_rest(part, found)] if left]
    return checked(
        StructuredPrompt,
        description=" ".join(rest),
        trigger=trigger,
        shot=checked(Shot, **found["shot"]),
        lighting=checked(Lighting, **found["lighting"]),
        camera=checked(Camera, **found["camera"]),
    )


def _rest(part: str, found: dict[str, dict[str, str]]) -> str:
    """What is left of a sentence when its known words have become fields."""
    camera = _camera(part)
    if camera and not found["camera"]:
        found["camera"] = camera
        return ""
    known = _tags()
    pieces = part.split(",")
    while pieces:
        group, name, value = known.get(pieces[0].strip().rstrip(".").lower(), ("", "", ""))
        if not group or name in found[group]:
            break
        found[group][name] = value
        pieces.pop(0)
    return ",".join(pieces).strip()


def _camera(part: str) -> dict[str, str]:
    for move, words in CAMERA_WORDS.items():
        for intensity, adverb in [*INTENSITY_WORDS.items(), ("", "")]:
            if part.rstrip(".").lower() == f"the camera {words} {adverb}".strip():
                return {"move": move, "intensity": intensity}
    return {}


def _tags() -> Mapping[str, tuple[str, str, str]]:
    """Each known tag in small letters, with the field and the value it stands for."""
    return {word.lower(): (group, name, value) for group, name, value, word in _all_tags()}


def _all_tags() -> Iterator[tuple[str, str, str, str]]:
    tables: list[tuple[str, str, Mapping[str, str]]] = [
        ("shot", "size", SIZE_WORDS),
        ("shot", "composition", COMPOSITION_WORDS),
        ("shot", "size", WAN_SIZE.words),
        ("shot", "angle", WAN_ANGLE.words),
        ("shot", "view", WAN_VIEW.words),
        ("shot", "composition", WAN_COMPOSITION.words),
        ("lighting", "time", WAN_TIME.words),
        ("lighting", "source", WAN_SOURCE.words),
        ("lighting", "quality", WAN_QUALITY.words),
        ("lighting", "direction", WAN_DIRECTION.words),
        ("lighting", "tone", WAN_TONE.words),
    ]
    for group, name, words in tables:
        yield from ((group, name, value, word) for value, word in words.items())
