"""Structured prompts inside graphs: folded while planning, varied and mapped without loops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import graphflow_nodes.prompts as prompts
import graphflow_nodes.std as std

from graphflow.api import Workflow
from graphflow.registry import Registry
from graphflow.testing import run_graph
from graphflow.workflow import Document
from graphflow.workspace import Workspace

NODES = [getattr(pack, name) for pack in (std, prompts) for name in pack.__all__]


def graph(nodes: dict[str, Any], **outputs: str) -> dict[str, Any]:
    return {"graphflow": 1, "name": "test", "nodes": nodes, "outputs": outputs}


def test_one_prompt_in_every_shot_and_style_without_a_loop() -> None:
    nodes = {
        "ball": {"type": "prompts/subject", "params": {"name": "a red ball", "action": "rolls"}},
        "light": {"type": "prompts/lighting", "params": {"time": "night"}},
        "prompt": {"type": "prompts/structured", "inputs": {"subjects": ["ball"], "lighting": "light"}},
        "shots": {
            "type": "prompts/vary",
            "params": {"axis": "shot.size", "values": "wide\nclose_up"},
            "inputs": {"prompt": "prompt"},
        },
        "texts": {
            "type": "prompts/render",
            "params": {"style": "wan"},
            "inputs": {"prompt": "shots.prompts"},
        },
    }
    found = run_graph(graph(nodes, texts="texts.text", labels="shots.labels"), NODES)
    assert found["labels"] == ["wide", "close_up"]
    assert found["texts"] == [
        "Night time, Wide shot. A red ball rolls.",
        "Night time, Close-up shot. A red ball rolls.",
    ]


def test_a_file_of_captions_becomes_training_texts(tmp_path: Path) -> None:
    captions = [
        {"subjects": [{"action": "walks", "TYPES": {"type": "Human", "sub_type": word}}], "lighting": "dim"}
        for word in ("Man", "Woman", "Child")
    ]
    file = tmp_path / "captions.jsonl"
    file.write_text("\n".join(map(json.dumps, captions)))
    nodes = {
        "lines": {"type": "std/prompt_file", "params": {"path": str(file), "format": "lines"}},
        "prompts": {"type": "prompts/from_skycaptioner", "inputs": {"text": "lines"}},
        "mixed": {
            "type": "prompts/caption_mix",
            "params": {"structured": 1.0, "drop_lighting": 0.0},
            "inputs": {"prompt": "prompts"},
        },
        "report": {"type": "prompts/mix_report", "inputs": {"sources": "mixed.source"}},
    }
    found = run_graph(graph(nodes, texts="mixed.text", report="report.text"), NODES)
    assert found["texts"] == ["A man walks. Dim.", "A woman walks. Dim.", "A child walks. Dim."]
    assert found["report"] == "3 captions: structured 3 (100.0%)"


def test_an_extended_prompt_is_stored_like_any_value(tmp_path: Path) -> None:
    nodes = {
        "texts": {"type": "std/prompt_list", "params": {"prompts": "a red ball\na blue box"}},
        "long": {"type": "prompts/extend", "params": {"style": "wan"}, "inputs": {"prompt": "texts"}},
    }
    document = Document.model_validate(graph(nodes, texts="long.text"))

    def run() -> tuple[Any, list[str]]:
        started: list[str] = []
        with Workspace(tmp_path / "data", registry=Registry().with_nodes(NODES)) as workspace:
            result = Workflow(document, workspace)(
                out_dir=tmp_path / "out",
                on_event=lambda event: started.append(event.node) if event.type == "node.started" else None,
            )
        return result["texts"], started

    first, started = run()
    assert started == ["long", "long"] and first[1].endswith("A blue box.")
    assert run() == (first, [])
