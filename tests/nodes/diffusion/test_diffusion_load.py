"""Recipes from folders: what they hold, what counts for keys, and how people are told what is wrong."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from graphflow_nodes.diffusion import (
    empty_latents,
    encode_prompt,
    load_denoiser,
    load_model,
    load_scheduler,
    load_text_encoder,
    load_vae,
)
from graphflow_nodes.diffusion import source as sources
from graphflow_nodes.diffusion.families import family, family_of, names
from graphflow_nodes.diffusion.source import contents, identity, locate, locate_file
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphflow.errors import GraphflowError, MissingModel, NodeError, ValueMismatch
from graphflow.graph import build
from graphflow.known import Known
from graphflow.plan import plan
from graphflow.registry import Registry
from graphflow.steps import Facts
from graphflow.testing import LocalContext, run_node
from graphflow.values import decode, encode
from graphflow.workflow import from_raw
from tests.support.wan_bench import Bench

Folders = Callable[[str], Path]
Benches = Callable[..., Bench]


@pytest.fixture
def copy(tiny_wan: Folders, tmp_path: Path) -> Path:
    """A tiny model that a test may spoil."""
    return Path(shutil.copytree(tiny_wan("wan21"), tmp_path / "model"))


def test_validating_and_folding_need_no_torch(tiny_wan: Folders) -> None:
    code = (
        "import sys; from graphflow_nodes.diffusion import load_model, empty_latents;"
        f"model = load_model(model={str(tiny_wan('wan22'))!r});"
        "empty_latents(model.vae); model.denoiser.memory_bytes();"
        "heavy = {'torch', 'diffusers', 'transformers', 'huggingface_hub'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_parts_one_by_one_equal_the_whole(tiny_wan: Folders) -> None:
    name = str(tiny_wan("wan22"))
    model = run_node(load_model, model=name)
    assert run_node(load_text_encoder, model=name) == model.text_encoder
    assert run_node(load_denoiser, model=name) == model.denoiser
    assert run_node(load_scheduler, model=name) == model.scheduler
    assert run_node(load_vae, model=name) == model.vae
    for part in model:
        assert decode(*encode(part)) == part


def test_what_the_variants_are(bench: Benches) -> None:
    two, many = bench("wan22").model.denoiser, bench("wan5b").model.denoiser
    assert (two.experts, two.settings["boundary_ratio"]) == (2, 0.875)
    assert (many.experts, many.settings["expand_timesteps"]) == (1, True)
    assert bench("wan5b").model.vae.geometry.model_dump() == {
        "channels": 48,
        "spatial": 16,
        "temporal": 4,
        "multiple": 32,
    }


def test_the_sidecar_overrides_the_published_defaults(copy: Path) -> None:
    native = run_node(load_model, model=str(copy)).native
    assert (native.width, native.frames, native.fps, native.max_sequence_length) == (32, 5, 8.0, 24)
    (copy / "graphflow.json").unlink()
    native = run_node(load_model, model=str(copy)).native
    assert (native.width, native.height, native.frames, native.fps) == (832, 480, 81, 16.0)
    assert (native.steps, native.guidance, native.dtype) == (50, 5.0, "bfloat16")


def test_a_wrong_sidecar_is_named(copy: Path) -> None:
    (copy / "graphflow.json").write_text('{"steps": "many"}')
    with pytest.raises(NodeError, match=r"graphflow\.json of model 'model': steps: "):
        run_node(load_model, model=str(copy))
    (copy / "graphflow.json").write_text("{")
    with pytest.raises(NodeError, match=r"graphflow\.json of model 'model' cannot be read"):
        run_node(load_model, model=str(copy))


def test_the_same_files_elsewhere_are_the_same_model(tiny_wan: Folders, copy: Path) -> None:
    here, there = (run_node(load_vae, model=str(folder)) for folder in (tiny_wan("wan21"), copy))
    assert here.source.model != there.source.model
    assert here.source.key_fields() == there.source.key_fields()
    (copy / "notes.txt").write_text("not part of the model")
    assert identity(copy) == here.source.identity


def test_changed_weights_are_another_model(copy: Path) -> None:
    before = run_node(load_denoiser, model=str(copy))
    weights = copy / "transformer" / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-100] ^= 1
    weights.write_bytes(content)
    assert run_node(load_denoiser, model=str(copy)).source.identity != before.source.identity
    with (
        pytest.raises(ValueMismatch, match="has changed since this run was planned"),
        LocalContext().use(before),
    ):
        pass


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("variant", ["wan21", "wan22", "wan5b"])
def test_memory_is_known_before_loading(bench: Benches, variant: str, dtype: str) -> None:
    tiny = bench(variant, dtype)
    model = tiny.model

    def held(*modules: object) -> int:
        tensors = {id(p): p for m in modules for p in m.parameters()}  # type: ignore[attr-defined]
        return sum(p.numel() * p.element_size() for p in tensors.values())

    with tiny.context().use(model.denoiser) as experts:
        assert model.denoiser.memory_bytes() == held(*experts.live())
    with tiny.context().use(model.vae) as vae:
        assert model.vae.memory_bytes() == held(vae)
    with tiny.context().use(model.text_encoder) as shell:
        assert model.text_encoder.memory_bytes() == held(shell.text_encoder)
        assert shell.transformer is None and shell.vae is None


def test_kept_in_float32_as_the_model_class_says() -> None:
    from diffusers import WanTransformer3DModel

    assert family("wan").keep_in_fp32 == tuple(WanTransformer3DModel._keep_in_fp32_modules)


def test_a_model_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *a, **k: None)
    with pytest.raises(MissingModel, match=r"'Wan-AI/Wan2\.1' is not on this machine") as error:
        run_node(load_vae, model="Wan-AI/Wan2.1", revision="main")
    assert "hf download Wan-AI/Wan2.1 --revision main" in error.value.hint
    with pytest.raises(MissingModel, match="there is no model 'no such'"):
        run_node(load_vae, model="no such")
    with pytest.raises(MissingModel, match=r"has no model_index\.json"):
        run_node(load_vae, model=str(tmp_path))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("toy-wann", "did you mean 'toy-wan'?"),
        ("Wan2.2-TI2V-5B", "is the repository 'Wan-AI/Wan2.2-TI2V-5B-Diffusers': give that"),
        ("Wan-AI/Wan2.1-T2V-1.3B", "did you mean 'Wan-AI/Wan2.1-T2V-1.3B-Diffusers', in diffusers' layout?"),
        ("tencent/HunyuanVideo", "did you mean 'hunyuanvideo-community/HunyuanVideo'"),
        ("nobody/knows", "run 'hf download nobody/knows'"),
    ],
)
def test_what_may_have_been_meant(name: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *a, **k: None)
    with pytest.raises(MissingModel) as error:
        run_node(load_vae, model=name)
    assert hint in error.value.hint


def test_a_repository_in_a_layout_of_its_authors_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Downloaded with leave, it has files and no index."""
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *a, **k: str(tmp_path))
    with pytest.raises(NodeError, match="so it is not in diffusers' layout") as error:
        run_node(load_vae, model="Wan-AI/Wan2.1-T2V-1.3B", download=True)
    assert "did you mean 'Wan-AI/Wan2.1-T2V-1.3B-Diffusers'" in error.value.hint


