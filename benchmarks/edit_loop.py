"""Ten typical edits of a clip: what the graph runs again, against a plain script that runs everything.

    python benchmarks/edit_loop.py
    python benchmarks/edit_loop.py --model FOLDER --steps 20

The plain script is the stock pipeline with its weights already loaded, and does not even save. The graph
plans, computes what the edit touches, stores results on disk and writes the file: on the embedded model that
is a tenth of a clip, on a large one nothing. CPU time of one process with one thread, in turns.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from graphflow_nodes.diffusion.load import DEFAULT_MODEL

from benchmarks.text_to_video import PROMPT, PlainPipeline, document
from graphflow.workflow import from_raw
from graphflow.workspace import Workspace

Edit = dict[str, Any]
EDITS: dict[str, Edit] = {
    "enlarge the saved clip": {"save.upscale": 4},
    "another file format": {"save.format": "webm"},
    "another frame rate": {"decode.fps": 12.0},
    "decode in tiles": {"tile.tile": 64, "tile.overlap": 16},
    "another offload strategy": {"offload.strategy": "block"},
    "another seed": {"denoise.seed": 1},
    "stronger guidance": {"denoise.guidance": 4.0},
    "another negative prompt": {"encode.negative_prompt": "blurred"},
    "another prompt": {"encode.prompt": "a blue square moving up on a pink background"},
    "back to the first version": {},
}
"""What changes from the first version of the clip, as node.setting."""


def edited(model: str, steps: int, edit: Edit) -> dict[str, Any]:
    """A workflow with a treatment of the denoiser and of the VAE, and a saved file."""
    found = document(model, PROMPT, steps, 0)
    nodes = found["nodes"]
    nodes["offload"] = {"type": "diffusion/offload", "inputs": {"part": "model.denoiser"}}
    nodes["denoise"]["inputs"]["denoiser"] = "offload"
    if any(place.startswith("tile.") for place in edit):
        nodes["tile"] = {"type": "diffusion/tile_vae", "inputs": {"vae": "model.vae"}}
        nodes["decode"]["inputs"]["vae"] = "tile"
    nodes["save"] = {"type": "media/save_video", "inputs": {"video": "decode"}}
    for place, value in edit.items():
        node, _, setting = place.partition(".")
        nodes[node].setdefault("params", {})[setting] = value
    return {**found, "outputs": {"file": "save"}}


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of a call, and its result."""
    began = time.process_time()
    found = work()
    return time.process_time() - began, found


def measure(model: str, steps: int, folder: Path) -> None:
    plain = PlainPipeline(model, steps)
    spent: dict[str, float] = {}
    again: dict[str, list[str]] = {}
    script: list[float] = []
    with Workspace(folder / "data") as workspace:

        def run(edit: Edit) -> list[str]:
            events: list[Any] = []
            graph = workspace.graph(from_raw(edited(model, steps, edit)))
            result = workspace.run(graph, out_dir=folder / "out", on_event=events.append)
            assert result.status == "finished", result.failures
            return [event.node for event in events if event.type == "node.finished"]

        run({})
        run({"denoise.seed": 99, "decode.fps": 5.0})  # every kind of node is warm, as the plain pipeline is
        plain(PROMPT, 0)
        for name, edit in EDITS.items():
            script.append(seconds(lambda: plain(PROMPT, 0))[0])
            spent[name], again[name] = seconds(lambda edit=edit: run(edit))
    show(statistics.median(script), spent, again)


def show(script: float, spent: dict[str, float], again: dict[str, list[str]]) -> None:
    print(f"plain script, everything: {script:.2f} s for each edit\n")
    print(f"{'edit':<28}{'graph':>9}{'saved':>8}   computed again")
    for name, cpu in spent.items():
        print(f"{name:<28}{cpu:>7.2f} s{1 - cpu / script:>8.0%}   {', '.join(again[name]) or 'nothing'}")
    total, whole = sum(spent.values()), script * len(spent)
    print(f"\nall {len(spent)}: {total:.1f} s against {whole:.1f} s, {1 - total / whole:.0%} saved")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--steps", type=int, default=20)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="graphflow-") as folder:
        measure(chosen.model, chosen.steps, Path(folder))


if __name__ == "__main__":
    main()
