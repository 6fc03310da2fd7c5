"""SkyCaptioner-V1's JSON and our own, there and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from graphflow_nodes.prompts import from_json, from_skycaptioner, to_json, to_skycaptioner
from graphflow_nodes.prompts.values import StructuredPrompt
from hypothesis import given
from hypothesis import strategies as st

from graphflow.errors import NodeError
from graphflow.testing import run_node
from tests.support.prompt_values import BEACH, PROMPTS, TEXTS

SUBJECT = st.fixed_dictionaries(
    {
        "appearance": TEXTS,
        "action": TEXTS,
        "expression": TEXTS,
        "position": TEXTS,
        "TYPES": st.fixed_dictionaries({"type": TEXTS, "sub_type": TEXTS}),
        "is_main_subject": st.booleans(),
    }
)
CAPTION = st.fixed_dictionaries(
    {
        "subjects": st.lists(SUBJECT, max_size=4),
        "shot_type": st.sampled_from(
            ["long_shot", "full_shot", "medium_shot", "close_up", "extreme_close_up", "other"]
        ),
        "shot_angle": st.sampled_from(["eye_level", "high_angle", "low_angle", "other"]),
        "shot_position": st.sampled_from(
            [
                "front_view", "back_view", "side_view", "over_the_shoulder", "overhead_view", "point_of_view",
                "aerial_view", "overlooking_view", "other",
            ]
        ),
        "camera_motion": TEXTS,
        "environment": TEXTS,
        "lighting": TEXTS,
    }
)  # fmt: skip
"""Every caption that the released captioner's schema allows."""


@given(CAPTION)
def test_a_skycaptioner_caption_comes_back_exactly(caption: dict[str, Any]) -> None:
    prompt = run_node(from_skycaptioner, text=json.dumps(caption))
    assert json.loads(run_node(to_skycaptioner, prompt)) == caption


@given(PROMPTS)
def test_our_json_keeps_everything(prompt: StructuredPrompt) -> None:
    assert run_node(from_json, text=run_node(to_json, prompt)) == prompt


@given(PROMPTS)
def test_any_prompt_becomes_a_valid_skycaptioner_caption(prompt: StructuredPrompt) -> None:
    text = run_node(to_skycaptioner, prompt)
    assert run_node(to_skycaptioner, run_node(from_skycaptioner, text=text)) == text


def test_what_the_format_knows_is_in_it() -> None:
    caption = json.loads(run_node(to_skycaptioner, BEACH))
    assert caption["subjects"][1]["TYPES"] == {"type": "Animal", "sub_type": "Dog"}
    assert caption["shot_type"] == "medium_shot" and caption["shot_position"] == "other"
    assert caption["camera_motion"] == "The camera follows the subject slowly."
    assert caption["lighting"] == "The scene is lit by soft warm sunlight at sunset."


def test_absent_fields_are_empty() -> None:
    """The released training code deletes appearance, position and lighting now and then."""
    prompt = run_node(from_skycaptioner, text='{"subjects": [{"action": "walks"}], "shot_type": "close_up"}')
    assert prompt.subjects[0].action == "walks" and prompt.lighting.text == ""
    assert prompt.shot.size == "close_up" and prompt.shot.angle == ""


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "not a SkyCaptioner caption"),
        ("[1]", "not a SkyCaptioner caption"),
        ("[" * 100_000, "not a SkyCaptioner caption"),
        ('{"mood": "good"}', "mood"),
        ('{"subjects": [{"action": 3}]}', "subjects.0.action"),
        ('{"subjects": [{"is_main_subject": "yes"}]}', "subjects.0.is_main_subject"),
        ('{"shot_type": "huge"}', "there is no 'huge'"),
        ('{"lighting": NaN}', "lighting"),
        ('{"lighting": "' + "x" * 5000 + '"}', "lighting"),
        (" " * 1_000_001, "characters"),
    ],
)
def test_bad_captions_are_refused_with_the_place(text: str, place: str) -> None:
    with pytest.raises(NodeError, match=place) as caught:
        run_node(from_skycaptioner, text=text)
    assert caught.value.hint


def test_bad_json_of_our_own_is_refused() -> None:
    for text in ("", "{", '{"shot": {"size": "huge"}}', '{"duration": -1}', '{"x": 1}'):
        with pytest.raises(NodeError, match="not a structured prompt"):
            run_node(from_json, text=text)
