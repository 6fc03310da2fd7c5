"""Plain text to structured prompts, and what prompts leave open filled in."""

from __future__ import annotations

import pytest
from graphflow_nodes.prompts import complete, diff, from_text, render
from graphflow_nodes.prompts.fields import filled
from graphflow_nodes.prompts.styles import STYLES
from graphflow_nodes.prompts.values import Camera, Lighting, Shot, StructuredPrompt, Subject
from hypothesis import given
from hypothesis import strategies as st

from graphflow.testing import run_node
from tests.support.prompt_values import BEACH, PROMPTS


def test_known_words_become_fields_and_the_rest_stays() -> None:
    text = "Day time, Medium shot, a man walks, slowly. The camera pans left slowly. It is fine."
    prompt = run_node(from_text, text=text)
    assert prompt == StructuredPrompt(
        description="a man walks, slowly. It is fine.",
        shot=Shot(size="medium"),
        lighting=Lighting(time="day"),
        camera=Camera(move="pan_left", intensity="slow"),
    )


def test_what_wan_is_told_is_understood_again() -> None:
    prompt = StructuredPrompt(
        description="A man walks.",
        shot=Shot(size="close_up", composition="center"),
        lighting=Lighting(time="night", source="firelight"),
        camera=Camera(move="orbit"),
    )
    assert run_node(from_text, text=run_node(render, prompt, style="wan").text) == prompt


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200))
def test_text_without_known_words_is_kept(text: str) -> None:
    prompt = run_node(from_text, text=text)
    if prompt.shot == Shot() and prompt.lighting == Lighting() and prompt.camera == Camera():
        assert prompt.description.split() == text.split()


def test_a_word_said_twice_is_a_field_once() -> None:
    prompt = run_node(from_text, text="Medium shot, Wide shot, a ball")
    assert prompt.shot.size == "medium" and prompt.description == "Wide shot, a ball"


@given(PROMPTS, st.sampled_from(list(STYLES)))
def test_completing_changes_nothing_that_was_said(prompt: StructuredPrompt, style: str) -> None:
    done = run_node(complete, prompt, style=style)
    assert all(": '' -> " in change for change in run_node(diff, prompt, done))
    assert run_node(complete, done, style=style) == done
    assert run_node(complete, prompt, style=style, task="image_to_video") == prompt


def test_defaults_are_those_of_the_familys_guide() -> None:
    ball = StructuredPrompt(description="a red ball rolls")
    told = run_node(render, run_node(complete, ball, style="wan"), style="wan").text
    assert told == "Day time, Wide shot, Center composition, Soft lighting. A red ball rolls."
    person = StructuredPrompt(subjects=(Subject(name="a man", kind="Human"),))
    assert run_node(complete, person, style="wan").shot.size == "medium"
    assert run_node(complete, person, style="skyreels").camera.move == "forward"
    assert run_node(complete, BEACH, style="skyreels").camera == BEACH.camera
    assert run_node(complete, ball, style="ltx2").camera.move == "static"
    assert run_node(complete, ball, style="hunyuan15").style == "realistic"


@pytest.mark.parametrize("style", [name for name in STYLES if name != "plain"])
def test_every_family_has_something_to_add(style: str) -> None:
    assert filled(run_node(complete, StructuredPrompt(description="a ball"), style=style)) != ["description"]
