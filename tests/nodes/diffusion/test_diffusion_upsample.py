"""Latents made larger, and refined, are those of the plain pipelines; parts that do not fit are refused."""

from __future__ import annotations

import functools
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion.keyframes import condition_keyframes, keyframe
from graphflow_nodes.diffusion.pixels import pil
from graphflow_nodes.diffusion.upsample import (
    LatentUpsampler,
    load_latent_upsampler,
    refine_latents,
    upsample_latents,
)
from graphflow_nodes.diffusion.values import Latents

from graphflow.errors import Cancelled, MissingModel, NodeError, ValueMismatch
from graphflow.node import spec_of
from graphflow.testing import check_node, run_node
from graphflow.values import Image, decode, encode
from tests.support.tiny_family import FamilyBench
from tests.support.tiny_ltx import FRAMES, HEIGHT, STEPS, WIDTH, save_tiny_ltx, save_tiny_upsampler
from tests.support.wan_bench import NEGATIVE, PROMPT


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


# ---------------------------------------------------------------------------------------- two scales


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], FamilyBench]:
    """By dtype, a model that can refine, of which every part computes in the same dtype."""
    folder = save_tiny_ltx(tmp_path_factory.mktemp("ltx_condition"), keyframes=True)
    return functools.cache(lambda dtype: FamilyBench(folder, dtype))


FIRST = Image(pixels=torch.arange(64 * 128 * 3).reshape(64, 128, 3).remainder(251).to(torch.uint8))


def two_scales(
    tiny: FamilyBench, model: LatentUpsampler, *, image: Image | None = None, **options: Any
) -> Latents:
    """Denoise, upsample, refine with another seed and other steps."""
    large = upsampled(tiny, model, tiny.denoise(), adain_factor=0.8)
    again = run_node(refine_latents, large, strength=0.5)
    if image is not None:
        frames = [run_node(keyframe, image)]
        vae, context = tiny.model.vae, tiny.context()
        options["condition"] = run_node(condition_keyframes, vae, frames, again, context=context)
    return tiny.denoise(latents=again, **{"seed": 5, "steps": 6, **options})


def plain_two_scales(tiny: FamilyBench, folder: Path, *, image: Image | None = None) -> Any:
    """The same by the stock pipelines, as their documentation does it: uint8 frames."""
    from diffusers import LTXConditionPipeline, LTXLatentUpsamplePipeline
    from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition

    dtype = getattr(torch, tiny.dtype)
    pipe = LTXConditionPipeline.from_pretrained(tiny.folder, dtype=dtype)
    upsample = LTXLatentUpsamplePipeline.from_pretrained(folder, vae=pipe.vae, dtype=dtype)
    pipe.set_progress_bar_config(disable=True)
    usual = {
        "prompt": PROMPT,
        "negative_prompt": NEGATIVE,
        "num_frames": FRAMES,
        "frame_rate": 8,
        "guidance_scale": 3.0,
        "max_sequence_length": 24,
    }
    with warnings.catch_warnings():  # LTXConditionPipeline gives numpy 2 a tensor
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        small = pipe(
            **usual,
            width=WIDTH,
            height=HEIGHT,
            num_inference_steps=STEPS,
            generator=torch.Generator().manual_seed(3),
            output_type="latent",
        ).frames
        large = upsample(latents=small, adain_factor=0.8, output_type="latent").frames
        frames = pipe(
            **usual,
            conditions=None if image is None else [LTXVideoCondition(image=pil(image))],
            width=2 * WIDTH,
            height=2 * HEIGHT,
            num_inference_steps=6,
            denoise_strength=0.5,
            latents=large,
            generator=torch.Generator().manual_seed(5),
            output_type="np",
            **tiny.model.native.decode,
        ).frames[0]
    return torch.from_numpy((frames * 255).round().astype("uint8"))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("image", [None, FIRST], ids=["text", "image"])
