"""Structured prompts in each family's style."""

from __future__ import annotations

import doctest

import pytest
from graphflow_nodes.prompts import render
from graphflow_nodes.prompts.fields import PARTS, filled, without
from graphflow_nodes.prompts.render import count_words, cut
from graphflow_nodes.prompts.styles import STYLES
from graphflow_nodes.prompts.values import Camera, Lighting, Shot, StructuredPrompt, Subject
from hypothesis import given
from hypothesis import strategies as st

from graphflow.testing import run_node
from tests.support.prompt_values import BEACH, PROMPTS

TASKS = ("text_to_video", "image_to_video")


def text(prompt: StructuredPrompt, style: str, task: str = "text_to_video", **settings: object) -> str:
    found: str = run_node(render, prompt, style=style, task=task, **settings).text
    return found


def test_wan_begins_with_at_most_four_tags_and_has_no_mood() -> None:
    told = text(BEACH, "wan")
    assert told.startswith(
        "Sunset time, Medium shot, Sunny lighting, Center composition. A woman, in a red coat,"
    )
    assert "happy" not in told and "low angle" not in told.lower()  # the camera moves: no angle
    still = BEACH.model_copy(update={"camera": Camera()})
    assert text(still, "wan").startswith("Sunset time, Medium shot, Low angle shot, Sunny lighting.")


def test_wan_puts_a_style_in_place_of_the_tags() -> None:
    told = text(BEACH.model_copy(update={"style": "watercolor painting"}), "wan")
    assert told.startswith("Watercolor painting. A woman") and "Medium shot" not in told


def test_ltx_starts_with_the_action() -> None:
    assert text(BEACH, "ltx").startswith("A woman walks along the beach, smiling. The dog runs around her.")


def test_ltx_tells_what_a_given_picture_shows_and_then_the_action() -> None:
    told = text(BEACH, "ltx", "image_to_video")
    places = [told.index(word) for word in ("red coat", "dunes", "sunlight", "walks along", "camera follows")]
    assert places == sorted(places)


def test_ltx2_names_one_shot_a_camera_and_everything_heard() -> None:
    told = text(BEACH, "ltx2")
    assert told.count("medium shot") == 1
    assert '"Come here!"' in told and "piano" in told and "gulls" in told
    bare = text(StructuredPrompt(description="A ball rolls"), "ltx2")
    assert "medium shot" in bare and "The camera is static." in bare


def test_ltx2_invents_nothing_for_a_given_picture() -> None:
    told = text(StructuredPrompt(description="a ball rolls", style="claymation"), "ltx2", "image_to_video")
    assert told == "Style: claymation. A ball rolls."


def test_hunyuan_quotes_letters_and_goes_from_general_to_specific() -> None:
    told = text(BEACH, "hunyuan15")
    assert 'The text "OPEN" can be read' in told
    places = [
        told.index(word) for word in ("red coat", "dunes", "medium shot", "camera", "sunlight", "happy")
    ]
    assert places == sorted(places)


def test_skyreels_opens_with_shot_of_subject_and_action() -> None:
    told = text(BEACH, "skyreels")
    assert told.startswith("Medium shot from a low angle of a woman who walks along the beach.")
    assert told.index("dunes") < told.index("sunlight") < told.index("The camera follows")


def test_skyreels_gives_only_the_living_an_expression() -> None:
    cup = Subject(kind="Object", sub_type="Cup", expression="smiling", action="breaks")
    assert "smiling" not in text(StructuredPrompt(subjects=(cup,)), "skyreels")
    assert "smiling" in text(
        StructuredPrompt(subjects=(cup.model_copy(update={"kind": "Human"}),)), "skyreels"
    )


@pytest.mark.parametrize("style", ["plain", "wan", "hunyuan", "hunyuan15", "skyreels"])
def test_a_given_picture_is_not_told_again(style: str) -> None:
    told = text(BEACH, style, "image_to_video")
    assert "walks along the beach" in told and "The camera follows" in told
    assert "red coat" not in told and "dunes" not in told and "shot" not in told


@pytest.mark.parametrize("style", STYLES)
def test_the_trigger_stands_first_and_the_negative_prompt_apart(style: str) -> None:
    found = run_node(render, BEACH.model_copy(update={"trigger": "PIKA_CAKEIFY"}), style=style)
    assert found.text.startswith("PIKA_CAKEIFY ") and found.negative == "blurry, watermark"


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("task", TASKS)
def test_nothing_gives_no_stray_signs(style: str, task: str) -> None:
    told = text(StructuredPrompt(), style, task)
    assert told in ("", "The clip is a medium shot. The camera is static.")


def test_punctuation_is_no_word() -> None:
    assert count_words("0 \u3400.") == 2 and count_words("a ball - red, (big) ...") == 4


@given(PROMPTS, st.sampled_from(list(STYLES)), st.sampled_from(TASKS), st.integers(1, 60))
def test_a_limit_is_kept_and_what_found_no_room_is_named(
    prompt: StructuredPrompt, style: str, task: str, most: int
) -> None:
    found = run_node(render, prompt, style=style, task=task, max_words=most)
    assert count_words(found.text) <= most
    assert set(found.left_out) <= set(filled(prompt))


def test_what_is_needed_least_goes_first() -> None:
    short = run_node(render, BEACH, style="plain", max_words=50)
    assert "walks along the beach" in short.text and "calm" not in short.text
    assert short.left_out[:1] == ["sound"] and "atmosphere" in short.left_out


def test_a_text_that_just_fits_is_whole() -> None:
    whole = run_node(render, BEACH, style="plain")
    assert run_node(render, BEACH, style="plain", max_words=count_words(whole.text)) == whole


def test_every_familys_own_limit_holds() -> None:
    long = BEACH.model_copy(update={"environment": " ".join(["dunes"] * 600)})
    for style, rules in STYLES.items():
        for task in TASKS:
            limit = rules.limit(task)
            assert limit is None or count_words(text(long, style, task)) <= limit


def test_parts_say_what_they_empty() -> None:
    assert set(filled(BEACH)) == set(PARTS) - {"description", "subject_motion", "speed", "style"}
    for part in PARTS:
        assert part not in filled(without(BEACH, part))


def test_words_are_counted_and_cut_at_sentences() -> None:
    assert doctest.testmod(__import__("graphflow_nodes.prompts.render", fromlist=["x"])).failed == 0
    assert count_words("一个红球") == 4
    assert cut("One two three. Four five six.", 4) == "One two three."
    assert cut("One. Two three four five six.", 4) == "One. Two three four."


def test_light_is_told_where_it_has_no_tags() -> None:
    prompt = StructuredPrompt(lighting=Lighting(text="candles flicker"), shot=Shot(size="full"))
    assert text(prompt, "wan") == "Medium wide shot. Candles flicker."
