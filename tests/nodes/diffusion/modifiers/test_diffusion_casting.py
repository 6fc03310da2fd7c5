"""Layers in 8-bit floating point: less memory, other results, and never on a model that somebody else has."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from graphflow_nodes.diffusion import cast_layers, offload, quantise

from graphflow.errors import NodeError
from graphflow.testing import LocalContext, run_node
from tests.support.treatments import treated
from tests.support.wan_bench import Bench

Benches = Callable[..., Bench]


@pytest.mark.parametrize("variant", ["wan21", "wan22"])
@pytest.mark.parametrize("storage", ["float8_e4m3fn", "float8_e5m2"])
def test_other_results_close_by_and_the_base_untouched(bench: Benches, variant: str, storage: str) -> None:
    tiny = bench(variant)
    whole = tiny.denoise().samples
    recipe = run_node(cast_layers, tiny.model.denoiser, storage=storage)
    cast = treated(tiny, denoiser=recipe).denoise().samples
    assert 0 < (cast - whole).abs().max() < 0.5
    assert torch.equal(tiny.denoise().samples, whole)
    assert recipe.key_fields() != tiny.model.denoiser.key_fields()


def test_equal_to_diffusers_own(bench: Benches) -> None:
    tiny = bench("wan21")
    context = LocalContext()
    with context.use(tiny.model.denoiser) as experts:
        experts.transformer.enable_layerwise_casting(
            storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.float32
        )
    recipe = run_node(cast_layers, tiny.model.denoiser)
    by_node = treated(tiny, denoiser=recipe).denoise().samples
    assert torch.equal(by_node, tiny.denoise(context=context).samples)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_memory_is_known_before_loading(bench: Benches, dtype: str) -> None:
    recipe = run_node(cast_layers, bench("wan22", dtype).model.denoiser)
    with LocalContext().use(recipe) as experts:
        weights = [tensor for module in experts.live() for tensor in module.parameters()]
    held = sum(tensor.numel() * tensor.element_size() for tensor in weights)
    assert recipe.memory_bytes() == held < bench("wan22", dtype).model.denoiser.memory_bytes()


@pytest.mark.parametrize("way", ["model", "block", "leaf"])
def test_offloaded_too(bench: Benches, way: str) -> None:
    tiny = bench("wan21")
    recipe = run_node(cast_layers, tiny.model.denoiser)
    near = treated(tiny, denoiser=recipe).denoise().samples
    far = treated(tiny, denoiser=run_node(offload, recipe, strategy=way)).denoise().samples
    assert torch.equal(near, far)


def test_what_excludes_it_is_refused_before_loading(bench: Benches) -> None:
    recipe = run_node(cast_layers, bench("wan21").model.denoiser)
    context = LocalContext()
    far = run_node(offload, recipe, strategy="sequential")
    with pytest.raises(NodeError, match="offloaded sequentially cannot be cast"), context.use(far):
        pass
    quantised = run_node(quantise, recipe, method="torchao_int8")
    with pytest.raises(NodeError, match="a quantised denoiser cannot be cast too"), context.use(quantised):
        pass
    assert not context.opened
