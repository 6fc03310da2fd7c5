"""Frames from latents: equal to the pipeline's, refused for strangers, tiled only when asked."""

from __future__ import annotations

from collections.abc import Callable

import numpy
import pytest
import torch
from diffusers.video_processor import VideoProcessor
from graphflow_nodes.diffusion import decode, empty_latents
from graphflow_nodes.diffusion.decode import to_uint8
from graphflow_nodes.diffusion.families import family

from graphflow.errors import Cancelled, NodeError, ValueMismatch
from graphflow.testing import run_node
from tests.support.wan_bench import Bench

Benches = Callable[..., Bench]


@pytest.mark.parametrize("variant", ["wan21", "wan5b"])
def test_floats_equal_the_plain_pipelines(bench: Benches, variant: str) -> None:
    tiny = bench(variant)
    from diffusers import WanPipeline

    latents = tiny.denoise()
    pipe = WanPipeline.from_pretrained(tiny.folder)
    pipe.set_progress_bar_config(disable=True)
    frames = pipe(
        prompt="a red ball rolls",
        negative_prompt="blurred",
        width=32,
        height=32,
        num_frames=5,
        num_inference_steps=4,
        guidance_scale=3.0,
        max_sequence_length=24,
        generator=torch.Generator().manual_seed(3),
        output_type="pt",
    ).frames
    with tiny.context().use(tiny.model.vae) as vae, torch.no_grad():
        pixels = family("wan").decode(vae, latents.samples, latents)
    assert torch.equal(VideoProcessor().postprocess_video(pixels, output_type="pt"), frames)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rounding_is_the_video_processors(dtype: torch.dtype) -> None:
    pixels = torch.linspace(-1.2, 1.2, 3 * 5 * 16 * 16).reshape(1, 3, 5, 16, 16).to(dtype)
    frames = VideoProcessor().postprocess_video(pixels, output_type="np")[0]
    expected = torch.from_numpy((frames * 255).round().astype(numpy.uint8))
    assert torch.equal(to_uint8(pixels[0]), expected)


def test_progress_and_cancel(bench: Benches) -> None:
    tiny = bench("wan21")
    latents, context = tiny.denoise(), tiny.context()
    frames = run_node(decode, tiny.model.vae, latents, context=context).frames
    assert context.progress_log == [(0, 2), (1, 2)]
    with pytest.raises(Cancelled):
        run_node(decode, tiny.model.vae, latents, context=tiny.context(cancel_after=2))
    assert torch.equal(tiny.decode(latents), frames)


def test_tiles_only_when_asked(bench: Benches) -> None:
    tiny = bench("wan21")
    latents = tiny.denoise(latents=run_node(empty_latents, tiny.model.vae, width=128, height=128, frames=1))
    whole = tiny.decode(latents)
    tiled = tiny.decode(latents, tile=64, overlap=16)
    assert tiled.shape == whole.shape and not torch.equal(tiled, whole)
    assert torch.equal(tiny.decode(latents), whole)
    with pytest.raises(NodeError, match="overlap 64 is not smaller than tile 64"):
        tiny.decode(latents, tile=64)


def test_strangers_are_refused(bench: Benches) -> None:
    tiny = bench("wan21")
    with pytest.raises(ValueMismatch, match="made for another VAE"):
        run_node(decode, bench("wan5b").model.vae, tiny.denoise(), context=tiny.context())
    with pytest.raises(NodeError, match="these latents are empty"):
        tiny.decode(run_node(empty_latents, tiny.model.vae))


def test_reference_frames_are_cut(bench: Benches) -> None:
    tiny = bench("wan21")
    latents = tiny.denoise()
    assert tiny.decode(latents.model_copy(update={"reference_frames": 1})).shape[0] == 1
