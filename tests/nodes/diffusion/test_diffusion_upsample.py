"""Latents made larger are those of the plain upsampling pipeline, and parts that do not fit are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion.upsample import LatentUpsampler, load_latent_upsampler, upsample_latents
from graphflow_nodes.diffusion.values import Latents

from graphflow.errors import Cancelled, MissingModel, NodeError, ValueMismatch
from graphflow.testing import run_node
from graphflow.values import decode, encode
from tests.support.tiny_family import FamilyBench
from tests.support.tiny_ltx import save_tiny_ltx, save_tiny_upsampler


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> FamilyBench:
    return FamilyBench(save_tiny_ltx(tmp_path_factory.mktemp("ltx")))


@pytest.fixture(scope="module")
def clip(tiny: FamilyBench) -> Latents:
    return tiny.denoise()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_upsampler(tmp_path_factory.mktemp("upsampler"))


def recipe(folder: Path, dtype: str = "float32") -> LatentUpsampler:
    return run_node(load_latent_upsampler, model=str(folder), dtype=dtype)


def upsampled(tiny: FamilyBench, model: LatentUpsampler, clip: Latents, **settings: Any) -> Latents:
    context = settings.pop("context", None) or tiny.context()
    return run_node(upsample_latents, model, tiny.model.vae, clip, context=context, **settings)


def plain(tiny: FamilyBench, folder: Path, clip: Latents, *, dtype: str = "float32", **settings: Any) -> Any:
    """The stock pipeline's latents, with the VAE of the clip's own model."""
    from diffusers import AutoencoderKLLTXVideo, LTXLatentUpsamplePipeline

    vae = AutoencoderKLLTXVideo.from_pretrained(tiny.folder / "vae")
    pipe = LTXLatentUpsamplePipeline.from_pretrained(
        folder, vae=vae, dtype={"default": getattr(torch, dtype)}
    )
    return pipe(latents=clip.samples, output_type="latent", **settings).frames.float()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"adain_factor": 1.0}, {"adain_factor": 0.5, "tone_map_compression_ratio": 0.6}],
    ids=["bare", "adain", "both"],
)
def test_equal_to_the_plain_pipeline(
    tiny: FamilyBench, folder: Path, clip: Latents, settings: dict[str, float], dtype: str
) -> None:
    before = clip.samples.clone()
    mine = upsampled(tiny, recipe(folder, dtype), clip, **settings)
    assert torch.equal(mine.samples, plain(tiny, folder, clip, dtype=dtype, **settings))
    assert torch.equal(clip.samples, before)
    assert mine.samples.dtype == torch.float32
    if settings:
        assert not torch.equal(mine.samples, upsampled(tiny, recipe(folder, dtype), clip).samples)


def test_the_clip_is_twice_as_wide_and_high_and_decodes(
    tiny: FamilyBench, folder: Path, clip: Latents
) -> None:
    large = upsampled(tiny, recipe(folder), clip)
    assert (large.width, large.height, large.frames, large.fps) == (128, 64, 9, clip.fps)
    shape = large.geometry.latent_shape(large.width, large.height, large.frames)
    assert large.samples.shape == shape
    assert tiny.decode(large).shape == (9, 64, 128, 3)


@pytest.mark.parametrize("wide", [True, False])
def test_an_upsampler_of_time_doubles_the_frame_rate(
    tiny: FamilyBench, tmp_path: Path, clip: Latents, wide: bool
) -> None:
    folder = save_tiny_upsampler(tmp_path, temporal_upsample=True, spatial_upsample=wide)
    large = upsampled(tiny, recipe(folder), clip)
    assert torch.equal(large.samples, plain(tiny, folder, clip))
    assert (large.width, large.frames, large.fps) == (clip.width * (1 + wide), 17, 16.0)
    assert large.samples.shape == large.geometry.latent_shape(large.width, large.height, large.frames)
    assert tiny.decode(large).shape[0] == 17


def test_other_latents_and_another_upsampler_give_others(
    tiny: FamilyBench, folder: Path, clip: Latents, tmp_path: Path
) -> None:
    usual = upsampled(tiny, recipe(folder), clip)
    other = recipe(save_tiny_upsampler(tmp_path, num_blocks_per_stage=2))
    assert not torch.equal(usual.samples, upsampled(tiny, other, clip).samples)
    assert not torch.equal(usual.samples, upsampled(tiny, recipe(folder), tiny.denoise(seed=4)).samples)
    assert torch.equal(usual.samples, upsampled(tiny, recipe(folder), decode(*encode(clip))).samples)


def test_a_cancel_between_its_blocks_leaves_no_trace(tiny: FamilyBench, folder: Path, clip: Latents) -> None:
    usual, counting = upsampled(tiny, recipe(folder), clip), tiny.context()
    upsampled(tiny, recipe(folder), clip, context=counting)
    assert counting._points >= 2
    for point in range(1, counting._points + 1):
        with pytest.raises(Cancelled):
            upsampled(tiny, recipe(folder), clip, context=tiny.context(cancel_after=point))
    assert torch.equal(usual.samples, upsampled(tiny, recipe(folder), clip).samples)


def test_memory_is_known_before_loading(folder: Path, tiny: FamilyBench) -> None:
    for dtype in ("float32", "bfloat16"):
        model = recipe(folder, dtype)
        with tiny.context().use(model) as live:
            assert model.memory_bytes() == sum(weight.nbytes for weight in live.state_dict().values())


def test_parts_that_do_not_belong_together_are_refused(
    tiny: FamilyBench, folder: Path, clip: Latents, tmp_path: Path
) -> None:
    narrow = recipe(save_tiny_upsampler(tmp_path / "narrow", in_channels=4))
    other = FamilyBench(save_tiny_ltx(tmp_path / "other", timestep_conditioning=False))
    context, half = tiny.context(), tiny.denoise(end_step=1)
    opened = set(context.opened)
    with pytest.raises(ValueMismatch, match="latents have 8 channels, the upsampler takes 4"):
        upsampled(tiny, narrow, clip, context=context)
    with pytest.raises(ValueMismatch, match="another VAE than that of model"):
        upsampled(other, recipe(folder), clip, context=context)
    with pytest.raises(ValueMismatch, match="these are for wan"):
        upsampled(tiny, recipe(folder), clip.model_copy(update={"family": "wan"}), context=context)
    with pytest.raises(NodeError, match="only denoised latents"):
        upsampled(tiny, recipe(folder), half, context=context)
    assert set(context.opened) == opened


def test_a_model_without_a_known_upsampler(tiny: FamilyBench, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NodeError, match=r"no latent upsampler that is known here, but none"):
        recipe(tiny.folder)
    with pytest.raises(MissingModel, match="there is no model"):
        recipe(tmp_path / "nowhere")
    odd = save_tiny_upsampler(tmp_path / "odd") / "latent_upsampler" / "config.json"
    odd.write_text(json.dumps({"_class_name": "Evil"}))
    with pytest.raises(NodeError, match="but one of class 'Evil'"):
        recipe(odd.parents[1])
