"""Deterministic prompt extension: what a prompt leaves open is filled in as the family's guide advises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from graphflow.node import node

from .render import PARTS
from .styles import StyleName
from .values import Camera, Lighting, Shot, StructuredPrompt, Task

Defaults = Callable[[StructuredPrompt], dict[str, Any]]


@node("prompts/complete", fold=True, depends=PARTS)
def complete(
    prompt: StructuredPrompt, *, style: StyleName = "wan", task: Task = "text_to_video"
) -> StructuredPrompt:
    """Fill in what a prompt leaves open, with the defaults of a family's prompt guide; nothing is changed.

    wan: day time, medium or wide shot, centered, soft light. ltx, ltx2: a shot and a static camera, sound of
    the place. hunyuan: natural light, realistic. skyreels: a slow camera for subjects that stand still.
    With a given first picture nothing is added: the picture says it.
    """
    return completed(prompt, style, task)


def completed(prompt: StructuredPrompt, style: StyleName, task: Task) -> StructuredPrompt:
    """The prompt with the defaults of a style."""
    if task == "image_to_video" or style not in _DEFAULTS:
        return prompt
    return prompt.model_copy(update=_DEFAULTS[style](prompt))


def _shot(prompt: StructuredPrompt, **defaults: str) -> Shot:
    """The shot with a size that shows a person at half length and anything else in its surroundings."""
    person = any(s.main and s.kind.lower() in ("human", "person") for s in prompt.subjects)
    size = {"size": "medium" if person else "wide"}
    return prompt.shot.model_copy(update=_open(prompt.shot, {**size, **defaults}))


def _open(part: Any, defaults: Mapping[str, str]) -> dict[str, str]:
    """Those defaults whose field is empty."""
    return {name: value for name, value in defaults.items() if not getattr(part, name)}


def _camera(prompt: StructuredPrompt, **defaults: str) -> Camera:
    said = prompt.camera.move or prompt.camera.text
    return prompt.camera if said else prompt.camera.model_copy(update=defaults)


def _light(prompt: StructuredPrompt, **defaults: str) -> Lighting:
    return prompt.lighting if prompt.lighting != Lighting() else Lighting.model_validate(defaults)


def _wan(prompt: StructuredPrompt) -> dict[str, Any]:
    if prompt.style:
        return {}  # a stylised prompt takes no cinematic tags
    light = prompt.lighting.model_copy(update=_open(prompt.lighting, {"time": "day", "quality": "soft"}))
    return {"shot": _shot(prompt, composition="center"), "lighting": light}


def _ltx(prompt: StructuredPrompt) -> dict[str, Any]:
    return {"shot": _shot(prompt, angle="eye_level"), "camera": _camera(prompt, move="static")}


def _ltx2(prompt: StructuredPrompt) -> dict[str, Any]:
    silent = not (prompt.sound.dialogue or prompt.sound.music or prompt.sound.ambience)
    ambience = {"ambience": "The natural sound of the place is heard, and no music."} if silent else {}
    return {**_ltx(prompt), "sound": prompt.sound.model_copy(update=ambience)}


def _hunyuan(prompt: StructuredPrompt) -> dict[str, Any]:
    light = _light(prompt, source="daylight", quality="soft")
    return {"shot": _shot(prompt), "lighting": light, "style": prompt.style or "realistic"}


def _skyreels(prompt: StructuredPrompt) -> dict[str, Any]:
    moving = any(s.action for s in prompt.subjects) or prompt.motion.subjects or prompt.motion.events
    camera = prompt.camera if moving else _camera(prompt, move="forward", intensity="slow")
    return {"shot": _shot(prompt), "camera": camera}


_DEFAULTS: Mapping[str, Defaults] = MappingProxyType(
    {
        "wan": _wan,
        "ltx": _ltx,
        "ltx2": _ltx2,
        "hunyuan": _hunyuan,
        "hunyuan15": _hunyuan,
        "skyreels": _skyreels,
    }
)
