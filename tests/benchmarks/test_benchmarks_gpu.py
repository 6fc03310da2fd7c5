"""The script for a GPU runs as a whole on small models, so that on a GPU only the figures are new."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from graphflow_nodes import diffusion as nodes
from graphflow_nodes.diffusion.catalogue import entry

from benchmarks import gpu
from graphflow.testing import run_node

Table = list[dict[str, str]]

NEEDS_A_GPU = {
    "offload block, streamed",
    "offload leaf, streamed",
    "fp8 layers, offload block, streamed",
    "float8 dynamic (torchao)",
    "attention _native_cudnn",
    "attention flash",
    "attention sage",
}


@pytest.fixture
def tiny(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Table]:
    """`tiny("--model", "5b")`: the rows that the script prints, by the head of the table."""

    def run(*options: str) -> Table:
        monkeypatch.setattr(sys, "argv", ["gpu", "--tiny", "--steps", "2", *options])
        gpu.main()
        told, _, head, _, *rows = capsys.readouterr().out.splitlines()
        assert "no figures" in told
        names, *cells = ([cell.strip() for cell in line[1:-1].split("|")] for line in (head, *rows))
        return [dict(zip(names, row, strict=True)) for row in cells]

    return run


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of torchao and of torch's compiler
def test_every_way_is_measured_or_the_table_says_why_not(tiny: Callable[..., Table]) -> None:
    table = tiny("--model", "5b")
    assert [row["way"] for row in table] == list(gpu.WAYS)
    assert {row["way"] for row in table if row["refused"]} == NEEDS_A_GPU
    for row in table:
        assert row["refused"] or float(row["s/step"]) > 0
        assert not row["refused"] or (row["s/step"], row["forecast/peak"]) == ("-", "-")
        assert row["peak"] == "-", "main memory is not measured"
    exact = {row["way"] for row in table if row["latents"] == "same bits"}
    assert {"resident", "offload model", "offload block"} <= exact
    assert "int8 (torchao)" not in exact


def test_every_model_is_measured(tiny: Callable[..., Table]) -> None:
    table = tiny("--way", "resident")
    assert [row["model"] for row in table] == list(gpu.MODELS)
    assert all(float(row["s/step"]) > 0 and not row["refused"] for row in table)


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match=r"there is no NVIDIA GPU here.*--tiny"):
        gpu.main()


@pytest.mark.parametrize("work", gpu.MODELS.values(), ids=lambda work: work.id)
def test_real_sizes_are_the_catalogues(work: gpu.Work, tmp_path: Path) -> None:
    folder = gpu.outline(work, tmp_path, tiny=False)
    model = run_node(nodes.load_model, model=str(folder), dtype="bfloat16", sampler="euler")
    recipe = gpu.RandomDenoiser(**dict(model.denoiser))
    weights = 2 * sum(entry(work.id).module(part).parameters for part in recipe.parts())
    latents = run_node(nodes.empty_latents, model.vae, **work.clip)
    assert weights > 9e9
    assert recipe.memory_bytes() == pytest.approx(weights, rel=0.01)  # some stay in float32
    assert weights < gpu.forecast_bytes(recipe, latents) < weights + 40e9
    cast = run_node(nodes.cast_layers, recipe)
    assert gpu.forecast_bytes(cast, latents) < gpu.forecast_bytes(recipe, latents) - 0.3 * weights


def test_random_weights_have_the_dtypes_that_loading_gives(tmp_path: Path) -> None:
    folder = gpu.outline(gpu.MODELS["Wan 2.2 A14B"], tmp_path, tiny=True)
    model = run_node(nodes.load_model, model=str(folder), dtype="bfloat16")
    live = gpu.RandomDenoiser(**dict(model.denoiser)).open("cpu").live()
    assert len(live) == 2
    for transformer in live:
        weights = dict(transformer.named_parameters())
        assert weights["blocks.0.ffn.net.0.proj.weight"].dtype == torch.bfloat16
        assert weights["blocks.0.norm2.weight"].dtype == torch.float32
        assert all(0 < weight.float().std() < 2 * gpu.SPREAD for weight in weights.values())
