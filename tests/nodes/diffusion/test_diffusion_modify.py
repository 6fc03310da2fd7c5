"""Treatments together: one order of work whatever the order of nodes, all undone, every recipe travels."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion import (
    attention,
    cast_layers,
    compile_blocks,
    first_block_cache,
    lora,
    offload,
    parallel,
    quantise,
    recipes,
    tile_vae,
)
from graphflow_nodes.diffusion.recipes import Denoiser

from graphflow.errors import NodeError
from graphflow.pool import Pool
from graphflow.testing import LocalContext, run_node
from graphflow.values import decode, encode
from tests.support.tiny_family import FamilyBench
from tests.support.treatments import save_lora, traces, treated
from tests.support.wan_bench import Bench

Benches = Callable[..., Bench]


@pytest.fixture
def treatments(bench: Benches, tmp_path: Path) -> dict[str, Callable[[Denoiser], Denoiser]]:
    """Every treatment that works on this machine without another package."""
    with bench("wan21").context().use(bench("wan21").model.denoiser) as experts:
        file = save_lora(tmp_path / "a.safetensors", experts.transformer)
    return {
        "lora": lambda d: run_node(lora, d, file=file),
        "casting": lambda d: run_node(cast_layers, d),
        "attention": lambda d: run_node(attention, d, backend="_native_math"),
        "step_cache": lambda d: run_node(first_block_cache, d, threshold=5.0),
        "offload": lambda d: run_node(offload, d, strategy="block"),
    }


def test_the_order_of_work(bench: Benches, monkeypatch: pytest.MonkeyPatch) -> None:
    """LoRA, attention, step cache, placement, compilation; undone in the opposite order."""
    done: list[str] = []

    def watched(name: str) -> Any:
        @contextmanager
        def treatment(*args: Any) -> Iterator[None]:
            done.append(name)
            yield
            done.append(f"undo {name}")

        return treatment

    for name in ("adapted", "attending", "caching", "compiled"):
        monkeypatch.setattr(recipes, name, watched(name))
    monkeypatch.setattr("graphflow_nodes.diffusion.component.placed", watched("placed"))
    monkeypatch.setattr(Denoiser, "check", lambda self, device: None)
    recipe = run_node(compile_blocks, bench("wan21").model.denoiser, backend="eager")
    recipe = run_node(first_block_cache, run_node(attention, recipe, backend="native"))
    recipe = recipe.model_copy(update={"loras": ("some",)})
    with bench("wan21").context().use(recipe):
        pass
    order = ["adapted", "attending", "caching", "placed", "compiled"]
    assert done == [*order, *(f"undo {name}" for name in reversed(order))]


def test_quantised_and_cast_models_are_opened_so(bench: Benches, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be undone is part of the base: quantised at load, then LoRAs, then cast."""
    done: list[str] = []
    tiny = bench("wan21")
    loaded = tiny.context()
    with loaded.use(tiny.model.denoiser) as experts:
        module = experts.transformer
    monkeypatch.setattr(recipes, "load_module", lambda *args: done.append(f"load {args[-1]}") or module)
    monkeypatch.setattr(recipes, "add_loras", lambda *args: done.append("add LoRAs"))
    monkeypatch.setattr(recipes, "cast", lambda *args: done.append("cast"))
    cast = run_node(cast_layers, tiny.model.denoiser).model_copy(update={"loras": ("some",)})
    cast.base().open("cpu")
    assert done == ["load None", "add LoRAs", "cast"]
    done.clear()
    run_node(quantise, tiny.model.denoiser).base().open("cpu")
    assert done == ["load method='torchao_int8' skip=()"]


def test_the_order_of_nodes_does_not_matter(
    bench: Benches, treatments: dict[str, Callable[[Denoiser], Denoiser]]
) -> None:
    base = bench("wan21").model.denoiser
    made = set()
    for order in itertools.permutations(treatments.values(), 5):
        recipe = base
        for treat in order:
            recipe = treat(recipe)
        made.add(encode(recipe).header)
    assert len(made) == 1