def test_the_hub_cache_is_used_and_asked_only_with_leave(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "models--owner--name" / "snapshots" / "c0ffee"
    shutil.copytree(copy, snapshot)
    asked: list[object] = []

    def download(repo: str, **options: object) -> str:
        asked.append((repo, options["allow_patterns"]))
        return str(snapshot)

    monkeypatch.setattr(
        "huggingface_hub.try_to_load_from_cache", lambda *a, **k: str(snapshot / "model_index.json")
    )
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    recipe = run_node(load_vae, model="owner/name")
    assert recipe.source.identity == "models--owner--name@c0ffee" and not asked
    fetched = run_node(load_vae, model="owner/name", download=True)
    assert asked == [("owner/name", ["*.json", "*.txt", "*.model"])]
    assert fetched.source.key_fields() == recipe.source.key_fields()
    locate("owner/name", download=True, weights=True)
    assert "*.safetensors" in asked[-1][1]  # type: ignore[index]


JUNK = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.none(), max_size=2)
PLACES = [
    ("model_index.json", "_class_name"),
    ("model_index.json", "transformer_2"),
    ("transformer/config.json", "patch_size"),
    ("vae/config.json", "scale_factor_spatial"),
    ("vae/config.json", "z_dim"),
    ("scheduler/scheduler_config.json", "shift"),
    ("graphflow.json", "width"),
    ("graphflow.json", "shift"),
]


