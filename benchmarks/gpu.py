"""Real-size denoisers with random weights on a GPU: time of a step and peak memory for every way to run them.

    python -m benchmarks.gpu                                   # needs an NVIDIA GPU; see docs/gpu.md
    python -m benchmarks.gpu --model a14b --way offload --steps 6
    python -m benchmarks.gpu --tiny                            # small ones on the CPU, to try the script

No file of weights is needed: the models are built from the catalogue's configs without memory, filled where
they are wanted, and taken through the project's own recipes, pool and nodes. Random weights compute as fast
as trained ones; the pictures show nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from graphflow_nodes import diffusion as nodes
from graphflow_nodes.diffusion.activations import denoising
from graphflow_nodes.diffusion.catalogue import entry
from graphflow_nodes.diffusion.families import family
from graphflow_nodes.diffusion.modifiers.quantise import load_options
from graphflow_nodes.diffusion.opening import _to_dtype, blank_model
from graphflow_nodes.diffusion.recipes import Denoiser
from graphflow_nodes.diffusion.source import INDEX, SIDECAR, locate, read_json
from graphflow_nodes.diffusion.values import PromptEmbeds

from graphflow.errors import GraphflowError
from graphflow.forecast import Forecast, Model, Need
from graphflow.pool import Pool
from graphflow.testing import LocalContext, run_node
from graphflow.values import Recipe, Value

SPREAD = 0.02
"""Standard deviation of the random weights, about that of trained ones."""
CHUNK = 2**22
"""Random numbers that are drawn once and repeated: nothing that is measured here depends on more."""
LETTERS = 256
"""Tokens of the second text encoder of HunyuanVideo 1.5."""
LONGEST = 120
"""Characters of a reason in the table."""


@dataclass(frozen=True)
class Work:
    """A published model, and the clip that it makes."""

    id: str
    """In the catalogue."""
    clip: dict[str, Any]
    tiny: dict[str, Any]
    """Changes to the config of its transformers for `--tiny`."""


_WAN = {"num_attention_heads": 2, "attention_head_dim": 12, "ffn_dim": 32, "num_layers": 2, "text_dim": 32}
_LTX2 = {
    "num_layers": 2,
    "num_attention_heads": 2,
    "attention_head_dim": 8,
    "cross_attention_dim": 16,
    "audio_num_attention_heads": 2,
    "audio_attention_head_dim": 4,
    "audio_cross_attention_dim": 8,
    "caption_channels": 16,
}
_HUNYUAN15 = {
    "num_layers": 1,
    "num_refiner_layers": 1,
    "num_attention_heads": 2,
    "attention_head_dim": 8,
    "text_embed_dim": 16,
    "text_embed_2_dim": 8,
    "image_embed_dim": 8,
    "rope_axes_dim": (2, 2, 4),
}

MODELS: dict[str, Work] = {
    "Wan 2.2 TI2V-5B": Work("wan2.2-ti2v-5b", {"width": 1280, "height": 704, "frames": 121}, _WAN),
    "Wan 2.2 A14B": Work("wan2.2-t2v-a14b", {"width": 832, "height": 480, "frames": 81}, _WAN),
    "LTX-2 19B": Work("ltx-2-19b", {"width": 768, "height": 512, "frames": 121}, _LTX2),
    "HunyuanVideo 1.5": Work(
        "hunyuanvideo-1.5-480p-t2v", {"width": 848, "height": 480, "frames": 121}, _HUNYUAN15
    ),
}
TINY_CLIP: dict[str, Any] = {"width": 64, "height": 64, "frames": 9}
TINY_TOKENS = 16

Way = list[tuple[Callable[..., Any], dict[str, Any]]]

WAYS: dict[str, Way] = {
    "resident": [],
    "offload model": [(nodes.offload, {"strategy": "model"})],
    "offload block": [(nodes.offload, {"strategy": "block"})],
    "offload block, streamed": [(nodes.offload, {"strategy": "block", "stream": True})],
    "offload leaf, streamed": [(nodes.offload, {"strategy": "leaf", "stream": True})],
    "fp8 layers": [(nodes.cast_layers, {})],
    "fp8 layers, offload block, streamed": [
        (nodes.cast_layers, {}),
        (nodes.offload, {"strategy": "block", "stream": True}),
    ],
    "int8 (torchao)": [(nodes.quantise, {"method": "torchao_int8"})],
    "float8 (torchao)": [(nodes.quantise, {"method": "torchao_float8"})],
    "float8 dynamic (torchao)": [(nodes.quantise, {"method": "torchao_float8_dynamic"})],
    "attention _native_flash": [(nodes.attention, {"backend": "_native_flash"})],
    "attention _native_cudnn": [(nodes.attention, {"backend": "_native_cudnn"})],
    "attention flash": [(nodes.attention, {"backend": "flash"})],
    "attention sage": [(nodes.attention, {"backend": "sage"})],
    "attention flex": [(nodes.attention, {"backend": "flex"})],
    "compiled blocks": [(nodes.compile_blocks, {})],
}
"""Nodes that the denoiser passes through, in turn."""

TRACED: dict[str, Way] = {"compiled blocks": [(nodes.compile_blocks, {"backend": "eager"})]}
"""In its place for `--tiny`: a compiler would take longer than all the rest."""


class RandomDenoiser(Denoiser):
    """A denoiser of which there are configs alone; everything but where its weights come from is as ever."""

    def folder(self) -> Path:
        found: Path = locate(self.source.model)
        return found

    def _load(self, index: dict[str, Any], folder: Path, part: str, device: str) -> Any:
        module = filled(blank_model(index, folder, part), getattr(torch, self.dtype), device)
        if self.quantisation is not None:
            import diffusers
            from torchao.quantization import quantize_

            options = load_options(self.quantisation, diffusers, getattr(torch, self.dtype), device)
            kept = module._keep_in_fp32_modules or ()
            quantize_(
                module,
                options["quantization_config"].quant_type,
                lambda part, name: (
                    isinstance(part, torch.nn.Linear) and not any(word in kept for word in name.split("."))
                ),
            )
        return module.eval().requires_grad_(False)


def filled(module: Any, dtype: torch.dtype, device: str) -> Any:
    """A module without memory, given random weights on `device`, in the dtypes that loading gives it."""
    _to_dtype(module, dtype)
    generator = torch.Generator().manual_seed(0)  # of the CPU: the same weights wherever they are wanted
    chunk = (SPREAD * torch.randn(CHUNK, generator=generator)).to(device)
    for owner in module.modules():
        for name, blank in owner._parameters.items():
            if blank is not None:
                weight = torch.empty(blank.shape, dtype=blank.dtype, device=device)
                for piece in weight.view(-1).split(CHUNK):
                    piece.copy_(chunk[: len(piece)])
                owner._parameters[name] = torch.nn.Parameter(weight, requires_grad=False)
    return module.to(device)


def outline(work: Work, folder: Path, tiny: bool) -> Path:
    """The model's configs as a folder. tiny: of a small one of its kind."""
    made: Path = entry(work.id).write_outline(folder)
    blank_model(read_json(made / INDEX), made, "vae").save_config(made / "vae")  # with the class's defaults
    if tiny:
        (made / SIDECAR).write_text("{}")  # no longer the model that the catalogue counted
        for path in made.glob("transformer*/config.json"):
            path.write_text(json.dumps({**read_json(path), **work.tiny}))
    return made


