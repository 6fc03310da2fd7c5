"""Sentences from fields."""

from __future__ import annotations

import doctest

import pytest
from graphflow_nodes.prompts import phrases
from graphflow_nodes.prompts.phrases import (
    about,
    camera_sentence,
    events,
    light_sentences,
    sentence,
    shot_words,
)
from graphflow_nodes.prompts.values import Camera, Event, Lighting, Motion, Shot, StructuredPrompt, Subject
from hypothesis import given
from hypothesis import strategies as st


def test_the_examples_in_the_module_hold() -> None:
    assert doctest.testmod(phrases).failed == 0


@given(st.text())
def test_a_sentence_stays_one(text: str) -> None:
    assert sentence(sentence(text)) == sentence(text)


@pytest.mark.parametrize("text", ['He says "stop!"', "是的\u3002", "Really?"])
def test_what_ends_already_gets_no_full_stop(text: str) -> None:
    assert sentence(text) == text


def test_fragments_are_joined_and_sentences_stay() -> None:
    ball = Subject(name="a red ball", action="rolls", appearance="It is shiny.", position="on a table")
    assert about(ball) == "A red ball, on a table, rolls. It is shiny."
    assert about(ball, looks=False) == "A red ball rolls."
    assert about(Subject(sub_type="Owl", action="sleeps")) == "An owl sleeps."
    assert about(Subject(sub_type="Owl", action="The owl sleeps.")) == "The owl sleeps."
    assert about(Subject()) == "The subject."


def test_what_happens_is_told_in_the_order_of_time() -> None:
    happenings = [
        Event(start=i, end=i + 1.0, text=text) for i, text in enumerate(["It rains", "UFOs land", "I run"])
    ]
    told = events(StructuredPrompt(motion=Motion(events=tuple(happenings))))
    assert told == "First, it rains. Then, UFOs land. Finally, I run."


def test_shot_camera_and_light_in_words() -> None:
    assert shot_words(Shot(size="wide", angle="low", view="side", lens="35 mm lens")) == (
        "wide shot from a low angle from the side, 35 mm lens"
    )
    assert camera_sentence(Camera(move="pan_left", intensity="slow")) == "The camera pans left slowly."
    assert camera_sentence(Camera(move="pan_left", text="it swings")) == "It swings."
    light = Lighting(
        source="moonlight", quality="hard", tone="cool", direction="top", time="night", text="Fog glows"
    )
    assert light_sentences(light) == "The scene is lit by hard cool moonlight from above at night. Fog glows."
    assert light_sentences(Lighting(time="dawn")) == "The scene is lit at dawn."
