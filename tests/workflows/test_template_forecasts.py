"""What a plan says of sizes and memory before anything runs: nothing is left open, and so it turns out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graphflow import templates
from graphflow.checks import look, sketch
from graphflow.claims import Sketch
from graphflow.cli import exits
from graphflow.cli.main import invoke
from graphflow.forecast import forecast
from graphflow.values import Image, Value, Video
from graphflow.workflow import from_raw
from graphflow.workspace import Workspace
from tests.workflows.test_templates import SHAPES as SHAPES_MADE

SILENT = ("effect_", "full_finetune", "preference_train", "edit_pairs_from_clip")
"""Of training, and of what judges pairs, nobody has measured the memory."""
SHAPES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "picked": ("media/pick_frame", "video=toy.video", {"index": -1}),
    "trimmed": ("media/trim", "video=toy.video", {"start": 2, "stop": -3}),
    "joined": ("media/concat_videos", "videos=toy.video,trimmed", {}),
    "slower": ("media/change_fps", "video=toy.video", {"fps": 5.0}),
    "retimed": ("media/change_fps", "video=toy.video", {"fps": 5.0, "mode": "retime"}),
    "back": ("media/reverse", "video=toy.video", {}),
    "there_and_back": ("media/ping_pong", "video=toy.video", {}),
    "stills": ("media/images_to_video", "images=toy.first,toy.last", {"fps": 2.0}),
    "resized": ("media/resize", "media=toy.video", {"width": 40}),
    "covered": ("media/resize", "media=toy.first", {"width": 40, "height": 24, "fit": "cover"}),
    "cropped": ("media/crop", "media=resized", {"left": 3, "top": 2, "height": 20}),
    "loaded": ("media/load_video", "example=cropped", {}),
    "picture": ("media/load_image", "example=picked", {}),
    "edges": ("control/edges", "media=covered", {}),
    "soft": ("control/sketch", "media=covered", {}),
    "gray": ("control/gray", "media=toy.video", {}),
    "key": ("control/chroma_key", "video=toy.video", {"color": "#ff0000"}),
    "bright": ("control/luma_key", "video=toy.video", {}),
    "grown": ("control/grow_mask", "mask=key", {}),
    "feathered": ("control/feather_mask", "mask=key", {}),
    "inverted": ("control/invert_mask", "mask=key", {}),
    "hole": ("control/inpaint", "video=toy.video;mask=key", {}),
    "canvas": ("control/outpaint", "video=toy.video", {"left": 8, "right": 4, "bottom": 16}),
    "placed": ("control/place_images", "images=toy.first,toy.last", {"indexes": "0, -1", "frames": 6}),
    "longer": ("control/extend", "video=toy.video", {"before": 2, "after": 5}),
    "whole": ("control/composite", "inside=toy.video;outside=back;mask=key", {}),
    "path": ("control/box_path", "", {"frames": 4, "width": 48, "height": 32}),
    "drawn": ("control/draw_boxes", "boxes=path", {}),
    "boxes": ("control/mask_boxes", "boxes=path", {}),
    "found": ("control/boxes_of_mask", "mask=key", {}),
    "around": ("control/draw_boxes", "boxes=found", {}),
    "walk": ("control/walker", "", {"frames": 3, "width": 64, "height": 48, "fps": 12.0}),
    "pose": ("control/draw_pose", "pose=walk", {}),
    "person": ("control/boxes_of_pose", "pose=walk", {}),
    "effect": ("toyworld/effect_clip", "", {"frames": 3, "side": 24}),
}
"""Nodes whose results follow in size from what they are given: type, wires and settings."""


def document() -> dict[str, Any]:
    nodes: dict[str, Any] = {"toy": {"type": "toyworld/clip", "params": {"frames": 9, "side": 32}}}
    for name, (type_, wires, params) in SHAPES.items():
        ports = dict(wire.split("=") for wire in wires.split(";") if wire)
        inputs = {
            port: source.split(",") if port in ("videos", "images") else source
            for port, source in ports.items()
        }
        nodes[name] = {"type": type_, "params": params, "inputs": inputs}
    outputs = {name: name for name in SHAPES if name not in ("hole", "canvas", "placed", "longer", "effect")}
    for name in ("hole", "canvas", "placed", "longer"):
        outputs |= {f"{name}_{part}": f"{name}.{part}" for part in ("video", "mask")}
    outputs |= {f"toy_{part}": f"toy.{part}" for part in ("video", "first", "last")}
    outputs |= {f"effect_{part}": f"effect.{part}" for part in ("video", "plain", "mask")}
    return {"graphflow": 1, "nodes": nodes, "outputs": outputs}


def seen(value: Value) -> Sketch:
    """A picture, a video, or what is drawn over one."""
    if isinstance(value, Image | Video):
        drawn = sketch(value)
        assert drawn is not None
        return drawn
    known: Any = value
    frames = len(known.points if hasattr(known, "points") else known.corners)
    return Sketch(known.width, known.height, frames, known.fps)


def test_a_result_is_as_large_as_the_plan_says(workspace: Workspace) -> None:
    graph = workspace.graph(from_raw(document()))
    plan = workspace.prepare(graph).plan()
    found = look(sorted(plan.steps.values(), key=lambda step: step.order), {})
    assert not found.refused
    foreseen = {
        step.node: found.outlines[step.key] for step in plan.steps.values() if step.key in found.outlines
    }
    result = workspace.run(graph)
    assert result.status == "finished", result.failures
    for name, wire in document()["outputs"].items():
        node, _, output = wire.partition(".")
        assert foreseen[node][output or "out"] == seen(result.value(name)), name


@pytest.mark.parametrize("name", sorted(SHAPES_MADE))
def test_the_clip_of_a_template_is_foreseen(name: str, workspace: Workspace) -> None:
    """Compared with what tests/workflows/test_templates.py finds that it makes."""
    loaded, folder = templates.find(name)
    graph = workspace.graph(loaded, folder=folder)
    plan = workspace.prepare(graph).plan()
    outlines = look(sorted(plan.steps.values(), key=lambda step: step.order), {}).outlines
    node, _, output = loaded.outputs["video"].partition(".")
    (made,) = [outlines[step.key][output or "out"] for step in plan.steps.values() if step.node == node]
    assert (made.frames, made.height, made.width) == SHAPES_MADE[name]


@pytest.mark.parametrize("name", [name for name in templates.templates() if not name.startswith(SILENT)])
def test_every_template_tells_its_memory_before_it_runs(name: str, workspace: Workspace) -> None:
    loaded, folder = templates.find(name)
    graph = workspace.graph(loaded, folder=folder)
    assert forecast(workspace.prepare(graph).plan()).unknown == []


@pytest.mark.parametrize("name", [n for n in templates.templates() if templates.find(n)[0].ui.get("real")])
def test_every_template_can_be_planned_for_real_without_the_model(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With outlines of the published models."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    real = templates.find(name)[0].ui["real"]
    given = [f"--set={key}={value}" for key, value in real.items() if key not in ("memory", "licence")]
    code = invoke(["models", "fit", "--vram", "200", "--ram", "400", name, *given, "--json"])
    said = capsys.readouterr().err
    assert code == exits.OK or (code == exits.RESOURCE and "uses a model" in said), said
