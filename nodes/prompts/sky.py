"""The JSON of SkyCaptioner-V1, SkyReels-V2's captioner, in and out; and our own JSON.

Schema: the released captioner's `subjects` (appearance, action, expression, position, TYPES,
is_main_subject), `shot_type`, `shot_angle`, `shot_position`, `camera_motion`, `environment`, `lighting`.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from graphflow.errors import NodeError
from graphflow.node import node

from .phrases import camera_sentence, light_sentences
from .values import MAX_SUBJECTS, Camera, Lighting, Shot, StructuredPrompt, Subject, Text
from .words import SKY_ANGLE, SKY_SIZE, SKY_VIEW, Vocabulary

MAX_JSON = 1_000_000
"""Longest JSON text read, in characters."""

_PARTS = (".values", ".words", ".phrases")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Types(_Strict):
    type: Text = ""
    sub_type: Text = ""


class _SkySubject(_Strict):
    appearance: Text = ""
    action: Text = ""
    expression: Text = ""
    position: Text = ""
    TYPES: _Types = _Types()
    is_main_subject: bool = False


class _SkyCaption(_Strict):
    subjects: Annotated[list[_SkySubject], Field(max_length=MAX_SUBJECTS)] = []
    shot_type: str = ""
    shot_angle: str = ""
    shot_position: str = ""
    camera_motion: Text = ""
    environment: Text = ""
    lighting: Text = ""


@node("prompts/from_skycaptioner", fold=True, depends=_PARTS)
def from_skycaptioner(*, text: str) -> StructuredPrompt:
    """A structured prompt from the JSON that SkyCaptioner-V1 writes.

    Fields that are absent are empty. `prompts/to_skycaptioner` gives the same JSON back.
    Raises NodeError, naming the place, for what is not JSON, an unknown field or an unknown word.
    """
    caption = _parsed(text)
    subjects = tuple(
        Subject(
            kind=one.TYPES.type,
            sub_type=one.TYPES.sub_type,
            appearance=one.appearance,
            expression=one.expression,
            action=one.action,
            position=one.position,
            main=one.is_main_subject,
        )
        for one in caption.subjects
    )
    shot = {
        "size": _read(SKY_SIZE, "shot_type", caption.shot_type),
        "angle": _read(SKY_ANGLE, "shot_angle", caption.shot_angle),
        "view": _read(SKY_VIEW, "shot_position", caption.shot_position),
    }
    return StructuredPrompt(
        subjects=subjects,
        shot=Shot.model_validate(shot),
        camera=Camera(text=caption.camera_motion),
        environment=caption.environment,
        lighting=Lighting(text=caption.lighting),
    )


@node("prompts/to_skycaptioner", fold=True, depends=_PARTS)
def to_skycaptioner(prompt: StructuredPrompt) -> str:
    """The JSON that SkyCaptioner-V1 would write for this prompt.

    A shot that it has no word for becomes the nearest one, an empty one `other`; a name stands as sub_type.
    What the format has no field for (style, sound, events, ...) is not in it.
    """
    caption = {
        "subjects": [_subject(subject) for subject in prompt.subjects],
        "shot_type": SKY_SIZE.write(prompt.shot.size or "other"),
        "shot_angle": SKY_ANGLE.write(prompt.shot.angle or "other"),
        "shot_position": SKY_VIEW.write(prompt.shot.view or "other"),
        "camera_motion": prompt.camera.text or camera_sentence(prompt.camera),
        "environment": prompt.environment,
        "lighting": prompt.lighting.text or light_sentences(prompt.lighting),
    }
    return json.dumps(caption, ensure_ascii=False, allow_nan=False)


@node("prompts/from_json", fold=True, depends=_PARTS)
def from_json(*, text: str) -> StructuredPrompt:
    """A structured prompt from the JSON of `prompts/to_json`.

    Raises NodeError, naming the wrong field, for anything else.
    """
    _check_length(text)
    try:
        return StructuredPrompt.model_validate_json(text)
    except ValidationError as error:
        _refuse(error, "a structured prompt")


@node("prompts/to_json", fold=True, depends=_PARTS)
def to_json(prompt: StructuredPrompt) -> str:
    """A structured prompt as JSON, what is empty left out, to keep in a file or edit by hand."""
    return prompt.model_dump_json(exclude_defaults=True)


def _subject(subject: Subject) -> dict[str, Any]:
    return {
        "appearance": subject.appearance,
        "action": subject.action,
        "expression": subject.expression,
        "position": subject.position,
        "TYPES": {"type": subject.kind, "sub_type": subject.sub_type or subject.name},
        "is_main_subject": subject.main,
    }


def _parsed(text: str) -> _SkyCaption:
    _check_length(text)
    try:
        return _SkyCaption.model_validate_json(text)
    except ValidationError as error:
        _refuse(error, "a SkyCaptioner caption")


def _check_length(text: str) -> None:
    if len(text) > MAX_JSON:
        raise NodeError(f"the JSON has {len(text)} characters", hint=f"at most {MAX_JSON} are read")


def _refuse(error: ValidationError, what: str) -> NoReturn:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    raise NodeError(
        f"this is not {what}: {place + ': ' if place else ''}{first['msg']}",
        hint="give one JSON object with the fields of the format",
    ) from None


def _read(vocabulary: Vocabulary, field: str, word: str) -> str:
    if not word:
        return ""
    try:
        return vocabulary.read(word)
    except KeyError:
        known = ", ".join(vocabulary.words.values())
        raise NodeError(f"{field}: there is no {word!r}", hint=f"one of: {known}") from None