@given(place=st.sampled_from(PLACES), junk=JUNK)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_junk_in_a_config_is_an_error_for_people(copy: Path, place: tuple[str, str], junk: Any) -> None:
    path = copy / place[0]
    before = path.read_text()
    path.write_text(json.dumps({**json.loads(before), place[1]: junk}))
    try:
        model = run_node(load_model, model=str(copy), sampler="unipc")
        run_node(empty_latents, model.vae)
    except GraphflowError:
        pass
    finally:
        path.write_text(before)


@pytest.mark.parametrize("content", ["", "[]", "{", "\x00", "[" * 100_000])
def test_a_broken_index_is_named(copy: Path, content: str) -> None:
    (copy / "model_index.json").write_text(content)
    with pytest.raises(NodeError, match=r"model_index\.json of model 'model' cannot be read"):
        run_node(load_model, model=str(copy))


def test_incomplete_weights(copy: Path) -> None:
    weights = copy / "vae" / "diffusion_pytorch_model.safetensors"
    recipe = run_node(load_vae, model=str(copy))
    held = recipe.memory_bytes()
    weights.rename(weights.with_suffix(".bin"))
    recipe = run_node(load_vae, model=str(copy))
    assert recipe.memory_bytes() == held, "its config tells as much"
    with pytest.raises(MissingModel, match=r"lacks weights: vae/\*\.safetensors"), LocalContext().use(recipe):
        pass


BROKEN = [b"", b"\xff" * 64, b"\x02" + b"\0" * 7 + b"[]", b"\x08" + b"\0" * 7 + b"{}"]