def embedded_prompt(recipe: Denoiser, tokens: int) -> PromptEmbeds:
    """Random embeddings of a prompt and its negative, in the family's own shapes, with nothing masked."""
    rules, dtype = family(recipe.family), getattr(torch, recipe.dtype)
    rule = rules.text_width
    width = rule(recipe.config) if callable(rule) else recipe.config[rule]
    generator, tensors = torch.Generator().manual_seed(0), {}
    for name, blank in rules.blank_prompt(recipe.config, dtype).items():
        rows, length = 2 if name.startswith("guided_") else 1, LETTERS if name.endswith("_2") else tokens
        if blank.ndim == 3:
            numbers = blank.shape[2] if blank.shape[2] > 1 else width
            tensors[name] = torch.randn(rows, length, numbers, generator=generator).to(dtype)
        else:
            tensors[name] = torch.ones(rows, length, dtype=blank.dtype)
    if not any(name.startswith("guided_") for name in tensors):
        tensors |= {f"negative_{name}": tensor.clone() for name, tensor in tensors.items()}
    return PromptEmbeds(family=recipe.family, tensors=tensors, max_sequence_length=tokens)


class Watch(LocalContext):
    """Lends what the pool opens, and measures from the end of the first step on: by then all is in place."""

    def __init__(self, pool: Pool) -> None:
        super().__init__()
        self.pool, self.device, self.began, self.ended = pool, pool.device, 0.0, 0.0

    @contextmanager
    def use(self, recipe: Recipe) -> Iterator[Any]:
        with self.pool.use(recipe) as live:
            yield live

    def progress(self, done: int, total: int) -> None:
        if self.device != "cpu":
            torch.cuda.synchronize()
            if done == 1:
                torch.cuda.reset_peak_memory_stats()
        self.ended = time.perf_counter()
        self.began = self.ended if done == 1 else self.began

    def preview(self, make: Callable[[], Value]) -> None:
        """Nobody looks."""

    def checkpoint(self, make: Callable[[], Any]) -> None:
        """What is measured would not be resumed."""


def forecast_bytes(recipe: Denoiser, latents: Any) -> int:
    """What `models fit` says of the denoise node with this recipe."""
    need = Need("denoise", (b"",), denoising({"denoiser": recipe, "latents": latents}))
    known = Model(type(recipe).__name__, recipe.placing(), recipe.footprints())
    return Forecast({b"": known}, (need,)).peak().device


def size(count: int) -> str:
    """Bytes for people."""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


