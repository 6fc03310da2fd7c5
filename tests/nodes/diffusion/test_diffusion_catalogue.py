"""The catalogue of published models: whole, counted as diffusers counts, and enough to plan with."""

from __future__ import annotations

import datetime
import importlib
import json
from pathlib import Path

import pytest
from graphflow_nodes.diffusion import catalogue
from graphflow_nodes.diffusion.catalogue import entries, entry, find, licence_of, modules, stand_in
from graphflow_nodes.diffusion.families import family, names, pipelines
from graphflow_nodes.diffusion.latents import empty_latents
from graphflow_nodes.diffusion.load import load_model
from graphflow_nodes.diffusion.source import ModelSource

from graphflow.errors import NodeError
from graphflow.testing import run_node

PLANNABLE = [one.id for one in entries() if one.plannable and not one.alone]


@pytest.mark.parametrize("one", entries(), ids=lambda one: one.id)
def test_every_entry_is_whole(one: catalogue.Entry) -> None:
    assert one.parts and one.tasks and set(one.parts.values()) <= modules().keys()
    assert one.licence.source and datetime.date.fromisoformat(one.licence.read)
    assert one.disk_bytes() >= one.weight_bytes() > (10**8 if one.alone else 10**9)
    assert bool(one.reported) == bool(one.reported_by), "a figure of somebody else names its source"


def test_names_are_unique() -> None:
    every = [name.lower() for one in entries() for name in (one.id, one.repository)]
    assert len(set(every)) == len(every)


def test_every_family_has_a_published_model() -> None:
    published = {one.pipeline for one in entries()}
    assert all(published & set(pipelines(family(name))) for name in names())


@pytest.mark.parametrize(
    ("key", "package"),
    [
        ("wan-1.3b", "diffusers"),
        ("ltx-2b", "diffusers"),
        ("skyreels-1.3b", "diffusers"),
        ("hunyuan-13b", "diffusers"),
        ("vae-ltx-0.9.5", "diffusers"),
        ("upsampler-ltx", "diffusers.pipelines.ltx.modeling_latent_upsampler"),
    ],
)
def test_modules_have_the_tensors_that_diffusers_makes(key: str, package: str) -> None:
    import torch

    module = modules()[key]
    with torch.device("meta"):
        built = getattr(importlib.import_module(package), module.class_name).from_config(module.config)
    found = {name: entry.shape for name, entry in module.tensors().items()}
    assert found == {name: tuple(weight.shape) for name, weight in built.named_parameters()}


@pytest.mark.parametrize(
    ("id", "parts", "gigabytes"),
    [
        ("ltxv-13b-0.9.7-dev", ("transformer", "vae"), 28.6),
        ("ltxv-13b-0.9.8-distilled", ("transformer", "vae"), 28.6),
        ("ltxv-2b-0.9.5", ("transformer", "vae"), 6.34),
    ],
)
def test_the_single_files_of_the_authors_weigh_what_was_counted(
    id: str, parts: tuple[str, ...], gigabytes: float
) -> None:
    """Lightricks/LTX-Video holds each as one file in bfloat16; its pages say how large."""
    counted = 2 * sum(entry(id).module(part).parameters for part in parts)
    assert counted == pytest.approx(gigabytes * 1e9, rel=0.005)


def test_files_of_models_that_work_beside_others_weigh_what_was_counted() -> None:
    upsampler, judge = entry("ltxv-spatial-upscaler-0.9.7"), entry("clip-vit-b-32-laion2b")
    assert upsampler.disk_bytes() == pytest.approx(505e6, rel=0.001)
    assert judge.disk_bytes() == pytest.approx(605_157_884, rel=0.001), "the file has a header too"


@pytest.mark.parametrize("id", PLANNABLE)
def test_a_workflow_can_be_planned_with_a_model_that_is_not_here(id: str, tmp_path: Path) -> None:
    one = entry(id)
    model = run_node(load_model, model=str(one.write_outline(tmp_path)))
    latents = run_node(empty_latents, model.vae)
    native = one.native()
    assert native is not None and (latents.width, latents.frames) == (native.width, native.frames)
    assert model.denoiser.origins()[0].licence == one.licence.id
    transformers = [part for part in one.parts if part.startswith("transformer")]
    wanted = sum(one.module(part).parameters * 2 for part in transformers)
    assert wanted <= model.denoiser.memory_bytes() < 1.05 * wanted, "some weights stay float32"


def test_too_little_known_is_said() -> None:
    with pytest.raises(NodeError, match="too little is known") as caught:
        entry("ltx-2.5-22b").write_outline(Path())
    assert "hf download" in caught.value.hint


def test_models_are_found_by_id_and_by_repository() -> None:
    assert find("Wan-AI/Wan2.2-TI2V-5B-Diffusers") is find("wan2.2-ti2v-5b") is entry("wan2.2-ti2v-5b")
    assert find("no/such") is None
    with pytest.raises(NodeError, match="no model 'no/such'"):
        entry("no/such")


def test_only_models_that_are_not_here_get_a_stand_in(tmp_path: Path) -> None:
    assert stand_in("toy-wan", None, tmp_path) is None
    assert stand_in("nobody/knows-this", None, tmp_path) is None
    assert stand_in("wan2.1-t2v-1.3b", None, tmp_path) == tmp_path / "wan2.1-t2v-1.3b"


def source(model: Path | str) -> ModelSource:
    return ModelSource(model=str(model), identity="x")


def test_whose_word_counts_for_a_licence(tmp_path: Path) -> None:
    """The model's own file, then the catalogue, then the head of the card; else nobody knows."""
    (tmp_path / "model_index.json").write_text("{}")
    assert licence_of(source(tmp_path)) == ""
    card = "---\nlicense: other\nlicense_name: own-terms\ntags: [video]\n---\n# A model\nlicense: mit\n"
    (tmp_path / "README.md").write_text(card)
    assert licence_of(source(tmp_path)) == "own-terms"
    (tmp_path / "README.md").write_text("---\nlicense: MIT\n---\n")
    assert licence_of(source(tmp_path)) == "mit"
    (tmp_path / "graphflow.json").write_text(json.dumps({"licence": "Apache-2.0"}))
    assert licence_of(source(tmp_path)) == "apache-2.0"
    assert licence_of(source("tencent/other")) == ""
    assert licence_of(source("hunyuanvideo-community/HunyuanVideo")) == "tencent-hunyuan-community"
    assert licence_of(source("toy-wan")) == "apache-2.0"


@pytest.mark.parametrize("card", ["", "---", "no head", "---\nlicense\n---", "\x00\xff"])
def test_a_card_without_a_licence(card: str, tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text("{}")
    (tmp_path / "README.md").write_text(card)
    assert licence_of(source(tmp_path)) == ""
