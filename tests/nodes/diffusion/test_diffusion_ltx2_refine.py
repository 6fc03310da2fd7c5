"""LTX-2 in two stages: a small clip is upsampled in latent space and refined, with its sound."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion import condition_image, empty_latents, scheduler
from graphflow_nodes.diffusion.guidance import StreamGuidance, guide_streams
from graphflow_nodes.diffusion.keyframes import condition_keyframes
from graphflow_nodes.diffusion.pixels import pil
from graphflow_nodes.diffusion.schedule import Scheduler
from graphflow_nodes.diffusion.upsample import load_latent_upsampler, refine_latents, upsample_latents
from graphflow_nodes.diffusion.values import Condition, Keyframe, Latents

from graphflow.errors import Cancelled, NodeError
from graphflow.testing import run_node
from graphflow.values import Image, decode, encode
from tests.support.tiny_ltx2 import Clip, SoundBench, save_tiny_ltx2, save_tiny_ltx2_upsampler

LEVELS = [0.909375, 0.725, 0.421875]
"""Of the second stage, by the authors of LTX-2."""

Benches = Callable[..., SoundBench]


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> Benches:
    folder = save_tiny_ltx2(tmp_path_factory.mktemp("ltx2"))
    return functools.cache(lambda dtype="float32": SoundBench(folder, dtype, vae_dtype=dtype))


@pytest.fixture(scope="module")
def tiny(benches: Benches) -> SoundBench:
    return benches()


@pytest.fixture(scope="module")
def upsampler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_ltx2_upsampler(tmp_path_factory.mktemp("upsampler"))


@pytest.fixture(scope="module")
def static(tiny: SoundBench) -> Scheduler:
    """The schedule of the second stage: noise levels as they are given, though the model's own is shifted."""
    return run_node(scheduler, tiny.model.scheduler, sigmas=LEVELS, exact=True)


def distilled() -> StreamGuidance:
    off = {"guidance": 1.0, "stg": 0.0, "modality": 1.0, "rescale": 0.0}
    guide: StreamGuidance = run_node(
        guide_streams, blocks=[], **off, **{f"sound_{name}": value for name, value in off.items()}
    )
    return guide


def larger(tiny: SoundBench, folder: Path, clip: Latents, dtype: str) -> Latents:
    recipe = run_node(load_latent_upsampler, model=str(folder), dtype=dtype)
    large: Latents = run_node(upsample_latents, recipe, tiny.model.vae, clip, context=tiny.context())
    return large


def refined(tiny: SoundBench, static: Scheduler, large: Latents, **settings: Any) -> Latents:
    again = run_node(refine_latents, large, strength=settings.pop("strength", 1.0))
    model = tiny.model
    tiny.model = model._replace(scheduler=settings.pop("scheduler", static))
    try:
        return tiny.denoise(latents=settings.pop("latents", again), guide=distilled(), **settings)
    finally:
        tiny.model = model


def plain_two_stages(
    tiny: SoundBench,
    folder: Path,
    dtype: str,
    pipeline: str = "LTX2Pipeline",
    *,
    larger: dict[str, Any] | None = None,
    **given: Any,
) -> Clip:
    """As on diffusers' page about LTX-2: a first stage, the upsampler, a second stage.

    larger: what is given to the second stage, where it is not the same.
    """
    import diffusers
    from diffusers import LTX2LatentUpsamplePipeline
    from diffusers.pipelines.ltx2 import LTX2LatentUpsamplerModel

    small, sound = tiny.raw(pipeline, output_type="latent", **given)
    model = LTX2LatentUpsamplerModel.from_pretrained(folder / "latent_upsampler", dtype=getattr(torch, dtype))
    vae = diffusers.AutoencoderKLLTX2Video.from_pretrained(
        tiny.folder / "vae", dtype=getattr(torch, tiny.model.vae.dtype)
    )
    large = LTX2LatentUpsamplePipeline(vae=vae, latent_upsampler=model)(
        latents=small, output_type="latent", return_dict=False
    )[0]
    return tiny.clip(
        pipeline,
        **{**given, **(larger or {}), **distilled().arguments()},
        scheduler={"use_dynamic_shifting": False, "shift_terminal": None},
        latents=large,
        audio_latents=sound,
        width=tiny.model.native.width * 2,
        height=tiny.model.native.height * 2,
        num_inference_steps=3,
        sigmas=LEVELS,
        noise_scale=LEVELS[0],
    )


