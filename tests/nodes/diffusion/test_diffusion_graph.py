"""The nodes in a graph: what is computed again, what is not, and the plain pipeline's frames at the end."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes import diffusion
from graphflow_nodes.diffusion.families import family

from graphflow.registry import Registry
from graphflow.run import Result
from graphflow.workflow import from_raw
from graphflow.workspace import Workspace
from tests.support.tiny_family import FamilyBench
from tests.support.tiny_models import SAVE
from tests.support.wan_bench import PROMPT, Bench

Benches = Callable[..., Bench]

REGISTRY = Registry().with_nodes([getattr(diffusion, name) for name in diffusion.__all__])


def document(folder: Path, /, **params: dict[str, Any]) -> dict[str, Any]:
    """Text to video; keyword arguments are settings by node."""
    nodes: dict[str, Any] = {
        "model": {"type": "diffusion/load_model", "params": {"model": str(folder), "dtype": "float32"}},
        "encode": {
            "type": "diffusion/encode_prompt",
            "params": {"prompt": PROMPT, "negative_prompt": "blurred"},
            "inputs": {"text_encoder": "model.text_encoder"},
        },
        "latents": {"type": "diffusion/empty_latents", "inputs": {"vae": "model.vae"}},
        "denoise": {
            "type": "diffusion/denoise",
            "params": {"seed": 3},
            "inputs": {
                "denoiser": "model.denoiser",
                "scheduler": "model.scheduler",
                "prompt": "encode",
                "latents": "latents",
            },
        },
        "decode": {"type": "diffusion/decode", "inputs": {"vae": "model.vae", "latents": "denoise"}},
    }
    for name, settings in params.items():
        nodes[name]["params"] = {**nodes[name].get("params", {}), **settings}
    return {"graphflow": 1, "nodes": nodes, "outputs": {"video": "decode"}}


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path, registry=REGISTRY, device="cpu") as made:
        yield made


def run(workspace: Workspace, raw: dict[str, Any]) -> tuple[Result, set[str]]:
    """The result, and the nodes that really ran."""
    started: set[str] = set()

    def listen(event: Any) -> None:
        if event.type == "node.started":
            started.add(event.node)

    result = workspace.run(workspace.graph(from_raw(raw)), on_event=listen, checkpoint_seconds=0)
    assert result.status == "finished", result.failures
    return result, started


@pytest.mark.parametrize("variant", ["wan21", "wan22", "wan5b"])
def test_frames_of_a_graph_are_the_plain_pipelines(
    bench: Benches, workspace: Workspace, variant: str
) -> None:
    tiny = bench(variant)
    result, _ = run(workspace, document(tiny.folder))
    assert torch.equal(result.value("video").frames, tiny.plain().frames)


@pytest.mark.parametrize("variant", SAVE)
def test_other_families_in_the_same_graph(
    families: Callable[..., FamilyBench], workspace: Workspace, variant: str
) -> None:
    """Only the model's name differs; what is found again is what was computed."""
    tiny = families(variant)
    negative = "blurred" if family(tiny.model.vae.family).negative_prompts else ""
    settings: dict[str, Any] = {"encode": {"negative_prompt": negative}}
    result, ran = run(workspace, document(tiny.folder, **settings))
    assert torch.equal(result.value("video").frames, tiny.plain().frames)
    assert ran == {"encode", "denoise", "decode"}
    assert run(workspace, document(tiny.folder, **settings))[1] == set()
    if tiny.model.native.decode:
        settings["decode"] = {"decode_noise_scale": 0.3}
        result, ran = run(workspace, document(tiny.folder, **settings))
        assert torch.equal(result.value("video").frames, tiny.plain(decode_noise_scale=0.3).frames)
        assert ran == {"decode"}


def test_only_what_depends_on_a_change_runs_again(
    bench: Benches, workspace: Workspace, tmp_path: Path
) -> None:
    folder = bench("wan21").folder
    assert run(workspace, document(folder))[1] == {"encode", "denoise", "decode"}
    assert run(workspace, document(folder))[1] == set()
    assert run(workspace, document(folder, denoise={"seed": 4}))[1] == {"denoise", "decode"}
    assert run(workspace, document(folder, decode={"tile": 64, "overlap": 16}))[1] == {"decode"}
    assert run(workspace, document(folder, decode={"fps": 24.0}))[1] == {"decode"}
    assert run(workspace, document(folder, encode={"prompt": "other"}))[1] == {"encode", "denoise", "decode"}
    assert run(workspace, document(folder, latents={"width": 32}))[1] == set()  # said, not changed
    assert run(workspace, document(folder, model={"download": True}))[1] == set()
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert run(workspace, document(copy))[1] == set()  # the same model in another place


def test_a_cancelled_run_goes_on_at_its_last_step(bench: Benches, workspace: Workspace) -> None:
    tiny, steps = bench("wan22"), 80
    graph = workspace.graph(from_raw(document(tiny.folder, denoise={"steps": steps})))
    done: list[int] = []

    def listen(event: Any) -> None:
        if event.type == "node.progress" and event.node == "denoise":
            done.append(event.done)
            halted.cancel()

    halted = workspace.prepare(graph, on_event=listen, checkpoint_seconds=0)
    assert halted.execute().status == "cancelled"
    reached = done.pop()
    done.clear()
    result = workspace.prepare(graph, on_event=listen, checkpoint_seconds=0).execute()
    assert result.status == "finished"
    assert 0 < reached < min(done)
    assert torch.equal(result.value("video").frames, tiny.plain(num_inference_steps=steps).frames)


def test_another_process_finds_everything_computed(bench: Benches, tmp_path: Path) -> None:
    folder = bench("wan21").folder
    for expected in ({"encode", "denoise", "decode"}, set()):
        with Workspace(tmp_path, registry=REGISTRY, device="cpu") as workspace:
            assert run(workspace, document(folder))[1] == expected


@pytest.mark.slow
def test_a_child_process_gives_the_same_frames(bench: Benches, tmp_path: Path) -> None:
    tiny = bench("wan22")
    with Workspace(tmp_path, runner="process", device="cpu") as workspace:
        result, _ = run(workspace, document(tiny.folder))
        assert torch.equal(result.value("video").frames, tiny.plain().frames)
