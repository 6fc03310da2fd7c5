"""Every family and every mistake: one error, told by a plan, before any weight is loaded.

How an error looks to `validate` and to a run is in test_diffusion_checks.py.
"""

from __future__ import annotations

import functools
import json
import math
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion.modifiers.attention import BACKENDS
from graphflow_nodes.diffusion.modifiers.step_cache import _unknown_blocks
from safetensors import safe_open
from safetensors.torch import save_file

from graphflow import workflow
from graphflow.cli.validate import checked
from graphflow.errors import Problem
from graphflow.workspace import Workspace
from tests.support.family_graphs import FAMILIES, family_graph, parts_of
from tests.support.refusals import REGISTRY, Entry, document, other, planned, step

Folders = Callable[[str], Path]

EACH = pytest.mark.parametrize("family", FAMILIES)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """The folder of a family's tiny model."""
    root = tmp_path_factory.mktemp("bad_input")
    return functools.cache(lambda family: FAMILIES[family][1](root / family))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with Workspace(tmp_path_factory.mktemp("plans"), registry=REGISTRY, device="cpu") as made:
        yield made


@pytest.fixture
def refused(workspace: Workspace) -> Callable[[dict[str, Any]], Problem]:
    def ask(raw: dict[str, Any]) -> Problem:
        (problem,) = planned(workspace, raw)
        assert problem.hint, f"says what is wrong, not what to do: {problem.message}"
        return problem

    return ask


Refused = Callable[[dict[str, Any]], Problem]


@pytest.fixture
def copies(folders: Folders, tmp_path: Path) -> Callable[[str], Path]:
    """A fresh copy of a family's model, always under one name."""

    def copy(family: str) -> Path:
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        return Path(shutil.copytree(folders(family), tmp_path / "copy"))

    return copy


@EACH
def test_a_sound_graph_has_no_problem(folders: Folders, workspace: Workspace, family: str) -> None:
    assert planned(workspace, family_graph(family, folders(family))) == []


@EACH
def test_wrong_frame_count(folders: Folders, refused: Refused, family: str) -> None:
    latents = step("empty_latents", {"frames": 6}, vae="model.vae")
    problem = refused(family_graph(family, folders(family), latents=latents))
    assert problem.path == "nodes.latents.params.frames" and "use " in problem.hint


@EACH
def test_wrong_vae_for_these_latents(folders: Folders, refused: Refused, family: str) -> None:
    """At the node that gets both; Animate decodes by itself, so there it is the latents that are wrong."""
    stranger = other(folders("wan21" if family == "wan5b" else "wan5b"))
    if family == "wan_animate":
        changed = {"latents": step("empty_latents", vae="stranger.vae")}
    else:
        changed = {"decode": step("decode", vae="stranger.vae", latents="denoise")}
    problem = refused(family_graph(family, folders(family), stranger=stranger, **changed))
    assert problem.code == "value.mismatch" and problem.path.endswith(".inputs.latents")


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "ltx2"])
def test_a_text_encoder_of_another_width(
    copies: Callable[[str], Path], folders: Folders, refused: Refused, family: str
) -> None:
    """Told by its config. Those of LTX-2 go through connectors, which make the width."""
    stranger = copies(family)
    file = stranger / "text_encoder" / "config.json"
    config = json.loads(file.read_text())
    inner = config.get("text_config", config)
    key = "d_model" if "d_model" in inner else "hidden_size"
    inner[key] += 8
    file.write_text(json.dumps(config))
    encode = step("encode_prompt", {"prompt": "a ball"}, text_encoder="stranger.text_encoder")
    if family == "hunyuan_image":
        encode["inputs"]["image"] = "picture"
    problem = refused(family_graph(family, folders(family), stranger=other(stranger), encode=encode))
    assert f"the prompt is {inner[key]} numbers wide" in problem.message and problem.path.endswith(".prompt")


@EACH
def test_missing_components(copies: Folders, folders: Folders, refused: Refused, family: str) -> None:
    for part in parts_of(folders(family)):
        folder = copies(family)
        shutil.rmtree(folder / part)
        assert part in refused(family_graph(family, folder)).message


@EACH
def test_broken_weights(copies: Folders, folders: Folders, refused: Refused, family: str) -> None:
    for part in parts_of(folders(family)):
        for name in [file.name for file in (folders(family) / part).glob("*.safetensors")]:
            file = copies(family) / part / name
            file.write_bytes(file.read_bytes()[:-100])
            problem = refused(family_graph(family, file.parents[1]))
            assert f"{part}/{name} is not a safetensors file" in problem.message


