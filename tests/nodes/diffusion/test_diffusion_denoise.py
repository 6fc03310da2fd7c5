"""The nodes give the plain pipeline's own bits, whole, split, resumed and after a cancel."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion import denoise, empty_latents, noise_latents
from graphflow_nodes.diffusion.modifiers.step_cache import FirstBlock
from graphflow_nodes.diffusion.recipes import Scheduler

from graphflow.errors import Cancelled, NodeError, ValueMismatch
from graphflow.testing import LocalContext, run_node
from graphflow.values import MAX_SEED, decode, encode
from tests.support.wan_bench import Bench

Benches = Callable[..., Bench]
ALL = ["wan21", "wan22", "wan5b"]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("variant", ALL)
def test_equal_to_the_plain_pipeline(bench: Benches, variant: str, dtype: str) -> None:
    tiny = bench(variant, dtype)
    second = {"guidance_2": 2.0} if variant == "wan22" else {}
    plain = tiny.plain(**({"guidance_scale_2": 2.0} if second else {}))
    latents = tiny.denoise(**second)
    assert torch.equal(latents.samples, plain.latents)
    assert torch.equal(tiny.decode(latents), plain.frames)
    assert (latents.stage, latents.embeds_dtype) == ("done", dtype)


def test_both_experts_take_part(bench: Benches) -> None:
    tiny = bench("wan22")
    assert not torch.equal(tiny.denoise(guidance_2=2.0).samples, tiny.denoise(guidance_2=9.0).samples)
    assert torch.equal(tiny.denoise(guidance=4.0).samples, tiny.denoise(guidance=4.0, guidance_2=4.0).samples)


def test_a_single_step(bench: Benches) -> None:
    for variant in ALL:
        tiny = bench(variant)
        assert torch.equal(tiny.denoise(steps=1).samples, tiny.plain(num_inference_steps=1).latents)


@pytest.mark.parametrize("variant", ALL)
def test_one_frame_is_a_picture(bench: Benches, variant: str) -> None:
    tiny = bench(variant)
    latents = tiny.denoise(latents=run_node(empty_latents, tiny.model.vae, frames=1))
    plain = tiny.plain(num_frames=1)
    assert torch.equal(tiny.decode(latents), plain.frames)
    assert plain.frames.shape[0] == 1


def test_a_vae_that_keeps_every_frame(bench: Benches) -> None:
    """The pipeline makes one frame more than asked for; the node makes what is asked for."""
    tiny = bench("wan1t")
    latents = tiny.denoise(latents=run_node(empty_latents, tiny.model.vae, frames=4))
    frames = tiny.decode(latents)
    assert frames.shape[0] == 4
    assert torch.equal(frames, tiny.plain(num_frames=3).frames)


def test_without_guidance(bench: Benches) -> None:
    tiny = bench("wan21")
    assert torch.equal(tiny.denoise(guidance=1.0).samples, tiny.plain(guidance_scale=1.0).latents)


def test_another_seed_and_another_prompt_differ(bench: Benches) -> None:
    tiny = bench("wan21")
    usual = tiny.denoise().samples
    assert not torch.equal(usual, tiny.denoise(seed=4).samples)
    assert not torch.equal(usual, tiny.denoise(seed=MAX_SEED).samples)
    assert not torch.equal(usual, tiny.denoise(prompt=tiny.encode("a blue box")).samples)
    assert not torch.equal(usual, tiny.denoise(prompt=tiny.encode(negative_prompt="dark")).samples)


def test_an_empty_prompt_is_allowed(bench: Benches) -> None:
    tiny = bench("wan21")
    mine = tiny.denoise(prompt=tiny.encode("", negative_prompt=""))
    assert torch.equal(mine.samples, tiny.plain(prompt="", negative_prompt="").latents)


def test_the_same_noise_from_its_own_node(bench: Benches) -> None:
    tiny = bench("wan21")
    noise = run_node(noise_latents, run_node(empty_latents, tiny.model.vae), seed=3)
    before = noise.samples.clone()
    assert torch.equal(tiny.denoise(latents=noise, seed=99).samples, tiny.denoise().samples)
    assert torch.equal(noise.samples, before)


@pytest.mark.parametrize("variant", ALL)
def test_resumes_at_any_step(bench: Benches, variant: str) -> None:
    tiny, prompt = bench(variant), bench(variant).encode()
    context = tiny.context()
    whole = tiny.denoise(prompt=prompt, context=context)
    assert len(context.states) == 3  # after the last step comes the result itself
    for state in context.states:
        again = tiny.context(state=decode(*encode(state)))
        assert torch.equal(tiny.denoise(prompt=prompt, context=again).samples, whole.samples)
        assert again.progress_log == context.progress_log[state["step"] :]


def test_a_multistep_solver_needs_its_memory(bench: Benches) -> None:
    tiny, context = bench("wan22"), bench("wan22").context()
    whole = tiny.denoise(context=context)
    state = {**context.states[1], "history": {}}
    assert not torch.equal(tiny.denoise(context=tiny.context(state=state)).samples, whole.samples)


@pytest.mark.parametrize("variant", ALL)
def test_two_halves_are_one_whole(bench: Benches, variant: str) -> None:
    tiny = bench(variant)
    first = tiny.denoise(end_step=2)
    first = decode(*encode(first))
    before = copy.deepcopy(encode(first))
    assert (first.stage, first.sampler.step) == ("stopped", 2)
    assert torch.equal(tiny.denoise(latents=first, seed=8).samples, tiny.denoise().samples)
    after = encode(first)  # published values are not written into
    assert after.header == before.header
    assert all(torch.equal(after.tensors[name], tensor) for name, tensor in before.tensors.items())


def test_three_parts_and_a_resume_inside_one(bench: Benches) -> None:
    tiny = bench("wan22")
    part = tiny.denoise(latents=tiny.denoise(end_step=1), end_step=3)
    context = tiny.context()
    latents = tiny.denoise(latents=tiny.denoise(end_step=1), end_step=3, context=context)
    assert context.progress_log == [(1, 2), (2, 2)]
    for state in context.states:
        resumed = tiny.denoise(
            latents=tiny.denoise(end_step=1), end_step=3, context=tiny.context(state=state)
        )
        assert torch.equal(tiny.denoise(latents=resumed).samples, tiny.denoise().samples)
    assert torch.equal(latents.samples, part.samples)


@pytest.mark.parametrize("variant", ALL)
def test_cancel_inside_a_step_leaves_no_trace(bench: Benches, variant: str) -> None:
    tiny, prompt = bench(variant), bench(variant).encode()
    whole, counting = tiny.denoise(prompt=prompt), tiny.context()
    tiny.denoise(prompt=prompt, context=counting)
    assert counting._points > 4 * 2 * 2  # steps, guidance, blocks
    for point in (1, 3, 6, counting._points - 1):
        context = tiny.context(cancel_after=point)
        with pytest.raises(Cancelled):
            tiny.denoise(prompt=prompt, context=context)
        assert torch.equal(tiny.denoise(prompt=prompt).samples, whole.samples)


def test_step_caches_see_the_noise_level_of_the_whole(
    bench: Benches, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny, seen = bench("wan22"), []
    with tiny.context().use(tiny.model.denoiser) as experts:
        for module in experts.live():
            own = module.cache_context
            monkeypatch.setattr(
                module, "cache_context", lambda name, own=own, **k: seen.append(k["sigma"]) or own(name, **k)
            )
    tiny.denoise()
    whole = list(seen)
    seen.clear()
    tiny.denoise(latents=tiny.denoise(end_step=2))
    assert seen == whole and len(whole) == 8


def test_cancel_with_a_step_cache_leaves_no_trace(bench: Benches) -> None:
    """A half-used cache would break the next run; it is emptied on the way out."""
    tiny, prompt, latents = (
        bench("wan21"),
        bench("wan21").encode(),
        run_node(empty_latents, bench("wan21").model.vae),
    )
    cached = tiny.model.denoiser.model_copy(update={"step_cache": FirstBlock(threshold=0.5)})

    def made(context: LocalContext) -> Any:
        return run_node(
            denoise, cached, tiny.model.scheduler, prompt, latents, context=context, seed=3
        ).samples

    whole = made(tiny.context())
    for point in (6, 7, 8):
        with pytest.raises(Cancelled):
            made(tiny.context(cancel_after=point))
        assert torch.equal(made(tiny.context()), whole)


def test_hooks_are_taken_away(bench: Benches) -> None:
    tiny = bench("wan21")
    tiny.denoise()
    transformers = [live.transformer for live in tiny.opened.values() if hasattr(live, "_asdict")]
    assert transformers and not any(m._forward_pre_hooks for t in transformers for m in t.modules())


def test_previews_only_where_somebody_watches(bench: Benches) -> None:
    tiny, context = bench("wan21"), bench("wan21").context()
    asked: list[object] = []
    context.preview = asked.append  # type: ignore[method-assign]
    tiny.denoise(context=context)
    assert len(asked) == 4 and all(callable(make) for make in asked)
    watching = tiny.context()
    tiny.denoise(context=watching)
    assert [clip.frames.shape for clip in watching.previews] == [(2, 4, 4, 3)] * 4
    assert watching.progress_log == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_solver_that_adds_noise_draws_it_from_the_seed(bench: Benches) -> None:
    """Left to itself it would draw from the process's global generator."""
    tiny = bench("wan21")
    config = {**tiny.model.scheduler.config, "stochastic_sampling": True}
    noisy = Bench(tiny.folder)
    noisy.opened = tiny.opened
    noisy.model = tiny.model._replace(
        scheduler=Scheduler(class_name=tiny.model.scheduler.class_name, config=config)
    )
    context = noisy.context()
    whole = noisy.denoise(context=context)
    before = torch.get_rng_state()
    resumed = noisy.denoise(context=noisy.context(state=context.states[1]))
    assert torch.equal(resumed.samples, whole.samples)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(whole.samples, tiny.denoise().samples)


