"""Step caches: they do skip work, every run is the same, nothing stays, and what breaks is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion import (
    attention_cache,
    faster_cache,
    first_block_cache,
    magnitude_cache,
    offload,
    taylor_cache,
)

from graphflow.errors import Cancelled, NodeError
from graphflow.testing import LocalContext, run_node
from tests.support.tiny_family import FamilyBench
from tests.support.treatments import traces, treated
from tests.support.wan_bench import Bench

Benches = Callable[..., Bench]
Families = Callable[..., FamilyBench]

CACHES: dict[str, Callable[[Any], Any]] = {
    "first_block": lambda d: run_node(first_block_cache, d, threshold=5.0),
    "magnitude": lambda d: run_node(magnitude_cache, d, ratios=[1.0, 1.0], threshold=1.0),
    "taylor": lambda d: run_node(taylor_cache, d, interval=2, warmup=1),
    "taylor_attention": lambda d: run_node(taylor_cache, d, interval=2, warmup=1, whole=False),
    "attention": lambda d: run_node(attention_cache, d, begin=1000.0, end=0.0),
    "faster": lambda d: run_node(faster_cache, d, begin=1000.0, end=0.0),
}


class Counter:
    """How often the attention layers of a bench's denoiser really ran."""

    def __init__(self, bench: Bench) -> None:
        self.calls = 0
        with bench.context().use(bench.model.denoiser) as experts:
            for module in experts.live():
                for name, part in module.named_modules():
                    if name.endswith((".attn1", ".attn")):
                        self._count(part.processor)

    def _count(self, processor: Any) -> None:
        own = type(processor).__call__

        class Counted(type(processor)):  # type: ignore[misc]
            def __call__(this, *args: Any, **kwargs: Any) -> Any:
                self.calls += 1
                return own(this, *args, **kwargs)

        Counted.__name__ = type(processor).__name__
        processor.__class__ = Counted

    def of(self, run: Callable[[], Any]) -> int:
        before = self.calls
        run()
        return self.calls - before


@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize("variant", ["wan21", "wan22", "wan5b"])
def test_work_is_skipped_and_every_run_is_the_same(bench: Benches, variant: str, cache: str) -> None:
    tiny = Bench(bench(variant).folder)
    whole, counter = tiny.denoise().samples, Counter(tiny)
    cached = treated(tiny, denoiser=CACHES[cache](tiny.model.denoiser))
    first = cached.denoise().samples
    assert counter.of(lambda: cached.denoise(steps=8)) < counter.of(lambda: tiny.denoise(steps=8))
    assert torch.equal(cached.denoise().samples, first) and not torch.equal(first, whole)
    assert torch.equal(tiny.denoise().samples, whole)
    with tiny.context().use(tiny.model.denoiser) as experts:
        assert not [traces(module) for module in experts.live() if traces(module)]


def test_both_experts_have_it(bench: Benches) -> None:
    """On one of two it would change nothing in the other's steps."""
    tiny = bench("wan22")
    recipe = CACHES["first_block"](tiny.model.denoiser)
    with tiny.context().use(recipe) as experts:
        assert [module.is_cache_enabled for module in experts.live()] == [True, True]


@pytest.mark.parametrize("cache", CACHES)
def test_a_cancel_inside_a_step_leaves_no_trace(bench: Benches, cache: str) -> None:
    """A half-used first-block cache makes the next run fail on diffusers' own."""
    tiny, prompt = bench("wan21"), bench("wan21").encode()
    cached = treated(tiny, denoiser=CACHES[cache](tiny.model.denoiser))
    whole, plain = cached.denoise(prompt=prompt).samples, tiny.denoise(prompt=prompt).samples
    for point in (4, 6, 7):
        with pytest.raises(Cancelled):
            cached.denoise(prompt=prompt, context=cached.context(cancel_after=point))
        assert torch.equal(cached.denoise(prompt=prompt).samples, whole)
    assert torch.equal(tiny.denoise(prompt=prompt).samples, plain)


