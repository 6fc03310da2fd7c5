"""The shipped model, by the stock pipeline: what it must reach on prompts that training never saw."""

import json
import random
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import graphflow_nodes.toyworld as toyworld
import pytest
import torch
from graphflow_nodes.toyworld.render import render
from graphflow_nodes.toyworld.score import Score, score
from graphflow_nodes.toyworld.training.evaluate import (
    Prompted,
    contact_sheet,
    generate,
    held_out_prompts,
    open_pipeline,
    rate,
    read_settings,
    with_strangers,
)
from graphflow_nodes.toyworld.training.stock import Stock
from graphflow_nodes.toyworld.world import sample_scenes

FOLDER = Path(toyworld.__path__[0]).parent / "diffusion" / "embedded" / "toy-wan"
BARS = {"color": 0.95, "background": 0.97, "motion": 0.95, "shape": 0.85}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Stock]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield open_pipeline(FOLDER)


def _check(result: Score, bars: dict[str, float], prompts: list[Prompted]) -> None:
    missed = [
        f"{prompted.text} -> {reading}"
        for prompted, reading in zip(prompts, result.readings, strict=True)
        if any(getattr(reading, name) != getattr(prompted.scene, name) for name in bars)
    ]
    low = {name: result.rates[name] for name, bar in bars.items() if result.rates[name] < bar}
    assert not low, f"{low}\n" + "\n".join(missed)


def test_folder_is_small_and_complete() -> None:
    size = sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file())
    assert size <= 20_000_000
    index = json.loads((FOLDER / "model_index.json").read_text())
    assert index["_class_name"] == "WanPipeline"
    settings = read_settings(FOLDER)
    assert settings["steps"] <= 20
    assert settings["frames"] % 4 == 1


def test_held_out_prompts_are_followed(
    pipeline: Stock, record_property: Callable[[str, object], None]
) -> None:
    prompts, settings = held_out_prompts(64), read_settings(FOLDER)
    started = time.perf_counter()
    frames = generate(pipeline, [p.text for p in prompts], settings)
    record_property("seconds_per_clip_in_a_batch", (time.perf_counter() - started) / len(prompts))
    assert frames.shape[:1] + frames.shape[2:] == (64, settings["height"], settings["width"], 3)
    _check(rate(frames, prompts), BARS, prompts)


def test_unknown_words_do_no_harm(pipeline: Stock) -> None:
    prompts, rng = held_out_prompts(16, seed=21), random.Random(0)
    frames = generate(pipeline, [with_strangers(p.text, rng) for p in prompts], read_settings(FOLDER))
    _check(rate(frames, prompts), {name: bar - 0.06 for name, bar in BARS.items()}, prompts)


def test_default_padding_of_the_stock_pipeline_works_too(pipeline: Stock) -> None:
    prompts = held_out_prompts(8, seed=22)
    frames = generate(
        pipeline, [p.text for p in prompts], read_settings(FOLDER) | {"max_sequence_length": 512}
    )
    _check(rate(frames, prompts), {name: 0.85 for name in ("color", "background", "motion")}, prompts)


@torch.no_grad()
def test_autoencoder_keeps_rendered_clips(pipeline: Stock) -> None:
    scenes = sample_scenes(16, 4711)
    clips = render(scenes)
    coded = pipeline.vae.encode(clips).latent_dist
    again = pipeline.vae.decode(coded.mean).sample
    assert float(-10 * torch.log10((again - clips).square().mean() / 4)) > 28
    assert coded.std.max() < 0.5
    rates = score(again, scenes).rates  # corners of medium boxes soften, so shape is not asked here
    assert min(rates[name] for name in ("color", "background", "size", "motion")) >= 0.9


def test_same_seed_same_clip_and_a_sheet(pipeline: Stock) -> None:
    settings = read_settings(FOLDER) | {"steps": 4}
    one, two = (generate(pipeline, ["a red ball moving right"], settings, seed=5) for _ in range(2))
    assert torch.equal(one, two)
    assert contact_sheet(one, ["a red ball moving right"]).width > 64