@dataclass(frozen=True)
class Row:
    """What one way took."""

    seconds: float = 0.0
    """Of a step."""
    peak: int = 0
    """Bytes on the device; 0 where that is main memory."""
    forecast: int = 0
    samples: torch.Tensor | None = None
    """The latents that it made."""
    refused: str = ""
    """Why it cannot be run here; empty if it was."""

    def cells(self, plain: torch.Tensor | None) -> list[str]:
        """The columns of the table. plain: what the model made in the first way, to compare with."""
        told = size(self.forecast)
        if self.refused:
            return ["-", "-", told, "-", "-", self.refused]
        peak = size(self.peak) if self.peak else "-"
        ratio = f"{self.forecast / self.peak:.2f}" if self.peak else "-"
        return [f"{self.seconds:.3f}", peak, told, ratio, likeness(self.samples, plain), ""]


def likeness(mine: torch.Tensor | None, plain: torch.Tensor | None) -> str:
    """`same bits`, or how far the latents are from the first way's, of their standard deviation."""
    if mine is None or plain is None:
        return "-"
    if torch.equal(mine, plain):
        return "same bits"
    apart = (mine.float() - plain.float()).square().mean().sqrt() / plain.float().std()
    return f"{float(apart):.1%} apart"


def measured(model: Any, way: Way, clip: dict[str, Any], tokens: int, steps: int, device: str) -> Row:
    """Denoise a few steps in one way, by a pool that is empty before and after."""
    recipe = RandomDenoiser(**dict(model.denoiser))
    for function, settings in way:
        recipe = run_node(function, recipe, **settings)
    latents = run_node(nodes.empty_latents, model.vae, **clip)
    told, watch = forecast_bytes(recipe, latents), Watch(Pool(device))
    samples = None
    try:
        prompt = embedded_prompt(recipe, tokens)
        done = run_node(nodes.denoise, recipe, model.scheduler, prompt, latents, context=watch, steps=steps)
        samples = done.samples.cpu()
        refused = "" if samples.isfinite().all() else "the clip is not finite"
    except (GraphflowError, RuntimeError, ValueError) as error:  # torch: memory is full, a kernel absent
        told_why = error.message if isinstance(error, GraphflowError) else str(error)
        refused = " ".join(told_why.replace("|", "/").split())[:LONGEST]
    seconds = (watch.ended - watch.began) / (steps - 1)
    peak = 0 if device == "cpu" else torch.cuda.max_memory_allocated()
    watch.pool.clear()
    if device != "cpu":
        torch.cuda.empty_cache()
        torch.compiler.reset()
    return Row(seconds, peak, told, samples, refused)


def measure(work: Work, ways: Mapping[str, Way], steps: int, tiny: bool, folder: Path) -> Iterator[str]:
    """The lines of one model's part of the table."""
    made = outline(work, folder, tiny)
    model = run_node(nodes.load_model, model=str(made), dtype="bfloat16", sampler="euler")
    clip = TINY_CLIP if tiny else work.clip
    tokens = TINY_TOKENS if tiny else model.native.max_sequence_length
    plain: torch.Tensor | None = None
    for name, way in ways.items():
        row = measured(model, way, clip, tokens, steps, "cpu" if tiny else "cuda:0")
        plain = row.samples if plain is None else plain
        yield " | ".join([name, *row.cells(plain)])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="", help="models whose name contains this")
    parser.add_argument("--way", default="", help="ways whose name contains this")
    parser.add_argument("--steps", type=int, default=4, help="at least 2; the first is not counted")
    parser.add_argument("--tiny", action="store_true", help="small models on the CPU: tries the script")
    options = parser.parse_args()
    works = {name: work for name, work in MODELS.items() if options.model.lower() in name.lower()}
    known = {**WAYS, **TRACED} if options.tiny else WAYS
    ways = {name: way for name, way in known.items() if options.way.lower() in name.lower()}
    if not works or not ways:
        parser.error(f"models are {', '.join(MODELS)}; ways are {', '.join(WAYS)}")
    if options.steps < 2:
        parser.error("the first step is not counted, so there must be 2 at least")
    if not (options.tiny or torch.cuda.is_available()):
        sys.exit("there is no NVIDIA GPU here, or this torch was built without CUDA; --tiny tries the script")
    print("\n".join(heading(options.tiny, options.steps)))
    for name, work in works.items():
        with tempfile.TemporaryDirectory(prefix="graphflow-") as folder:
            for line in measure(work, ways, options.steps, options.tiny, Path(folder)):
                print(f"| {name} | {line} |", flush=True)


def heading(tiny: bool, steps: int) -> list[str]:
    """What was measured, and the head of the table."""
    place = "CPU, small models: no figures" if tiny else torch.cuda.get_device_name()
    return [
        f"{place}; torch {torch.__version__}, diffusers {version('diffusers')}; bfloat16, {steps} steps",
        "",
        "| model | way | s/step | peak | forecast | forecast/peak | latents | refused |",
        "|---|---|---|---|---|---|---|---|",
    ]


if __name__ == "__main__":
    main()
