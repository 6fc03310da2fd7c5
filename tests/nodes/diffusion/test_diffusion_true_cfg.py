"""HunyuanVideo 1.0 and FramePack with a second pass for a negative prompt: `true_cfg_scale` in diffusers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion import (
    condition_image,
    empty_latents,
    framepack,
    guide_by_step,
    guide_true_cfg,
)
from graphflow_nodes.diffusion.pixels import pil

from graphflow.errors import NodeError, ValueMismatch
from graphflow.testing import run_node
from graphflow.values import Image
from tests.support.changing import Changing
from tests.support.tiny_family import FamilyBench
from tests.support.tiny_hunyuan import save_tiny_framepack, save_tiny_hunyuan, save_tiny_hunyuan_image
from tests.support.wan_bench import NEGATIVE, PROMPT
from tests.support.wan_bench import Bench as WanBench

SAVE: dict[str, Callable[[Path], Path]] = {
    "text": save_tiny_hunyuan,
    "image": save_tiny_hunyuan_image,
    "image, 33 channels": functools.partial(save_tiny_hunyuan_image, concat=True),
    "framepack": save_tiny_framepack,
}

SECTION, SECTIONS, SEED = 2, 2, 3
"""Latent frames of a section of the tiny FramePack, and how many of them a clip has."""


class Bench(FamilyBench):
    """A tiny model with a negative prompt, through the nodes and plain."""

    @functools.cached_property
    def picture(self) -> Image:
        native = self.model.native
        size = native.height, native.width, 3
        noise = torch.Generator().manual_seed(1)
        return Image(pixels=torch.randint(0, 256, size, generator=noise, dtype=torch.uint8))

    @property
    def from_image(self) -> bool:
        return "image_to_video" in self.model.denoiser.tasks

    def prompt(self, negative: str = NEGATIVE) -> Any:
        seen = {"image": self.picture} if self.model.text_encoder.family == "hunyuan_image" else {}
        return self.encode(negative_prompt=negative, **seen)

    def condition(self, latents: Any) -> Any:
        ports = self.model.vae, self.picture, latents, None, self.model.image_encoder
        return run_node(condition_image, *ports, context=self.context()) if self.from_image else None

    def made(self, prompt: Any = None, **settings: Any) -> Any:
        """Denoised latents."""
        packed = self.model.denoiser.family == "framepack"
        latents = run_node(
            empty_latents, self.model.vae, **({"frames": SECTIONS * SECTION * 4 + 1} if packed else {})
        )
        prompt, condition = prompt or self.prompt(), self.condition(latents)
        if not packed:
            return self.denoise(prompt=prompt, latents=latents, condition=condition, **settings)
        ports = self.model.denoiser, self.model.scheduler, prompt, latents, condition
        options = {"seed": SEED, "latent_window_size": SECTION, **settings}
        return run_node(framepack, *ports, context=self.context(), **options)

    def reference(self, **arguments: Any) -> Any:
        """The plain pipeline's frames, uint8."""
        from diffusers import DiffusionPipeline

        dtypes = {"default": getattr(torch, self.dtype), "vae": torch.float32, "image_encoder": torch.float32}
        if self.model.image_encoder is None:
            del dtypes["image_encoder"]
        pipe = DiffusionPipeline.from_pretrained(self.folder, dtype=dtypes)
        pipe.set_progress_bar_config(disable=True)
        native, packed = self.model.native, self.model.denoiser.family == "framepack"
        usual: dict[str, Any] = {
            "prompt": PROMPT,
            "negative_prompt": NEGATIVE,
            "width": native.width,
            "height": native.height,
            "num_frames": SECTIONS * ((SECTION - 1) * 4 + 1) if packed else native.frames,
            "num_inference_steps": native.steps,
            "guidance_scale": native.guidance,
            "max_sequence_length": native.max_sequence_length,
            "generator": torch.Generator().manual_seed(SEED),
            **({"image": pil(self.picture)} if self.from_image else {}),
            **({"latent_window_size": SECTION} if packed else {}),
        }
        frames = pipe(**{**usual, **arguments}, output_type="np").frames[0]
        return torch.from_numpy((frames * 255).round()).byte()


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Bench]:
    root = tmp_path_factory.mktemp("true_cfg")
    folder = functools.cache(lambda name: SAVE[name](root / name))
    return functools.cache(lambda name, dtype="float32": Bench(folder(name), dtype))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", SAVE)
def test_equal_to_the_plain_pipeline(benches: Callable[..., Bench], name: str, dtype: str) -> None:
    tiny = benches(name, dtype)
    guided = tiny.decode(tiny.made(guide=run_node(guide_true_cfg, guidance=4.0)))
    assert torch.equal(guided, tiny.reference(true_cfg_scale=4.0))
    if dtype == "bfloat16":
        return
    told = tiny.decode(tiny.made(guide=run_node(guide_true_cfg, guidance=4.0, embedded=2.0)))
    assert torch.equal(told, tiny.reference(true_cfg_scale=4.0, guidance_scale=2.0))