def test_any_two_together_are_undone(
    bench: Benches, treatments: dict[str, Callable[[Denoiser], Denoiser]]
) -> None:
    tiny = bench("wan21")
    prompt = tiny.encode()
    whole = tiny.denoise(prompt=prompt).samples
    for one, two in itertools.combinations(treatments, 2):
        recipe = treatments[two](treatments[one](tiny.model.denoiser))
        result = treated(tiny, denoiser=recipe).denoise(prompt=prompt).samples
        assert torch.isfinite(result).all(), (one, two)
        assert torch.equal(tiny.denoise(prompt=prompt).samples, whole), (one, two)
    with tiny.context().use(tiny.model.denoiser) as experts:
        assert not traces(experts.transformer)


def test_every_treated_recipe_travels(
    bench: Benches, treatments: dict[str, Callable[[Denoiser], Denoiser]]
) -> None:
    recipe = bench("wan22").model.denoiser
    for treat in treatments.values():
        recipe = treat(recipe)
    recipe = run_node(compile_blocks, run_node(quantise, recipe))
    assert decode(*encode(recipe)) == recipe


def test_the_pool_keeps_one_base_for_what_can_be_undone(
    bench: Benches, treatments: dict[str, Callable[[Denoiser], Denoiser]]
) -> None:
    base, pool = bench("wan21").model.denoiser, Pool("cpu")
    opened = []
    for name, treat in treatments.items():
        with pool.use(treat(base)):
            opened.append(pool.opened.total())
        assert (name, opened[-1]) == (name, 1 if name == "lora" else 2)  # a cast model is one of its own


def test_several_devices_are_refused_where_there_is_one(
    bench: Benches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphflow_nodes.diffusion.modifiers.parallel.lent", lambda device: 1)
    base = bench("wan21").model.denoiser
    assert run_node(parallel, base) == base
    recipe, context = run_node(parallel, base, ring=2, tensor=4), LocalContext()
    with pytest.raises(NodeError, match="asks for 8 devices; this runner gives a step 1") as error:
        context.use(recipe).__enter__()
    assert "set all degrees to 1" in error.value.hint and not context.opened


@pytest.mark.parametrize("family", ["ltx", "hunyuan"])
def test_attention_of_other_families(families: Callable[..., FamilyBench], family: str) -> None:
    """Some layers of HunyuanVideo know torch's own attention alone; they keep it."""
    tiny = families(family)
    recipe = run_node(attention, tiny.model.denoiser, backend="_native_math")
    whole = tiny.denoise().samples
    assert torch.allclose(treated(tiny, denoiser=recipe).denoise().samples, whole, atol=1e-4)
    assert torch.equal(tiny.denoise().samples, whole)


def test_tiles_of_a_vae(bench: Benches) -> None:
    """Tiling is not neutral: it is in the key, and off again after use."""
    tiny = bench("wan21")
    latents = tiny.denoise(steps=1)
    whole = tiny.decode(latents)
    recipe = run_node(tile_vae, tiny.model.vae, tile=64, overlap=16)
    assert recipe.key_fields() != tiny.model.vae.key_fields() and recipe.base() == tiny.model.vae.base()
    with tiny.context().use(recipe) as vae:
        assert vae.use_tiling and vae.tile_sample_min_height == 64 and vae.tile_sample_stride_width == 48
    assert not vae.use_tiling
    assert torch.equal(tiny.decode(latents), whole)
    with pytest.raises(NodeError, match="overlap 64 is not smaller than tile 64"):
        run_node(tile_vae, tiny.model.vae, tile=64)


def test_slicing_takes_only_a_batch_apart(bench: Benches) -> None:
    """Which no node has, so that it would change neither memory nor pixels: there is no setting for it."""
    tiny = bench("wan21")
    samples = tiny.denoise(steps=1).samples
    assert len(samples) == 1
    with tiny.context().use(tiny.model.vae) as vae, torch.no_grad():
        whole = vae.decode(samples).sample
        vae.enable_slicing()
        try:
            seen: list[int] = []
            decode = vae._decode

            def noted(z: Any, **more: Any) -> Any:
                seen.append(len(z))
                return decode(z, **more)

            vae._decode = noted
            assert torch.equal(vae.decode(samples).sample, whole) and seen == [1]
            vae.decode(torch.cat([samples, samples]))
            assert seen == [1, 1, 1]
        finally:
            del vae._decode
            vae.disable_slicing()
