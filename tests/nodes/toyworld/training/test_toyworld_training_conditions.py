"""Conditions: drawn as described, and coded exactly as the stock VACE pipeline codes them."""

import random
from pathlib import Path

import graphflow_nodes.toyworld as toyworld
import pytest
import torch
from graphflow_nodes.toyworld.render import to_uint8
from graphflow_nodes.toyworld.score import places
from graphflow_nodes.toyworld.training.conditions import (
    Condition,
    as_bytes,
    bounding_boxes,
    code,
    given_frames,
    holes,
    led_by,
)
from graphflow_nodes.toyworld.training.painted import Painted
from graphflow_nodes.toyworld.training.stock import Stock, WanVACEPipeline
from graphflow_nodes.toyworld.training.train_control import build_control
from graphflow_nodes.toyworld.training.tune import Coder, open_denoiser
from graphflow_nodes.toyworld.world import sample_scenes
from PIL import Image

FOLDER = Path(toyworld.__path__[0]).parent / "diffusion" / "embedded" / "toy-wan"


@pytest.fixture(scope="module")
def coder() -> Coder:
    return Coder.open(FOLDER)


@pytest.fixture(scope="module")
def pipeline(coder: Coder) -> Stock:
    denoiser = build_control(open_denoiser(FOLDER))
    return WanVACEPipeline(
        tokenizer=denoiser.tokenizer,
        text_encoder=denoiser.text_encoder,
        vae=coder.vae,
        scheduler=None,
        transformer=denoiser.transformer,
    )


def _painted(count: int = 1) -> Painted:
    return Painted.draw(sample_scenes(count, 8), "wandering")


def _pictures(frames: torch.Tensor) -> list[Image.Image]:
    return [Image.fromarray(frame.numpy()) for frame in frames]


@torch.no_grad()
def _stock(pipeline: Stock, condition: Condition) -> torch.Tensor:
    video, mask, pictures = pipeline.preprocess_conditions(
        _pictures(to_uint8(condition.video)[0]),
        _pictures((condition.mask[0, 0] * 255).to(torch.uint8)),
        None, 1, 64, 64, 13, torch.float32, "cpu",
    )  # fmt: skip
    latents = pipeline.prepare_video_latents(video, mask, pictures, None, "cpu")
    return torch.cat([latents, pipeline.prepare_masks(mask, pictures)], 1)


def test_stock_pipeline_knows_the_autoencoders_factors(pipeline: Stock) -> None:
    assert (pipeline.vae_scale_factor_spatial, pipeline.vae_scale_factor_temporal) == (8, 4)


@pytest.mark.parametrize("kind", ["frames", "holes", "box"])
def test_conditions_are_coded_as_the_stock_pipeline_codes_them(
    kind: str, coder: Coder, pipeline: Stock
) -> None:
    painted, rng = _painted(), random.Random(3)
    condition = {
        "frames": lambda: given_frames(painted, [0, -1]),
        "holes": lambda: holes(painted, rng),
        "box": lambda: led_by(painted, "box", rng),
    }[kind]()
    mine, stock = code(coder.encode, as_bytes(condition)), _stock(pipeline, condition)
    assert mine.shape == stock.shape == (1, 112, 4, 8, 8)
    assert torch.equal(mine[:, 48:], stock[:, 48:])
    assert (mine - stock).abs().max() < 1e-3


def test_given_frames_are_kept_and_the_rest_is_grey() -> None:
    painted = _painted(2)
    condition = given_frames(painted, [0, -1])
    assert condition.mask[:, :, [0, 12]].sum() == 0
    assert condition.mask[:, :, 1:12].min() == 1
    assert torch.equal(condition.video[:, :, 0], painted.clips[:, :, 0])
    assert condition.video[:, :, 1:12].abs().max() == 0


@pytest.mark.parametrize("kind", ["box", "outline", "figure"])
def test_leading_pictures_are_where_the_object_is(kind: str) -> None:
    painted = _painted(6)
    condition = led_by(painted, kind, random.Random(0))  # type: ignore[arg-type]
    assert condition.mask.min() == 1
    ink = (condition.video.amax(1) > -0.5).float()
    axis = torch.arange(64) + 0.5
    x = (ink.amax(2) * axis).sum(2) / ink.amax(2).sum(2) / 64
    truth = torch.stack([places(clip)[:, 0] for clip in to_uint8(painted.clips)])
    assert (x - truth).abs().max() < 0.06


def test_bounding_boxes_hold_the_object_and_grow() -> None:
    mask = _painted(3).mask
    tight, wide = bounding_boxes(mask, 0), bounding_boxes(mask, 4)
    assert (tight >= mask).all() and (wide >= tight).all()
    assert torch.equal(tight.amax((3, 4)), torch.ones(3, 1, 13))
    assert (wide.sum((3, 4)) > tight.sum((3, 4))).all()


def test_holes_show_grey_or_another_object_and_keep_the_rest() -> None:
    painted = _painted(40)
    torch.manual_seed(0)
    condition = holes(painted, random.Random(0))
    kept = condition.mask == 0
    assert torch.equal((condition.video * kept), painted.clips * kept)
    grey = (condition.video * condition.mask).abs().amax((1, 2, 3, 4)) == 0
    assert 0.4 < grey.float().mean() < 0.95
