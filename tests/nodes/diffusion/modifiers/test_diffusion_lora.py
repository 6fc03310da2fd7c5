"""LoRAs: the plain pipeline's bits with them, the base model's without; another model's are refused early."""

from __future__ import annotations

import json
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import WanPipeline
from graphflow_nodes.diffusion import cast_layers, lora, offload, quantise
from graphflow_nodes.diffusion.modifiers.lora import read_adapter
from safetensors.torch import load_file, save_file

from graphflow.errors import Cancelled, MissingModel, NodeError, ValueMismatch
from graphflow.testing import LocalContext, run_node
from tests.support.tiny_family import FamilyBench
from tests.support.tiny_wan import save_tiny_wan
from tests.support.treatments import save_lora, traces, treated
from tests.support.wan_bench import NEGATIVE, PROMPT, Bench

Benches = Callable[..., Bench]


@pytest.fixture
def files(bench: Benches, tmp_path: Path) -> list[str]:
    """Two LoRAs of tiny Wan, of different ranks."""
    with bench("wan21").context().use(bench("wan21").model.denoiser) as experts:
        return [
            save_lora(tmp_path / f"{rank}.safetensors", experts.transformer, seed=rank, rank=rank)
            for rank in (4, 2)
        ]


def plain(tiny: Bench, load: Callable[[Any], None]) -> Any:
    """Latents of the stock pipeline after `load` has had it."""
    dtypes = {"default": getattr(torch, tiny.dtype), "vae": torch.float32}
    pipe = WanPipeline.from_pretrained(tiny.folder, dtype=dtypes)
    pipe.set_progress_bar_config(disable=True)
    load(pipe)
    native = tiny.model.native
    return pipe(
        prompt=PROMPT,
        negative_prompt=NEGATIVE,
        width=native.width,
        height=native.height,
        num_frames=native.frames,
        num_inference_steps=native.steps,
        guidance_scale=native.guidance,
        max_sequence_length=native.max_sequence_length,
        generator=torch.Generator().manual_seed(3),
        output_type="latent",
    ).frames


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_equal_to_the_plain_pipeline_with_two_loras(bench: Benches, files: list[str], dtype: str) -> None:
    tiny = bench("wan21", dtype)
    recipe = run_node(lora, run_node(lora, tiny.model.denoiser, file=files[0]), file=files[1], weight=-0.5)

    def load(pipe: Any) -> None:
        for name, file in zip("ab", files, strict=True):
            with warnings.catch_warnings(action="ignore"):  # peft's, of the second
                pipe.load_lora_weights(str(Path(file).parent), weight_name=Path(file).name, adapter_name=name)
        pipe.set_adapters(["a", "b"], [1.0, -0.5])

    assert torch.equal(treated(tiny, denoiser=recipe).denoise().samples, plain(tiny, load))


def test_the_leak_trap(bench: Benches, files: list[str]) -> None:
    """Loaded by one pipeline, a LoRA is active in every one that shares the transformer. Here another branch
    that shares it is bit-equal to the base, before, after and after a cancel."""
    tiny, prompt = bench("wan21"), bench("wan21").encode()
    whole = tiny.denoise(prompt=prompt).samples
    adapted = treated(tiny, denoiser=run_node(lora, tiny.model.denoiser, file=files[0]))
    changed = adapted.denoise(prompt=prompt).samples
    assert not torch.equal(changed, whole)
    assert torch.equal(tiny.denoise(prompt=prompt).samples, whole)
    with pytest.raises(Cancelled):
        adapted.denoise(prompt=prompt, context=adapted.context(cancel_after=6))
    assert torch.equal(tiny.denoise(prompt=prompt).samples, whole)
    assert torch.equal(adapted.denoise(prompt=prompt).samples, changed)
    with tiny.context().use(tiny.model.denoiser) as experts:
        assert not traces(experts.transformer)
        weights = load_file(tiny.folder / "transformer/diffusion_pytorch_model.safetensors")
        assert all(
            torch.equal(weights[key], tensor) for key, tensor in experts.transformer.state_dict().items()
        )
    assert adapted.model.denoiser.base() == tiny.model.denoiser.base()


