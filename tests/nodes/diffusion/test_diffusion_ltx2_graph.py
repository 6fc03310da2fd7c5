"""LTX-2 in a graph: a clip is saved with its sound, and a change computes only what follows from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes import diffusion, media
from graphflow_nodes.media import load_audio, load_video

from graphflow.registry import Registry
from graphflow.result import Result
from graphflow.testing import run_node
from graphflow.workflow import from_raw
from graphflow.workspace import Workspace
from tests.support.tiny_ltx2 import SoundBench, save_tiny_ltx2, save_tiny_ltx2_upsampler

REGISTRY = Registry().with_nodes(
    [getattr(pack, name) for pack in (diffusion, media) for name in pack.__all__]
)
UNGUIDED = {"guidance": 1.0, "stg": 0.0, "modality": 1.0, "rescale": 0.0}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> SoundBench:
    folder = save_tiny_ltx2(tmp_path_factory.mktemp("ltx2"))
    return SoundBench(save_tiny_ltx2_upsampler(folder, index=False))


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path / "data", registry=REGISTRY, device="cpu") as made:
        yield made


def node(type: str, params: dict[str, Any] | None = None, **inputs: str) -> dict[str, Any]:
    return {"type": type, "params": params or {}, "inputs": inputs}


def two_stages(folder: Path, /, **params: dict[str, Any]) -> dict[str, Any]:
    """Small, upsampled and refined, with sound; keyword arguments are settings by node."""
    model = {"model": str(folder)}
    off = {**UNGUIDED, **{f"sound_{name}": value for name, value in UNGUIDED.items()}, "blocks": []}
    making = {"denoiser": "model.denoiser", "prompt": "encode"}
    nodes = {
        "model": node("diffusion/load_model", {**model, "dtype": "float32"}),
        "ears": node("diffusion/load_audio_decoder", model),
        "upsampler": node("diffusion/load_latent_upsampler", {**model, "dtype": "float32"}),
        "encode": node(
            "diffusion/encode_prompt", {"prompt": "rain on a roof"}, text_encoder="model.text_encoder"
        ),
        "latents": node("diffusion/empty_latents", vae="model.vae"),
        "first": node(
            "diffusion/denoise", {"seed": 3}, latents="latents", scheduler="model.scheduler", **making
        ),
        "large": node("diffusion/upsample_latents", upsampler="upsampler", vae="model.vae", latents="first"),
        "again": node("diffusion/refine_latents", {"strength": 1.0}, latents="large"),
        "levels": node(
            "diffusion/scheduler", {"sigmas": [0.9, 0.5], "exact": True}, scheduler="model.scheduler"
        ),
        "off": node("diffusion/guide_streams", off),
        "second": node(
            "diffusion/denoise", {"seed": 3}, latents="again", scheduler="levels", guide="off", **making
        ),
        "decode": node("diffusion/decode", vae="model.vae", latents="second"),
        "sound": node("diffusion/decode_audio", decoder="ears", latents="second"),
        "save": node("media/save_video", {"name": "rain"}, video="decode", audio="sound"),
    }
    for name, settings in params.items():
        nodes[name]["params"].update(settings)
    outputs = {"video": "decode", "sound": "sound", "file": "save"}
    return {"graphflow": 1, "nodes": nodes, "outputs": outputs}


def run(workspace: Workspace, raw: dict[str, Any], out: Path) -> tuple[Result, set[str]]:
    """The result, and the nodes that really ran."""
    started: set[str] = set()

    def listen(event: Any) -> None:
        if event.type == "node.started":
            started.add(event.node)

    result = workspace.run(workspace.graph(from_raw(raw)), on_event=listen, out_dir=out)
    assert result.status == "finished", result.failures
    return result, started


def test_a_change_computes_only_what_follows_from_it(
    tiny: SoundBench, workspace: Workspace, tmp_path: Path
) -> None:
    def ran(**params: dict[str, Any]) -> set[str]:
        return run(workspace, two_stages(tiny.folder, **params), tmp_path)[1]

    last = {"decode", "sound", "save"}
    assert ran() == {"encode", "latents", "first", "large", "again", "second", *last} - {"latents"}
    assert ran() == set()
    assert ran(levels={"sigmas": [0.8, 0.4]}) == {"second", *last}
    assert ran(off={"guidance": 2.0}) == {"second", *last}
    assert ran(large={"adain_factor": 0.5}) == {"large", "again", "second", *last}
    assert ran(ears={"dtype": "bfloat16"}) == {"sound", "save"}
    assert ran(decode={"tile": 64, "overlap": 16}) == {"decode", "save"}


def test_the_saved_file_holds_frames_sound_and_workflow(
    tiny: SoundBench, workspace: Workspace, tmp_path: Path
) -> None:
    from graphflow.provenance import read_provenance

    result, _ = run(workspace, two_stages(tiny.folder), tmp_path)
    saved, frames, sound = (result.value(name) for name in ("file", "video", "sound"))
    assert frames.frames.shape == (9, 64, 64, 3) and sound.rate == 16_000
    loaded, heard = run_node(load_video, path=saved.path), run_node(load_audio, path=saved.path)
    assert loaded.frames.shape == frames.frames.shape and heard.samples.shape[0] == 2
    assert heard.samples.shape[1] / heard.rate == pytest.approx(9 / 25, abs=0.1)
    provenance = read_provenance(saved.path)
    assert provenance is not None and "rain on a roof" in json.dumps(provenance)
    assert torch.isfinite(sound.samples).all()