def test_a_scheduler_is_never_shared(bench: Benches) -> None:
    recipe = bench("wan22").model.scheduler
    assert recipe.build() is not recipe.build()


def test_parts_of_different_models_are_refused(bench: Benches) -> None:
    tiny, other = bench("wan21"), bench("wan5b")
    with pytest.raises(ValueMismatch, match="48 channels, the denoiser takes 16"):
        tiny.denoise(latents=run_node(empty_latents, other.model.vae))
    prompt = tiny.encode()
    narrow = prompt.model_copy(update={"tensors": {k: v[..., :8] for k, v in prompt.tensors.items()}})
    with pytest.raises(ValueMismatch, match="8 numbers wide, the denoiser takes 32"):
        tiny.denoise(prompt=narrow)
    with pytest.raises(ValueMismatch, match="the prompt is for ltx, the denoiser for wan"):
        tiny.denoise(prompt=prompt.model_copy(update={"family": "ltx"}))


def test_steps_that_cannot_be_run_are_refused(bench: Benches) -> None:
    tiny = bench("wan21")
    with pytest.raises(NodeError, match="steps 0 to 9 are no part of 0 to 4"):
        tiny.denoise(end_step=9)
    with pytest.raises(NodeError, match="begin at step 0"):
        tiny.denoise(start_step=2)
    with pytest.raises(NodeError, match="already denoised"):
        tiny.denoise(latents=tiny.denoise())
    with pytest.raises(NodeError, match="two experts"):
        tiny.denoise(guidance_2=2.0)
    stopped = tiny.denoise(end_step=2)
    with pytest.raises(ValueMismatch, match="stopped at step 2, not 1"):
        tiny.denoise(latents=stopped, start_step=1)
    with pytest.raises(ValueMismatch, match="begun with 4 steps, not 6"):
        tiny.denoise(latents=stopped, steps=6)
    with pytest.raises(ValueMismatch, match="another scheduler"):
        bench("wan22").denoise(latents=stopped)


def test_settings_outside_their_limits_are_refused(bench: Benches) -> None:
    tiny = bench("wan21")
    for settings in ({"seed": -1}, {"seed": MAX_SEED + 1}, {"steps": 0}, {"guidance": float("nan")}):
        with pytest.raises(ValueError, match=next(iter(settings))):
            tiny.denoise(**settings)


@pytest.mark.parametrize("size", [{"frames": 129}, {"width": 528}, {"height": 1024}])
def test_a_clip_beyond_the_models_positions_is_refused_before_loading(
    bench: Benches, size: dict[str, int]
) -> None:
    """The tiny model tells 32 places apart along each side, of 4 frames or 16 pixels each."""
    tiny = bench("wan21")
    latents = run_node(empty_latents, tiny.model.vae, **size)
    with pytest.raises(ValueMismatch, match="more than the model can tell apart") as error:
        tiny.denoise(latents=latents)
    assert "at most" in error.value.hint
