"""Weights of another architecture, and numbers that are none: refused when they are loaded, never used."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion import load_model, load_weights, lora
from safetensors.torch import load_file, save_file

from graphflow.errors import NodeError, ValueMismatch
from graphflow.testing import LocalContext, run_node
from tests.support.treatments import save_lora
from tests.support.wan_bench import Bench

Benches = Callable[..., Bench]

PARTS = ("text_encoder", "transformer", "vae")


@pytest.fixture
def copy(bench: Benches, tmp_path: Path) -> Path:
    """A tiny model whose files may be spoiled."""
    return Path(shutil.copytree(bench("wan21").folder, tmp_path / "model"))


def opened(folder: Path, part: str) -> None:
    model = run_node(load_model, model=str(folder), dtype="float32")
    recipe = model.denoiser if part == "transformer" else getattr(model, part)
    with LocalContext().use(recipe):
        pass


def spoil(file: Path, number: float, index: int = -1) -> str:
    """Write a number into the middle of one tensor of a file, and return the tensor's name."""
    tensors = load_file(file)
    name = sorted(tensors)[index]
    tensors[name].view(-1)[tensors[name].numel() // 2] = number
    save_file(tensors, file, metadata={"format": "pt"})
    return name


def with_layers(folder: Path, part: str, more: int) -> None:
    config = folder / part / "config.json"
    told = json.loads(config.read_text())
    told["num_layers"] += more
    config.write_text(json.dumps(told))


@pytest.mark.parametrize("part", ["text_encoder", "transformer"])
def test_fewer_layers_in_the_config_than_in_the_file(copy: Path, part: str) -> None:
    """diffusers would leave the last layer out without a word, and make another model's clip."""
    with_layers(copy, part, -1)
    with pytest.raises(ValueMismatch, match=f"'{part}' has fewer layers by its config") as error:
        opened(copy, part)
    assert ".1." in error.value.message and error.value.hint


@pytest.mark.parametrize("part", ["text_encoder", "transformer"])
def test_more_layers_in_the_config_than_in_the_file(copy: Path, part: str) -> None:
    """transformers would fill the last layer with random numbers."""
    with_layers(copy, part, 1)
    with pytest.raises(ValueMismatch, match=f"the files of '{part}' lack"):
        opened(copy, part)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("part", PARTS)
def test_a_number_that_is_not_finite(copy: Path, part: str, number: float) -> None:
    (file,) = (copy / part).glob("*.safetensors")
    name = spoil(file, number)
    with pytest.raises(NodeError, match="not finite") as error:
        opened(copy, part)
    assert f"'{part}'" in error.value.message
    assert name.rpartition(".")[2] in error.value.message


def test_weights_that_other_programs_left_in_the_file_do_no_harm(copy: Path) -> None:
    (file,) = (copy / "transformer").glob("*.safetensors")
    save_file({**load_file(file), "note.of_another_program": torch.zeros(2)}, file, metadata={"format": "pt"})
    opened(copy, "transformer")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_lora_with_a_number_that_is_not_finite(bench: Benches, tmp_path: Path, number: float) -> None:
    tiny = bench("wan21")
    with tiny.context().use(tiny.model.denoiser) as experts:
        file = Path(save_lora(tmp_path / "broken.safetensors", experts.transformer))
    spoil(file, number, 0)
    recipe = run_node(lora, tiny.model.denoiser, file=str(file))
    fresh = LocalContext()
    with pytest.raises(NodeError, match=r"broken\.safetensors holds numbers that are not finite"):
        fresh.use(recipe).__enter__()
    assert not fresh.opened, "the LoRA is read before the denoiser is loaded"


def test_a_single_file_with_a_number_that_is_not_finite(bench: Benches, tmp_path: Path) -> None:
    tiny = bench("wan21")
    file = Path(shutil.copy(tiny.folder / "transformer" / "diffusion_pytorch_model.safetensors", tmp_path))
    recipe = run_node(load_weights, tiny.model.denoiser, file=str(file))
    LocalContext().use(recipe).__enter__()
    spoil(file, float("nan"))
    recipe = run_node(load_weights, tiny.model.denoiser, file=str(file))
    with pytest.raises(NodeError, match=f"{file.name} holds numbers that are not finite"):
        LocalContext().use(recipe).__enter__()


def test_a_single_file_with_more_layers_than_the_config(copy: Path, bench: Benches) -> None:
    with_layers(copy, "transformer", -1)
    model: Any = run_node(load_model, model=str(copy), dtype="float32")
    file = bench("wan21").folder / "transformer" / "diffusion_pytorch_model.safetensors"
    recipe = run_node(load_weights, model.denoiser, file=str(file))
    with pytest.raises(ValueMismatch, match="fewer layers by its config"):
        LocalContext().use(recipe).__enter__()