def test_weight_zero_is_the_base_bit_for_bit(bench: Benches, files: list[str]) -> None:
    tiny = bench("wan21")
    assert run_node(lora, tiny.model.denoiser, file=files[0], weight=0.0) == tiny.model.denoiser
    one = run_node(lora, tiny.model.denoiser, file=files[0])
    none = one.model_copy(update={"loras": (one.loras[0].model_copy(update={"weight": 0.0}),)})
    assert torch.equal(treated(tiny, denoiser=none).denoise().samples, tiny.denoise().samples)


def test_each_expert_has_its_own(bench: Benches, files: list[str]) -> None:
    tiny = bench("wan22")
    base = tiny.model.denoiser
    made = {
        expert: treated(tiny, denoiser=run_node(lora, base, file=files[0], expert=expert)).denoise().samples
        for expert in ("first", "second", "both")
    }
    first = run_node(lora, base, file=files[0], expert="first")
    one_by_one = run_node(lora, first, file=files[0], expert="second")
    assert torch.equal(treated(tiny, denoiser=one_by_one).denoise().samples, made["both"])
    everything = [tiny.denoise().samples, *made.values()]
    assert not any(torch.equal(a, b) for i, a in enumerate(everything) for b in everything[:i])

    def load(pipe: Any) -> None:
        folder, name = str(Path(files[0]).parent), Path(files[0]).name
        pipe.load_lora_weights(folder, weight_name=name, adapter_name="a", load_into_transformer_2=True)

    assert torch.equal(made["second"], plain(tiny, load))


def test_a_file_that_knows_both_experts_is_divided(bench: Benches, files: list[str], tmp_path: Path) -> None:
    tiny = bench("wan22")
    one, two = (load_file(file) for file in files)
    both = {**one, **{name.replace("transformer.", "transformer_2.", 1): t for name, t in two.items()}}
    save_file(both, tmp_path / "both.safetensors")
    for index, tensors in enumerate((one, two)):  # without what they were trained with, as in the joint file
        save_file(tensors, tmp_path / f"bare{index}.safetensors")
    divided = run_node(lora, tiny.model.denoiser, file=str(tmp_path / "both.safetensors"))
    first = run_node(lora, tiny.model.denoiser, file=str(tmp_path / "bare0.safetensors"), expert="first")
    apart = run_node(lora, first, file=str(tmp_path / "bare1.safetensors"), expert="second")
    results = [treated(tiny, denoiser=recipe).denoise().samples for recipe in (divided, apart)]
    assert torch.equal(*results)


def test_other_programs_names_are_known(bench: Benches, files: list[str], tmp_path: Path) -> None:
    """Names of Wan's authors, as most published LoRAs have them."""
    names = {
        "attn1": "self_attn",
        "attn2": "cross_attn",
        "to_q": "q",
        "to_k": "k",
        "to_v": "v",
        "to_out.0": "o",
    }

    def foreign(name: str) -> str:
        for ours, theirs in names.items():
            name = name.replace(f".{ours}.", f".{theirs}.")
        return name.replace("transformer.", "diffusion_model.", 1)

    tensors = {foreign(name): tensor for name, tensor in load_file(files[0]).items()}
    save_file(tensors, tmp_path / "foreign.safetensors")
    back = read_adapter(tmp_path / "foreign.safetensors", WanPipeline).tensors
    assert back.keys() == load_file(files[0]).keys()


def test_a_pipeline_without_loras_of_its_own(bench: Benches, files: list[str]) -> None:
    """HunyuanVideo 1.5 has no LoRA loader, but its transformer takes them."""
    known, plain = read_adapter(Path(files[0]), WanPipeline), read_adapter(Path(files[0]), object)
    assert known.tensors.keys() == plain.tensors.keys() and known.metadata == plain.metadata


