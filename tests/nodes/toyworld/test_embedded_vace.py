"""The shipped VACE model by the stock pipeline: the object goes where it is led."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import graphflow_nodes.toyworld as toyworld
import pytest
import torch
from graphflow_nodes.toyworld.score import path_error, places
from graphflow_nodes.toyworld.training.evaluate import open_pipeline, read_settings
from graphflow_nodes.toyworld.training.evaluate_control import ON_PATH, cases, generate, measure
from graphflow_nodes.toyworld.training.stock import Stock, WanVACEPipeline

FOLDER = Path(toyworld.__path__[0]).parent / "diffusion" / "embedded" / "toy-wan-vace"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Stock]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield open_pipeline(FOLDER, WanVACEPipeline)


@pytest.mark.parametrize("task", ["box", "outline", "figure"])
def test_the_object_follows_what_leads_it(task: str, pipeline: Stock) -> None:
    chosen, settings = cases(task, 8), read_settings(FOLDER)
    figures = measure(task, pipeline, chosen, [generate(pipeline, case, settings) for case in chosen])
    assert isinstance(figures["on_path"], float) and isinstance(figures["rates"], dict)
    assert figures["on_path"] >= 0.85
    assert figures["rates"]["color"] >= 0.85 and figures["rates"]["background"] >= 0.85


def test_what_leads_decides_where_and_the_prompt_decides_what(pipeline: Stock) -> None:
    settings, (one, other) = read_settings(FOLDER), cases("box", 2)
    clip = generate(pipeline, one, settings)
    assert path_error(clip, places(one.truth)) < ON_PATH < path_error(clip, places(other.truth))


def test_another_seed_gives_another_clip(pipeline: Stock) -> None:
    case, settings = cases("box", 1)[0], read_settings(FOLDER) | {"steps": 4}
    one, same, other = (generate(pipeline, case, settings, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
