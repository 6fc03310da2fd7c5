"""Named parts of a prompt: which there are, and how to leave one out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

from .values import Camera, Lighting, Motion, Shot, Sound, StructuredPrompt, Subject

Part = Literal[
    "description", "action", "appearance", "expression", "position", "others", "shot", "subject_motion",
    "scene_motion", "speed", "events", "camera", "environment", "lighting", "style", "atmosphere",
    "text_in_frame", "sound",
]  # fmt: skip
"""`others` are the subjects that are not main ones."""

LEAST_NEEDED: tuple[Part, ...] = (
    "atmosphere",
    "position",
    "expression",
    "lighting",
    "scene_motion",
    "others",
    "speed",
    "shot",
    "style",
    "appearance",
    "sound",
    "environment",
    "camera",
    "subject_motion",
)
"""What a prompt that is too long loses first. What happens, and letters to be seen, are never left out."""


def _subjects(**cleared: str) -> Callable[[StructuredPrompt], dict[str, object]]:
    def clear(prompt: StructuredPrompt) -> dict[str, object]:
        return {"subjects": tuple(subject.model_copy(update=cleared) for subject in prompt.subjects)}

    return clear


def _motion(**cleared: object) -> Callable[[StructuredPrompt], dict[str, object]]:
    return lambda prompt: {"motion": prompt.motion.model_copy(update=cleared)}


def _set(**cleared: object) -> Callable[[StructuredPrompt], dict[str, object]]:
    return lambda prompt: cleared


def _main_only(prompt: StructuredPrompt) -> dict[str, object]:
    kept = tuple(subject for subject in prompt.subjects if subject.main)
    gone = {subject.id for subject in prompt.subjects if not subject.main and subject.id}
    events = tuple(event for event in prompt.motion.events if event.subject not in gone)
    return {"subjects": kept, "motion": prompt.motion.model_copy(update={"events": events})}


_CLEAR: Mapping[Part, Callable[[StructuredPrompt], dict[str, object]]] = MappingProxyType(
    {
        "description": _set(description=""),
        "action": _subjects(action=""),
        "appearance": _subjects(appearance=""),
        "expression": _subjects(expression=""),
        "position": _subjects(position=""),
        "others": _main_only,
        "shot": _set(shot=Shot()),
        "subject_motion": _motion(subjects=""),
        "scene_motion": _motion(scene=""),
        "speed": _motion(speed=""),
        "events": _motion(events=()),
        "camera": _set(camera=Camera()),
        "environment": _set(environment=""),
        "lighting": _set(lighting=Lighting()),
        "style": _set(style=""),
        "atmosphere": _set(atmosphere=""),
        "text_in_frame": _set(text_in_frame=()),
        "sound": _set(sound=Sound()),
    }
)

PARTS: tuple[Part, ...] = tuple(_CLEAR)


def without(prompt: StructuredPrompt, part: Part) -> StructuredPrompt:
    """The prompt with one part empty."""
    return prompt.model_copy(update=_CLEAR[part](prompt))


def filled(prompt: StructuredPrompt) -> list[Part]:
    """The parts that say something."""
    return [part for part in PARTS if without(prompt, part) != prompt]


def with_subject(prompt: StructuredPrompt, index: int, **changes: object) -> StructuredPrompt:
    """The prompt with fields of one subject changed."""
    subjects: list[Subject] = list(prompt.subjects)
    subjects[index] = subjects[index].model_copy(update=changes)
    return prompt.model_copy(update={"subjects": tuple(subjects)})


def with_motion(prompt: StructuredPrompt, **changes: object) -> StructuredPrompt:
    """The prompt with fields of its motion changed."""
    motion: Motion = prompt.motion.model_copy(update=changes)
    return prompt.model_copy(update={"motion": motion})
