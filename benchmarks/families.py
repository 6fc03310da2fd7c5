"""Every family through the graph against the plain diffusers pipeline: same model, same process, in turns.

    python -m benchmarks.families
    python -m benchmarks.families --only ltx2 --rounds 15
    python -m benchmarks.families --device cuda:0

The models are the random ones of the tests, with denoisers wide and deep enough that a clip takes a second or
two. Weights are loaded before the clock starts, on both sides; each round has a prompt of its own, so nothing
comes from a cache. Times are of the wall, on a CPU with one thread. What the models take themselves is
measured apart (benchmarks/apart.py); told are medians. Frames, and the sound of LTX-2, must be equal bits.
"""

from __future__ import annotations

import argparse
import functools
import json
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from graphflow_nodes import diffusion
from graphflow_nodes.diffusion.families import family
from graphflow_nodes.diffusion.load import load_model
from graphflow_nodes.diffusion.pixels import pils

from benchmarks.apart import Apart, Comparison, Spent, compare
from benchmarks.text_to_video import document
from graphflow.cache.memory import MemoryCache
from graphflow.cache.tiers import Cache
from graphflow.context import Settings
from graphflow.graph import build
from graphflow.known import Known
from graphflow.node import node
from graphflow.pool import Pool
from graphflow.registry import Registry
from graphflow.run import Run
from graphflow.runners.inline import InlineRunner
from graphflow.values import Video
from graphflow.workflow import from_raw
from tests.support.tiny_models import SAVE
from tests.support.tiny_wan import save_tiny_wan

PROMPT, NEGATIVE, SEED = "a red ball rolls", "blurred", 7

WARM_UP = 2
"""Rounds before the clock counts: each side in turn comes first once."""

TARGET = 1.02
"""The largest ratio that is wanted."""


@dataclass(frozen=True)
class Case:
    """A family's tiny model, and what makes it and its clip larger."""

    save: Callable[[Path], Any]
    layers: dict[str, Any]
    """Changes to the config of each transformer."""
    clip: dict[str, int]
    """Changes to what the model is made for."""
    control: bool = False
    """It follows a video."""
    sound: bool = False
    parts: tuple[str, ...] = ("transformer",)


def _wan(variant: str) -> Callable[[Path], Any]:
    return functools.partial(save_tiny_wan, variant)


_WAN = {"num_attention_heads": 4, "attention_head_dim": 32, "ffn_dim": 512, "num_layers": 8}
_LTX = {"attention_head_dim": 64, "cross_attention_dim": 256, "num_layers": 8}
_LTX2 = {
    "num_attention_heads": 4,
    "attention_head_dim": 32,
    "cross_attention_dim": 128,
    "audio_num_attention_heads": 4,
    "audio_attention_head_dim": 16,
    "audio_cross_attention_dim": 64,
    "num_layers": 6,
}
_HUNYUAN = {"num_attention_heads": 4, "attention_head_dim": 40, "rope_axes_dim": (8, 16, 16)}
_CLIP = {"width": 96, "height": 96, "frames": 17, "steps": 12}
_SMALL = {"width": 64, "height": 64, "frames": 17, "steps": 6}
_SHORT = {"width": 64, "height": 32, "frames": 9, "steps": 4}
"""Latent cells are smaller in some families, so that there are more of them."""

CASES: dict[str, Case] = {
    "Wan 2.1": Case(_wan("wan21"), _WAN, _CLIP),
    "Wan 2.2, two experts": Case(_wan("wan22"), _WAN, _CLIP, parts=("transformer", "transformer_2")),
    "Wan 2.2 5B": Case(_wan("wan5b"), _WAN, {**_CLIP, "width": 192, "height": 192}),
    "Wan VACE": Case(_wan("wan_vace"), {**_WAN, "vace_layers": [0, 2, 4, 6]}, _CLIP, control=True),
    "LTX-Video 0.9.5": Case(SAVE["ltx_0.9.5"], _LTX, _SHORT),
    "LTX-2": Case(SAVE["ltx2"], _LTX2, _SMALL, sound=True),
    "HunyuanVideo 1.0": Case(SAVE["hunyuan"], {**_HUNYUAN, "num_layers": 2, "num_single_layers": 2}, _SMALL),
    "HunyuanVideo 1.5": Case(SAVE["hunyuan15"], {**_HUNYUAN, "num_layers": 2}, _SHORT),
    "SkyReels-V2": Case(SAVE["skyreels"], _WAN, _CLIP),
}


