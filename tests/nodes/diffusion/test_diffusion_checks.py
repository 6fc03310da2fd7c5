"""Bad input is one clear error before anything runs: no weight is opened, no prompt encoded.

Each graph is asked three times: `validate` and a plan tell the problem with its place and what to do, and a
run fails with it, having started nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from graphflow.cli.validate import checked
from graphflow.errors import Problem
from graphflow.workflow import dump, from_raw
from graphflow.workspace import Workspace
from tests.support.refusals import REGISTRY, WIRES, Entry, other, refusal, step
from tests.support.tiny_family import FamilyBench
from tests.support.tiny_hunyuan import save_tiny_hunyuan_image
from tests.support.treatments import save_lora
from tests.support.wan_bench import Bench

Benches = Callable[..., Bench]
Folders = Callable[[str], Path]

WEIGHTS = "diffusion_pytorch_model.safetensors"


def text_to_video(folder: Path | str, /, **changed: Entry) -> dict[str, Any]:
    """A whole graph; keyword arguments are nodes in place of its own, or beside them."""
    nodes = {
        "model": step("load_model", {"model": str(folder), "dtype": "float32"}),
        "encode": step("encode_prompt", {"prompt": "a ball"}, text_encoder="model.text_encoder"),
        "latents": step("empty_latents", vae="model.vae"),
        "denoise": step("denoise", **WIRES),
        "decode": step("decode", vae="model.vae", latents="denoise"),
        **changed,
    }
    return {"graphflow": 1, "nodes": nodes, "outputs": {"video": "decode"}}


@pytest.fixture
def refused(tmp_path: Path) -> Iterator[Callable[[dict[str, Any]], Problem]]:
    """The one problem of a graph; nothing may run for it."""
    with Workspace(tmp_path / "data", registry=REGISTRY, device="cpu") as workspace:

        def ask(raw: dict[str, Any]) -> Problem:
            return refusal(workspace, raw, tmp_path)

        yield ask


Refused = Callable[[dict[str, Any]], Problem]


@pytest.fixture
def copy(bench: Benches, tmp_path: Path) -> Path:
    """A tiny model whose files may be spoiled."""
    return Path(shutil.copytree(bench("wan21").folder, tmp_path / "copy"))


# ------------------------------------------------------------------------------ the cases of everyday


def test_wrong_frame_count(bench: Benches, refused: Refused) -> None:
    latents = step("empty_latents", {"frames": 6}, vae="model.vae")
    problem = refused(text_to_video(bench("wan21").folder, latents=latents))
    assert problem.path == "nodes.latents.params.frames" and "use 5 or 9" in problem.hint


def test_wrong_size(bench: Benches, refused: Refused) -> None:
    latents = step("empty_latents", {"width": 40}, vae="model.vae")
    assert refused(text_to_video(bench("wan21").folder, latents=latents)).path.endswith(
        "latents.params.width"
    )


def test_wrong_vae_for_these_latents(bench: Benches, refused: Refused) -> None:
    decode = step("decode", vae="other.vae", latents="denoise")
    graph = text_to_video(bench("wan21").folder, decode=decode, other=other(bench("wan5b").folder))
    problem = refused(graph)
    assert (problem.path, problem.code) == ("nodes.decode.inputs.latents", "value.mismatch")
    assert "another VAE" in problem.message


def test_latents_of_another_models_vae(bench: Benches, refused: Refused) -> None:
    latents = step("empty_latents", vae="other.vae")
    decode = step("decode", vae="other.vae", latents="denoise")
    graph = text_to_video(
        bench("wan21").folder, latents=latents, decode=decode, other=other(bench("wan5b").folder)
    )
    problem = refused(graph)
    assert problem.path == "nodes.denoise.inputs.latents" and "48 channels" in problem.message


def test_prompt_of_another_family(
    bench: Benches, families: Callable[..., FamilyBench], refused: Refused
) -> None:
    encode = step("encode_prompt", {"prompt": "a ball"}, text_encoder="other.text_encoder")
    graph = text_to_video(bench("wan21").folder, encode=encode, other=other(families("ltx").folder))
    assert refused(graph).path == "nodes.denoise.inputs.prompt"


@pytest.mark.parametrize("variant", ["wan21", "wan22"])
def test_an_image_for_a_model_of_text_to_video(bench: Benches, refused: Refused, variant: str) -> None:
    """The image is never made, and the text encoder has not run."""
    condition = step("condition_image", vae="model.vae", image="picture", latents="latents")
    denoise = step("denoise", **WIRES, condition="condition")
    graph = text_to_video(
        bench(variant).folder, picture=step("here/picture"), condition=condition, denoise=denoise
    )
    problem = refused(graph)
    assert problem.path == "nodes.condition" and "not made for image to video" in problem.message


def test_no_image_for_a_model_of_image_to_video(tiny_wan: Folders, refused: Refused) -> None:
    problem = refused(text_to_video(tiny_wan("wan22_image")))
    assert problem.path == "nodes.denoise.inputs.condition"
    assert "not made for text to video" in problem.message


def test_a_condition_for_another_model(bench: Benches, tiny_wan: Folders, refused: Refused) -> None:
    """It fits the VAE, which both models share, and not the denoiser: only what will come out tells it."""
    condition = step("condition_image", vae="other.vae", image="picture", latents="latents")
    denoise = step("denoise", **WIRES, condition="condition")
    graph = text_to_video(
        bench("wan21").folder,
        other=other(tiny_wan("wan22_image")),
        picture=step("here/picture"),
        condition=condition,
        denoise=denoise,
    )
    problem = refused(graph)
    assert problem.path == "nodes.denoise.inputs.condition" and problem.code == "value.mismatch"


def test_a_missing_image_encoder(tiny_wan: Folders, refused: Refused) -> None:
    condition = step("condition_image", vae="model.vae", image="picture", latents="latents")
    denoise = step("denoise", **WIRES, condition="condition")
    graph = text_to_video(
        tiny_wan("wan21_image"), picture=step("here/picture"), condition=condition, denoise=denoise
    )
    problem = refused(graph)
    assert problem.path == "nodes.condition.inputs.image_encoder"
    assert problem.hint == "wire load_image_encoder"


def test_a_video_for_a_model_without_control(bench: Benches, refused: Refused) -> None:
    condition = step("condition_control", vae="model.vae", video="film", latents="latents")
    denoise = step("denoise", **WIRES, condition="condition")
    graph = text_to_video(bench("wan21").folder, film=step("here/film"), condition=condition, denoise=denoise)
    assert "not made for control" in refused(graph).message


def test_a_second_guidance_for_one_expert(bench: Benches, refused: Refused) -> None:
    denoise = step("denoise", {"guidance_2": 2.0}, **WIRES)
    problem = refused(text_to_video(bench("wan21").folder, denoise=denoise))
    assert problem.path == "nodes.denoise.params.guidance_2"


def test_a_second_denoise_that_does_not_begin_where_the_first_stopped(
    bench: Benches, refused: Refused
) -> None:
    """What the first one will have come to is known before it runs."""
    first = step("denoise", {"end_step": 2}, **WIRES)
    second = step("denoise", {"start_step": 3}, **{**WIRES, "latents": "first"})
    problem = refused(text_to_video(bench("wan21").folder, first=first, denoise=second))
    assert problem.path == "nodes.denoise.params.start_step" and "stopped at step 2" in problem.message


def test_latents_that_nobody_denoised(bench: Benches, refused: Refused) -> None:
    decode = step("decode", vae="model.vae", latents="latents")
    assert refused(text_to_video(bench("wan21").folder, decode=decode)).path == "nodes.decode.inputs.latents"


# ----------------------------------------------------------------------------------- models and files


@pytest.mark.parametrize("part", ["text_encoder", "transformer", "vae", "tokenizer"])
def test_a_missing_component(copy: Path, refused: Refused, part: str) -> None:
    shutil.rmtree(copy / part)
    assert part in refused(text_to_video(copy)).message


@pytest.mark.parametrize("part", ["text_encoder", "transformer", "vae"])
def test_missing_weights(copy: Path, refused: Refused, part: str) -> None:
    for file in (copy / part).glob("*.safetensors"):
        file.unlink()
    problem = refused(text_to_video(copy))
    assert problem.code == "model.missing" and f"lacks weights: {part}/" in problem.message


@pytest.mark.parametrize("part", ["text_encoder", "transformer", "vae"])
def test_a_corrupt_file(copy: Path, refused: Refused, part: str) -> None:
    (file,) = (copy / part).glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-100])
    problem = refused(text_to_video(copy))
    assert f"{part}/{file.name} is not a safetensors file" in problem.message


def test_a_corrupt_config(copy: Path, refused: Refused) -> None:
    (copy / "transformer" / "config.json").write_text("{")
    problem = refused(text_to_video(copy))
    assert problem.path == "nodes.model" and "config.json" in problem.message


def test_a_gated_repository(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import errors

    def refuse(*args: object, **options: object) -> str:
        raise errors.GatedRepoError("refused", response=SimpleNamespace(headers={}, request=None))  # type: ignore[arg-type]

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    graph = text_to_video("owner/name")
    graph["nodes"]["model"]["params"]["download"] = True
    problem = refused(graph)
    assert problem.code == "model.missing" and "accepted its licence" in problem.message


def test_a_model_that_is_not_here(refused: Refused) -> None:
    problem = refused(text_to_video("owner/name"))
    assert (problem.path, problem.code) == ("nodes.model", "model.missing")
    assert "hf download" in problem.hint


@pytest.fixture
def foreign(bench: Benches, tmp_path: Path) -> Callable[[str, int], str]:
    """A LoRA of a wider model, under the names of diffusers or of another program."""

    def save(prefix: str, width: int) -> str:
        layer = (
            f"{prefix}blocks.0.attn1.to_q" if prefix == "transformer." else f"{prefix}blocks.0.self_attn.q"
        )
        tensors = {
            f"{layer}.lora_A.weight": torch.zeros(4, width),
            f"{layer}.lora_B.weight": torch.zeros(width, 4),
        }
        save_file(tensors, tmp_path / "wide.safetensors")
        return str(tmp_path / "wide.safetensors")

    return save


@pytest.mark.parametrize("prefix", ["transformer.", "diffusion_model."])
def test_a_lora_for_another_model(
    bench: Benches, foreign: Callable[[str, int], str], refused: Refused, prefix: str
) -> None:
    lora = step("lora", {"file": foreign(prefix, 5120)}, denoiser="model.denoiser")
    denoise = step("denoise", **{**WIRES, "denoiser": "lora"})
    problem = refused(text_to_video(bench("wan21").folder, lora=lora, denoise=denoise))
    assert problem.path == "nodes.lora.params.file" and "is for another model" in problem.message


def test_single_files_are_looked_at_too(bench: Benches, tmp_path: Path, refused: Refused) -> None:
    """A LoRA in place of weights, and weights that are cut off."""
    folder = bench("wan21").folder
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes((folder / "transformer" / WEIGHTS).read_bytes()[:-8])
    load = step("load_weights", {"file": str(weights)}, part="model.denoiser")
    denoise = step("denoise", **{**WIRES, "denoiser": "load"})
    assert "not a safetensors file" in refused(text_to_video(folder, load=load, denoise=denoise)).message


def test_treatments_that_exclude_each_other(bench: Benches, refused: Refused) -> None:
    graph = text_to_video(
        bench("wan21").folder,
        cast=step("cast_layers", denoiser="model.denoiser"),
        away=step("offload", {"strategy": "sequential"}, part="cast"),
        denoise=step("denoise", **{**WIRES, "denoiser": "away"}),
    )
    problem = refused(graph)
    assert problem.path == "nodes.denoise" and "offloaded sequentially cannot be cast" in problem.message


def test_a_text_encoder_that_reads_an_image_and_gets_none(tmp_path: Path, refused: Refused) -> None:
    folder = save_tiny_hunyuan_image(tmp_path / "model")
    assert refused(text_to_video(folder)).path == "nodes.encode.inputs.image"


# --------------------------------------------------------------------------------------- what is left


def test_sound_graphs_have_no_problems(bench: Benches, tiny_wan: Folders, tmp_path: Path) -> None:
    """What the checks foresee is what the nodes make: a graph of every kind of hand-over."""
    with Workspace(tmp_path, registry=REGISTRY, device="cpu") as workspace:
        noise = step("noise_latents", {"seed": 3}, latents="latents")
        first = step("denoise", {"end_step": 2, "seed": 3}, **{**WIRES, "latents": "noise"})
        second = step("denoise", {"seed": 3}, **{**WIRES, "latents": "first"})
        raw = text_to_video(bench("wan21").folder, noise=noise, first=first, denoise=second)
        condition = step(
            "condition_image",
            vae="model.vae",
            image="picture",
            latents="latents",
            image_encoder="model.image_encoder",
        )
        image = text_to_video(
            tiny_wan("wan21_image"),
            picture=step("here/picture"),
            condition=condition,
            denoise=step("denoise", **WIRES, condition="condition"),
        )
        for document in (raw, image):
            result = workspace.run(workspace.graph(from_raw(document)))
            assert result.status == "finished", result.failures


def test_a_cached_result_needs_no_weights(bench: Benches, tmp_path: Path) -> None:
    """A plan that finds the frames does not look for the model that made them; one with another seed does."""
    with Workspace(tmp_path, registry=REGISTRY, device="cpu") as workspace:
        raw = text_to_video(bench("wan21").folder)
        graph = workspace.graph(from_raw(raw))
        assert workspace.run(graph).status == "finished"
        looked = workspace.prepare(graph)
        looked.plan()
        assert not [token for token in looked._facts.memo if token.startswith(b"check")]
        raw["nodes"]["denoise"]["params"] = {"seed": 4}
        looked = workspace.prepare(workspace.graph(from_raw(raw)))
        looked.plan()
        assert [token for token in looked._facts.memo if token.startswith(b"check diffusion/denoise")]


def test_a_lora_of_this_model_passes_whatever_its_names(
    bench: Benches, tmp_path: Path, refused: Refused
) -> None:
    tiny = bench("wan21")
    with tiny.context().use(tiny.model.denoiser) as experts:
        file = save_lora(tmp_path / "own.safetensors", experts.transformer)
    renamed = {name.replace("transformer.", "diffusion_model."): one for name, one in load_file(file).items()}
    save_file(renamed, tmp_path / "renamed.safetensors")
    lora = step("lora", {"file": str(tmp_path / "renamed.safetensors")}, denoiser="model.denoiser")
    graph = text_to_video(tiny.folder, lora=lora, denoise=step("denoise", **{**WIRES, "denoiser": "lora"}))
    flow = tmp_path / "own.json"
    flow.write_bytes(dump(from_raw(graph)))
    assert checked(str(flow), REGISTRY) == []