def test_a_resumed_denoise_begins_anew(bench: Benches) -> None:
    """What a cache remembers is in no checkpoint, so none is written and none is used."""
    tiny = bench("wan21")
    context = tiny.context()
    tiny.denoise(context=context)
    cached = treated(tiny, denoiser=CACHES["taylor"](tiny.model.denoiser))
    whole = cached.denoise().samples
    again = cached.context(state=context.states[1])
    assert torch.equal(cached.denoise(context=again).samples, whole)
    assert not again.states and again.progress_log == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_taylor_is_no_silent_no_op(bench: Benches) -> None:
    """diffusers' default patterns match no layer of Wan: its cache would be on and do nothing."""
    from diffusers import TaylorSeerCacheConfig

    tiny = Bench(bench("wan21").folder)
    whole, counter = tiny.denoise().samples, Counter(tiny)
    with tiny.context().use(tiny.model.denoiser) as experts:
        experts.transformer.enable_cache(TaylorSeerCacheConfig(cache_interval=2, disable_cache_before_step=1))
    try:
        assert torch.equal(tiny.denoise().samples, whole)
    finally:
        experts.transformer.disable_cache()
    for cache in ("taylor", "taylor_attention"):
        cached = treated(tiny, denoiser=CACHES[cache](tiny.model.denoiser))
        assert counter.of(cached.denoise) < counter.of(tiny.denoise)


def test_passes_of_the_guidance_are_kept_apart(bench: Benches) -> None:
    """diffusers' attention broadcast has one memory for both passes: without the prompt would be given what
    was computed with it. Here a cache that never skips changes nothing, whatever the guidance."""
    tiny = bench("wan21")
    recipe = run_node(attention_cache, tiny.model.denoiser, interval=100, begin=1000.0, end=0.0)
    cached = treated(tiny, denoiser=recipe)
    assert torch.equal(cached.denoise(steps=1).samples, tiny.denoise(steps=1).samples)
    assert not torch.equal(cached.denoise().samples, tiny.denoise().samples)


def test_magnitudes_belong_to_steps_of_the_whole_denoise(bench: Benches) -> None:
    """Each expert counts its own calls; the second one's first is not the first step. With ratios that skip
    nothing but step 3, and a second expert that takes over at step 1, just that step is skipped."""
    tiny = Bench(bench("wan22").folder)
    base = tiny.model.denoiser
    seen: list[tuple[str, int]] = []
    recipe = run_node(magnitude_cache, base, ratios=[1.0] * 4, threshold=0.0, retention=1.0)
    from diffusers.hooks import mag_cache

    own = mag_cache.MagCacheHeadHook.new_forward

    def spying(hook: Any, module: Any, *args: Any, **kwargs: Any) -> Any:
        context = hook.state_manager.context.name
        seen.append((context, hook.state_manager.get_state().step_index))
        return own(hook, module, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mag_cache.MagCacheHeadHook, "new_forward", spying)
        whole = treated(tiny, denoiser=recipe).denoise().samples
        assert [step for context, step in seen if context == "cond"] == [0, 1, 2, 3]
        assert [step for context, step in seen if context == "uncond"] == [0, 1, 2, 3]
        seen.clear()
        half = treated(tiny, denoiser=recipe).denoise(end_step=2)
        treated(tiny, denoiser=recipe).denoise(latents=half)
        assert [step for context, step in seen if context == "cond"] == [0, 1, 2, 3]
    assert torch.equal(whole, tiny.denoise().samples)


@pytest.mark.parametrize("cache", CACHES)
def test_with_offloaded_blocks(bench: Benches, cache: str) -> None:
    tiny = bench("wan21")
    recipe = CACHES[cache](tiny.model.denoiser)
    far = run_node(offload, recipe, strategy="block", blocks=2)
    assert torch.equal(
        treated(tiny, denoiser=far).denoise().samples, treated(tiny, denoiser=recipe).denoise().samples
    )


WORKS = {
    "ltx": set(CACHES),
    "hunyuan": set(CACHES),
    "skyreels": {"taylor", "taylor_attention", "attention", "faster"},
}