def grown(case: Case, folder: Path) -> Path:
    """The tiny model with larger random transformers, made for a larger clip."""
    import diffusers

    case.save(folder)
    index = json.loads((folder / "model_index.json").read_text())
    for seed, part in enumerate(case.parts):
        cls = getattr(diffusers, index[part][1])
        config = cls.load_config(folder / part)
        torch.manual_seed(seed)
        model = cls.from_config({**config, **case.layers})
        for block in getattr(model, "vace_blocks", ()):  # as released, these start at zero
            torch.nn.init.normal_(block.proj_out.weight, std=0.1)
        model.save_pretrained(folder / part)
    sidecar = folder / "graphflow.json"
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), **case.clip}))
    return folder


def followed(seed: int, width: int, height: int, frames: int) -> Video:
    """A video of noise."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (frames, height, width, 3), generator=generator, dtype=torch.uint8)
    return Video(frames=pixels, fps=8.0)


@node("bench/followed")
def followed_node(*, seed: int, width: int, height: int, frames: int) -> Video:
    """The same as a node."""
    return followed(seed, width, height, frames)


def _known(model: Path) -> tuple[Any, Any]:
    """What a model is made for, and the rules of its family."""
    found = load_model(model=str(model))
    return found.native, family(found.vae.family)


class ThroughGraph:
    """The engine with the model's parts open and results kept in memory."""

    def __init__(self, case: Case, model: Path, device: str = "cpu") -> None:
        self.case, self.model = case, str(model)
        self.native, self.rules = _known(model)
        known = [getattr(diffusion, name) for name in diffusion.__all__]
        self.registry = Registry().with_nodes([*known, followed_node])
        self.runner = InlineRunner(Cache(MemoryCache(2**30)), Pool(device))
        self.known = Known()

    def document(self, index: int) -> dict[str, Any]:
        """From a prompt to frames; with a video to follow, or sound, where the model has it."""
        native = self.native
        found = document(self.model, f"{PROMPT} {index}", native.steps, SEED)
        nodes, outputs = found["nodes"], found["outputs"]
        if self.rules.negative_prompts:
            nodes["encode"]["params"]["negative_prompt"] = NEGATIVE
        if self.case.control:
            size = {"width": native.width, "height": native.height, "frames": native.frames}
            nodes["video"] = {"type": "bench/followed", "params": {"seed": index + 100, **size}}
            wires = {"vae": "model.vae", "latents": "latents", "video": "video"}
            nodes["control"] = {"type": "diffusion/condition_control", "inputs": wires}
            nodes["denoise"]["inputs"]["condition"] = "control"
        if self.case.sound:
            nodes["ears"] = {"type": "diffusion/load_audio_decoder", "params": {"model": self.model}}
            wires = {"decoder": "ears", "latents": "denoise"}
            nodes["sound"] = {"type": "diffusion/decode_audio", "inputs": wires}
            outputs["sound"] = "sound"
        return found

    def __call__(self, index: int) -> list[Any]:
        graph = build(from_raw(self.document(index)), self.registry)
        result = Run(graph, self.runner, Settings(Path("unused")), known=self.known).execute()
        assert result.status == "finished", result.failures
        assert result.computed == 3 + 2 * self.case.control + self.case.sound, "something was not computed"
        sound = [result.value("sound").samples] if self.case.sound else []
        return [result.value("video").frames, *sound]


