"""Prompts that differ in one thing, and what they differ in."""

from __future__ import annotations

from typing import get_args

import pytest
from graphflow_nodes.prompts import diff, drop, vary
from graphflow_nodes.prompts.values import Lighting, StructuredPrompt
from graphflow_nodes.prompts.vary import Axis, Variations
from graphflow_nodes.prompts.words import ShotSize

from graphflow.errors import NodeError
from graphflow.testing import run_node
from tests.support.prompt_values import BEACH


def test_a_fixed_vocabulary_is_gone_through_whole() -> None:
    found = run_node(vary, BEACH, axis="shot.size")
    assert found.labels == [size for size in get_args(ShotSize) if size]
    assert [prompt.shot.size for prompt in found.prompts] == found.labels


def variations(axis: str) -> Variations:
    """Every word of a fixed vocabulary, or a text of our own."""
    try:
        return run_node(vary, BEACH, axis=axis)
    except NodeError:
        return run_node(vary, BEACH, axis=axis, values="changed")


@pytest.mark.parametrize("axis", get_args(Axis))
def test_only_the_chosen_thing_changes(axis: str) -> None:
    place = axis.replace("subject.", "subjects.0.")
    changes = [run_node(diff, BEACH, prompt) for prompt in variations(axis).prompts]
    assert all(len(lines) <= 1 for lines in changes) and any(changes)
    assert all(line.startswith(f"{place}: ") for lines in changes for line in lines)


def test_a_moved_camera_replaces_its_free_words() -> None:
    prompt = run_node(vary, StructuredPrompt(), axis="camera.text", values="it swings").prompts[0]
    assert run_node(vary, prompt, axis="camera.move", values="static").prompts[0].camera.text == ""


def test_differences_are_written_field_by_field() -> None:
    wide = run_node(vary, BEACH, axis="shot.size", values="wide").prompts[0]
    assert run_node(diff, BEACH, wide) == ["shot.size: 'medium' -> 'wide'"]
    assert run_node(diff, BEACH, BEACH) == []
    shorter = BEACH.model_copy(update={"subjects": BEACH.subjects[:1]})
    assert "subjects.1.action: 'The dog runs around her.' -> None" in run_node(diff, BEACH, shorter)


def test_a_part_is_left_out() -> None:
    dark = run_node(drop, BEACH, part="lighting")
    assert all(line.startswith("lighting.") for line in run_node(diff, BEACH, dark))
    assert dark.lighting == Lighting()
    assert [subject.sub_type for subject in run_node(drop, BEACH, part="others").subjects] == ["Woman"]


def test_words_must_fit_the_axis() -> None:
    with pytest.raises(NodeError, match="size"):
        run_node(vary, BEACH, axis="shot.size", values="huge")
    with pytest.raises(NodeError, match="free text"):
        run_node(vary, BEACH, axis="style")
    with pytest.raises(NodeError, match="no main subject"):
        run_node(vary, StructuredPrompt(), axis="subject.name", values="a man")
