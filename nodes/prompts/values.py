"""A prompt taken apart: who is seen, how they move, where, in which light, from where, and what is heard."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from graphflow.values import Value

from .words import (
    CameraMove,
    Composition,
    DayTime,
    Intensity,
    LightDirection,
    LightQuality,
    LightSource,
    ShotAngle,
    ShotSize,
    ShotView,
    Speed,
    Tone,
)

MAX_TEXT = 4000
"""Longest text of one field, in characters; a caption's field has a few hundred."""
MAX_SUBJECTS = 64
MAX_EVENTS = 1000

Text = Annotated[str, Field(max_length=MAX_TEXT)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
"""A language tag such as `en` or `zh-Hans`."""

Task = Literal["text_to_video", "image_to_video"]


class Shot(Value):
    """From where the scene is seen. Empty fields say nothing."""

    size: ShotSize = ""
    angle: ShotAngle = ""
    view: ShotView = ""
    composition: Composition = ""
    lens: Text = ""


class Subject(Value):
    """Somebody or something in the clip. Texts are sentences, or fragments in lower case.

    kind, sub_type: such as `Human` and `Man`; expression is for humans and animals.
    """

    id: Annotated[str, Field(max_length=100)] = ""
    name: Text = ""
    kind: Text = ""
    sub_type: Text = ""
    appearance: Text = ""
    expression: Text = ""
    action: Text = ""
    position: Text = ""
    main: bool = True

    @property
    def called(self) -> str:
        """The name if there is one, else the kind with an article."""
        noun = (self.sub_type or self.kind).lower()
        article = "an" if noun[:1] in "aeiou" else "a"
        return self.name or (f"{article} {noun}" if noun else "the subject")


class Event(Value):
    """What happens from `start` to `end`, in seconds; `subject` is the id of who does it, or empty."""

    start: Seconds
    end: Seconds
    text: Text
    subject: Annotated[str, Field(max_length=100)] = ""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"the event ends at {self.end:g} s, before it starts at {self.start:g} s")
        return self


class Motion(Value):
    """How the clip moves. events: in the order of their start."""

    subjects: Text = ""
    scene: Text = ""
    speed: Speed = ""
    events: Annotated[tuple[Event, ...], Field(max_length=MAX_EVENTS)] = ()


class Camera(Value):
    """How the camera moves; `text` says it in free words instead of `move` and `intensity`."""

    move: CameraMove = ""
    intensity: Intensity = ""
    text: Text = ""


class Lighting(Value):
    """The light; `text` is free words beside the fields."""

    time: DayTime = ""
    source: LightSource = ""
    quality: LightQuality = ""
    direction: LightDirection = ""
    tone: Tone = ""
    text: Text = ""


class Sound(Value):
    """What is heard. dialogue: one line a speaker's turn."""

    dialogue: tuple[Text, ...] = ()
    music: Text = ""
    ambience: Text = ""


class StructuredPrompt(Value):
    """A whole prompt, taken apart. Everything may be empty; `description` holds what no other field says."""

    description: Text = ""
    subjects: Annotated[tuple[Subject, ...], Field(max_length=MAX_SUBJECTS)] = ()
    shot: Shot = Shot()
    motion: Motion = Motion()
    camera: Camera = Camera()
    environment: Text = ""
    lighting: Lighting = Lighting()
    style: Text = ""
    atmosphere: Text = ""
    text_in_frame: tuple[Text, ...] = ()
    sound: Sound = Sound()
    duration: Annotated[float, Field(gt=0, le=86_400)] | None = None
    """Seconds."""
    fps: Annotated[float, Field(gt=0, le=1000)] | None = None
    trigger: Text = ""
    """A word that a trained effect listens to; always stands first."""
    negative: tuple[Text, ...] = ()
    language: Language = "en"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ids = [subject.id for subject in self.subjects if subject.id]
        if len(set(ids)) < len(ids):
            raise ValueError("two subjects have the same id")
        for event in self.motion.events:
            if event.subject and event.subject not in ids:
                raise ValueError(f"event {event.text!r} is about {event.subject!r}, which is no subject's id")
            if self.duration is not None and event.end > self.duration:
                raise ValueError(
                    f"event {event.text!r} ends at {event.end:g} s, after the clip's {self.duration:g} s"
                )
        if list(self.motion.events) != sorted(self.motion.events, key=lambda event: event.start):
            raise ValueError("events must be in the order of their start")
        return self


class Segment(Value):
    """A stretch of a clip with a prompt of its own: frames `start` to before `end`."""

    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=1)]
    text: str
