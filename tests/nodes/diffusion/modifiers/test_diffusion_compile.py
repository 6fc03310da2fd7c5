"""Compiled blocks: the same numbers from other code, and plain blocks again after use."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from graphflow_nodes.diffusion import compile_blocks, first_block_cache, offload
from graphflow_nodes.diffusion.modifiers.compile import Compilation, check_compilation

from graphflow.errors import Cancelled, NodeError
from graphflow.testing import LocalContext, run_node
from tests.support.treatments import traces, treated
from tests.support.wan_bench import Bench

Benches = Callable[..., Bench]


@pytest.mark.parametrize("variant", ["wan21", "wan22"])
def test_close_by_and_undone(bench: Benches, variant: str) -> None:
    tiny = bench(variant)
    whole = tiny.denoise().samples
    recipe = run_node(compile_blocks, tiny.model.denoiser, backend="eager")
    compiled = treated(tiny, denoiser=recipe)
    assert torch.allclose(compiled.denoise().samples, whole, atol=1e-5)
    with tiny.context().use(recipe) as experts:
        assert all("compiled" in traces(module) for module in experts.live())
    assert not [traces(module) for module in experts.live() if traces(module)]
    assert torch.equal(tiny.denoise().samples, whole)
    assert (
        recipe.key_fields() != tiny.model.denoiser.key_fields()
        and recipe.base() == tiny.model.denoiser.base()
    )


@pytest.mark.slow
def test_the_compiler_that_makes_fast_code(bench: Benches) -> None:
    tiny = bench("wan21")
    compiled = treated(tiny, denoiser=run_node(compile_blocks, tiny.model.denoiser))
    assert torch.allclose(compiled.denoise().samples, tiny.denoise().samples, atol=1e-4)


def test_a_cancel_between_compiled_blocks(bench: Benches) -> None:
    tiny, prompt = bench("wan21"), bench("wan21").encode()
    compiled = treated(tiny, denoiser=run_node(compile_blocks, tiny.model.denoiser, backend="eager"))
    whole = compiled.denoise(prompt=prompt).samples
    with pytest.raises(Cancelled):
        compiled.denoise(prompt=prompt, context=compiled.context(cancel_after=6))
    assert torch.equal(compiled.denoise(prompt=prompt).samples, whole)


def test_with_offloaded_blocks_and_with_a_step_cache(bench: Benches) -> None:
    tiny = bench("wan21")
    recipe = run_node(compile_blocks, tiny.model.denoiser, backend="eager")
    far = run_node(offload, recipe, strategy="block")
    near = treated(tiny, denoiser=recipe).denoise().samples
    assert torch.allclose(treated(tiny, denoiser=far).denoise().samples, near, atol=1e-5)
    cached = run_node(first_block_cache, tiny.model.denoiser, threshold=5.0)
    both = run_node(compile_blocks, cached, backend="eager")
    alone, together = (treated(tiny, denoiser=one).denoise().samples for one in (cached, both))
    assert torch.allclose(alone, together, atol=1e-5)


def test_what_cannot_be_compiled_is_refused_before_loading(bench: Benches) -> None:
    recipe = run_node(compile_blocks, bench("wan21").model.denoiser)
    context = LocalContext()
    for wrong, reason in (
        (run_node(offload, recipe, strategy="sequential"), "offloaded sequentially cannot be compiled"),
        (run_node(compile_blocks, recipe, backend="cudagraphs"), "needs an NVIDIA GPU"),
    ):
        with pytest.raises(NodeError, match=reason), context.use(wrong):
            pass
    assert not context.opened
    with pytest.raises(NodeError, match="does not name its repeated blocks"):
        check_compilation(Compilation(), torch.nn.Linear, "cpu")
