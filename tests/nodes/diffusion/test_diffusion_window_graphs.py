"""Long clips in a graph: cancelled in a later window they go on there, and done they are found again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes import diffusion

from graphflow.node import node, spec_of
from graphflow.registry import Registry
from graphflow.values import Image
from graphflow.workflow import from_raw
from graphflow.workspace import Workspace
from tests.support.tiny_hunyuan import HEIGHT, WIDTH, save_tiny_framepack
from tests.support.tiny_skyreels import save_tiny_skyreels_df
from tests.support.wan_bench import PROMPT


@node("test/picture")
def picture() -> Image:
    """Noise, always the same."""
    generator = torch.Generator().manual_seed(1)
    return Image(pixels=torch.randint(0, 256, (HEIGHT, WIDTH, 3), generator=generator, dtype=torch.uint8))


NODES = [getattr(diffusion, name) for name in diffusion.__all__]
REGISTRY = Registry().with_nodes([*(found for found in NODES if spec_of(found)), picture])

CLIPS = {
    "diffusion_forcing": (save_tiny_skyreels_df, 29, {"base_num_frames": 17, "overlap_history": 5}),
    "framepack": (save_tiny_framepack, 17, {"latent_window_size": 2}),
}
"""By node: the model, frames of a clip of two windows, and what makes it two."""


def document(folder: Path, name: str, **changes: Any) -> dict[str, Any]:
    """A long clip: from text by diffusion forcing, from an image by FramePack."""
    _, frames, settings = CLIPS[name]
    parts = {"denoiser": "model.denoiser", "scheduler": "model.scheduler"}
    nodes: dict[str, Any] = {
        "model": {"type": "diffusion/load_model", "params": {"model": str(folder), "dtype": "float32"}},
        "encode": {
            "type": "diffusion/encode_prompt",
            "params": {"prompt": PROMPT},
            "inputs": {"text_encoder": "model.text_encoder"},
        },
        "latents": {
            "type": "diffusion/empty_latents",
            "params": {"frames": frames},
            "inputs": {"vae": "model.vae"},
        },
        "clip": {
            "type": f"diffusion/{name}",
            "params": {"seed": 3, **settings, **changes},
            "inputs": {**parts, "prompt": "encode", "latents": "latents"},
        },
        "decode": {"type": "diffusion/decode", "inputs": {"vae": "model.vae", "latents": "clip"}},
    }
    if name == "framepack":
        given = {"vae": "model.vae", "image": "picture", "latents": "latents"}
        given["image_encoder"] = "model.image_encoder"
        nodes["picture"] = {"type": "test/picture"}
        nodes["condition"] = {"type": "diffusion/condition_image", "inputs": given}
        nodes["clip"]["inputs"]["condition"] = "condition"
    return {"graphflow": 1, "nodes": nodes, "outputs": {"video": "decode"}}


def run(workspace: Workspace, raw: dict[str, Any], *, cancel_at: int | None = None) -> tuple[Any, list[int]]:
    """The result, and the steps that the clip told of. cancel_at: after that many steps."""
    done: list[int] = []

    def listen(event: Any) -> None:
        if event.type == "node.progress" and event.node == "clip":
            done.append(event.done)
            if cancel_at is not None and event.done >= cancel_at:
                prepared.cancel()

    prepared = workspace.prepare(workspace.graph(from_raw(raw)), on_event=listen, checkpoint_seconds=0)
    return prepared.execute(), done


@pytest.mark.parametrize("name", CLIPS)
def test_a_cancelled_clip_goes_on_in_its_window(name: str, tmp_path: Path, mended_prompts: None) -> None:
    steps = 30
    raw = document(CLIPS[name][0](tmp_path / "model"), name, steps=steps)
    with Workspace(tmp_path / "whole", registry=REGISTRY, device="cpu") as workspace:
        whole, _ = run(workspace, raw)
    with Workspace(tmp_path / "halted", registry=REGISTRY, device="cpu") as workspace:
        halted, told = run(workspace, raw, cancel_at=steps + 2)
        assert (halted.status, whole.status) == ("cancelled", "finished")
        result, told_later = run(workspace, raw)
        assert steps < told[-1] < min(told_later)
        assert torch.equal(result.value("video").frames, whole.value("video").frames)


@pytest.mark.parametrize("name", CLIPS)
def test_a_clip_is_found_again(name: str, tmp_path: Path, mended_prompts: None) -> None:
    folder = CLIPS[name][0](tmp_path / "model")
    with Workspace(tmp_path, registry=REGISTRY, device="cpu") as workspace:
        assert run(workspace, document(folder, name))[1]
        assert not run(workspace, document(folder, name))[1]
        assert run(workspace, document(folder, name, seed=4))[1]