@pytest.mark.parametrize("family", ["ltx", "hunyuan", "skyreels"])
def test_other_families(families: Callable[..., FamilyBench], family: str, tmp_path: Path) -> None:
    tiny = families(family)
    with tiny.context().use(tiny.model.denoiser) as experts:
        file = save_lora(tmp_path / "a.safetensors", experts.transformer)
    whole = tiny.denoise().samples
    adapted = treated(tiny, denoiser=run_node(lora, tiny.model.denoiser, file=file))
    assert not torch.equal(adapted.denoise().samples, whole)
    assert torch.equal(tiny.denoise().samples, whole)


def test_identity_is_what_is_in_the_file(bench: Benches, files: list[str], tmp_path: Path) -> None:
    base = bench("wan21").model.denoiser
    one = run_node(lora, base, file=files[0])
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(Path(files[0]).read_bytes())
    assert run_node(lora, base, file=str(copy)).key_fields()["loras"][0].key_fields()[
        "source"
    ].key_fields() == (one.loras[0].source.key_fields())
    assert run_node(lora, base, file=files[1]).loras[0].source.digest != one.loras[0].source.digest
    copy.write_bytes(Path(files[1]).read_bytes())
    Path(files[0]).write_bytes(copy.read_bytes())
    with (
        pytest.raises(ValueMismatch, match="has changed since this run was planned"),
        LocalContext().use(one),
    ):
        pass


# ------------------------------------------------------------------------------------------ refusals


def opens_nothing(recipe: Any) -> LocalContext:
    context = LocalContext()
    with context.use(recipe):
        pass
    return context


def test_a_lora_of_another_model_is_refused_by_headers(bench: Benches, files: list[str]) -> None:
    with pytest.raises(
        ValueMismatch, match=r"for another model: 16 of its 16 layers .* no layer 'blocks\.0"
    ) as error:
        other = {name.replace(".attn", ".other"): tensor for name, tensor in load_file(files[0]).items()}
        save_file(other, files[0])
        run_node(lora, bench("wan21").model.denoiser, file=files[0])
    assert "trained on this model" in error.value.hint


def test_a_lora_of_another_size_is_refused_by_headers(bench: Benches, files: list[str]) -> None:
    wide = {
        name: torch.cat([tensor, tensor], dim=-1)
        for name, tensor in load_file(files[0]).items()
        if "_A" in name
    }
    save_file({**load_file(files[0]), **wide}, files[0])
    with pytest.raises(ValueMismatch, match=r"is 24 x 24, not 24 x 48"):
        run_node(lora, bench("wan21").model.denoiser, file=files[0])


def test_a_lora_in_other_words_is_refused_before_weights_are_loaded(bench: Benches, files: list[str]) -> None:
    tensors = {f"diffusion_model.blocks.9.self_attn.q.lora_{x}.weight": torch.zeros(24, 24) for x in "AB"}
    save_file(tensors, files[0])
    recipe = run_node(lora, bench("wan21").model.denoiser, file=files[0])
    context = LocalContext()
    with pytest.raises(ValueMismatch, match=r"no layer 'blocks\.9\.attn1\.to_q'"), context.use(recipe):
        pass
    assert not context.opened


def test_one_that_changes_other_parts_too(bench: Benches, files: list[str]) -> None:
    tensors = {"text_encoder.layer.lora_A.weight": torch.zeros(4, 8), **load_file(files[0])}
    save_file(tensors, files[0])
    recipe = run_node(lora, bench("wan21").model.denoiser, file=files[0])
    with pytest.raises(ValueMismatch, match="changes text_encoder too"):
        opens_nothing(recipe)


