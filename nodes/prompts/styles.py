"""How each model family likes to be told what to show: order, wording and length of its captions.

Sources: the prompt guides and caption code of Wan 2.2, HunyuanVideo 1.0 and 1.5, LTX-Video, LTX-2 and
SkyReels-V2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from .phrases import (
    about,
    camera_sentence,
    events,
    everybody,
    heard,
    is_fragment,
    lettering,
    light_sentences,
    listed,
    movement,
    ordered,
    paragraph,
    sentence,
    shot_words,
)
from .values import Shot, StructuredPrompt, Subject, Task
from .words import (
    LTX2_SIZE,
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

StyleName = Literal["plain", "wan", "ltx", "ltx2", "hunyuan", "hunyuan15", "skyreels"]
"""`plain` is neutral prose for any other model."""

Writer = Callable[[StructuredPrompt], str]


@dataclass(frozen=True)
class Style:
    """A family's preferred caption."""

    advice: Mapping[Task, str]
    """The rules in words, for people and for language models."""
    write: Mapping[Task, Writer]
    words: Mapping[Task, tuple[int, int]] = field(default_factory=dict)
    """Advised least and greatest number of words; a task without an entry has no limit."""

    enough: int | None = None
    """A prompt with more words is long enough: its authors advise against extending it."""

    def limit(self, task: Task) -> int | None:
        """The greatest number of words."""
        return self.words[task][1] if task in self.words else None


# ------------------------------------------------------------------------------------------------ plain


def _plain(p: StructuredPrompt) -> str:
    return paragraph(
        sentence(p.description),
        everybody(p.subjects),
        movement(p.motion),
        events(p),
        sentence(p.environment),
        sentence(shot_words(p.shot)),
        camera_sentence(p.camera),
        light_sentences(p.lighting),
        sentence(p.style),
        sentence(p.atmosphere),
        lettering(p.text_in_frame),
    )


def _moving(p: StructuredPrompt) -> str:
    """For a given first picture: what changes, and the camera."""
    return paragraph(_dynamics(p), camera_sentence(p.camera))


def _dynamics(p: StructuredPrompt) -> str:
    """What changes, for a clip whose first picture is given: nothing that can be seen in it already."""
    moving = [s.model_copy(update={"expression": ""}) for s in p.subjects if s.action]
    return paragraph(sentence(p.description), everybody(moving, looks=False), movement(p.motion), events(p))


# -------------------------------------------------------------------------------------------------- Wan


def _wan(p: StructuredPrompt) -> str:
    """Style first if there is one, and then no cinematic tags; else up to four tags. No mood."""
    return paragraph(
        sentence(p.style) if p.style else sentence(listed(*_wan_tags(p)[:4])),
        sentence(p.description),
        everybody(p.subjects),
        movement(p.motion),
        events(p),
        sentence(p.environment),
        sentence(p.lighting.text),
        camera_sentence(p.camera),
        lettering(p.text_in_frame),
    )


def _wan_tags(p: StructuredPrompt) -> list[str]:
    """Tags that matter most first; a moving camera has no angle."""
    light, shot = p.lighting, p.shot
    tags = [
        WAN_TIME.write(light.time) or (f"{light.time.capitalize()} time" if light.time else ""),
        WAN_SIZE.write(shot.size),
        WAN_SOURCE.write(light.source),
        WAN_COMPOSITION.write(shot.composition),
        WAN_QUALITY.write(light.quality),
        WAN_TONE.write(light.tone),
        WAN_DIRECTION.write(light.direction),
    ]
    if not (p.camera.move or p.camera.text):
        tags[2:2] = [WAN_ANGLE.write(shot.angle) or WAN_VIEW.write(shot.view)]
    return [tag for tag in tags if tag]


# -------------------------------------------------------------------------------------------------- LTX


def _ltx(p: StructuredPrompt) -> str:
    """One paragraph that starts with the action, in the order of events."""
    return paragraph(
        sentence(p.description),
        _acts(p),
        movement(p.motion),
        events(p),
        _looks(p),
        sentence(p.environment),
        camera_sentence(p.camera) or _shot(p.shot),
        light_sentences(p.lighting),
        sentence(p.style),
        lettering(p.text_in_frame),
    )


