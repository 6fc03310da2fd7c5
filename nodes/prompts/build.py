"""Nodes that put a structured prompt together from its parts."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError

from graphflow.errors import NodeError
from graphflow.node import node
from graphflow.values import Value

from .values import (
    Camera,
    Event,
    Language,
    Lighting,
    Motion,
    Seconds,
    Shot,
    Sound,
    StructuredPrompt,
    Subject,
    Text,
)
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

V = TypeVar("V", bound=Value)

_PARTS = (".values", ".words")

Id = Annotated[str, Field(max_length=100)]


def checked(kind: type[V], /, **fields: Any) -> V:
    """A value of these fields. Raises NodeError, naming the field, if they do not fit together."""
    try:
        return kind(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        text = first["msg"].removeprefix("Value error, ")
        raise NodeError(f"{place}: {text}" if place else text, hint="correct the prompt's fields") from None


@node("prompts/subject", fold=True, depends=_PARTS)
def subject(
    *,
    name: Text = "",
    action: Text = "",
    appearance: Text = "",
    expression: Text = "",
    position: Text = "",
    kind: Text = "",
    sub_type: Text = "",
    main: bool = True,
    id: Id = "",
) -> Subject:
    """Somebody or something in the clip.

    Write fragments that begin in lower case (`in a red coat`, `walks along the beach`), which are joined to
    one sentence, or whole sentences, which stay as they are.
    kind, sub_type: such as `Human` and `Man`. id: by which events name it.
    """
    return checked(Subject, **locals())


@node("prompts/event", fold=True, depends=_PARTS)
def event(*, start: Seconds = 0.0, end: Seconds = 1.0, text: Text = "", subject: Id = "") -> Event:
    """What happens from `start` to `end`, in seconds; `subject` is the id of who does it, or empty.

    Raises NodeError if it ends before it starts.
    """
    return checked(Event, **locals())


@node("prompts/shot", fold=True, depends=_PARTS)
def shot(
    *,
    size: ShotSize = "",
    angle: ShotAngle = "",
    view: ShotView = "",
    composition: Composition = "",
    lens: Text = "",
) -> Shot:
    """From where the scene is seen: how close, from which height and side, how arranged."""
    return checked(Shot, **locals())


@node("prompts/camera", fold=True, depends=_PARTS)
def camera(*, move: CameraMove = "", intensity: Intensity = "", text: Text = "") -> Camera:
    """How the camera moves; `text` says it in free words instead."""
    return checked(Camera, **locals())


@node("prompts/lighting", fold=True, depends=_PARTS)
def lighting(
    *,
    time: DayTime = "",
    source: LightSource = "",
    quality: LightQuality = "",
    direction: LightDirection = "",
    tone: Tone = "",
    text: Text = "",
) -> Lighting:
    """The light; `text` is free words beside the fields."""
    return checked(Lighting, **locals())


@node("prompts/sound", fold=True, depends=_PARTS)
def sound(*, dialogue: str = "", music: Text = "", ambience: Text = "") -> Sound:
    """What is heard, for models with sound. dialogue: one spoken line a line."""
    return checked(Sound, dialogue=_lines(dialogue), music=music, ambience=ambience)


@node("prompts/structured", fold=True, depends=_PARTS)
def structured(
    subjects: list[Subject] | None = None,
    events: list[Event] | None = None,
    shot: Shot | None = None,
    camera: Camera | None = None,
    lighting: Lighting | None = None,
    sound: Sound | None = None,
    *,
    description: Text = "",
    environment: Text = "",
    style: Text = "",
    atmosphere: Text = "",
    subject_motion: Text = "",
    scene_motion: Text = "",
    speed: Speed = "",
    text_in_frame: str = "",
    duration: Annotated[float, Field(gt=0, le=86_400)] | None = None,
    fps: Annotated[float, Field(gt=0, le=1000)] | None = None,
    trigger: Text = "",
    negative: str = "",
    language: Language = "en",
) -> StructuredPrompt:
    """A whole prompt, taken apart, that `prompts/render` writes in the style of each model family.

    description: what no other field says. text_in_frame: letters to be seen, one text a line.
    duration: seconds. trigger: a word that a trained effect listens to. negative: one thing a line.
    Raises NodeError for events outside the duration or about a subject that is not there.
    """
    motion = {"subjects": subject_motion, "scene": scene_motion, "speed": speed}
    in_order = tuple(sorted(events or (), key=lambda event: event.start))
    return checked(
        StructuredPrompt,
        description=description,
        subjects=tuple(subjects or ()),
        shot=shot or Shot(),
        motion=checked(Motion, events=in_order, **motion),
        camera=camera or Camera(),
        environment=environment,
        lighting=lighting or Lighting(),
        style=style,
        atmosphere=atmosphere,
        text_in_frame=_lines(text_in_frame),
        sound=sound or Sound(),
        duration=duration,
        fps=fps,
        trigger=trigger,
        negative=_lines(negative),
        language=language,
    )


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())
