"""Forecast against measured peak of memory, on the CPU, for a random Wan model of several hundred megabytes.

The model is built in a temporary folder. A child process runs text to video on it and reports how far its
resident memory rose above what Python and the libraries took before; the forecast is made from the plan
alone. On the CPU all is in main memory, so the forecast is weights, work and results together.

    python -m benchmarks.memory_forecast
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphflow import templates
from graphflow.forecast import forecast
from graphflow.workspace import Workspace

ROOT = Path(__file__).parents[1]

GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
"""For glibc: what is freed goes back to the system at once, else its leftovers would be measured too."""

SIZE = {"width": 320, "height": 192, "frames": 17, "steps": 1}


@dataclass(frozen=True)
class Shape:
    """How large a random Wan model is."""

    text_width: int = 1024
    text_layers: int = 8
    heads: int = 8
    layers: int = 8
    inner: int = 4096
    vae_width: int = 48


def build(folder: Path, shape: Shape) -> Path:
    """A random Wan 2.1 model as a diffusers folder, float32."""
    import torch
    from diffusers import (
        AutoencoderKLWan,
        FlowMatchEulerDiscreteScheduler,
        WanPipeline,
        WanTransformer3DModel,
    )
    from transformers import UMT5Config, UMT5EncoderModel

    from tests.support.tiny_family import byte_tokenizer

    torch.manual_seed(0)
    text = UMT5Config(
        vocab_size=300,
        d_model=shape.text_width,
        d_kv=64,
        d_ff=5 * shape.text_width // 2,
        num_layers=shape.text_layers,
        num_heads=shape.text_width // 64,
    )
    pipe = WanPipeline(
        tokenizer=byte_tokenizer(),
        text_encoder=UMT5EncoderModel(text).eval(),
        transformer=WanTransformer3DModel(
            num_attention_heads=shape.heads,
            ffn_dim=shape.inner,
            num_layers=shape.layers,
            text_dim=shape.text_width,
        ).eval(),
        vae=AutoencoderKLWan(base_dim=shape.vae_width).eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    )
    pipe.save_pretrained(folder)
    return folder


def values(folder: Path, size: Mapping[str, int]) -> dict[str, Any]:
    """The workflow's parameters for a run in float32."""
    return {"model": str(folder), "dtype": "float32", **size}


def forecast_bytes(folder: Path, data: Path, size: Mapping[str, int]) -> dict[str, int]:
    """What the plan says will be in memory while each node runs, with the models of those before it."""
    document, place = templates.find("text_to_video")
    with Workspace(data, device="cpu") as workspace:
        graph = workspace.graph(document, values(folder, size), folder=place)
        planned = workspace.prepare(graph, targets=["decode"]).plan()
    return dict(forecast(planned).peak(shared=True).by_node)


def measured_bytes(folder: Path, data: Path, size: Mapping[str, int]) -> dict[str, int]:
    """How far the resident memory of a child rose while each node ran, above what it was before the first."""
    program = [sys.executable, "-m", "benchmarks.memory_forecast", "--child"]
    given = json.dumps({"folder": str(folder), "data": str(data), "size": dict(size)})
    environment = {**os.environ, **GIVE_BACK}
    done = subprocess.run(
        program, input=given, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT, env=environment
    )
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def _child() -> None:
    """Run the workflow node by node and print the peaks as JSON.

    The embedded model is run and let go first, so that libraries are loaded and have what they keep.
    """
    import torch

    given = json.load(sys.stdin)
    torch.set_num_threads(1)
    document, place = templates.find("text_to_video")
    with Workspace(Path(given["data"], "warm"), device="cpu") as workspace:
        workspace.run(workspace.graph(document, {"steps": 1}, folder=place), targets=["decode"])
    gc.collect()
    before, peaks = _resident("VmRSS"), {}
    with Workspace(Path(given["data"]), device="cpu") as workspace:
        graph = workspace.graph(document, values(Path(given["folder"]), given["size"]), folder=place)
        for node in ("encode", "denoise", "decode"):
            Path("/proc/self/clear_refs").write_text("5")  # begins the high-water mark anew
            result = workspace.run(graph, targets=[node])
            assert result.status == "finished", result.failures
            peaks[node] = _resident("VmHWM") - before
    print(json.dumps(peaks))


def _resident(field: str) -> int:
    """A line of /proc/self/status, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def main() -> None:
    """Print the comparison node by node."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = build(Path(scratch) / "model", Shape())
        told = forecast_bytes(folder, Path(scratch) / "a", SIZE)
        found = measured_bytes(folder, Path(scratch) / "b", SIZE)
    print(f"{'node':<10}{'forecast':>12}{'measured':>12}{'ratio':>8}")
    for node, bytes_told in told.items():
        ratio = bytes_told / found[node]
        print(f"{node:<10}{bytes_told / 1e6:>9.0f} MB{found[node] / 1e6:>9.0f} MB{ratio:>8.2f}")


if __name__ == "__main__":
    _child() if "--child" in sys.argv else main()
