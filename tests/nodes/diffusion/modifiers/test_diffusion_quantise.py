"""Quantised weights: made while loading, other results, refused with the reason where they cannot be."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
from graphflow_nodes.diffusion import lora, offload, quantise
from graphflow_nodes.diffusion.modifiers import quantise as backends
from graphflow_nodes.diffusion.modifiers.quantise import BACKENDS, METHODS, Method, Quantisation, backend_of

from graphflow.errors import NodeError
from graphflow.testing import LocalContext, run_node
from tests.support.treatments import save_lora, treated
from tests.support.wan_bench import Bench

Benches = Callable[..., Bench]

TORCHAO = ["torchao_int8", "torchao_int8_dynamic", "torchao_float8"]
QUANTO = ["quanto_int8", "quanto_float8"]


@pytest.mark.parametrize("method", TORCHAO + QUANTO)
@pytest.mark.parametrize("variant", ["wan21", "wan22"])
def test_a_denoiser(bench: Benches, variant: str, method: Method) -> None:
    tiny = bench(variant)
    whole = tiny.denoise().samples
    recipe = run_node(quantise, tiny.model.denoiser, method=method)
    small = treated(tiny, denoiser=recipe)
    assert 0 < (small.denoise().samples - whole).abs().max() < 0.5
    assert torch.equal(small.denoise().samples, small.denoise().samples)
    assert torch.equal(tiny.denoise().samples, whole)
    assert (
        recipe.key_fields() != tiny.model.denoiser.key_fields()
        and recipe.base() != tiny.model.denoiser.base()
    )
    assert recipe.memory_bytes() < tiny.model.denoiser.memory_bytes()


@pytest.mark.parametrize("method", TORCHAO + QUANTO)
def test_a_text_encoder(bench: Benches, method: Method) -> None:
    tiny = bench("wan21")
    small = treated(tiny, text_encoder=run_node(quantise, tiny.model.text_encoder, method=method))
    before, after = tiny.encode().tensors["prompt_embeds"], small.encode().tensors["prompt_embeds"]
    assert 0 < (before - after).abs().max() < 0.2


@pytest.mark.parametrize("method", TORCHAO)
def test_layers_may_stay_as_they_are(bench: Benches, method: Method) -> None:
    tiny = bench("wan21")
    kept = run_node(quantise, tiny.model.denoiser, method=method, skip=["attn1", "ffn"])
    with tiny.context().use(kept) as experts:
        block = experts.transformer.blocks[0]
        assert type(block.attn1.to_q.weight) is type(block.ffn.net[2].weight) is torch.nn.Parameter
        assert type(experts.transformer.proj_out.weight) is not torch.nn.Parameter
    assert kept.memory_bytes() > run_node(quantise, tiny.model.denoiser, method=method).memory_bytes()


@pytest.mark.parametrize("method", TORCHAO)
@pytest.mark.parametrize("way", ["model", "block", "leaf"])
def test_offloaded_it_is_the_same(bench: Benches, way: str, method: Method) -> None:
    tiny = bench("wan21")
    recipe = run_node(quantise, tiny.model.denoiser, method=method)
    far = run_node(offload, recipe, strategy=way)
    assert torch.equal(
        treated(tiny, denoiser=far).denoise().samples, treated(tiny, denoiser=recipe).denoise().samples
    )


@pytest.mark.parametrize("method", TORCHAO)
def test_with_a_lora_that_is_taken_off_again(bench: Benches, method: Method, tmp_path: Any) -> None:
    tiny = bench("wan21")
    with tiny.context().use(tiny.model.denoiser) as experts:
        file = save_lora(tmp_path / "a.safetensors", experts.transformer)
    recipe = run_node(quantise, tiny.model.denoiser, method=method)
    alone = treated(tiny, denoiser=recipe).denoise().samples
    with_lora = treated(tiny, denoiser=run_node(lora, recipe, file=file)).denoise().samples
    assert not torch.equal(with_lora, alone)
    assert torch.equal(treated(tiny, denoiser=recipe).denoise().samples, alone)


# ------------------------------------------------------------------------------------------ refusals


def refusal(recipe: Any, device: str = "cpu") -> NodeError:
    context = LocalContext()
    context.device = device
    with pytest.raises(NodeError) as error, context.use(recipe):
        pass
    assert not context.opened, "refused after loading"
    return error.value


@pytest.mark.parametrize("method", METHODS)
def test_a_missing_package_is_named_with_what_to_install(
    bench: Benches, monkeypatch: pytest.MonkeyPatch, method: Method
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    error = refusal(run_node(quantise, bench("wan21").model.denoiser, method=method))
    assert f"needs the Python package {backend_of(Quantisation(method=method)).module!r}" in error.message
    assert f"pip install {backend_of(Quantisation(method=method)).package}" in error.hint


@pytest.mark.parametrize(
    "method", [m for m in METHODS if BACKENDS[m.partition("_")[0]].gpu or METHODS[m].capability > (0, 0)]
)
def test_a_missing_gpu_is_named(bench: Benches, monkeypatch: pytest.MonkeyPatch, method: Method) -> None:
    monkeypatch.setattr(backends, "installed", lambda module: True)
    error = refusal(run_node(quantise, bench("wan21").model.denoiser, method=method))
    assert "needs an NVIDIA GPU; this run computes on 'cpu'" in error.message and "torchao_int8" in error.hint


def test_an_old_gpu_is_named(bench: Benches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "installed", lambda module: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    error = refusal(
        run_node(quantise, bench("wan21").model.denoiser, method="torchao_float8_dynamic"), "cuda"
    )
    assert "compute capability 8.9; this one has 8.0" in error.message


def test_a_library_that_knows_no_text_encoder(bench: Benches) -> None:
    with pytest.raises(NodeError, match="does not know text encoders"):
        run_node(quantise, bench("wan21").model.text_encoder, method="modelopt_fp8")


def test_layers_that_cannot_be_offloaded_so(bench: Benches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "installed", lambda module: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    base = bench("wan21").model.denoiser
    on_disk = run_node(offload, run_node(quantise, base), strategy="leaf", disk=True)
    assert "cannot be offloaded as 'leaf, on disk'" in refusal(on_disk).message
    hooked = run_node(offload, run_node(quantise, base, method="bitsandbytes_nf4"), strategy="leaf")
    assert "'bitsandbytes_nf4' cannot be offloaded as 'leaf'" in refusal(hooked, "cuda").message


def test_every_method_has_its_facts() -> None:
    assert set(METHODS) == set(get_args(Method))
    assert {method.partition("_")[0] for method in METHODS} == set(BACKENDS)