@pytest.mark.parametrize("content", BROKEN)
def test_broken_weights_are_named(copy: Path, content: bytes) -> None:
    (copy / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(content)
    with pytest.raises(NodeError, match="is not a safetensors file"):
        run_node(load_vae, model=str(copy)).memory_bytes()


def test_weights_that_are_cut_off_are_named(copy: Path) -> None:
    weights = copy / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(NodeError, match=r"transformer/diffusion_pytorch_model\.safetensors .* should be"):
        run_node(load_denoiser, model=str(copy)).memory_bytes()


def test_large_files_are_known_by_samples_and_time(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = identity(copy)
    monkeypatch.setattr(sources, "WHOLE_BYTES", 1000)
    sources._file_digest.cache_clear()
    sampled = identity(copy)
    assert whole != sampled == identity(copy)
    weights = copy / "vae" / "diffusion_pytorch_model.safetensors"
    os.utime(weights, ns=(1, 1))
    assert identity(copy) != sampled
    sources._file_digest.cache_clear()


def test_an_index_cannot_point_outside(copy: Path) -> None:
    index = json.loads((copy / "model_index.json").read_text())
    (copy / "model_index.json").write_text(json.dumps({**index, "..": ["a", "b"], "/tmp": ["a", "b"]}))
    assert identity(copy).startswith("sha256:")


def test_code_inside_a_model_is_never_loaded(copy: Path) -> None:
    index = json.loads((copy / "model_index.json").read_text())
    (copy / "model_index.json").write_text(json.dumps({**index, "vae": ["my_code", "Evil"]}))
    recipe = run_node(load_vae, model=str(copy))
    with pytest.raises(NodeError, match="no usable class for 'vae'"), LocalContext().use(recipe):
        pass
    (copy / "model_index.json").write_text(json.dumps({**index, "vae": ["diffusers", "Evil"]}))
    recipe = run_node(load_vae, model=str(copy))
    with pytest.raises(NodeError, match="no class 'Evil'"), LocalContext().use(recipe):
        pass


def test_schedulers(bench: Benches) -> None:
    name = str(bench("wan21").folder)
    euler = run_node(load_scheduler, model=name, shift=5.0).build()
    assert (type(euler).__name__, euler.config.shift) == ("FlowMatchEulerDiscreteScheduler", 5.0)
    unipc = run_node(load_scheduler, model=name, sampler="unipc").build()
    assert (type(unipc).__name__, unipc.config.flow_shift) == ("UniPCMultistepScheduler", 7.0)
    assert unipc.config.use_flow_sigmas and unipc.config.prediction_type == "flow_prediction"
    back = run_node(load_scheduler, model=str(bench("wan22").folder), sampler="euler").build()
    assert (type(back).__name__, back.config.shift) == ("FlowMatchEulerDiscreteScheduler", 3.0)


def test_a_scheduler_whose_shift_is_not_known(copy: Path) -> None:
    path = copy / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({"_class_name": "DPMSolverMultistepScheduler", "use_flow_sigmas": True}))
    recipe = run_node(load_scheduler, model=str(copy))
    assert (recipe.class_name, recipe.config) == ("DPMSolverMultistepScheduler", {"use_flow_sigmas": True})
    with pytest.raises(NodeError, match="the shift of a DPMSolverMultistepScheduler cannot be set"):
        run_node(load_scheduler, model=str(copy), shift=2.0)
    assert run_node(load_scheduler, model=str(copy), sampler="euler", shift=2.0).config["shift"] == 2.0


def test_an_unknown_scheduler_is_named(bench: Benches) -> None:
    recipe = bench("wan21").model.scheduler.model_copy(update={"class_name": "Nonsense"})
    with pytest.raises(NodeError, match="no scheduler called 'Nonsense'"):
        recipe.build()


def test_attention_is_changed_in_one_model_and_put_back(bench: Benches) -> None:
    from diffusers.models.attention_dispatch import _AttentionBackendRegistry

    tiny = bench("wan21")
    usual = tiny.denoise().samples
    recipe = run_node(load_denoiser, model=str(tiny.folder), dtype="float32", attention="_native_math")
    assert recipe.base() == tiny.model.denoiser.base()
    default = _AttentionBackendRegistry._active_backend
    with tiny.context().use(recipe) as experts:
        chosen = {p._attention_backend.value for p in _processors(experts.transformer)}
        assert chosen == {"_native_math"} and _AttentionBackendRegistry._active_backend == default
    assert {p._attention_backend for p in _processors(experts.transformer)} == {None}
    assert (tiny.denoise().samples == usual).all()


def _processors(module: object) -> list:  # type: ignore[type-arg]
    return [part.processor for part in module.modules() if hasattr(part, "processor")]  # type: ignore[attr-defined]


@pytest.mark.parametrize("backend", ["sage", "nonsense", "flash_hub"])
def test_an_attention_backend_that_cannot_be_used(bench: Benches, backend: str) -> None:
    tiny = bench("wan21")
    recipe = run_node(load_denoiser, model=str(tiny.folder), attention=backend)
    with pytest.raises(NodeError, match=f"attention backend '{backend}'"), tiny.context().use(recipe):
        pass


def test_placement_and_previews_stay_out_of_keys(bench: Benches) -> None:
    recipe = bench("wan21").model.denoiser
    coloured = recipe.model_copy(update={"preview": ((1.0, 0.0, 0.0),)})
    assert coloured.key_fields() == recipe.key_fields()
    assert coloured.base() == recipe.base()


def test_families() -> None:
    assert "wan" in names() and family_of("WanPipeline").name == "wan"
    with pytest.raises(NodeError, match="'NopePipeline' is not supported"):
        family_of("NopePipeline")
    with pytest.raises(NodeError, match="no model family 'nope'"):
        family("nope")


@pytest.mark.parametrize(
    ("kind", "message", "hint"),
    [
        ("GatedRepoError", "accepted its licence", "hf auth login"),
        ("RepositoryNotFoundError", "not on the hub", "correct the name"),
        ("RevisionNotFoundError", "no such revision", "leave it empty"),
        ("LocalEntryNotFoundError", "does not answer", "network"),
    ],
)
def test_what_the_hub_refuses_is_said_in_our_words(
    kind: str, message: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import errors

    def refuse(*args: object, **options: object) -> str:
        if kind == "LocalEntryNotFoundError":
            raise errors.LocalEntryNotFoundError("no connection")
        raise getattr(errors, kind)("refused", response=SimpleNamespace(headers={}, request=None))

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)
    for ask in (
        lambda: locate("owner/name", download=True),
        lambda: locate_file("a.safetensors", "owner/name", download=True),
    ):
        with pytest.raises(MissingModel, match=message) as error:
            ask()
        assert hint in error.value.hint and "owner/name" in error.value.message


def test_a_full_disk_is_not_blamed_on_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **options: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("huggingface_hub.snapshot_download", full)
    with pytest.raises(OSError, match="No space"):
        locate("owner/name", download=True)


def test_a_tokenizer_that_is_missing_or_broken_is_named(copy: Path) -> None:
    table = copy / "tokenizer" / "tokenizer.json"
    table.write_text("{")
    with pytest.raises(NodeError, match="'tokenizer' of the model cannot be read"):
        LocalContext().use(run_node(load_text_encoder, model=str(copy))).__enter__()
    shutil.rmtree(table.parent)
    with pytest.raises(NodeError, match="has no folder 'tokenizer'") as error:
        LocalContext().use(run_node(load_text_encoder, model=str(copy))).__enter__()
    assert "anew" in error.value.hint


def test_a_loader_reads_a_model_again_when_any_of_its_configs_changes(copy: Path) -> None:
    seen = [contents(model=str(copy), dtype="float32")]
    for name in ("graphflow.json", "scheduler/scheduler_config.json", "guider/guider_config.json"):
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_text(json.dumps({"changed": len(seen)}))
        seen.append(contents(model=str(copy)))
        assert contents(model=str(copy)) == seen[-1]
    assert len({json.dumps(one) for one in seen}) == 4


def test_a_snapshot_that_is_completed_is_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "models--someone--wan" / "snapshots" / "abc"
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text("{}")
    before = contents(model=str(folder))
    (folder / "vae").mkdir()
    (folder / "vae" / "config.json").write_text("{}")
    assert identity(folder) == before[0] and contents(model=str(folder)) != before
    before = contents(model=str(folder))
    (folder / "vae" / "model.safetensors").write_bytes(b"weights")
    assert contents(model=str(folder)) != before


def test_a_model_whose_weights_vanish_between_two_plans_is_refused_by_the_second(copy: Path) -> None:
    nodes = {
        "model": {"type": "diffusion/load_model", "params": {"model": str(copy)}},
        "encode": {
            "type": "diffusion/encode_prompt",
            "params": {"prompt": "a ball"},
            "inputs": {"text_encoder": "model.text_encoder"},
        },
    }
    registry = Registry().with_nodes([load_model, encode_prompt])
    graph = build(from_raw({"graphflow": 1, "nodes": nodes, "outputs": {"o": "encode"}}), registry)
    known = Known()

    def failures() -> list[str]:
        facts = Facts(stored=lambda step: False, peek=lambda key: None, known=known)
        return [error.message for error in plan(graph, facts).failures.values()]

    assert [failures(), failures()] == [[], []]
    for weights in (copy / "text_encoder").glob("*.safetensors"):
        weights.rename(weights.with_suffix(".away"))
    assert "lacks weights" in failures()[0]
