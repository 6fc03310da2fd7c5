"""The shipped VACE model by the stock pipeline: objects go where they are led, given parts stay."""

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
    chosen, settings = cases(task, 4), read_settings(FOLDER) | {"steps": 10}
    figures = measure(task, pipeline, chosen, [generate(pipeline, case, settings) for case in chosen])
    assert isinstance(figures["on_path"], float) and isinstance(figures["rates"], dict)
    assert figures["on_path"] >= 0.85
    assert figures["rates"]["color"] >= 0.85 and figures["rates"]["background"] >= 0.85


def test_given_frames_begin_and_end_the_clip(pipeline: Stock) -> None:
    """Within 1.5 dB of the autoencoder's own copies, and the object where they show it."""
    chosen, settings = cases("ends", 6), read_settings(FOLDER) | {"steps": 10}
    figures = measure("ends", pipeline, chosen, [generate(pipeline, case, settings) for case in chosen])
    behind = figures["db_behind_autoencoder"]
    assert isinstance(behind, dict) and behind["first"] < 1.5 and behind["last"] < 1.5
    assert figures["on_path"] == 1


@pytest.mark.parametrize("task", ["hole", "beyond"])
def test_what_is_missing_is_filled_and_the_rest_stays(task: str, pipeline: Stock) -> None:
    chosen, settings = cases(task, 4), read_settings(FOLDER) | {"steps": 10}
    figures = measure(task, pipeline, chosen, [generate(pipeline, case, settings) for case in chosen])
    behind, rates = figures["db_behind_autoencoder"], figures["rates"]
    assert isinstance(behind, dict) and isinstance(rates, dict)
    assert behind["kept"] < 2.5
    assert min(rates[name] for name in ("color", "background", "motion")) >= 0.8


def test_what_leads_decides_where_and_the_prompt_decides_what(pipeline: Stock) -> None:
    settings, (one, other) = read_settings(FOLDER), cases("box", 2)
    clip = generate(pipeline, one, settings)
    assert path_error(clip, places(one.truth)) < ON_PATH < path_error(clip, places(other.truth))


def test_another_seed_gives_another_clip(pipeline: Stock) -> None:
    case, settings = cases("box", 1)[0], read_settings(FOLDER) | {"steps": 4}
    one, same, other = (generate(pipeline, case, settings, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