@EACH
def test_broken_configs(copies: Folders, folders: Folders, workspace: Workspace, family: str) -> None:
    """Told by every loader that reads it: sound has one of its own."""
    for part in parts_of(folders(family)):
        for name in ("config.json", "scheduler_config.json", "tokenizer_config.json"):
            if (folders(family) / part / name).is_file():
                file = copies(family) / part / name
                file.write_text("{")
                found = planned(workspace, family_graph(family, file.parents[1]))
                assert found and {problem.hint for problem in found} == {"copy or download the model anew"}
                assert all(f"{part}/{name} of model 'copy' cannot be read" in one.message for one in found)


def rewritten(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what the header of a safetensors file says; `change` gets it, tensors by name."""
    raw = file.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    header.pop("__metadata__", None)
    change(header)
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + length :])


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"dtype": "F9"}, "numbers of an unknown kind, 'F9'"),
        ({"shape": [-1, -2]}, r"the shape [-1, -2]"),
        ({"shape": [10**6]}, "does not lie where its shape"),
        ({"data_offsets": [4, 8]}, "does not lie where its shape"),
    ],
)
def test_headers_that_are_whole_and_wrong(
    copies: Callable[[str], Path], refused: Refused, entry: dict[str, Any], said: str
) -> None:
    """The format's own reader would refuse them too: after the models of earlier nodes are loaded."""
    folder = copies("wan21")
    (file,) = (folder / "transformer").glob("*.safetensors")
    rewritten(file, lambda header: header["condition_embedder.text_embedder.linear_1.bias"].update(entry))
    problem = refused(family_graph("wan21", folder))
    assert "is not a safetensors file" in problem.message and said in problem.message


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("{", "cannot be read"),
        ("{}", "names no files"),
        ('{"weight_map": {"a": "absent.safetensors"}}', "lacks weights: transformer/absent.safetensors"),
        ('{"weight_map": {"a": "../vae/x.safetensors"}}', "which is no file beside it"),
    ],
)
def test_an_index_of_weights_that_cannot_be_followed(
    copies: Callable[[str], Path], refused: Refused, table: str, said: str
) -> None:
    folder = copies("wan21")
    (folder / "transformer" / "diffusion_pytorch_model.safetensors.index.json").write_text(table)
    problem = refused(family_graph("wan21", folder))
    assert said in problem.message and problem.hint == "copy or download the model anew"


def test_a_pipe_in_place_of_weights_is_not_waited_for(
    copies: Callable[[str], Path], refused: Refused
) -> None:
    folder = copies("wan21")
    (file,) = (folder / "transformer").glob("*.safetensors")
    file.unlink()
    os.mkfifo(file)
    assert "it is no file" in refused(family_graph("wan21", folder)).message


def test_weights_that_are_a_pickle_are_not_even_opened(
    tmp_path: Path, copies: Callable[[str], Path], refused: Refused, workspace: Workspace
) -> None:
    """Whoever reads this one runs what its author wrote; so nobody does, by the plan or by the run."""
    folder = copies("wan21")
    (file,) = (folder / "transformer").glob("*.safetensors")
    ran = tmp_path / "ran"
    evil = f"cos\nmkdir\n(S'{ran}'\ntR.".encode()
    for name in (file.with_suffix(".bin"), file):
        file.unlink(missing_ok=True)
        name.write_bytes(evil)
        raw = family_graph("wan21", folder)
        problem = refused(raw)
        assert "lacks weights" in problem.message or "is not a safetensors file" in problem.message
        result = workspace.run(workspace.graph(workflow.from_raw(raw)), out_dir=tmp_path / "out")
        assert result.status == "failed" and not ran.exists()


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"transformer": ["subprocess", "Popen"]}, "no usable class for 'transformer'"),
        ({"boundary_ratio": "high"}, "no noise level of 1"),
    ],
)
def test_an_index_of_a_model_that_makes_no_sense(
    copies: Callable[[str], Path], refused: Refused, entry: dict[str, Any], said: str
) -> None:
    folder = copies("wan21")
    index = folder / "model_index.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), **entry}))
    assert said in refused(family_graph("wan21", folder)).message


@pytest.mark.parametrize(("value", "said"), [(math.nan, "it holds the number NaN"), ([1, 0, 0], "multiple")])
def test_a_config_that_makes_no_sense(
    copies: Callable[[str], Path], refused: Refused, value: object, said: str
) -> None:
    folder = copies("wan21")
    config = folder / "transformer" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "patch_size": value}))
    assert said in refused(family_graph("wan21", folder)).message