@pytest.mark.parametrize("name", ["text", "framepack"])
def test_the_negative_prompt_and_the_scale_count(benches: Callable[..., Bench], name: str) -> None:
    tiny, guide = benches(name), run_node(guide_true_cfg, guidance=4.0)
    guided = tiny.made(guide=guide).samples
    assert not torch.equal(guided, tiny.made(prompt=tiny.prompt("")).samples)
    assert not torch.equal(guided, tiny.made(prompt=tiny.prompt("a cat"), guide=guide).samples)
    assert not torch.equal(guided, tiny.made(guide=run_node(guide_true_cfg, guidance=2.0)).samples)
    assert torch.equal(guided, tiny.made(guide=guide).samples)


@pytest.mark.parametrize("name", ["text", "framepack"])
def test_it_needs_a_negative_prompt_and_nothing_else_may_look_at_one(
    benches: Callable[..., Bench], name: str
) -> None:
    tiny, guide = benches(name), run_node(guide_true_cfg)
    with pytest.raises(NodeError, match="no negative prompt to keep away from"):
        tiny.made(prompt=tiny.prompt(""), guide=guide)
    with pytest.raises(NodeError, match="does not look at a negative prompt by itself"):
        tiny.made()
    with pytest.raises(NodeError, match="the guide says how strongly"):
        tiny.made(guide=guide, guidance=2.0)


def changing(tiny: Bench, *scales: float) -> Any:
    """The plain pipeline's frames with another scale at each step."""
    scale = Changing(*scales)
    return tiny.reference(true_cfg_scale=scale, num_inference_steps=len(scales), **scale.arguments)


@pytest.mark.parametrize("name", SAVE)
def test_a_scale_for_each_step_is_that_of_the_plain_pipeline(
    benches: Callable[..., Bench], name: str
) -> None:
    """Of FramePack for each step of every section."""
    tiny, rising = benches(name), [2.0, 3.0, 5.0]
    guided = tiny.made(guide=run_node(guide_by_step, scales=rising), steps=3)
    assert torch.equal(tiny.decode(guided), changing(tiny, *rising))
    falling = tiny.made(guide=run_node(guide_by_step, scales=rising[::-1]), steps=3)
    assert not torch.equal(guided.samples, falling.samples)


@pytest.mark.parametrize("name", SAVE)
def test_a_step_that_is_not_guided_makes_one_pass(benches: Callable[..., Bench], name: str) -> None:
    tiny = benches(name)
    passes: list[int] = []
    with tiny.context().use(tiny.model.denoiser) as experts:
        block = experts.transformer.transformer_blocks[0]
    hook = block.register_forward_pre_hook(lambda module, args: passes.append(1))
    try:
        part = tiny.made(guide=run_node(guide_by_step, scales=[1.0, 4.0, 1.0]), steps=3)
    finally:
        hook.remove()
    assert len(passes) == 4 * (SECTIONS if name == "framepack" else 1)
    alone = tiny.made(guide=run_node(guide_by_step, scales=[0.5] * 3), steps=3)
    assert torch.equal(alone.samples, tiny.made(prompt=tiny.prompt(""), steps=3).samples)
    assert not torch.equal(alone.samples, part.samples)
    assert "forward" not in vars(experts.transformer)
    if name == "text":  # the bits of a denoise that goes on: without, with, without
        parts = tiny.made(prompt=tiny.prompt(""), steps=3, end_step=1)
        guide = run_node(guide_true_cfg, guidance=4.0)
        parts = tiny.denoise(latents=parts, prompt=tiny.prompt(), guide=guide, steps=3, end_step=2)
        parts = tiny.denoise(latents=parts, prompt=tiny.prompt(""), steps=3)
        assert torch.equal(part.samples, parts.samples)


def test_a_schedule_needs_a_negative_prompt_too(benches: Callable[..., Bench]) -> None:
    tiny = benches("text")
    with pytest.raises(NodeError, match="no negative prompt to keep away from"):
        tiny.made(prompt=tiny.prompt(""), guide=run_node(guide_by_step))


def test_it_resumes_with_both_passes(benches: Callable[..., Bench]) -> None:
    tiny, guide, context = benches("text"), run_node(guide_true_cfg), benches("text").context()
    prompt = tiny.prompt()
    whole = tiny.denoise(prompt=prompt, guide=guide, context=context).samples
    for state in context.states:
        again = tiny.denoise(prompt=prompt, guide=guide, context=tiny.context(state=state))
        assert torch.equal(again.samples, whole)


def test_other_families_know_no_such_guidance(bench: Callable[..., WanBench]) -> None:
    with pytest.raises(ValueMismatch, match="cannot be guided by true_cfg"):
        bench("wan21").denoise(guide=run_node(guide_true_cfg))