def _ltx_picture(p: StructuredPrompt) -> str:
    """What the given picture shows first, then what happens."""
    return paragraph(
        sentence(p.description),
        _looks(p),
        sentence(p.environment),
        light_sentences(p.lighting),
        sentence(p.style),
        lettering(p.text_in_frame),
        _acts(p),
        movement(p.motion),
        events(p),
        camera_sentence(p.camera),
    )


def _acts(p: StructuredPrompt) -> str:
    """What the subjects do."""
    return everybody([s for s in p.subjects if s.action], looks=False)


def _looks(p: StructuredPrompt) -> str:
    """What the subjects look like; those that do nothing, with their expression."""
    shown = [s for s in p.subjects if s.appearance or s.position or not s.action]
    return everybody(s.model_copy(update={"action": "", "expression": ""}) if s.action else s for s in shown)


def _ltx2(p: StructuredPrompt) -> str:
    """Prose in the order of time with exactly one shot type, a camera and all that is heard."""
    size = LTX2_SIZE.write(p.shot.size) or "medium shot"
    view = shot_words(p.shot.model_copy(update={"size": ""}))
    opening = f"The clip is {'an' if size[0] in 'e' else 'a'} {size}{' ' + view if view else ''}"
    return paragraph(
        sentence(f"Style: {p.style}") if p.style else "",
        sentence(opening),
        sentence(p.description),
        everybody(p.subjects),
        sentence(p.environment),
        light_sentences(p.lighting),
        movement(p.motion),
        events(p),
        camera_sentence(p.camera) or "The camera is static.",
        heard(p.sound),
        lettering(p.text_in_frame),
    )


def _ltx2_motion(p: StructuredPrompt) -> str:
    """Only what changes from the picture; no camera or speech that nobody asked for."""
    return paragraph(
        sentence(f"Style: {p.style}") if p.style else "",
        _dynamics(p),
        camera_sentence(p.camera),
        heard(p.sound),
    )


def _shot(shot: Shot) -> str:
    words = shot_words(shot)
    return sentence(f"It is seen as a {words}" if shot.size in SIZE_WORDS else words)


# ---------------------------------------------------------------------------------------------- Hunyuan


def _hunyuan(p: StructuredPrompt) -> str:
    """Theme, subjects and their places, actions, background, light, camera."""
    return paragraph(
        sentence(p.description),
        everybody(p.subjects),
        movement(p.motion),
        events(p),
        sentence(p.environment),
        light_sentences(p.lighting),
        sentence(p.atmosphere),
        sentence(p.style),
        _shot(p.shot),
        camera_sentence(p.camera),
        lettering(p.text_in_frame),
    )


def _hunyuan15(p: StructuredPrompt) -> str:
    """Subject, motion, scene, shot, camera, light, style, atmosphere; from general to specific."""
    return paragraph(
        sentence(p.description),
        everybody(p.subjects),
        movement(p.motion),
        events(p),
        sentence(p.environment),
        lettering(p.text_in_frame),
        _shot(p.shot),
        camera_sentence(p.camera),
        light_sentences(p.lighting),
        sentence(f"The style is {p.style}") if is_fragment(p.style) else sentence(p.style),
        sentence(p.atmosphere),
    )


# -------------------------------------------------------------------------------------------- SkyReels


def _skyreels(p: StructuredPrompt) -> str:
    """Shot of subject and action, each subject in detail, environment, lighting, camera."""
    place = p.shot.model_copy(update={"composition": "", "lens": ""})
    frame = p.shot.model_copy(update={"size": "", "angle": "", "view": ""})
    shot, head = shot_words(place), ""
    subjects = _expressive(p)
    if shot and subjects and is_fragment(subjects[0].action):
        first = about(subjects[0].model_copy(update={"expression": ""}), looks=False, relative=True)
        head = sentence(f"{shot} of {first[:1].lower()}{first[1:]}")
        subjects[0] = subjects[0].model_copy(update={"action": ""})
        if about(subjects[0]) == sentence(subjects[0].called):
            del subjects[0]  # nothing is left to say
    return paragraph(
        head or sentence(shot),
        sentence(shot_words(frame)),
        sentence(p.description),
        *map(about, subjects),
        movement(p.motion),
        events(p),
        sentence(p.environment),
        light_sentences(p.lighting),
        sentence(p.style),
        camera_sentence(p.camera),
        lettering(p.text_in_frame),
    )