def test_files_that_are_no_lora(bench: Benches, tmp_path: Path) -> None:
    base = bench("wan21").model.denoiser
    with pytest.raises(MissingModel, match="there is no file"):
        run_node(lora, base, file=str(tmp_path / "none.safetensors"))
    with pytest.raises(NodeError, match="is not a safetensors file"):
        run_node(lora, base, file=str(tmp_path / "pickle.bin"))
    with pytest.raises(NodeError, match="holds no LoRA"):
        run_node(lora, base, file=str(bench("wan21").folder / "vae/diffusion_pytorch_model.safetensors"))
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(struct.pack("<Q", 2**40) + json.dumps({}).encode())
    with pytest.raises(NodeError, match="is not a safetensors file"):
        run_node(lora, base, file=str(broken))
    with pytest.raises(NodeError, match="has one expert"):
        run_node(lora, base, file="any.safetensors", expert="second")


def test_the_hub_is_asked_only_with_leave(
    bench: Benches, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def download(repository: str, file: str, revision: str | None) -> str:
        asked.append((repository, file, revision))
        return files[0]

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *a, **k: None)
    base, named = bench("wan21").model.denoiser, {"file": "a.safetensors", "repository": "owner/name"}
    with pytest.raises(MissingModel, match=r"'a\.safetensors' of 'owner/name'") as error:
        run_node(lora, base, **named, revision="v1")
    assert "hf download owner/name a.safetensors --revision v1" in error.value.hint and not asked
    recipe = run_node(lora, base, **named, revision="v1", download=True)
    assert asked and set(asked) == {("owner/name", "a.safetensors", "v1")}
    assert (
        recipe.loras[0].source.key_fields()
        == run_node(lora, base, file=files[0]).loras[0].source.key_fields()
    )


# ------------------------------------------------------------------------------------ with other treatments


def test_casting_then_lora_trap(bench: Benches, files: list[str]) -> None:
    """Layers that peft adds to 8-bit ones become 8-bit too, and the CPU cannot add them up."""
    inputs = {
        "hidden_states": torch.zeros(1, 16, 1, 2, 2),
        "timestep": torch.tensor([500.0]),
        "encoder_hidden_states": torch.zeros(1, 4, 32),
    }
    with LocalContext().use(run_node(cast_layers, bench("wan21").model.denoiser)) as experts:
        experts.transformer.load_lora_adapter(load_file(files[0]), adapter_name="late")
        with pytest.raises(NotImplementedError, match="Float8_e4m3fn"), torch.no_grad():
            experts.transformer(**inputs)


def test_the_order_of_nodes_does_not_matter(bench: Benches, files: list[str]) -> None:
    """A recipe has its LoRAs added before its layers are cast, wherever the nodes stand."""
    tiny = bench("wan21")
    before = run_node(cast_layers, run_node(lora, tiny.model.denoiser, file=files[0]))
    after = run_node(lora, run_node(cast_layers, tiny.model.denoiser), file=files[0])
    assert before == after
    far = run_node(offload, after, strategy="leaf")
    results = [treated(tiny, denoiser=recipe).denoise().samples for recipe in (after, far)]
    assert torch.equal(*results) and torch.isfinite(results[0]).all()
    assert after.base() != tiny.model.denoiser.base() and far.base() == after.base()


@pytest.mark.parametrize("way", ["model", "block", "leaf", "sequential"])
def test_offloaded_loras_are_bit_equal(bench: Benches, files: list[str], way: str) -> None:
    tiny = bench("wan21")
    recipe = run_node(lora, tiny.model.denoiser, file=files[0])
    whole = treated(tiny, denoiser=recipe).denoise().samples
    far = run_node(offload, recipe, strategy=way)
    assert torch.equal(treated(tiny, denoiser=far).denoise().samples, whole)
    assert not torch.equal(tiny.denoise().samples, whole)


def test_a_wan_of_another_size_is_another_model(tmp_path: Path, files: list[str]) -> None:
    other = Bench(save_tiny_wan("wan5b", tmp_path / "wan5b"))
    assert run_node(lora, other.model.denoiser, file=files[0])  # the attention layers have the same size
    assert run_node(quantise, other.model.denoiser, method="torchao_int8").quantisation is not None