def test_weights_without_a_config(copies: Folders, refused: Refused) -> None:
    folder = copies("wan21")
    (folder / "text_encoder" / "config.json").unlink()
    assert "has no text_encoder/config.json" in refused(family_graph("wan21", folder)).message


STREAM = {"strategy": "leaf", "stream": True}
IMPOSSIBLE: list[tuple[str, dict[str, Entry], str]] = [
    ("denoiser", {"offload": STREAM}, "a stream needs a GPU"),
    ("denoiser", {"quantise": {"method": "torchao_float8_dynamic"}}, "needs an NVIDIA GPU"),
    (
        "denoiser",
        {"quantise": {}, "offload": {"strategy": "sequential"}},
        "'torchao_int8' cannot be offloaded",
    ),
    ("denoiser", {"compile": {"backend": "cudagraphs"}}, "'cudagraphs' needs an NVIDIA GPU"),
    ("denoiser", {"parallel": {"ring": 2}}, "ring attention wants more"),
    ("denoiser", {"attention": {"backend": "_native_cudnn"}}, "'_native_cudnn' needs a GPU"),
    ("text_encoder", {"offload": STREAM}, "a stream needs a GPU"),
    ("vae", {"offload": STREAM}, "a stream needs a GPU"),
    ("vae", {"offload": {"strategy": "sequential"}}, "a VAE cannot be offloaded sequentially"),
]
"""A part of the model, nodes that treat it one after the other, and what is said."""


