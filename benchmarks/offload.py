"""Memory against time for every way to place and store a denoiser's weights, on a random model of 0.5 GB.

Each way runs in a process of its own. Memory is how far its resident set rises above the libraries' while the
steps run, after loading; time is the processor's, which other programs hardly change. On a CPU only what
leaves main memory saves any: weights on disk, or in fewer bits. The file is in bfloat16 and computed with in
float32, so that weights are memory and no mapped file.

    python -m benchmarks.offload                 # a table in Markdown, as in docs/memory.md
    python -m benchmarks.offload --device cuda   # the same on a GPU, with the peak of its allocator
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.memory_forecast import GIVE_BACK, ROOT, Shape, _resident, build

SHAPE = Shape(text_layers=1, layers=8)
SIZE = {"width": 192, "height": 128, "frames": 9}
STEPS = 3

WAYS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "resident": [],
    "model": [("offload", {"strategy": "model"})],
    "block": [("offload", {"strategy": "block"})],
    "leaf": [("offload", {"strategy": "leaf"})],
    "sequential": [("offload", {"strategy": "sequential"})],
    "block, on disk": [("offload", {"strategy": "block", "disk": True})],
    "leaf, on disk": [("offload", {"strategy": "leaf", "disk": True})],
    "8-bit layers": [("cast_layers", {})],
    "8-bit layers, block, on disk": [("cast_layers", {}), ("offload", {"strategy": "block", "disk": True})],
    "int8 (torchao)": [("quantise", {"method": "torchao_int8"})],
}
ON_A_GPU: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "block, streamed": [("offload", {"strategy": "block", "stream": True})],
    "leaf, streamed": [("offload", {"strategy": "leaf", "stream": True})],
    "leaf, streamed, not pinned": [("offload", {"strategy": "leaf", "stream": True, "pinned": False})],
    "8-bit layers, leaf, streamed": [
        ("cast_layers", {}),
        ("offload", {"strategy": "leaf", "stream": True}),
    ],
}


def halved(folder: Path) -> Path:
    """The model with the transformer's file in bfloat16."""
    import torch
    from safetensors.torch import load_file, save_file

    path = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    save_file({name: tensor.to(torch.bfloat16) for name, tensor in tensors.items()}, path)
    return folder


def measured(folder: Path, device: str, way: list[tuple[str, dict[str, Any]]]) -> dict[str, float]:
    """Bytes and seconds of one way, by a process of its own."""
    program = [sys.executable, "-W", "ignore", "-m", "benchmarks.offload", "--child"]
    given = json.dumps({"folder": str(folder), "device": device, "way": way})
    done = subprocess.run(
        program,
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, **GIVE_BACK},
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def child() -> None:
    """Denoise with one way and print what it took as JSON."""
    import torch
    from graphflow_nodes import diffusion as nodes
    from graphflow_nodes.diffusion.values import PromptEmbeds

    from graphflow.testing import LocalContext, run_node

    given = json.load(sys.stdin)
    gpu = given["device"] != "cpu"
    clock = time.perf_counter if gpu else time.process_time
    torch.set_num_threads(1)

    class Watch(LocalContext):
        """Measures from the end of the first step to that of the last: nothing is loaded or put back."""

        began = seconds = held = 0.0

        def progress(self, done: int, total: int) -> None:
            if done == 1:
                Path("/proc/self/clear_refs").write_text("5")  # begins the high-water mark anew
                if gpu:
                    torch.cuda.reset_peak_memory_stats()
                self.began = clock()
            if done == total:
                self.seconds = (clock() - self.began) / (total - 1)
                self.held = torch.cuda.max_memory_allocated() if gpu else _resident("VmHWM") - before

    def denoise(model: Any, recipe: Any, context: LocalContext, **settings: Any) -> None:
        embeds = torch.zeros(1, 32, recipe.config["text_dim"])
        prompt = PromptEmbeds(family="wan", tensors={"prompt_embeds": embeds}, max_sequence_length=32)
        latents = run_node(nodes.empty_latents, model.vae, **SIZE if settings else {})
        steps = {"steps": STEPS, "guidance": 1.0}
        run_node(nodes.denoise, recipe, model.scheduler, prompt, latents, context=context, **steps)

    warm = run_node(nodes.load_model)
    denoise(warm, warm.denoiser, LocalContext())  # libraries are loaded and have what they keep
    gc.collect()
    before = _resident("VmRSS")
    model = run_node(nodes.load_model, model=given["folder"], dtype="float32")
    recipe = model.denoiser
    for name, settings in given["way"]:
        recipe = run_node(getattr(nodes, name), recipe, **settings)
    context = Watch()
    context.device = given["device"]
    denoise(model, recipe, context, sized=True)
    print(json.dumps({"bytes": context.held, "seconds": context.seconds}))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--child", action="store_true")
    options = parser.parse_args()
    if options.child:
        return child()
    ways = WAYS if options.device == "cpu" else {**WAYS, **ON_A_GPU}
    with tempfile.TemporaryDirectory() as scratch:
        folder = halved(build(Path(scratch) / "model", SHAPE))
        print("| weights | memory while working | time of a step |\n|---|---|---|")
        found: dict[str, dict[str, float]] = {}
        for name, way in ways.items():
            found[name] = measured(folder, options.device, way)
            ratio = found[name]["seconds"] / found["resident"]["seconds"]
            print(f"| {name} | {found[name]['bytes'] / 1e6:.0f} MB | {ratio:.2f} x |", flush=True)


if __name__ == "__main__":
    main()
