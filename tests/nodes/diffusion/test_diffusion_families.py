"""Every family beside Wan gives the plain pipeline's own bits: whole, resumed, split and after a cancel."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from graphflow_nodes.diffusion import decode as decode_node
from graphflow_nodes.diffusion import empty_latents, noise_latents
from graphflow_nodes.diffusion.families import code_digest, family, names

from graphflow.errors import Cancelled
from graphflow.testing import run_node
from graphflow.values import decode, encode
from tests.support.tiny_family import FamilyBench
from tests.support.tiny_models import SAVE

Benches = Callable[..., FamilyBench]
ALL = list(SAVE)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("variant", ALL)
def test_equal_to_the_plain_pipeline(families: Benches, variant: str, dtype: str) -> None:
    tiny = families(variant, dtype)
    plain, latents = tiny.plain(), tiny.denoise()
    assert torch.equal(latents.samples, plain.latents)
    assert torch.equal(tiny.decode(latents), plain.frames)
    assert (latents.stage, latents.embeds_dtype) == ("done", dtype)


@pytest.mark.parametrize("variant", ALL)
def test_one_frame_is_a_picture(families: Benches, variant: str) -> None:
    tiny = families(variant)
    latents = tiny.denoise(latents=run_node(empty_latents, tiny.model.vae, frames=1))
    plain = tiny.plain(num_frames=1)
    assert plain.frames.shape[0] == 1
    assert torch.equal(tiny.decode(latents), plain.frames)


@pytest.mark.parametrize("variant", ALL)
def test_another_seed_and_another_prompt_differ(families: Benches, variant: str) -> None:
    tiny = families(variant)
    usual = tiny.decode(tiny.denoise())
    assert not torch.equal(usual, tiny.decode(tiny.denoise(seed=4)))
    assert not torch.equal(usual, tiny.decode(tiny.denoise(prompt=tiny.encode("a blue box"))))
    if family(tiny.model.vae.family).negative_prompts:
        other = tiny.encode(negative_prompt="dark")
        assert not torch.equal(usual, tiny.decode(tiny.denoise(prompt=other)))
    assert torch.equal(usual, tiny.decode(tiny.denoise()))


@pytest.mark.parametrize("variant", ALL)
def test_guidance_is_the_pipelines(families: Benches, variant: str) -> None:
    tiny = families(variant)
    for guidance in (1.0, 7.5):
        mine = tiny.denoise(guidance=guidance).samples
        assert torch.equal(mine, tiny.plain(guidance_scale=guidance).latents)
        assert not torch.equal(mine, tiny.denoise().samples)


@pytest.mark.parametrize("variant", ALL)
def test_the_same_noise_from_its_own_node(families: Benches, variant: str) -> None:
    tiny = families(variant)
    noise = run_node(noise_latents, run_node(empty_latents, tiny.model.vae), seed=3)
    mine = tiny.decode(tiny.denoise(latents=noise, seed=99))
    assert torch.equal(mine, tiny.decode(tiny.denoise()))


@pytest.mark.parametrize("variant", ALL)
def test_resumes_at_any_step(families: Benches, variant: str) -> None:
    tiny, prompt = families(variant), families(variant).encode()
    context = tiny.context()
    whole = tiny.denoise(prompt=prompt, context=context)
    frames = tiny.decode(whole)
    assert len(context.states) == tiny.model.native.steps - 1
    for state in context.states:
        again = tiny.denoise(prompt=prompt, context=tiny.context(state=decode(*encode(state))))
        assert torch.equal(again.samples, whole.samples)
        assert torch.equal(tiny.decode(again), frames)


@pytest.mark.parametrize("variant", ALL)
def test_two_halves_are_one_whole(families: Benches, variant: str) -> None:
    tiny = families(variant)
    first = decode(*encode(tiny.denoise(end_step=1)))
    assert (first.stage, first.sampler.step) == ("stopped", 1)
    mine = tiny.decode(tiny.denoise(latents=first, seed=8))
    assert torch.equal(mine, tiny.decode(tiny.denoise()))


@pytest.mark.parametrize("variant", ALL)
def test_cancel_inside_a_step_leaves_no_trace(families: Benches, variant: str) -> None:
    tiny, prompt = families(variant), families(variant).encode()
    counting = tiny.context()
    whole = tiny.denoise(prompt=prompt, context=counting)
    assert counting._points > tiny.model.native.steps * 2
    for point in (1, 4, counting._points - 1):
        with pytest.raises(Cancelled):
            tiny.denoise(prompt=prompt, context=tiny.context(cancel_after=point))
        assert torch.equal(tiny.denoise(prompt=prompt).samples, whole.samples)


@pytest.mark.parametrize("variant", ALL)
def test_cancel_inside_the_decoder_leaves_no_trace(families: Benches, variant: str) -> None:
    tiny = families(variant)
    latents, counting = tiny.denoise(), tiny.context()
    frames = run_node(decode_node, tiny.model.vae, latents, context=counting).frames
    assert counting._points > 4
    for point in (2, 4, counting._points - 1):
        with pytest.raises(Cancelled):
            run_node(decode_node, tiny.model.vae, latents, context=tiny.context(cancel_after=point))
        assert torch.equal(tiny.decode(latents), frames)


@pytest.mark.parametrize("variant", ALL)
def test_previews_and_memory(families: Benches, variant: str) -> None:
    tiny, watching = families(variant), families(variant).context()
    latents = tiny.denoise(context=watching)
    assert [clip.frames.shape for clip in watching.previews] == [
        (*latents.samples.shape[2:], 3) for _ in range(tiny.model.native.steps)
    ]
    for recipe in (tiny.model.denoiser, tiny.model.text_encoder, tiny.model.vae):
        with tiny.context().use(recipe) as live:
            modules = live.live() if hasattr(live, "live") else [live]
            if hasattr(live, "components"):
                modules = [part for part in live.components.values() if isinstance(part, torch.nn.Module)]
            held = sum(
                tensor.nbytes
                for module in modules
                for tensor in {id(t): t for t in module.state_dict(keep_vars=True).values()}.values()
            )
        assert recipe.memory_bytes() == held


def test_rules_that_are_taken_over_count_too() -> None:
    digests = {name: code_digest(name) for name in names()}
    assert len(set(digests.values())) == len(digests)
