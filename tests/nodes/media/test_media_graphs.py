"""Media nodes inside graphs: lists map and collect, files are written once and again when they are gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import graphflow_nodes.media as media
import graphflow_nodes.std as std

from graphflow.api import Workflow
from graphflow.provenance import read_provenance
from graphflow.registry import Registry
from graphflow.testing import LocalContext, run_node
from graphflow.values import Video
from graphflow.workflow import Document
from graphflow.workspace import Workspace


def workflow(source: str) -> Document:
    """One clip at three widths: three videos and one sheet of them."""
    nodes = {
        "clip": {"type": "media/load_video", "params": {"path": source}},
        "widths": {"type": "std/range", "params": {"start": 16, "count": 3, "step": 16}},
        "resized": {"type": "media/resize", "inputs": {"media": "clip", "width": "widths"}},
        "labels": {"type": "std/format", "params": {"template": "{a} wide"}, "inputs": {"a": "widths"}},
        "sheet": {
            "type": "media/contact_sheet",
            "params": {"frames": 2},
            "inputs": {"items": "resized", "labels": "labels"},
        },
        "videos": {"type": "media/save_video", "inputs": {"video": "resized"}},
        "picture": {"type": "media/save_image", "params": {"name": "sheet"}, "inputs": {"image": "sheet"}},
    }
    outputs = {"videos": "videos", "sheet": "picture"}
    return Document.model_validate({"graphflow": 1, "name": "widths", "nodes": nodes, "outputs": outputs})


def run(source: str, tmp_path: Path) -> tuple[dict[str, Any], list[str]]:
    """The outputs, and the nodes that were started; each call with a workspace of its own."""
    registry = Registry().with_nodes(getattr(pack, name) for pack in (std, media) for name in pack.__all__)
    started: list[str] = []
    with Workspace(tmp_path / "data", registry=registry) as workspace:
        result = Workflow(workflow(source), workspace)(
            out_dir=tmp_path / "out",
            on_event=lambda event: started.append(event.node) if event.type == "node.started" else None,
        )
    return result, started


def test_files_are_written_once_and_again_when_they_change(
    clip: Video, ctx: LocalContext, tmp_path: Path
) -> None:
    source = run_node(media.save_video, clip, context=ctx, name="source").path
    first, started = run(source, tmp_path)
    assert sorted(started) == ["clip", "picture", *["resized"] * 3, "sheet", *["videos"] * 3]
    widths = [run_node(media.load_video, path=file.path).frames.shape[2] for file in first["videos"]]
    assert widths == [16, 32, 48]
    embedded = read_provenance(first["sheet"].path)
    assert embedded is not None and embedded["workflow"]["name"] == "widths"

    again, started = run(source, tmp_path)
    assert again == first and started == []

    Path(first["videos"][1].path).write_bytes(b"changed")
    Path(first["sheet"].path).unlink()
    again, started = run(source, tmp_path)
    assert started.count("videos") == 1 and started.count("picture") == 1
    assert again["sheet"] == first["sheet"]
    assert [file.digest for file in again["videos"]] == [file.digest for file in first["videos"]]
    assert Path(first["videos"][1].path).read_bytes() == b"changed"  # not ours any more: never overwritten
