"""The shipped model that starts from a picture, by the stock pipelines, on scenes that training never saw."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import graphflow_nodes.toyworld as toyworld
import pytest
import torch
from graphflow_nodes.toyworld.score import psnr, score
from graphflow_nodes.toyworld.training.evaluate import (
    generate,
    held_out_prompts,
    open_pipeline,
    rate,
    read_settings,
)
from graphflow_nodes.toyworld.training.evaluate_image import animate, cases, picture, recode, stills
from graphflow_nodes.toyworld.training.stock import Stock, WanImageToVideoPipeline

EMBEDDED = Path(toyworld.__path__[0]).parent / "diffusion" / "embedded"
FOLDER = EMBEDDED / "toy-wan-ti2v"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Stock]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield open_pipeline(FOLDER, WanImageToVideoPipeline)


def test_embedded_models_are_small_together() -> None:
    assert sum(file.stat().st_size for file in EMBEDDED.rglob("*") if file.is_file()) <= 40_000_000


def test_the_picture_moves_as_the_prompt_tells(pipeline: Stock) -> None:
    chosen, settings = cases(12), read_settings(FOLDER)
    given = [picture(scene) for scene, _ in chosen]
    clips = [animate(pipeline, frame, text, settings) for frame, (_, text) in zip(given, chosen, strict=True)]
    rates = score(clips, [scene for scene, _ in chosen]).rates
    bars = {"color": 0.95, "background": 0.95, "motion": 0.9, "shape": 0.8}
    assert {name: rates[name] for name, bar in bars.items() if rates[name] < bar} == {}
    for frame, clip in zip(given, clips, strict=True):
        assert psnr(clip[0], frame) > psnr(recode(pipeline.vae, frame[None])[0], frame) - 1.5


def test_one_picture_goes_every_way_it_is_told(pipeline: Stock) -> None:
    scene, settings = cases(1)[0][0], read_settings(FOLDER)
    words = {
        "right": "moving right",
        "left": "moving left",
        "up": "rises",
        "down": "falls",
        "still": "is still",
    }
    clips = [animate(pipeline, picture(scene), text, settings) for text in words.values()]
    readings = score(clips, [scene] * len(clips)).readings
    assert sum(r.motion == motion for r, motion in zip(readings, words, strict=True)) >= 4


def test_words_alone_are_followed_too() -> None:
    prompts = held_out_prompts(16)
    pipeline = open_pipeline(FOLDER)
    assert pipeline.config.expand_timesteps
    rates = rate(generate(pipeline, [p.text for p in prompts], read_settings(FOLDER)), prompts).rates
    bars = {"color": 0.95, "background": 0.97, "motion": 0.95, "shape": 0.8}
    assert {name: rates[name] for name, bar in bars.items() if rates[name] < bar} == {}


def test_single_pictures_show_what_they_are_told() -> None:
    rates = stills(FOLDER, 24)["rates"]
    assert isinstance(rates, dict)
    bars = {"color": 0.9, "background": 0.95, "shape": 0.7}
    assert {name: rates[name] for name, bar in bars.items() if rates[name] < bar} == {}


def test_other_seed_other_clip_same_first_frame(pipeline: Stock) -> None:
    settings = read_settings(FOLDER) | {"steps": 4}
    scene, text = cases(1)[0]
    one, two = (animate(pipeline, picture(scene), text, settings, seed=seed) for seed in (0, 1))
    assert torch.equal(one[0], two[0])
    assert not torch.equal(one, two)