@pytest.mark.parametrize(("part", "nodes", "said"), IMPOSSIBLE, ids=lambda value: str(value)[:60])
def test_what_cannot_be_done_here_is_told_before_the_prompt_is_encoded(
    folders: Folders, refused: Refused, tmp_path: Path, part: str, nodes: dict[str, Entry], said: str
) -> None:
    raw, source = family_graph("wan21", folders("wan21")), f"model.{part}"
    users = [name for name, one in raw["nodes"].items() if part in one["inputs"]]
    for name, settings in nodes.items():
        port = "part" if name in ("offload", "quantise") else part
        raw["nodes"][name], source = step(name, settings, **{port: source}), name
    for name in users:
        raw["nodes"][name]["inputs"][part] = source
    assert said in refused(raw).message
    file = tmp_path / "flow.json"
    file.write_text(json.dumps(raw))
    fault = "cannot be offloaded" in said
    assert bool(checked(str(file), REGISTRY)) == fault, (
        "what another device could do is no fault of a document"
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_cache_that_cannot_skip_blocks(folders: Folders, workspace: Workspace, family: str) -> None:
    """As diffusers itself would find out, but before anything is loaded."""
    import diffusers

    folder = folders(family)
    kind = json.loads((folder / "model_index.json").read_text())["transformer"][1]
    with torch.device("meta"):
        config = json.loads((folder / "transformer" / "config.json").read_text())
        block = _unknown_blocks(getattr(diffusers, kind).from_config(config))
    cached = step("first_block_cache", denoiser="model.denoiser")
    raw = family_graph(family, folder, cached=cached)
    raw["nodes"]["denoise"]["inputs"]["denoiser"] = "cached"
    told = [one.message for one in planned(workspace, raw) if "does not know the inputs" in one.message]
    assert bool(told) == bool(block) and all(block in one for one in told)


@pytest.mark.parametrize("backend", ["flash", "_flash_varlen_3", "_sage_qk_int8_pv_fp16_cuda", "xformers"])
def test_a_package_for_attention_that_is_missing(
    folders: Folders, refused: Refused, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    monkeypatch.setattr("graphflow_nodes.diffusion.modifiers.attention.installed", lambda module: False)
    raw = family_graph(
        "wan21", folders("wan21"), other=step("attention", {"backend": backend}, denoiser="model.denoiser")
    )
    raw["nodes"]["denoise"]["inputs"]["denoiser"] = "other"
    problem = refused(raw)
    assert f"attention backend '{backend}' needs the Python package" in problem.message


@pytest.mark.parametrize("backend", ["nonsense", "sage_hub"])
def test_an_attention_backend_that_nobody_knows(folders: Folders, refused: Refused, backend: str) -> None:
    raw = family_graph(
        "wan21", folders("wan21"), other=step("attention", {"backend": backend}, denoiser="model.denoiser")
    )
    raw["nodes"]["denoise"]["inputs"]["denoiser"] = "other"
    assert f"attention backend '{backend}'" in refused(raw).message


def test_attention_backends_are_called_as_diffusers_calls_them() -> None:
    from diffusers.models.attention_dispatch import AttentionBackendName

    assert set(BACKENDS) == {one.value for one in AttentionBackendName if not one.value.endswith("_hub")}


def test_a_package_that_is_missing_is_told_before_the_prompt_is_encoded(
    folders: Folders, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphflow_nodes.diffusion.modifiers.quantise.installed", lambda module: False)
    quantised = step("quantise", {"method": "bitsandbytes_nf4"}, part="model.denoiser")
    raw = family_graph("wan21", folders("wan21"), quantised=quantised)
    raw["nodes"]["denoise"]["inputs"]["denoiser"] = "quantised"
    problem = refused(raw)
    assert "needs the Python package 'bitsandbytes'" in problem.message
    assert "pip install bitsandbytes" in problem.hint


def test_a_lora_whose_matrices_do_not_go_together(folders: Folders, refused: Refused, tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    layer = "transformer.blocks.0.attn1.to_q.lora"
    save_file({f"{layer}_A.weight": torch.zeros(4, 8), f"{layer}_B.weight": torch.zeros(8, 3)}, file)
    lora = step("lora", {"file": str(file)}, denoiser="model.denoiser")
    raw = family_graph("wan21", folders("wan21"), lora=lora)
    raw["nodes"]["denoise"]["inputs"]["denoiser"] = "lora"
    assert "LoRA x.safetensors is broken" in refused(raw).message


@EACH
def test_a_lora_for_another_model(folders: Folders, refused: Refused, tmp_path: Path, family: str) -> None:
    """Of a wider one, under the names of diffusers and of another program; of one with other layers."""
    (weights,) = (folders(family) / "transformer").glob("*.safetensors")
    with safe_open(weights, framework="pt") as file:
        layer = next(name[:-7] for name in sorted(file.keys()) if name.endswith("to_q.weight"))
    for name, width in (
        (f"transformer.{layer}", 5120),
        (f"diffusion_model.{layer}", 5120),
        ("transformer.x", 8),
    ):
        tensors = {"A": torch.zeros(4, width), "B": torch.zeros(width, 4)}
        save_file(
            {f"{name}.lora_{side}.weight": one for side, one in tensors.items()}, tmp_path / "x.safetensors"
        )
        raw = family_graph(
            family,
            folders(family),
            lora=step("lora", {"file": str(tmp_path / "x.safetensors")}, denoiser="model.denoiser"),
        )
        raw["nodes"]["denoise"]["inputs"]["denoiser"] = "lora"
        problem = refused(raw)
        assert problem.path == "nodes.lora.params.file" and "is for another model" in problem.message


# -------------------------------------------------------------------------------------------- the hub

HUB = {"model": "owner/name", "download": True}
FILE = {"file": "x.safetensors", "repository": "owner/name", "download": True}
FROM_HUB: dict[str, Entry] = {
    **{
        name: step(name, HUB)
        for name in (
            "load_model",
            "load_text_encoder",
            "load_denoiser",
            "load_scheduler",
            "load_vae",
            "load_image_encoder",
            "load_latent_upsampler",
            "load_audio_decoder",
            "load_diffusion_decoder",
            "load_duration_head",
            "modular/load_model",
        )
    },
    "lora": step("lora", FILE, denoiser="model.denoiser"),
    "load_weights": step("load_weights", FILE, part="model.denoiser"),
}
"""Every node that can fetch from the hub."""


@pytest.mark.parametrize("name", FROM_HUB)
@pytest.mark.parametrize("reason", ["gated", "absent", "offline"])
def test_what_the_hub_does_not_give(
    folders: Folders, refused: Refused, monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    from huggingface_hub import errors

    answer: Any = SimpleNamespace(headers={}, request=None)
    problems: dict[str, tuple[Exception, str]] = {
        "gated": (errors.GatedRepoError("refused", response=answer), "accepted its licence"),
        "absent": (errors.RepositoryNotFoundError("none", response=answer), "is not on the hub"),
        "offline": (ConnectionError("no way"), "the hub does not answer"),
    }
    error, said = problems[reason]

    def refuse(*args: object, **options: object) -> str:
        raise error

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)
    nodes = {"model": other(folders("wan21")), "asked": FROM_HUB[name]}
    if not FROM_HUB[name]["inputs"]:
        del nodes["model"]
    output = {"load_model": "asked.vae", "modular/load_model": "asked"}.get(name, "asked")
    problem = refused(document(nodes, output))
    assert problem.code == "model.missing" and said in problem.message, problem
    assert "owner/name" in problem.message and problem.path.startswith("nodes.asked")


def test_every_node_that_can_fetch_is_in_the_table() -> None:
    known = {spec.id for spec in REGISTRY.specs.values() if "download" in spec.settings}
    assert known == {entry["type"] for entry in FROM_HUB.values()}
