"""A model of few words says which they are, before anything is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphflow_nodes.diffusion.load import load_model
from graphflow_nodes.diffusion.vocabulary import check_words

from graphflow import templates
from graphflow.errors import NodeError
from graphflow.workspace import Workspace
from tests.support.tiny_wan import save_tiny_wan

TOY = load_model(model="toy-wan").denoiser.source


@pytest.mark.parametrize("prompt", ["", " ", "cats watch a BALL!", "it rises", "not moving, at all"])
def test_one_known_word_is_enough(prompt: str) -> None:
    check_words(TOY, prompt)


@pytest.mark.parametrize("prompt", ["a cat dances", "balls", "the colors and shapes", "not"])
def test_what_it_knows_is_named(prompt: str) -> None:
    with pytest.raises(NodeError, match="knows none of the words") as caught:
        check_words(TOY, prompt)
    assert "shapes: circle, square, triangle" in caught.value.hint


def test_a_model_that_tells_no_vocabulary_takes_all_words(tmp_path: Path) -> None:
    check_words(load_model(model=str(save_tiny_wan("wan21", tmp_path))).denoiser.source, "a cat dances")


def test_it_is_told_while_planning(tmp_path: Path) -> None:
    document, folder = templates.find("text_to_video")
    with Workspace(tmp_path / "data") as workspace:
        graph = workspace.graph(document, {"prompt": "a cat dances"}, folder=folder)
        result = workspace.run(graph, out_dir=tmp_path / "out")
    assert [(one.node, one.port) for one in result.failures] == [("encode", "prompt")]
    assert not result.computed
