"""Sizes and lengths near a given picture or video."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from graphflow_nodes.diffusion import latents_like
from graphflow_nodes.diffusion.snap import snapped_frames, snapped_size
from graphflow_nodes.diffusion.values import Geometry
from hypothesis import given
from hypothesis import strategies as st

from graphflow.node import Foreseen, Sketch
from graphflow.testing import LocalContext, check_node, run_node
from graphflow.values import Image, Video
from tests.support.wan_bench import Bench

Benches = Callable[..., Bench]


@given(
    ratio=st.floats(0.2, 5),
    cells=st.integers(16, 4000),
    multiple=st.sampled_from([16, 32, 64]),
)
def test_a_size_fits_the_model_and_keeps_shape_and_area(ratio: float, cells: int, multiple: int) -> None:
    area = cells * multiple * multiple
    width, height = snapped_size(ratio, area, multiple)
    assert width % multiple == height % multiple == 0
    assert 0 < width * height <= area
    if cells > 400:
        assert abs(math.log(width / height / ratio)) < 0.25
        assert width * height > area * 0.7


@pytest.mark.parametrize(
    ("ratio", "area", "size"),
    [(832 / 480, 832 * 480, (832, 480)), (1.0, 512 * 512, (512, 512)), (1280 / 720, 1280 * 720, (1280, 720))],
)
def test_a_size_that_fits_stays_as_it_is(ratio: float, area: int, size: tuple[int, int]) -> None:
    assert snapped_size(ratio, area, 16) == size


@given(frames=st.integers(1, 500), temporal=st.sampled_from([1, 4, 8]))
def test_lengths(frames: int, temporal: int) -> None:
    snapped = snapped_frames(frames, Geometry(channels=1, spatial=8, temporal=temporal, multiple=16))
    assert frames - temporal < snapped <= frames and (snapped - 1) % temporal == 0


def test_like_a_video(bench: Benches) -> None:
    video = Video(frames=torch.zeros((12, 90, 160, 3), dtype=torch.uint8), fps=12.0)
    context = LocalContext()
    latents = run_node(latents_like, bench("wan21").model.vae, video, context=context, megapixels=0.0144)
    assert context.notices == ["160 x 90 becomes 144 x 80, 12 frames become 9"]
    assert (latents.width, latents.height, latents.frames, latents.fps) == (144, 80, 9, 12.0)
    assert latents.stage == "empty"
    assert run_node(latents_like, bench("wan21").model.vae, video, frames=6).frames == 5


def test_what_stays_as_it_is_is_not_told(bench: Benches) -> None:
    video = Video(frames=torch.zeros((9, 32, 32, 3), dtype=torch.uint8), fps=8.0)
    for media in (video, Image(pixels=video.frames[0])):
        context = LocalContext()
        run_node(latents_like, bench("wan21").model.vae, media, context=context)
        assert context.notices == []


def test_what_it_becomes_is_known_with_the_size(bench: Benches) -> None:
    """Told while planning, in the words of the run."""
    vae, context = bench("wan21").model.vae, LocalContext()
    video = Video(frames=torch.zeros((12, 90, 160, 3), dtype=torch.uint8), fps=12.0)
    for media, sketch in (
        (video, Sketch(160, 90, 12, 12.0)),
        (Image(pixels=video.frames[0]), Sketch(160, 90)),
    ):
        made = run_node(latents_like, vae, media, context=context)
        told = check_node(latents_like, vae=vae, media=sketch)
        assert told["out"] == made and isinstance(told, Foreseen) and told.notice == context.notices[-1]
    assert check_node(latents_like, vae=vae) == {}
    assert check_node(latents_like, media=Sketch(160, 90)) == {}


def test_like_a_picture(bench: Benches) -> None:
    tall = Image(pixels=torch.zeros((200, 100, 3), dtype=torch.uint8))
    native = bench("wan21").model.native
    latents = run_node(latents_like, bench("wan21").model.vae, tall)
    assert (latents.width, latents.height) == (16, 32)
    assert (latents.frames, latents.fps) == (native.frames, native.fps)
