"""What parts of a model weigh: exact by the headers of their files, their configs, or the catalogue."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from graphflow_nodes.diffusion.load import Model, load_model
from graphflow_nodes.diffusion.modifiers.offload import Offload
from graphflow_nodes.diffusion.source import FileSource

from graphflow.claims import Footprint
from graphflow.testing import LocalContext, run_node


@pytest.fixture
def folder(tiny_wan: Callable[[str], Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_wan("wan22"), tmp_path / "model"))


@pytest.fixture
def model(folder: Path) -> Model:
    return run_node(load_model, model=str(folder), dtype="bfloat16")


def test_all_ways_are_lighter_than_the_way_before(model: Model) -> None:
    ways = model.denoiser.footprints()
    assert list(ways) == ["", "fp8", "int8", "nf4"]
    assert ways[""].whole == model.denoiser.memory_bytes()
    assert ways[""].whole > ways["fp8"].whole and ways["int8"].whole > ways["nf4"].whole


def test_two_experts_are_two_modules(model: Model) -> None:
    found = model.denoiser.footprints()[""]
    assert found.whole == 2 * found.module
    assert found.on_device("resident") == found.whole and found.on_device("model") == found.module


def test_blocks_and_layers_add_up(model: Model) -> None:
    """Two experts of two equal blocks each."""
    found = model.denoiser.footprints()[""]
    assert found.whole == found.rest + 4 * found.block
    assert found.block < found.module and found.leaf < found.module


def test_without_weight_files_the_configs_tell_as_much(folder: Path, model: Model) -> None:
    exact = [part.footprints() for part in (model.text_encoder, model.denoiser, model.vae)]
    for file in folder.glob("*/*.safetensors"):
        file.unlink()
    again = run_node(load_model, model=str(folder), dtype="bfloat16")
    told = [part.footprints() for part in (again.text_encoder, again.denoiser, again.vae)]
    assert told == exact


def test_a_model_that_is_gone_weighs_nothing(folder: Path, model: Model) -> None:
    shutil.rmtree(folder)
    assert model.vae.footprints()[""] == Footprint(0)


def test_placing_is_what_the_offload_says(model: Model) -> None:
    assert model.denoiser.placing() == "resident"
    moved = model.denoiser.model_copy(update={"offload": Offload(strategy="leaf")})
    assert moved.placing() == "leaf"


def test_quantised_weights_say_how_they_can_be_moved(model: Model) -> None:
    ways = model.denoiser.footprints()
    assert "block" in ways[""].placings and ways["nf4"].placings == ("resident",)


def test_the_forecast_of_a_cast_model_is_what_it_takes(model: Model) -> None:
    cast = model.denoiser.stored_ways()["fp8"]
    with LocalContext().use(cast) as experts:
        held = sum(one.nbytes for module in experts.live() for one in module.parameters())
    assert model.denoiser.footprints()["fp8"].whole == held


def test_results_are_owed_to_the_model_and_to_every_file(model: Model) -> None:
    own = model.denoiser.origins()
    assert [(origin.name, origin.licence) for origin in own] == [(model.denoiser.source.model, "")]
    file = FileSource(file="weights.safetensors", repository="some/one", digest="sha256:1")
    mixed = model.denoiser.model_copy(update={"files": {"transformer": file}})
    assert [origin.name for origin in mixed.origins()][1:] == ["some/one"]
