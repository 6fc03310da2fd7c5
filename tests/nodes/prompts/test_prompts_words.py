"""The vocabularies of film language."""

from __future__ import annotations

from typing import get_args

import pytest
from graphflow_nodes.prompts import words
from graphflow_nodes.prompts.words import Vocabulary

TABLES = {name: table for name, table in vars(words).items() if isinstance(table, Vocabulary)}
FIELDS = {
    "SIZE": words.ShotSize,
    "ANGLE": words.ShotAngle,
    "VIEW": words.ShotView,
    "COMPOSITION": words.Composition,
    "TIME": words.DayTime,
    "SOURCE": words.LightSource,
    "QUALITY": words.LightQuality,
    "DIRECTION": words.LightDirection,
    "TONE": words.Tone,
    "CAMERA": words.CameraMove,
    "INTENSITY": words.Intensity,
    "SPEED": words.Speed,
}


@pytest.mark.parametrize("name", TABLES)
def test_a_vocabulary_is_read_and_written_without_loss(name: str) -> None:
    table = TABLES[name]
    assert len(set(table.words.values())) == len(table.words)
    for ours, theirs in table.words.items():
        assert table.read(theirs) == ours
        assert table.write(ours) == theirs
    with pytest.raises(KeyError):
        table.read("no such word")


@pytest.mark.parametrize("name", TABLES)
def test_a_vocabulary_knows_only_our_values(name: str) -> None:
    table = TABLES[name]
    ours = get_args(FIELDS[name.partition("_")[2]])
    assert set(table.words) | set(table.nearest) | set(table.nearest.values()) <= set(ours)
    assert not set(table.words) & set(table.nearest)
    assert table.write("") == ""


def test_a_closed_list_has_a_word_for_everything() -> None:
    """SkyCaptioner's fields must have one of their words, LTX-2 wants exactly one shot type."""
    for table, values in (
        (words.SKY_SIZE, words.ShotSize),
        (words.SKY_ANGLE, words.ShotAngle),
        (words.SKY_VIEW, words.ShotView),
        (words.LTX2_SIZE, words.ShotSize),
    ):
        assert all(table.write(value) for value in get_args(values) if value)


def test_one_shot_in_every_familys_words() -> None:
    assert words.SKY_SIZE.read("medium_shot") == "medium"
    assert words.WAN_SIZE.write("medium") == "Medium shot"
    assert words.LTX2_SIZE.write("medium") == "medium shot"


@pytest.mark.parametrize(
    "name", ["SIZE", "ANGLE", "VIEW", "COMPOSITION", "CAMERA", "INTENSITY", "TIME", "SOURCE"]
)
def test_prose_has_words_for_every_value_but_other(name: str) -> None:
    table = getattr(words, f"{name}_WORDS")
    assert set(table) == set(get_args(FIELDS[name])) - {"", "other"}