def test_two_scales_are_the_plain_pipelines(
    keyed: Callable[[str], FamilyBench], folder: Path, image: Image | None, dtype: str
) -> None:
    tiny = keyed(dtype)
    refined = two_scales(tiny, recipe(folder, dtype), image=image)
    assert (refined.stage, refined.width, refined.height) == ("done", 128, 64)
    assert torch.equal(tiny.decode(refined), plain_two_scales(tiny, folder, image=image))


@pytest.mark.parametrize("image", [None, FIRST], ids=["text", "image"])
def test_a_refinement_goes_on_at_any_step(
    keyed: Callable[[str], FamilyBench], folder: Path, image: Image | None
) -> None:
    tiny, model = keyed("float32"), recipe(folder)
    context = tiny.context()
    whole = two_scales(tiny, model, image=image, context=context)
    assert context.progress_log == [(1, 3), (2, 3), (3, 3)]
    assert [state["step"] for state in context.states] == [4, 5]
    for state in context.states:
        again = tiny.context(state=decode(*encode(state)))
        assert torch.equal(two_scales(tiny, model, image=image, context=again).samples, whole.samples)
    if image is None:
        half = decode(*encode(two_scales(tiny, model, end_step=4)))
        assert (half.stage, half.sampler.step) == ("stopped", 4)
        assert torch.equal(tiny.denoise(latents=half, seed=8).samples, whole.samples)


def test_cancel_and_other_strengths_and_seeds(keyed: Callable[[str], FamilyBench], folder: Path) -> None:
    tiny, model = keyed("float32"), recipe(folder)
    whole = two_scales(tiny, model)
    with pytest.raises(Cancelled):
        two_scales(tiny, model, context=tiny.context(cancel_after=5))
    assert torch.equal(two_scales(tiny, model).samples, whole.samples)
    assert not torch.equal(two_scales(tiny, model, seed=6).samples, whole.samples)
    other = run_node(refine_latents, upsampled(tiny, model, tiny.denoise(), adain_factor=0.8), strength=0.9)
    assert not torch.equal(tiny.denoise(latents=other, seed=5, steps=6).samples, whole.samples)


def test_what_cannot_be_refined(
    keyed: Callable[[str], FamilyBench], tiny: FamilyBench, clip: Latents
) -> None:
    with pytest.raises(ValueMismatch, match="cannot refine a denoised clip"):
        tiny.denoise(latents=run_node(refine_latents, clip))
    with pytest.raises(NodeError, match="only denoised latents can be refined"):
        run_node(refine_latents, tiny.denoise(end_step=1))
    with pytest.raises(NodeError, match="these latents begin at step 3"):
        again = run_node(refine_latents, keyed("float32").denoise(), strength=0.5)
        keyed("float32").denoise(latents=again, steps=6, start_step=1)


# ------------------------------------------------------------------------------------ the upsampler


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


@pytest.mark.parametrize(
    "changes", [{}, {"temporal_upsample": True}, {"temporal_upsample": True, "spatial_upsample": False}]
)
def test_size_and_memory_are_forecast(
    tiny: FamilyBench, tmp_path: Path, clip: Latents, changes: dict[str, bool]
) -> None:
    model = recipe(save_tiny_upsampler(tmp_path, **changes))
    large = upsampled(tiny, model, clip)
    told = spec_of(upsample_latents).forecast({"upsampler": model, "latents": clip})
    after = check_node(upsample_latents, upsampler=model, vae=tiny.model.vae, latents=clip)["out"]
    size = {"width", "height", "frames", "fps"}
    assert after.model_dump(include=size) == large.model_dump(include=size)
    assert 0 < told.device < 10_000_000
    again = check_node(refine_latents, latents=large, strength=0.5)["out"]
    assert (again.stage, again.strength, again.width) == ("again", 0.5, large.width)


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
    with pytest.raises(NodeError, match="no latent upsampler"):
        recipe(tiny.folder)
    with pytest.raises(MissingModel, match="there is no model"):
        recipe(tmp_path / "nowhere")
    odd = save_tiny_upsampler(tmp_path / "odd") / "latent_upsampler" / "config.json"
    odd.write_text(json.dumps({"_class_name": "Evil"}))
    with pytest.raises(NodeError, match="but one of class 'Evil'"):
        recipe(odd.parents[1])