@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize("family", WORKS)
def test_other_families_work_or_refuse_before_loading(families: Families, family: str, cache: str) -> None:
    tiny = families(family)
    recipe = CACHES[cache](tiny.model.denoiser).during(0, 4)
    if cache in WORKS[family]:
        cached = treated(tiny, denoiser=recipe)
        assert torch.equal(cached.denoise().samples, cached.denoise().samples)
        assert not torch.equal(cached.denoise().samples, tiny.denoise().samples)
        return
    context = LocalContext()
    with (
        pytest.raises(NodeError, match="diffusers does not know the inputs of SkyReels"),
        context.use(recipe),
    ):
        pass
    assert not context.opened


def test_faster_cache_is_the_broadcast_if_nothing_of_the_last_change_is_added(bench: Benches) -> None:
    """Both use a layer's last output again; only the first steps and the weight tell them apart."""
    tiny = bench("wan21")
    between = {"begin": 1000.0, "end": 0.0}
    same, other, usual = (
        treated(tiny, denoiser=recipe).denoise(steps=6).samples
        for recipe in (
            run_node(faster_cache, tiny.model.denoiser, weight=0.0, **between),
            run_node(faster_cache, tiny.model.denoiser, weight=1.0, **between),
            run_node(attention_cache, tiny.model.denoiser, **between),
        )
    )
    assert torch.equal(same, usual) and not torch.equal(other, usual)


def test_faster_cache_and_ltx2(families: Families) -> None:
    tiny, context = families("ltx2"), LocalContext()
    recipe = CACHES["faster"](tiny.model.denoiser).during(0, 4)
    with pytest.raises(NodeError, match="two streams of unlike sizes"), context.use(recipe):
        pass
    assert not context.opened


def test_faster_cache_still_fails(bench: Benches) -> None:
    """Why only its attention half is used: with the arguments of its own documentation it breaks on Wan."""
    from diffusers import FasterCacheConfig

    tiny = Bench(bench("wan21").folder)
    config = FasterCacheConfig(
        spatial_attention_block_skip_range=2,
        spatial_attention_timestep_skip_range=(-1, 681),
        current_timestep_callback=lambda: 500,
        attention_weight_callback=lambda _: 0.3,
        unconditional_batch_skip_range=5,
        unconditional_batch_timestep_skip_range=(-1, 781),
        tensor_format="BFCHW",
    )
    with tiny.context().use(tiny.model.denoiser) as experts:
        experts.transformer.enable_cache(config)
    with pytest.raises((IndexError, ValueError, RuntimeError)):
        tiny.denoise(steps=8)


def test_settings_outside_their_limits_are_refused(bench: Benches) -> None:
    base = bench("wan21").model.denoiser
    for node, settings in (
        (first_block_cache, {"threshold": -1.0}),
        (magnitude_cache, {"ratios": [1.0]}),
        (taylor_cache, {"interval": 1}),
        (attention_cache, {"begin": 2000.0}),
    ):
        with pytest.raises(ValueError, match=next(iter(settings))):
            run_node(node, base, **settings)
    with pytest.raises(NodeError, match="must be told the number of steps"):
        LocalContext().use(CACHES["magnitude"](base)).__enter__()


def test_a_clip_that_is_made_in_windows_takes_none(bench: Benches) -> None:
    base = bench("wan21").model.denoiser
    assert base.windowed() == base
    with pytest.raises(NodeError, match="cannot work on a clip that is made in windows"):
        CACHES["taylor"](base).windowed()


def test_every_node_says_for_which_steps_it_takes_a_denoiser() -> None:
    """Whole denoises tell their steps; nodes that work in windows refuse a cache."""
    import graphflow_nodes.diffusion as pack

    folder = Path(pack.__file__).parent
    taken = [
        f"{file.name}: {found}"
        for file in folder.glob("*.py")
        for found in re.findall(r"ctx\.use\((?:self\.)?denoiser[^)]*\)*", file.read_text())
        if ".during(" not in found and ".windowed(" not in found
    ]
    assert not taken