def _skyreels_motion(p: StructuredPrompt) -> str:
    """Names, actions and expressions; subjects with neither are left out."""
    return paragraph(
        sentence(p.description),
        everybody([s for s in _expressive(p) if s.action or s.expression], looks=False),
        movement(p.motion),
        events(p),
        camera_sentence(p.camera),
    )


def _expressive(p: StructuredPrompt) -> list[Subject]:
    """The subjects; of those whose kind is known, only humans and animals have an expression."""
    alive = ("", "human", "animal")
    return [
        s if s.kind.lower() in alive else s.model_copy(update={"expression": ""}) for s in ordered(p.subjects)
    ]


# --------------------------------------------------------------------------------------------- the table

_MOTION_ONLY = "only what moves and how, and the camera; nothing that the given picture shows already"


def _style(
    advice: str,
    write: Writer,
    motion: str,
    write_motion: Writer,
    enough: int | None = None,
    **words: tuple[int, int],
) -> Style:
    return Style(
        MappingProxyType({"text_to_video": advice, "image_to_video": motion}),
        MappingProxyType({"text_to_video": write, "image_to_video": write_motion}),
        MappingProxyType({TASKS[name]: limits for name, limits in words.items()}),
        enough,
    )


TASKS: Mapping[str, Task] = MappingProxyType({"t2v": "text_to_video", "i2v": "image_to_video"})

STYLES: Mapping[StyleName, Style] = MappingProxyType(
    {
        "plain": _style(
            "plain prose: subjects, motion, setting, shot, camera, light", _plain, _MOTION_ONLY, _moving
        ),
        "wan": _style(
            "begin with at most four cinematic tags (time of day, light, shot size, composition), or with "
            "the style and no tags if it is stylised; then prose: the subject in detail, how its "
            "motion unfolds, what moves behind it; no sentences about mood; no shooting angle if the "
            "camera moves",
            _wan,
            _MOTION_ONLY,
            _moving,
            t2v=(60, 200),
            i2v=(0, 100),
        ),
        "ltx": _style(
            "one paragraph that starts with the main action; then movements, looks, background, camera, "
            "light and changes, in the order of events",
            _ltx,
            "describe what the picture shows first, then the action; the picture wins where they differ",
            _ltx_picture,
            enough=120,
            t2v=(0, 200),
            i2v=(0, 200),
        ),
        "ltx2": _style(
            "prose in the order of time; weave in exactly one shot type, the camera's motion (say static if "
            "it is) and the viewpoint; name everything that is heard; only what can be seen and heard",
            _ltx2,
            "begin with 'Style: ...,'; only what changes from the picture, with sounds where they happen; "
            "never invent camera motion or dialogue",
            _ltx2_motion,
            t2v=(150, 220),
            i2v=(0, 220),
        ),
        "hunyuan": _style(
            "theme, subjects and their places, actions, background, light, atmosphere, shot and camera",
            _hunyuan,
            _MOTION_ONLY,
            _moving,
        ),
        "hunyuan15": _style(
            "subject, motion, scene, shot, camera, lighting, style, atmosphere; from general to specific, "
            "present tense, in the order of events; letters to be drawn stand in quotes; long is good",
            _hunyuan15,
            "how the subject moves, how the scene moves, the camera",
            _moving,
        ),
        "skyreels": _style(
            "[shot] of [subject and action], the subject in detail, environment, lighting, camera movement; "
            "give a subject that stands still a moving camera",
            _skyreels,
            "actions, expressions and the camera",
            _skyreels_motion,
        ),
    }
)
