"""Graphs that cannot work, and the one problem that is told of each before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graphflow_nodes import diffusion
from graphflow_nodes.diffusion import modular

from graphflow.checks import problems
from graphflow.cli.validate import checked
from graphflow.errors import Problem
from graphflow.node import node
from graphflow.registry import Registry
from graphflow.runners.inline import InlineRunner
from graphflow.values import Image, Video
from graphflow.workflow import dump, from_raw
from graphflow.workspace import Workspace

Entry = dict[str, Any]


@node("here/picture")
def picture() -> Image:
    import torch

    return Image(pixels=torch.zeros(32, 32, 3, dtype=torch.uint8))


@node("here/film")
def film() -> Video:
    import torch

    return Video(frames=torch.zeros(9, 32, 32, 3, dtype=torch.uint8), fps=8.0)


REGISTRY = Registry().with_nodes(
    [*(getattr(diffusion, name) for name in diffusion.__all__), modular.load_model, picture, film]
)


def step(type: str, params: Entry | None = None, **inputs: Any) -> Entry:
    return {"type": type if "/" in type else f"diffusion/{type}", "params": params or {}, "inputs": inputs}


def document(nodes: Entry, output: str) -> dict[str, Any]:
    return {"graphflow": 1, "nodes": nodes, "outputs": {"out": output}}


WIRES = {
    "denoiser": "model.denoiser", "scheduler": "model.scheduler", "prompt": "encode", "latents": "latents",
}  # fmt: skip


def other(folder: Path) -> Entry:
    """A second model."""
    return step("load_model", {"model": str(folder), "dtype": "float32"})


def planned(workspace: Workspace, raw: dict[str, Any]) -> list[Problem]:
    """What a plan finds wrong; nothing may be opened for it."""
    graph = workspace.graph(from_raw(raw))
    found = problems(graph, workspace.prepare(graph).plan())
    runner = workspace.runner
    assert isinstance(runner, InlineRunner) and not runner.pool.opened
    return found


def refusal(workspace: Workspace, raw: dict[str, Any], folder: Path) -> Problem:
    """The one problem of a graph, told alike by a plan, by `validate` and by a run that starts nothing."""
    (problem,) = planned(workspace, raw)
    file = folder / "flow.json"
    file.write_bytes(dump(from_raw(raw)))
    assert checked(str(file), REGISTRY) == [problem]
    started: list[str] = []
    result = workspace.run(
        workspace.graph(from_raw(raw)),
        on_event=lambda event: started.append(event.node) if event.type == "node.started" else None,
    )
    runner = workspace.runner
    assert isinstance(runner, InlineRunner) and not runner.pool.opened and not started
    assert result.status == "failed"
    (failure,) = result.failures
    assert (failure.code, failure.message, failure.hint) == (problem.code, problem.message, problem.hint)
    assert problem.hint, "an error says what to do"
    return problem
