"""Ten typical edits of a clip: what the graph runs again, against a plain script that runs everything.

    python -m benchmarks.edit_loop
    python -m benchmarks.edit_loop --model FOLDER --steps 20

The model has two experts, as Wan 2.2 has, with random weights, large enough that a clip takes about a second;
the graph denoises with one expert after the other. The plain script is the stock pipeline with its weights
already loaded, and does not even save. The graph plans, computes what the edit touches, stores results on
disk and writes the file: some hundredths of a second, for a large model no more. CPU time of one process with
one thread, in turns. The first clip has the plain script's bits.
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

from benchmarks.families import CASES, grown, quiet
from benchmarks.text_to_video import PROMPT, PlainPipeline, document
from graphflow.workflow import from_raw
from graphflow.workspace import Workspace
from tests.support.treatments import save_lora

Edit = dict[str, Any]
EDITS: dict[str, Edit] = {
    "enlarge the saved clip": {"save.upscale": 4},
    "another frame rate": {"decode.fps": 12.0},
    "decode in tiles": {"tile.tile": 64, "tile.overlap": 16},
    "another offload strategy": {"offload.strategy": "block"},
    "LoRA of the second expert": {"lora.expert": "second"},
    "guidance of the second": {"second.guidance_2": 2.0},
    "another negative prompt": {"encode.negative_prompt": "blurred"},
    "another seed": {"first.seed": 1},
    "another prompt": {"encode.prompt": "a blue square moving up on a pink background"},
    "back to the first version": {},
}
"""What changes from the first version of the clip, as node.setting."""


def edited(model: str, steps: int, lora: str, edit: Edit) -> dict[str, Any]:
    """A workflow with a treatment of the denoiser and of the VAE, and a saved file.

    lora: a file for the denoiser, used by an edit that sets it.
    """
    found = document(model, PROMPT, steps, 0)
    nodes = found["nodes"]
    touched = {place.partition(".")[0] for place in edit}
    nodes["offload"] = {"type": "diffusion/offload", "inputs": {"part": "model.denoiser"}}
    treated = "offload"
    if "lora" in touched:
        nodes["lora"] = {
            "type": "diffusion/lora",
            "params": {"file": lora},
            "inputs": {"denoiser": "offload"},
        }
        treated = "lora"
    if "tile" in touched:
        nodes["tile"] = {"type": "diffusion/tile_vae", "inputs": {"vae": "model.vae"}}
        nodes["decode"]["inputs"]["vae"] = "tile"
    nodes["experts"] = {"type": "diffusion/split_experts", "inputs": {"denoiser": treated}}
    whole = nodes.pop("denoise")
    nodes["first"] = {**whole, "inputs": {**whole["inputs"], "denoiser": "experts.first"}}
    nodes["second"] = {
        "type": whole["type"],
        "inputs": {**whole["inputs"], "denoiser": "experts.second", "latents": "first"},
    }
    nodes["decode"]["inputs"]["latents"] = "second"
    nodes["save"] = {"type": "media/save_video", "inputs": {"video": "decode"}}
    for place, value in edit.items():
        node, _, setting = place.partition(".")
        nodes[node]["params"] = {**nodes[node].get("params", {}), setting: value}
    return {**found, "outputs": {"file": "save", "video": "decode"}}


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of a call, and its result."""
    began = time.process_time()
    found = work()
    return time.process_time() - began, found


def measure(model: str, steps: int, folder: Path) -> None:
    plain = PlainPipeline(model, steps)
    lora = save_lora(folder / "lora.safetensors", plain.pipe.transformer_2)
    spent: dict[str, float] = {}
    again: dict[str, list[str]] = {}
    script: list[float] = []
    with Workspace(folder / "data") as workspace:

        def run(edit: Edit) -> tuple[list[str], Any]:
            events: list[Any] = []
            graph = workspace.graph(from_raw(edited(model, steps, lora, edit)))
            result = workspace.run(graph, out_dir=folder / "out", on_event=events.append)
            assert result.status == "finished", result.failures
            return [event.node for event in events if event.type == "node.finished"], result

        first = run({})[1].value("video").frames
        assert torch.equal(first, plain(PROMPT, 0)), "frames differ"
        run({"first.seed": 99, "lora.expert": "both"})  # every kind of node is warm, as the pipeline is
        for name, edit in EDITS.items():
            script.append(seconds(lambda: plain(PROMPT, 0))[0])
            spent[name], (again[name], _) = seconds(lambda edit=edit: run(edit))
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
    parser.add_argument("--model", help="a folder of a model of Wan with two experts; empty makes one")
    parser.add_argument("--steps", type=int, default=20)
    chosen = parser.parse_args()
    quiet()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="graphflow-") as scratch:
        folder = Path(scratch)
        model = chosen.model or str(grown(CASES["Wan 2.2, two experts"], folder / "model"))
        measure(model, chosen.steps, folder)


if __name__ == "__main__":
    main()
