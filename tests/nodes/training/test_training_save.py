"""Saved LoRAs: what they do here, in plain diffusers, and under the names of the models' authors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import WanPipeline
from graphflow_nodes.diffusion import denoise, empty_latents, encode_prompt, load_weights, lora
from graphflow_nodes.diffusion.modifiers.lora import read_adapter
from graphflow_nodes.training import save_lora, save_weights, settings, train_full, train_lora
from graphflow_nodes.training.layouts import named
from safetensors import safe_open

from graphflow.errors import NodeError
from graphflow.testing import LocalContext, run_node
from tests.nodes.training.conftest import Course

Courses = Callable[..., Course]


@pytest.fixture(scope="module")
def trained(course: Courses) -> Any:
    tiny = course("wan21")
    how = run_node(settings, preset="toy", rank=4, alpha=8.0, batch=2, steps=4, rate=0.02, twins=False)
    return run_node(train_lora, tiny.model.denoiser, tiny.latents, tiny.prompts, how, trigger="CAKE").lora


def frames(tiny: Course, denoiser: Any) -> Any:
    """A clip in latent space, its seed always the same."""
    context = LocalContext()
    prompt = run_node(encode_prompt, tiny.model.text_encoder, prompt="CAKE a red ball", context=context)
    empty = run_node(empty_latents, tiny.model.vae)
    return run_node(denoise, denoiser, tiny.model.scheduler, prompt, empty, context=context, seed=1).samples


def test_a_saved_lora_acts_by_its_weight_and_not_at_all_at_zero(
    course: Courses, trained: Any, tmp_path: Path
) -> None:
    tiny = course("wan21")
    saved = run_node(save_lora, trained, context=LocalContext(out_dir=tmp_path))
    assert saved.path == saved.file.path and Path(saved.path).stat().st_mode & 0o044
    base = frames(tiny, tiny.model.denoiser)
    by_weight = [
        frames(tiny, run_node(lora, tiny.model.denoiser, file=saved.path, weight=w)) for w in (0.0, 0.5, 1.0)
    ]
    assert torch.equal(by_weight[0], base)
    away = [float((one - base).abs().mean()) for one in by_weight]
    assert 0 == away[0] < away[1] < away[2]


def test_plain_diffusers_loads_the_file_to_the_same_weights(
    course: Courses, trained: Any, tmp_path: Path
) -> None:
    """Alpha is 8 at rank 4: every program must find twice the product."""
    tiny = course("wan21")
    saved = run_node(save_lora, trained, context=LocalContext(out_dir=tmp_path))
    pipe = WanPipeline.from_pretrained(tiny.folder, dtype=torch.float32)
    before = {name: tensor.clone() for name, tensor in pipe.transformer.state_dict().items()}
    pipe.load_lora_weights(saved.path)
    pipe.fuse_lora()
    pipe.unload_lora_weights()
    layer = "blocks.0.attn1.to_q"
    found = pipe.transformer.state_dict()[f"{layer}.weight"] - before[f"{layer}.weight"]
    down, up = (trained.tensors[f"{layer}.lora_{part}.weight"] for part in "AB")
    torch.testing.assert_close(found, 2 * up @ down, atol=1e-6, rtol=1e-4)
    assert float(found.abs().max()) > 0


def test_names_of_comfyui_lead_back_to_the_same_layers(trained: Any, tmp_path: Path) -> None:
    files = {
        layout: run_node(
            save_lora, trained, context=LocalContext(out_dir=tmp_path), name=layout, layout=layout
        ).path
        for layout in ("diffusers", "comfyui")
    }
    with safe_open(files["comfyui"], "pt") as file:
        names = set(file.keys())
    assert "diffusion_model.blocks.0.self_attn.q.lora_A.weight" in names
    assert "diffusion_model.blocks.0.ffn.0.lora_B.weight" in names
    first, second = (read_adapter(Path(path), WanPipeline).tensors for path in files.values())
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_file_tells_what_it_is(trained: Any, tmp_path: Path) -> None:
    path = run_node(save_lora, trained, context=LocalContext(out_dir=tmp_path), dtype="bfloat16").path
    with safe_open(path, "pt") as file:
        told = file.metadata()
        dtypes = {file.get_tensor(name).dtype for name in file.keys()}  # noqa: SIM118 - it is no dict
    assert dtypes == {torch.bfloat16}
    assert told["modelspec.architecture"] == "wan/lora" and told["modelspec.trigger_phrase"] == "CAKE"
    assert (told["ss_network_dim"], told["graphflow.alpha"]) == ("4", "8.0")
    assert "to_q" in json.loads(told["graphflow.targets"])


def test_a_family_without_other_names_is_refused() -> None:
    with pytest.raises(NodeError, match="no one-to-one names in ComfyUI"):
        named({}, "hunyuan", "comfyui")


def test_whole_weights_are_loaded_in_place_of_the_models_own(course: Courses, tmp_path: Path) -> None:
    tiny = course("wan21")
    how = run_node(settings, preset="toy", batch=2, steps=2, rate=1e-3)
    made = run_node(train_full, tiny.model.denoiser, tiny.latents, tiny.prompts, how)
    path = run_node(save_weights, made.weights, context=LocalContext(out_dir=tmp_path)).path
    changed = run_node(load_weights, tiny.model.denoiser, file=path)
    with LocalContext().use(changed) as experts:
        held = experts.transformer.state_dict()
    assert all(torch.equal(held[name], tensor) for name, tensor in made.weights.tensors.items())
    assert not torch.equal(frames(tiny, changed), frames(tiny, tiny.model.denoiser))
