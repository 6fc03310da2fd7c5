"""Captions of clips taken apart, and put back."""

from __future__ import annotations

import json

import pytest
from graphflow_nodes.dataset import structured_captions, with_captions
from graphflow_nodes.dataset.motion import MOVES
from graphflow_nodes.dataset.structured import CAMERA
from graphflow_nodes.dataset.values import Clip, Score
from graphflow_nodes.prompts import render, to_skycaptioner
from graphflow_nodes.prompts.values import StructuredPrompt, Subject

from graphflow.errors import NodeError, ValueMismatch
from graphflow.testing import run_node


def clip(id: str, caption: str, rejected: str = "", **scores: Score) -> Clip:
    place = {"path": "x.mp4", "start": 0.0, "end": 1.0, "fps": 8.0, "height": 4, "width": 4}
    return Clip(id=id, source="s", caption=caption, rejected=rejected, scores=scores, **place)  # type: ignore[arg-type]


def test_a_plain_caption_is_told_with_the_measured_camera() -> None:
    told = clip("a", "a red ball on a black background; it moves to the right", camera="pan_left")
    found = run_node(structured_captions, [told, clip("b", "refused", rejected="motion")])
    assert found.ids == ["a"]
    (prompt,) = found.prompts
    assert prompt.description == "a red ball on a black background" and prompt.camera.move == "pan_left"
    text = run_node(render, prompt, style="skyreels").text
    assert "it moves to the right" in text.lower() and "pan" in text


def test_the_json_of_a_captioner_becomes_its_fields() -> None:
    seen = StructuredPrompt(subjects=(Subject(kind="Human", sub_type="Man", action="walks", main=True),))
    (prompt,) = run_node(structured_captions, [clip("a", run_node(to_skycaptioner, seen))]).prompts
    assert (prompt.subjects[0].sub_type, prompt.subjects[0].action.lower()) == ("Man", "walks")


def test_json_of_another_kind_names_the_clip() -> None:
    with pytest.raises(NodeError, match="the caption of clip a"):
        run_node(structured_captions, [clip("a", json.dumps({"mood": "grim"}))])


def test_every_measured_move_that_a_prompt_has_a_word_for_is_said() -> None:
    assert set(CAMERA) == set(MOVES) - {"roll", "unclear"}
    (prompt,) = run_node(structured_captions, [clip("a", "x", camera="unclear")]).prompts
    assert prompt.camera.move == ""


def test_captions_come_back_to_the_clips_that_are_left() -> None:
    clips = [clip("a", "old"), clip("b", "old", rejected="motion"), clip("c", "old")]
    found = run_node(with_captions, clips, ["new one", "new\n two"])
    assert [one.caption for one in found] == ["new one", "old", "new two"]
    with pytest.raises(ValueMismatch, match="1 captions for 2 clips"):
        run_node(with_captions, clips, ["new"])
