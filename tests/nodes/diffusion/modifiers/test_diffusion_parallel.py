"""One denoiser on several devices: the pipeline runs here, other processes do their part of every call."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion import (
    attention,
    compile_blocks,
    empty_latents,
    first_block_cache,
    offload,
    parallel,
    processes,
)
from graphflow_nodes.diffusion.modifiers import parallel as parallels

from graphflow.errors import Cancelled, NodeError, ResourceError
from graphflow.testing import LocalContext, run_node
from tests.support.tiny_family import FamilyBench
from tests.support.treatments import traces, treated
from tests.support.wan_bench import Bench

Benches = Callable[..., Bench]
Families = Callable[..., FamilyBench]


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """A machine with two cores at least; the processes that were started."""
    monkeypatch.setattr(parallels, "lent", lambda device: 2)
    started: list[subprocess.Popen[bytes]] = []
    begin = processes.begin

    def start(*args: Any, **options: Any) -> Any:
        started.append(begin(*args, **options))
        return started[-1]

    monkeypatch.setattr(processes, "begin", start)
    return started


def shared(tiny: Bench) -> Bench:
    """The bench with its denoiser on two devices."""
    return treated(tiny, denoiser=run_node(parallel, tiny.model.denoiser, ulysses=2))


def untouched(tiny: Bench) -> bool:
    with tiny.context().use(tiny.model.denoiser) as experts:
        modules = experts.live()
        alone = all(module._parallel_config is None for module in modules)
        return alone and not any(traces(module) for module in modules)


@pytest.mark.slow
def test_bit_equal_with_two_experts_and_undone(bench: Benches, two: list[Any]) -> None:
    tiny = bench("wan22")
    prompt = tiny.encode()
    whole = tiny.denoise(prompt=prompt).samples
    assert torch.equal(shared(tiny).denoise(prompt=prompt).samples, whole)
    assert len(two) == 1 and two[0].poll() is not None, "the other process has ended"
    assert not torch.distributed.is_initialized() and "GLOO_SOCKET_IFNAME" not in os.environ
    assert untouched(tiny) and torch.equal(tiny.denoise(prompt=prompt).samples, whole)


@pytest.mark.slow
def test_a_cancel_within_a_step_ends_all_processes(bench: Benches, two: list[Any]) -> None:
    """The others wait for this one, which is gone."""
    tiny = bench("wan21")
    context = LocalContext(cancel_after=6)
    context.opened = tiny.opened
    with pytest.raises(Cancelled):
        shared(tiny).denoise(prompt=tiny.encode(), steps=2, context=context)
    assert two[0].poll() is not None and untouched(tiny) and not torch.distributed.is_initialized()


def test_tokens_that_cannot_be_shared(bench: Benches, two: list[Any]) -> None:
    """Three: known from the size, before anything is loaded."""
    tiny = shared(bench("wan21"))
    latents = run_node(empty_latents, tiny.model.vae, width=48, height=16, frames=1)
    with pytest.raises(NodeError, match="the 3 tokens of this clip cannot be shared by 2 devices"):
        tiny.denoise(prompt=tiny.encode(), latents=latents)
    assert not two


def test_a_process_that_cannot_begin_is_told(
    bench: Benches, two: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = bench("wan21")
    monkeypatch.setattr(processes.sys, "executable", "/bin/false")
    with pytest.raises(ResourceError, match="could not begin: it ended with status 1"):
        shared(tiny).denoise(prompt=tiny.encode(), steps=1)
    assert untouched(tiny)


@pytest.mark.parametrize(
    ("degrees", "problem"),
    [
        ({"ring": 2}, "wants more of attention than torch tells on a CPU"),
        ({"tensor": 2}, "no way to cut the weights of a video model"),
        ({"ulysses": 4}, "asks for 4 devices; this runner gives a step 2: 'cpu'"),
    ],
)
def test_what_cannot_be_is_refused_before_loading(
    bench: Benches, two: list[Any], degrees: dict[str, int], problem: str
) -> None:
    refused(run_node(parallel, bench("wan21").model.denoiser, **degrees), problem)
    assert not two


@pytest.mark.parametrize(
    "family, problem",
    [
        ("hunyuan", "does not know how to cut the tokens of HunyuanVideoTransformer3DModel"),
        ("ltx", "the mask of LTXVideoTransformer3DModel is for all heads"),
    ],
)
def test_models_that_cannot_be_cut(families: Families, two: list[Any], family: str, problem: str) -> None:
    refused(shared(families(family)).model.denoiser, problem)


def test_treatments_that_cannot_be_shared_out(bench: Benches, two: list[Any]) -> None:
    recipe = shared(bench("wan21")).model.denoiser
    three = recipe.parallel.model_copy(update={"ulysses": 3})
    with pytest.raises(NodeError, match="the 2 heads of this model's attention cannot be shared by 3"):
        recipe.model_copy(update={"parallel": three})._check_layers("cpu")
    refused(run_node(first_block_cache, recipe), "each would skip other steps")
    refused(run_node(compile_blocks, recipe), "cannot be compiled")
    refused(run_node(attention, recipe, backend="_native_math"), "torch's own attention")
    refused(run_node(offload, recipe, strategy="leaf"), "stays there")


def refused(recipe: Any, problem: str) -> None:
    """With its reason, by a context that has opened nothing."""
    context = LocalContext()
    with pytest.raises(NodeError) as error, context.use(recipe.during(0, 2)):
        pass
    assert problem in error.value.message and error.value.hint and not context.opened


def test_diffusers_own_way_divides_by_the_number_of_accelerators(bench: Benches, tmp_path: Any) -> None:
    """Which is why the mesh is made here. If this fails, diffusers has learnt to work on a CPU."""
    from diffusers import ContextParallelConfig, WanTransformer3DModel

    if torch.accelerator.is_available():
        pytest.skip("there is an accelerator")
    model = WanTransformer3DModel.from_pretrained(bench("wan21").folder / "transformer")
    with (
        parallels.joined(tmp_path, 0, 1),
        pytest.raises((ZeroDivisionError, AttributeError)),
    ):
        model.enable_parallelism(config=ContextParallelConfig(ulysses_degree=2))