class PlainPipeline:
    """The stock pipeline that the model names, called with the model's own settings."""

    def __init__(self, case: Case, model: Path, device: str = "cpu") -> None:
        from diffusers import DiffusionPipeline

        self.case = case
        pipelines: Any = DiffusionPipeline
        self.pipe = pipelines.from_pretrained(model, dtype=torch.float32).to(device)
        self.pipe.set_progress_bar_config(disable=True)
        self.native, rules = _known(model)
        native = self.native
        self.settings: dict[str, Any] = {
            "width": native.width,
            "height": native.height,
            "num_frames": native.frames,
            "num_inference_steps": native.steps,
            "guidance_scale": native.guidance,
            "max_sequence_length": native.max_sequence_length,
            **({"negative_prompt": NEGATIVE} if rules.negative_prompts else {}),
            **({"frame_rate": native.fps} if rules.name.startswith("ltx") else {}),
            **native.decode,
            **native.arguments,
        }
        if hasattr(self.pipe, "guider"):  # HunyuanVideo 1.5 takes these as components and attributes
            self.pipe.guider = self.pipe.guider.new(guidance_scale=self.settings.pop("guidance_scale"))
            self.pipe.tokenizer_max_length = self.settings.pop("max_sequence_length")

    def __call__(self, index: int) -> list[Any]:
        given, native = dict(self.settings), self.native
        if self.case.control:
            given["video"] = pils(followed(index + 100, native.width, native.height, native.frames))
        generator = torch.Generator().manual_seed(SEED)
        with warnings.catch_warnings():  # LTXConditionPipeline gives numpy 2 a tensor
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            made = self.pipe(
                prompt=f"{PROMPT} {index}", generator=generator, output_type="np", return_dict=False, **given
            )
        frames = torch.from_numpy((made[0][0] * 255).round().astype("uint8"))
        return [frames, made[1][0].float().cpu().clamp(-1, 1)] if self.case.sound else [frames]


def measure(case: Case, folder: Path, rounds: int, device: str = "cpu") -> Comparison:
    """The graph beside the plain call. Raises AssertionError unless both make the same."""
    model = grown(case, folder)
    graph, plain = ThroughGraph(case, model, device), PlainPipeline(case, model, device)
    clock = Apart(plain.pipe.components.values(), device)
    sides: list[Callable[[int], list[Any]]] = [plain, graph]
    spent: list[list[Spent]] = [[], []]
    for index in range(-WARM_UP, rounds):
        made: list[list[Any]] = [[], []]
        for side in (0, 1) if index % 2 else (1, 0):
            made[side], took = clock.measure(functools.partial(sides[side], index))
            if index >= 0:
                spent[side].append(took)
        assert len(made[0]) == len(made[1]) and all(map(torch.equal, *made)), "results differ"
    graph.runner.close()
    return compare(*spent)


def quiet() -> None:
    """No bars and notes of the libraries between the lines of the table."""
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=13)
    parser.add_argument("--only", default="", help="families whose name contains this")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    quiet()
    torch.set_num_threads(1)
    chosen = {name: case for name, case in CASES.items() if options.only.lower() in name.lower()}
    if not chosen:
        parser.error(f"no family is called {options.only!r}; there are: {', '.join(CASES)}")
    print("| family | models, s | beside: plain, ms | graph, ms | ratio |\n|---|---|---|---|---|")
    worst = 0.0
    with tempfile.TemporaryDirectory(prefix="graphflow-") as scratch:
        for name, case in chosen.items():
            found = measure(case, Path(scratch) / name, options.rounds, options.device)
            worst = max(worst, found.ratio)
            beside = f"{found.plain * 1e3:.1f} | {found.other * 1e3:.1f}"
            print(f"| {name} | {found.models:.3f} | {beside} | {found.ratio:.3f} |", flush=True)
    print(f"frames, and sound, equal bits; largest ratio {worst:.3f}, wanted at most {TARGET}")


if __name__ == "__main__":
    main()
