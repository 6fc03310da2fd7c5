"""Structured prompts for tests: one with everything in it, and any that hypothesis can think of."""

from __future__ import annotations

from typing import get_args

from graphflow_nodes.prompts.values import (
    Camera,
    Event,
    Lighting,
    Motion,
    Shot,
    Sound,
    StructuredPrompt,
    Subject,
)
from graphflow_nodes.prompts.words import (
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
from hypothesis import strategies as st

BEACH = StructuredPrompt(
    subjects=(
        Subject(
            id="woman",
            name="a woman",
            kind="Human",
            sub_type="Woman",
            appearance="in a red coat",
            action="walks along the beach",
            expression="smiling",
            position="on the left of the frame",
        ),
        Subject(
            kind="Animal",
            sub_type="Dog",
            appearance="A small brown dog with long ears.",
            action="The dog runs around her.",
            main=False,
        ),
    ),
    shot=Shot(size="medium", angle="low", composition="center"),
    motion=Motion(
        scene="waves roll in behind her",
        events=(
            Event(start=0.0, end=2.0, text="waves her hand", subject="woman"),
            Event(start=2.0, end=5.0, text="A big wave breaks"),
        ),
    ),
    camera=Camera(move="follow", intensity="slow"),
    environment="a wide sandy beach with dunes",
    lighting=Lighting(time="sunset", source="sunny", quality="soft", tone="warm"),
    atmosphere="calm and happy",
    text_in_frame=("OPEN",),
    sound=Sound(dialogue=("Come here!",), music="quiet piano", ambience="waves and gulls"),
    duration=5.0,
    fps=16.0,
    negative=("blurry", "watermark"),
)
"""A prompt that uses every part."""

TEXTS = st.text(max_size=30)


def words(vocabulary: object) -> st.SearchStrategy[str]:
    """Any word of a Literal."""
    return st.sampled_from(get_args(vocabulary))


SHOTS = st.builds(
    Shot,
    size=words(ShotSize),
    angle=words(ShotAngle),
    view=words(ShotView),
    composition=words(Composition),
    lens=TEXTS,
)
SUBJECTS = st.builds(
    Subject,
    name=TEXTS,
    kind=TEXTS,
    sub_type=TEXTS,
    appearance=TEXTS,
    expression=TEXTS,
    action=TEXTS,
    position=TEXTS,
    main=st.booleans(),
)
EVENTS = st.builds(
    lambda start, length, text: Event(start=start, end=start + length, text=text),
    st.floats(0, 50),
    st.floats(0.01, 10),
    TEXTS,
)
MOTIONS = st.builds(
    lambda events, **rest: Motion(events=tuple(sorted(events, key=lambda event: event.start)), **rest),
    st.lists(EVENTS, max_size=4),
    subjects=TEXTS,
    scene=TEXTS,
    speed=words(Speed),
)
LIGHTS = st.builds(
    Lighting,
    time=words(DayTime),
    source=words(LightSource),
    quality=words(LightQuality),
    direction=words(LightDirection),
    tone=words(Tone),
    text=TEXTS,
)
PROMPTS = st.builds(
    StructuredPrompt,
    description=TEXTS,
    subjects=st.lists(SUBJECTS, max_size=3).map(tuple),
    shot=SHOTS,
    motion=MOTIONS,
    camera=st.builds(Camera, move=words(CameraMove), intensity=words(Intensity), text=TEXTS),
    environment=TEXTS,
    lighting=LIGHTS,
    style=TEXTS,
    atmosphere=TEXTS,
    text_in_frame=st.lists(TEXTS, max_size=2).map(tuple),
    sound=st.builds(Sound, dialogue=st.lists(TEXTS, max_size=2).map(tuple), music=TEXTS, ambience=TEXTS),
    trigger=TEXTS,
    negative=st.lists(TEXTS, max_size=2).map(tuple),
)
