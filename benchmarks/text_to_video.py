"""Text to video through the graph against the plain diffusers pipeline: same model, same process, in turns.

    python benchmarks/text_to_video.py                       # the embedded model
    python benchmarks/text_to_video.py --model FOLDER --steps 20

Weights are loaded before the clock starts, on both sides. Each round makes the same clip four times: by the
plain call, by the same call again, which tells how much of a difference is chance, by the graph with results
kept in memory, and by the graph with results written to disk as well.
Every round has a prompt of its own, so nothing comes from a cache. What the models take is measured
apart (benchmarks/apart.py); told are medians. Frames must be equal bits.
"""

from __future__ import annotations

import argparse
import functools
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import WanPipeline
from graphflow_nodes import diffusion
from graphflow_nodes.diffusion.load import DEFAULT_MODEL, load_model
from graphflow_nodes.diffusion.source import locate

from benchmarks.apart import Apart, Spent, compare
from graphflow.cache.disk import DiskStore
from graphflow.cache.memory import MemoryCache
from graphflow.cache.tiers import Cache
from graphflow.context import Settings
from graphflow.graph import build
from graphflow.known import Known
from graphflow.pool import Pool
from graphflow.registry import Registry
from graphflow.run import Run
from graphflow.runners.inline import InlineRunner
from graphflow.workflow import from_raw

PROMPT = "a red ball moving to the right on a black background"

WARM_UP = 4
"""Rounds before the clock counts."""


def document(model: str, prompt: str, steps: int, seed: int) -> dict[str, Any]:
    """The shortest graph from a prompt to frames."""
    nodes = {
        "model": {"type": "diffusion/load_model", "params": {"model": model, "dtype": "float32"}},
        "encode": {
            "type": "diffusion/encode_prompt",
            "params": {"prompt": prompt},
            "inputs": {"text_encoder": "model.text_encoder"},
        },
        "latents": {"type": "diffusion/empty_latents", "inputs": {"vae": "model.vae"}},
        "denoise": {
            "type": "diffusion/denoise",
            "params": {"steps": steps, "seed": seed},
            "inputs": {
                "denoiser": "model.denoiser",
                "scheduler": "model.scheduler",
                "prompt": "encode",
                "latents": "latents",
            },
        },
        "decode": {"type": "diffusion/decode", "inputs": {"vae": "model.vae", "latents": "denoise"}},
    }
    return {"graphflow": 1, "nodes": nodes, "outputs": {"video": "decode"}}


class ThroughGraph:
    """The engine with the model's parts open; `store` also writes every result to disk."""

    def __init__(self, model: str, steps: int, pool: Pool, store: DiskStore | None) -> None:
        self.model, self.steps = model, steps
        self.registry = Registry().with_nodes([getattr(diffusion, name) for name in diffusion.__all__])
        self.runner = InlineRunner(Cache(MemoryCache(2**30), store), pool)
        self.known = Known()

    def __call__(self, prompt: str, seed: int) -> Any:
        graph = build(from_raw(document(self.model, prompt, self.steps, seed)), self.registry)
        result = Run(graph, self.runner, Settings(Path("unused")), known=self.known).execute()
        assert result.status == "finished" and result.computed == 3, result.failures
        return result.value("video").frames


class PlainPipeline:
    """The stock pipeline, called with the model's own settings."""

    def __init__(self, model: str, steps: int) -> None:
        native = load_model(model=model).native
        self.pipe = WanPipeline.from_pretrained(locate(model))
        self.pipe.set_progress_bar_config(disable=True)
        self.settings = {
            "width": native.width,
            "height": native.height,
            "num_frames": native.frames,
            "num_inference_steps": steps,
            "guidance_scale": native.guidance,
            "max_sequence_length": native.max_sequence_length,
        }

    def __call__(self, prompt: str, seed: int) -> Any:
        generator = torch.Generator().manual_seed(seed)
        frames = self.pipe(prompt=prompt, generator=generator, output_type="np", **self.settings).frames[0]
        return torch.from_numpy((frames * 255).round().astype("uint8"))


def measure(model: str, steps: int, rounds: int, folder: Path) -> None:
    pool, plain = Pool("cpu"), PlainPipeline(model, steps)
    sides: dict[str, Callable[[str, int], Any]] = {
        "plain": plain,
        "plain again": plain,
        "graph": ThroughGraph(model, steps, pool, None),
        "graph + disk": ThroughGraph(model, steps, pool, DiskStore(folder / "cache")),
    }
    clock = Apart(plain.pipe.components.values())
    spent: dict[str, list[Spent]] = {name: [] for name in sides}
    names = list(sides)
    for index in range(-WARM_UP, rounds):
        made = {}
        random.Random(index).shuffle(names)  # what ran before decides what the processor's caches hold
        for name in names:
            made[name], took = clock.measure(functools.partial(sides[name], f"{PROMPT} {index}", 7))
            if index >= 0:
                spent[name].append(took)
        assert all(torch.equal(frames, made["plain"]) for frames in made.values()), "frames differ"
    report(spent)


def report(spent: dict[str, list[Spent]]) -> None:
    print("| | models, ms | beside them, ms | to plain |\n|---|---|---|---|")
    for name, rounds in spent.items():
        found = compare(spent["plain"], rounds)
        print(f"| {name} | {found.models * 1e3:.0f} | {found.other * 1e3:.1f} | {found.ratio:.3f} |")
    print("frames of all: equal bits")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1, help="of torch; one makes CPU times comparable")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        measure(options.model, options.steps, options.rounds, Path(folder))


if __name__ == "__main__":
    main()
