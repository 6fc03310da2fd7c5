"""Notes on licences: complete, with source and date, and every licence of the catalogue has some."""

from __future__ import annotations

import datetime

import pytest
from graphflow_nodes.diffusion import catalogue
from graphflow_nodes.licence.terms import answer, licences


@pytest.mark.parametrize("id", sorted(licences()))
def test_every_note_says_where_and_when_it_was_read(id: str) -> None:
    terms = licences()[id]
    assert terms.name and terms.source and datetime.date.fromisoformat(terms.read)
    assert all(why for verdict, why in terms.uses.values() if verdict in ("no", "conditions"))


def test_an_image_editor_is_another_model() -> None:
    assert answer("tencent-hunyuan-community", "train_image_editor").verdict == "no"
    assert answer("apache-2.0", "train_image_editor").verdict == "yes"


def test_what_was_not_read_is_unknown() -> None:
    assert answer("", "publish").verdict == "unknown"
    assert answer("no-such-licence", "publish").verdict == "unknown"
    assert "skywork" in answer("skywork-community", "train_other_models").why.lower()


def test_every_licence_in_the_catalogue_has_notes() -> None:
    named = {entry.licence.id for entry in catalogue.entries()} - {""}
    assert named <= licences().keys()
