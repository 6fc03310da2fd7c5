"""Putting a structured prompt together."""

from __future__ import annotations

import pytest
from graphflow_nodes.prompts import camera, event, lighting, shot, sound, structured, subject
from graphflow_nodes.prompts.values import StructuredPrompt
from pydantic import ValidationError

from graphflow.errors import NodeError
from graphflow.testing import run_node
from graphflow.values import decode, encode
from tests.support.prompt_values import BEACH


def test_the_nodes_make_what_the_values_are() -> None:
    woman = run_node(
        subject,
        id="woman",
        name="a woman",
        kind="Human",
        sub_type="Woman",
        appearance="in a red coat",
        action="walks along the beach",
        expression="smiling",
        position="on the left of the frame",
    )
    dog = run_node(
        subject,
        kind="Animal",
        sub_type="Dog",
        appearance="A small brown dog with long ears.",
        action="The dog runs around her.",
        main=False,
    )
    late = run_node(event, start=2.0, end=5.0, text="A big wave breaks")
    early = run_node(event, start=0.0, end=2.0, text="waves her hand", subject="woman")
    made = run_node(
        structured,
        [woman, dog],
        [late, early],  # put into the order of time
        run_node(shot, size="medium", angle="low", composition="center"),
        run_node(camera, move="follow", intensity="slow"),
        run_node(lighting, time="sunset", source="sunny", quality="soft", tone="warm"),
        run_node(sound, dialogue="Come here!\n", music="quiet piano", ambience="waves and gulls"),
        environment="a wide sandy beach with dunes",
        atmosphere="calm and happy",
        scene_motion="waves roll in behind her",
        text_in_frame="OPEN",
        duration=5.0,
        fps=16.0,
        negative="blurry\n\n watermark",
    )
    assert made == BEACH


def test_everything_may_be_left_open() -> None:
    assert run_node(structured) == StructuredPrompt()


def test_a_prompt_travels_on_a_wire() -> None:
    header, tensors = encode(BEACH)
    assert decode(header, tensors) == BEACH


def test_an_event_must_be_inside_the_clip_and_about_somebody() -> None:
    happening = run_node(event, start=1.0, end=3.0, text="it rains")
    with pytest.raises(NodeError, match="ends at 3 s, after the clip's 2 s"):
        run_node(structured, None, [happening], duration=2.0)
    about_nobody = run_node(event, start=1.0, end=3.0, text="jumps", subject="cat")
    with pytest.raises(NodeError, match="'cat', which is no subject's id"):
        run_node(structured, None, [about_nobody])
    with pytest.raises(NodeError, match="before it starts"):
        run_node(event, start=3.0, end=1.0)


def test_ids_are_different() -> None:
    twice = [run_node(subject, id="a"), run_node(subject, id="a")]
    with pytest.raises(NodeError, match="same id"):
        run_node(structured, twice)


def test_words_outside_the_vocabulary_are_refused_as_settings() -> None:
    with pytest.raises(ValidationError):
        run_node(shot, size="gigantic")
