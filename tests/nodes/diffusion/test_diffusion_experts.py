"""Two experts one after the other, each a denoiser of its own: the bits of one denoise, half the weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion import load_weights, lora, magnitude_cache, split_experts
from graphflow_nodes.diffusion.values import Latents
from graphflow_nodes.training.adapters import check_expert

from graphflow.errors import NodeError
from graphflow.forecast import IN_TURN, Strategy, forecast
from graphflow.testing import run_node
from graphflow.values import decode, encode
from graphflow.workflow import from_raw
from graphflow.workspace import Workspace
from tests.nodes.diffusion.test_diffusion_condition import CASES
from tests.nodes.diffusion.test_diffusion_graph import REGISTRY, document, run
from tests.support.refusals import refusal
from tests.support.treatments import save_lora, treated
from tests.support.wan_bench import Bench

Benches = Callable[..., Bench]
WEIGHTS = "diffusion_pytorch_model.safetensors"


def in_turn(tiny: Bench, **settings: Any) -> tuple[Latents, Latents]:
    """What the first expert leaves, and what the second makes of it."""
    first, second = run_node(split_experts, tiny.model.denoiser)
    begun = treated(tiny, denoiser=first).denoise(**settings)
    return begun, treated(tiny, denoiser=second).denoise(**{**settings, "latents": decode(*encode(begun))})


def _lora(denoiser: str, **settings: Any) -> dict[str, Any]:
    return {"type": "diffusion/lora", "params": settings, "inputs": {"denoiser": denoiser}}


def halves(folder: Path, *, denoise: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    """Text to video by one expert after the other; other settings are those of a LoRA, before they part."""
    raw = document(folder, denoise=denoise or {})
    nodes = raw["nodes"]
    nodes["experts"] = {"type": "diffusion/split_experts", "inputs": {"denoiser": "model.denoiser"}}
    second = nodes["denoise"]
    wires = {**second["inputs"], "denoiser": "experts.first"}
    nodes["layout"] = {"type": "diffusion/denoise", "params": {"seed": 3}, "inputs": wires}
    second["inputs"] |= {"denoiser": "experts.second", "latents": "layout"}
    if settings:
        nodes["lora"] = _lora("model.denoiser", **settings)
        nodes["experts"]["inputs"]["denoiser"] = "lora"
    return raw


@pytest.fixture
def files(bench: Benches, tmp_path: Path) -> list[str]:
    """Two LoRAs, of different ranks."""
    with bench("wan22").context().use(bench("wan22").model.denoiser) as experts:
        return [
            save_lora(tmp_path / f"{rank}.safetensors", experts.transformer, seed=rank, rank=rank)
            for rank in (4, 2)
        ]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_equal_to_the_plain_pipeline(bench: Benches, dtype: str) -> None:
    tiny = bench("wan22", dtype)
    begun, done = in_turn(tiny, guidance_2=2.0)
    assert (begun.stage, done.stage) == ("stopped", "done") and begun.sampler is not None
    assert 0 < begun.sampler.step < begun.sampler.steps
    assert torch.equal(done.samples, tiny.plain(guidance_scale_2=2.0).latents)


def test_equal_with_images(bench: Benches) -> None:
    tiny, case = bench("wan22_image"), CASES["first and last image, two experts"]
    condition = case.condition(tiny)
    assert torch.equal(in_turn(tiny, condition=condition)[1].samples, case.plain(tiny, output_type="latent"))


def test_each_opens_its_own_weights_alone(bench: Benches) -> None:
    both = bench("wan22").model.denoiser
    first, second = run_node(split_experts, both)
    assert first.memory_bytes() == second.memory_bytes() == both.memory_bytes() // 2
    with bench("wan22").context().use(second) as experts:
        assert list(experts.named()) == ["transformer_2"]
        weights = experts.transformer_2.state_dict()
    with bench("wan22").context().use(both) as experts:
        assert all(torch.equal(weights[key], one) for key, one in experts.transformer_2.state_dict().items())


def test_what_concerns_the_other_is_left_out(bench: Benches, files: list[str]) -> None:
    both = bench("wan22").model.denoiser
    first, second = run_node(split_experts, both)
    added = run_node(lora, both, file=files[0], expert="second")
    assert run_node(split_experts, added) == (first, run_node(lora, second, file=files[0], expert="second"))
    weights = [str(bench("wan22").folder / part / WEIGHTS) for part in both.parts()]
    replaced = run_node(load_weights, both, file=weights[0], second_file=weights[1])
    assert [list(half.files) for half in run_node(split_experts, replaced)] == [
        [part] for part in both.parts()
    ]
    with pytest.raises(NodeError, match="the first expert alone"):
        run_node(lora, first, file=files[0], expert="second")
    with pytest.raises(NodeError, match="the second expert alone"):
        check_expert(second, "second")


@pytest.mark.parametrize("cache", [False, True])
def test_treatments_act_as_in_one_denoise(bench: Benches, files: list[str], cache: bool) -> None:
    """Also a step cache: each expert has a memory of its own anyway."""
    tiny = bench("wan22")
    recipe = run_node(
        lora, run_node(lora, tiny.model.denoiser, file=files[0]), file=files[1], expert="second"
    )
    if cache:
        recipe = run_node(magnitude_cache, recipe, ratios=[1.0] * 12, threshold=1.0)
    whole = treated(tiny, denoiser=recipe).denoise(steps=12)
    assert torch.equal(in_turn(treated(tiny, denoiser=recipe), steps=12)[1].samples, whole.samples)


def test_a_lora_of_the_second_leaves_the_first_ones_work(
    bench: Benches, files: list[str], tmp_path: Path
) -> None:
    """Nothing before the second expert's steps is computed again, and the bits are the plain pipeline's."""
    folder = bench("wan22").folder
    with Workspace(tmp_path, registry=REGISTRY, device="cpu") as workspace:
        assert run(workspace, halves(folder))[1] == {"encode", "layout", "denoise", "decode"}
        result, computed = run(workspace, halves(folder, file=files[0], expert="second"))
        assert computed == {"denoise", "decode"}
        assert run(workspace, halves(folder, denoise={"guidance_2": 2.0}))[1] == {"denoise", "decode"}
        whole = document(folder)
        whole["nodes"]["lora"] = _lora("model.denoiser", file=files[0], expert="second")
        whole["nodes"]["denoise"]["inputs"]["denoiser"] = "lora"
        assert torch.equal(result.value("video").frames, run(workspace, whole)[0].value("video").frames)


def test_a_plan_refuses_what_one_expert_cannot_do(bench: Benches, tmp_path: Path) -> None:
    """Where the second takes over only the scheduler tells; what comes out is known all the same."""
    folder = bench("wan22").folder
    alone, one = halves(folder), halves(bench("wan21").folder)
    alone["nodes"]["denoise"]["inputs"]["latents"] = "latents"
    other = halves(folder)
    other["nodes"]["decode"]["inputs"]["vae"] = "other.vae"
    other["nodes"]["other"] = {
        "type": "diffusion/load_model",
        "params": {"model": str(bench("wan5b").folder)},
    }
    with Workspace(tmp_path, registry=REGISTRY, device="cpu") as workspace:
        told = [refusal(workspace, raw, tmp_path).message for raw in (alone, one, other)]
        found = forecast(workspace.prepare(workspace.graph(from_raw(halves(folder)))).plan())
    assert "the second expert cannot begin a clip" in told[0]
    assert "has no two experts" in told[1]
    assert "another VAE" in told[2]
    assert not found.unknown
    assert found.peak(Strategy(IN_TURN)).by_node["layout"] < bench("wan22").model.denoiser.memory_bytes()


def test_experts_without_steps(bench: Benches) -> None:
    tiny = bench("wan22")
    first, second = run_node(split_experts, tiny.model.denoiser)
    stopped = tiny.denoise(end_step=1, steps=12)
    with pytest.raises(
        NodeError, match=r"the first expert takes \d steps of this denoise, of which only 1 are"
    ):
        treated(tiny, denoiser=second).denoise(latents=stopped)
    late = tiny.denoise(end_step=11, steps=12)
    with pytest.raises(NodeError, match="none of the steps from 11 on is the first expert's"):
        treated(tiny, denoiser=first).denoise(latents=late)
    whole = treated(tiny, denoiser=first).denoise(steps=1)
    assert torch.equal(whole.samples, tiny.denoise(steps=1).samples)
    with pytest.raises(NodeError, match="the first expert has taken all steps"):
        treated(tiny, denoiser=second).denoise(latents=whole)
