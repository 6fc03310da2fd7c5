"""Weights from single files: the bits of the folder, or one clear error; and no socket is ever opened."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion import cast_layers, load_model, load_weights, lora, offload, quantise
from safetensors.torch import load_file, save_file

from graphflow.errors import MissingModel, NodeError, ValueMismatch
from graphflow.testing import LocalContext, run_node
from tests.support.tiny_family import FamilyBench
from tests.support.treatments import save_gguf, save_lora, treated
from tests.support.wan_bench import Bench

Benches = Callable[..., Bench]

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Everything here works offline: a socket to anywhere is an error."""

    def refuse(self: Any, address: Any, *rest: Any) -> None:
        raise AssertionError(f"a socket was opened to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield


def transformer_of(bench: Bench, part: str = "transformer") -> Path:
    return bench.folder / part / WEIGHTS


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_denoiser_from_a_single_file_is_the_same_to_the_bit(bench: Benches, dtype: str) -> None:
    """Half precision too, where some weights stay float32: diffusers' own loader of single files forgets."""
    tiny = bench("wan21", dtype)
    recipe = run_node(load_weights, tiny.model.denoiser, file=str(transformer_of(tiny)))
    single = treated(tiny, denoiser=recipe)
    assert torch.equal(single.denoise().samples, tiny.denoise().samples)
    assert recipe.memory_bytes() == tiny.model.denoiser.memory_bytes()
    assert recipe.base().key_fields() != tiny.model.denoiser.base().key_fields()


def test_both_experts(bench: Benches) -> None:
    tiny = bench("wan22")
    files = {"file": str(transformer_of(tiny)), "second_file": str(transformer_of(tiny, "transformer_2"))}
    single = treated(tiny, denoiser=run_node(load_weights, tiny.model.denoiser, **files))
    assert torch.equal(single.denoise().samples, tiny.denoise().samples)
    swapped = {"file": files["second_file"], "second_file": files["file"]}
    other = treated(tiny, denoiser=run_node(load_weights, tiny.model.denoiser, **swapped))
    assert not torch.equal(other.denoise().samples, tiny.denoise().samples)


def test_a_vae(bench: Benches) -> None:
    tiny = bench("wan21")
    latents = tiny.denoise()
    single = treated(tiny, vae=run_node(load_weights, tiny.model.vae, file=str(transformer_of(tiny, "vae"))))
    assert torch.equal(single.decode(latents), tiny.decode(latents))


def test_the_folder_needs_no_weights_of_its_own(bench: Benches, tmp_path: Path) -> None:
    """Architecture from a folder with configs alone, as from a hub repository that was not fetched whole."""
    import shutil

    tiny, folder = bench("wan21"), tmp_path / "model"
    shutil.copytree(tiny.folder, folder, ignore=shutil.ignore_patterns(WEIGHTS))
    base = run_node(load_model, model=str(folder), dtype="float32").denoiser
    with pytest.raises(MissingModel, match="lacks weights"), LocalContext().use(base):
        pass
    recipe = run_node(load_weights, base, file=str(transformer_of(tiny)))
    with LocalContext().use(recipe) as experts:
        assert set(experts.transformer.state_dict()) == set(load_file(transformer_of(tiny)))


@pytest.mark.parametrize("family", ["ltx", "hunyuan", "skyreels"])
def test_other_families(families: Callable[..., FamilyBench], family: str) -> None:
    tiny = families(family)
    recipe = run_node(load_weights, tiny.model.denoiser, file=str(transformer_of(tiny)))
    assert torch.equal(treated(tiny, denoiser=recipe).denoise().samples, tiny.denoise().samples)


# ---------------------------------------------------------------------------------------------- GGUF


@pytest.fixture
def small(bench: Benches, tmp_path: Path) -> str:
    return save_gguf(tmp_path / "wan.gguf", load_file(transformer_of(bench("wan21"))), "Q8_0")


@pytest.mark.parametrize(("kind", "near"), [("F16", 1e-2), ("Q8_0", 0.1), ("Q4_0", 1.0)])
def test_gguf(bench: Benches, tmp_path: Path, kind: str, near: float) -> None:
    tiny = bench("wan21")
    whole = tiny.denoise().samples
    file = save_gguf(tmp_path / "wan.gguf", load_file(transformer_of(tiny)), kind)
    recipe = run_node(load_weights, tiny.model.denoiser, file=file)
    quantised = treated(tiny, denoiser=recipe).denoise().samples
    assert 0 < (quantised - whole).abs().max() < near
    assert torch.equal(tiny.denoise().samples, whole)
    assert recipe.memory_bytes() == Path(file).stat().st_size


@pytest.mark.parametrize("way", [{"strategy": "leaf"}, {"strategy": "block"}, {"strategy": "model"}])
def test_gguf_offloaded_and_with_a_lora(
    bench: Benches, small: str, tmp_path: Path, way: dict[str, Any]
) -> None:
    tiny = bench("wan21")
    recipe = run_node(load_weights, tiny.model.denoiser, file=small)
    whole = treated(tiny, denoiser=recipe).denoise().samples
    assert torch.equal(treated(tiny, denoiser=run_node(offload, recipe, **way)).denoise().samples, whole)
    with tiny.context().use(tiny.model.denoiser) as experts:
        file = save_lora(tmp_path / "a.safetensors", experts.transformer)
    adapted = run_node(lora, recipe, file=file)
    assert not torch.equal(treated(tiny, denoiser=adapted).denoise().samples, whole)
    assert torch.equal(treated(tiny, denoiser=recipe).denoise().samples, whole)


# ------------------------------------------------------------------------------------------ refusals


def test_a_file_of_another_model_is_told_in_one_error(bench: Benches, tmp_path: Path) -> None:
    tiny = bench("wan21")
    base, tensors = tiny.model.denoiser, load_file(transformer_of(tiny))
    wide = {**tensors, "patch_embedding.weight": torch.zeros(24, 48, 1, 2, 2)}
    short = {name: tensor for name, tensor in tensors.items() if "blocks.1" not in name}
    cases = {
        "another size": (wide, r"does not fit 'transformer' of the model: .*patch_embedding"),
        "fewer layers": (short, r"lacks \d+ weights of 'transformer', such as blocks\.1"),
        "a VAE": (load_file(transformer_of(tiny, "vae")), r"does not fit|lacks"),
    }
    for name, (content, reason) in cases.items():
        save_file(content, tmp_path / f"{name}.safetensors")
        recipe = run_node(load_weights, base, file=str(tmp_path / f"{name}.safetensors"))
        with pytest.raises(ValueMismatch, match=reason), LocalContext().use(recipe):
            pass


def test_a_kind_of_model_that_diffusers_reads_from_folders_only(
    families: Callable[..., FamilyBench],
) -> None:
    tiny = families("hunyuan15")
    recipe = run_node(load_weights, tiny.model.denoiser, file=str(transformer_of(tiny)))
    with pytest.raises(NodeError, match="cannot read a HunyuanVideo15"), LocalContext().use(recipe):
        pass


def test_what_is_no_weight_file(bench: Benches, tmp_path: Path, small: str) -> None:
    one, two, vae = bench("wan21").model.denoiser, bench("wan22").model.denoiser, bench("wan21").model.vae
    with pytest.raises(NodeError, match=r"is not a \.safetensors or \.gguf file"):
        run_node(load_weights, one, file="model.bin")
    with pytest.raises(NodeError, match=r"is not a \.safetensors file"):
        run_node(load_weights, vae, file=small)
    with pytest.raises(MissingModel, match="there is no file"):
        run_node(load_weights, one, file="absent.safetensors")
    with pytest.raises(NodeError, match="has 2 experts"):
        run_node(load_weights, two, file=small)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"\xff" * 100)
    with pytest.raises(NodeError, match="is not a safetensors file"):
        run_node(load_weights, one, file=str(broken))
    (tmp_path / "broken.gguf").write_bytes(b"\xff" * 100)
    with pytest.raises(NodeError, match="is not a GGUF file"):
        run_node(load_weights, one, file=str(tmp_path / "broken.gguf"))
    style = tmp_path / "style.safetensors"
    save_file({"transformer.blocks.0.attn1.to_q.lora_A.weight": torch.zeros(4, 32)}, style)
    with pytest.raises(NodeError, match="is a LoRA") as error:
        run_node(load_weights, one, file=str(style))
    assert "diffusion/lora" in error.value.hint


def test_a_gguf_file_that_is_cut_off(bench: Benches, tmp_path: Path, small: str) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(Path(small).read_bytes()[:-5000])
    with pytest.raises(NodeError, match="bytes long and is") as error:
        run_node(load_weights, bench("wan21").model.denoiser, file=str(cut))
    assert "anew" in error.value.hint


def test_gguf_is_quantised_already(bench: Benches, small: str) -> None:
    recipe = run_node(load_weights, bench("wan21").model.denoiser, file=small)
    context = LocalContext()
    for wrong, reason in (
        (run_node(cast_layers, recipe), "is quantised already"),
        (run_node(quantise, recipe), "quantise the model's own weights"),
        (run_node(offload, recipe, strategy="sequential"), "cannot be offloaded sequentially"),
    ):
        with pytest.raises(NodeError, match=reason), context.use(wrong):
            pass
    assert not context.opened


def test_gguf_needs_its_package(bench: Benches, small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    recipe = run_node(load_weights, bench("wan21").model.denoiser, file=small)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NodeError, match="GGUF files need the Python package 'gguf'") as error:
        recipe.check("cpu")
    assert "pip install gguf" in error.value.hint
