"""Clips of one's own, from files to a LoRA that acts: the training nodes behind those of datasets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from graphflow_nodes.media import save_video
from graphflow_nodes.toyworld import effect_clip

from graphflow.testing import LocalContext, run_node
from graphflow.workflow import from_raw
from graphflow.workspace import Workspace
from tests.nodes.training.conftest import Course


def node(type: str, params: dict[str, Any] | None = None, **inputs: Any) -> dict[str, Any]:
    return {"type": type, "params": params or {}, "inputs": inputs}


def document(clips: Path, model: Path, steps: int) -> dict[str, Any]:
    denoise = {"scheduler": "model.scheduler", "prompt": "asked", "latents": "latents"}
    learnt = {"prompts": "embed", "settings": "settings"}
    nodes = {
        "model": node("diffusion/load_model", {"model": str(model), "dtype": "float32"}),
        "files": node("dataset/list_files", {"folder": str(clips)}),
        "shots": node("dataset/cut_shots", file="files"),
        "shot": node("std/flatten", lists="shots"),
        "kept": node("dataset/kept", items="shot"),
        "load": node("dataset/load_clip", clip="kept"),
        "caption": node(
            "training/trigger_caption", {"trigger": "CAKE", "template": "{trigger} a ball {caption}"},
            caption="load.caption",
        ),
        "fit": node("training/fit_bucket", {"buckets": ["5x32x32"], "take": "end"}, video="load.video"),
        "encode": node("training/encode_clip", vae="model.vae", video="fit"),
        "embed": node("diffusion/encode_prompt", text_encoder="model.text_encoder", prompt="caption"),
        "settings": node("training/settings", {"preset": "toy", "steps": steps, "batch": 2, "rank": 4}),
        "train": node("training/train_lora", denoiser="model.denoiser", latents="encode", **learnt),
        "save": node("training/save_lora", lora="train.lora"),
        "lora": node("diffusion/lora", denoiser="model.denoiser", file="save.path"),
        "asked": node(
            "diffusion/encode_prompt", {"prompt": "CAKE a ball"}, text_encoder="model.text_encoder"
        ),
        "latents": node("diffusion/empty_latents", vae="model.vae"),
        "base": node("diffusion/denoise", denoiser="model.denoiser", **denoise),
        "made": node("diffusion/denoise", denoiser="lora", **denoise),
    }  # fmt: skip
    outputs = {"base": "base", "made": "made", "losses": "train.losses"}
    return {"graphflow": 1, "nodes": nodes, "outputs": outputs}


def test_a_folder_of_videos_becomes_a_lora_and_a_changed_setting_encodes_nothing_again(
    course: Callable[..., Course], tmp_path: Path
) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    for seed in range(2):
        made = run_node(effect_clip, seed=seed).video
        run_node(save_video, made, context=LocalContext(out_dir=clips), name=f"clip{seed}")
    model, computed = course("wan21").folder, []
    with Workspace(tmp_path / "data") as workspace:

        def run(steps: int) -> Any:
            computed.clear()
            graph = workspace.graph(from_raw(document(clips, model, steps)))
            result = workspace.run(graph, out_dir=tmp_path / "out", on_event=computed.append)
            assert result.status == "finished", result.failures
            return result

        def ran() -> set[str]:
            return {event.node for event in computed if event.type == "node.finished"}

        first = run(3)
        assert len(first.value("losses").values) == 3
        assert not torch.equal(first.value("made").samples, first.value("base").samples)
        assert {"load", "fit", "encode", "embed", "train", "save", "made", "base"} <= ran()
        run(3)
        assert ran() == set()
        run(4)
        assert ran() == {"train", "save", "lora", "made"}