def picture(seed: int, side: int) -> Image:
    generator = torch.Generator().manual_seed(seed)
    small = torch.randint(0, 256, (4, 4, 3), dtype=torch.uint8, generator=generator)
    return Image(pixels=small.repeat_interleave(side // 4, 0).repeat_interleave(side // 4, 1))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_text_to_video_in_two_stages(
    benches: Benches, upsampler: Path, static: Scheduler, dtype: str
) -> None:
    tiny = benches(dtype)
    large = larger(tiny, upsampler, tiny.denoise(), dtype)
    latents, plain = refined(tiny, static, large), plain_two_stages(tiny, upsampler, dtype)
    assert plain.frames.shape[1:3] == (64, 64)
    assert torch.equal(tiny.decode(latents), plain.frames)
    assert torch.equal(tiny.hear(latents), plain.sound)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_image_to_video_in_two_stages(
    benches: Benches, upsampler: Path, static: Scheduler, dtype: str
) -> None:
    """The second stage keeps the first latent frame as the upsampler left it."""
    tiny, image = benches(dtype), picture(1, 32)

    def begins(latents: Latents) -> Condition:
        condition: Condition = run_node(
            condition_image, tiny.model.vae, image, latents, context=tiny.context()
        )
        return condition

    small = tiny.denoise(condition=begins(run_node(empty_latents, tiny.model.vae)))
    large = larger(tiny, upsampler, small, dtype)
    latents = refined(tiny, static, large, condition=begins(large))
    plain = plain_two_stages(tiny, upsampler, dtype, "LTX2ImageToVideoPipeline", image=pil(image))
    assert torch.equal(tiny.decode(latents), plain.frames)
    assert torch.equal(tiny.hear(latents), plain.sound)


def test_keyframes_in_two_stages(tiny: SoundBench, upsampler: Path, static: Scheduler) -> None:
    from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition

    def shows(latents: Latents) -> Condition:
        frames = [
            Keyframe(content=picture(1, latents.width), index=0),
            Keyframe(content=picture(2, latents.width), index=-1, strength=0.6),
        ]
        condition: Condition = run_node(
            condition_keyframes, tiny.model.vae, frames, latents, context=tiny.context()
        )
        return condition

    def conditions(side: int) -> dict[str, Any]:
        places = ((1, 0, 1.0), (2, -1, 0.6))
        return {"conditions": [LTX2VideoCondition(pil(picture(n, side)), *place) for n, *place in places]}

    small = tiny.denoise(condition=shows(run_node(empty_latents, tiny.model.vae)))
    large = larger(tiny, upsampler, small, "float32")
    latents = refined(tiny, static, large, condition=shows(large))
    plain = plain_two_stages(
        tiny, upsampler, "float32", "LTX2ConditionPipeline", larger=conditions(64), **conditions(32)
    )
    assert torch.equal(tiny.decode(latents), plain.frames)
    assert torch.equal(tiny.hear(latents), plain.sound)


def test_a_refinement_resumes_and_halves(tiny: SoundBench, upsampler: Path, static: Scheduler) -> None:
    large, counting = larger(tiny, upsampler, tiny.denoise(), "float32"), tiny.context()
    whole = refined(tiny, static, large, context=counting)
    for state in counting.states:
        again = refined(tiny, static, large, context=tiny.context(state=decode(*encode(state))))
        assert torch.equal(again.samples, whole.samples)
        assert torch.equal(again.sound.samples, whole.sound.samples)
    first = decode(*encode(refined(tiny, static, large, end_step=1)))
    second = refined(tiny, static, large, latents=first)
    assert torch.equal(second.samples, whole.samples)
    assert torch.equal(second.sound.samples, whole.sound.samples)
    with pytest.raises(Cancelled):
        refined(tiny, static, large, context=tiny.context(cancel_after=3))
    assert torch.equal(refined(tiny, static, large).samples, whole.samples)
    assert not torch.equal(refined(tiny, static, large, seed=9).samples, whole.samples)


def test_a_weak_refinement_changes_less(tiny: SoundBench, upsampler: Path, static: Scheduler) -> None:
    """Part of the strength is part of the noise levels, from the end."""
    large = larger(tiny, upsampler, tiny.denoise(), "float32")
    strong, weak = refined(tiny, static, large), refined(tiny, static, large, strength=0.4)
    changes = [(made.samples - large.samples).abs().mean() for made in (strong, weak)]
    assert changes[0] > 1.5 * changes[1] > 0
    only = run_node(scheduler, static, sigmas=LEVELS[2:], exact=True)
    assert torch.equal(refined(tiny, static, large, scheduler=only).samples, weak.samples)


def test_a_refinement_must_say_its_noise_levels(tiny: SoundBench) -> None:
    again = run_node(refine_latents, tiny.denoise())
    with pytest.raises(NodeError, match="needs the noise levels of its steps") as caught:
        tiny.denoise(latents=again)
    assert caught.value.where == "scheduler" and "sigmas" in caught.value.hint


def test_exact_noise_levels_are_neither_shifted_nor_missing(tiny: SoundBench, static: Scheduler) -> None:
    live = static.build()
    live.set_timesteps(sigmas=LEVELS, mu=1.3)
    assert torch.equal(live.sigmas, torch.tensor([*LEVELS, 0.0]))
    for settings in ({}, {"sigmas": LEVELS, "shift": 3.0}):
        with pytest.raises(NodeError) as caught:
            run_node(scheduler, tiny.model.scheduler, exact=True, **settings)
        assert caught.value.hint


def test_an_upsampler_inside_the_models_folder_counts_for_what_the_model_is(tmp_path: Path) -> None:
    """The model's index does not name it; another one must not find the old one's results."""
    folder = save_tiny_ltx2_upsampler(save_tiny_ltx2(tmp_path), index=False)
    before = run_node(load_latent_upsampler, model=str(folder)).source.identity
    weights = folder / "latent_upsampler" / "diffusion_pytorch_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    assert run_node(load_latent_upsampler, model=str(folder)).source.identity != before
