"""Write docs/compatibility.md: which treatments of a model work with which family, and with each other.

python docs/compatibility.py

Every cell is tried on a tiny random model of the family, on the CPU. What came out is in compatibility.json,
so that a test can try a part of it again.
"""

from __future__ import annotations

import functools
import itertools
import json
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

PAGE = Path(__file__).parent / "compatibility.md"
FOUND = PAGE.with_suffix(".json")

FAMILIES = (
    "wan",
    "wan, two experts",
    "wan 5B",
    "vace",
    "animate",
    "ltx",
    "ltx2",
    "hunyuan",
    "framepack",
    "hunyuan15",
    "skyreels",
    "diffusion forcing",
)

KINDS = {
    "weights": ("int8", "float8", "gguf", "cast"),
    "offload": ("model", "block", "leaf", "disk", "sequential"),
    "attention": ("math",),
    "cache": ("first block", "magnitude", "taylor", "attention cache", "faster cache"),
    "lora": ("lora",),
    "compile": ("compile",),
}
"""Treatments of a denoiser; two of one kind are never on one model."""
TREATMENTS = {name: kind for kind, names in KINDS.items() for name in names}
PARTS = ("text encoder int8", "text encoder leaf", "VAE leaf", "VAE tiles")
"""Treatments of other parts."""

WORDS = {
    "int8": "torchao, 8-bit integers",
    "float8": "torchao, 8-bit floating point",
    "gguf": "a GGUF file, Q8_0",
    "cast": "layers stored in 8-bit floating point",
    "disk": "offload of layers to disk",
    "math": "attention backend `_native_math`",
    "compile": "compiled blocks, traced only",
}

STEPS = 2
"""Of each denoise: caches have one step to learn from and one to save."""

Treat = Callable[[Any], Any]


@dataclass
class Findings:
    """What was tried and how it went: `yes`, `same` for the same bits, or why not."""

    single: dict[tuple[str, str], str] = field(default_factory=dict)
    """By family and treatment."""
    pairs: dict[tuple[str, str, str], str] = field(default_factory=dict)
    """By family and two treatments that each work alone."""

    def as_json(self) -> str:
        raw: dict[str, dict[str, str]] = {}
        for (family, name), result in self.single.items():
            raw.setdefault(family, {})[name] = result
        for (family, one, two), result in self.pairs.items():
            raw[family][f"{one} + {two}"] = result
        return json.dumps(raw, indent=0, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls) -> Findings:
        """What was found when the page was written."""
        found = cls()
        for family, results in json.loads(FOUND.read_text("utf-8")).items():
            for names, result in results.items():
                one, _, two = names.partition(" + ")
                if two:
                    found.pairs[family, one, two] = result
                else:
                    found.single[family, one] = result
        return found


Pair = Callable[[str, str, str], bool]


def every_pair(family: str, one: str, two: str) -> bool:
    return True


def one_family_each(family: str, one: str, two: str) -> bool:
    """Each two treatments on one family, always the same; without tracing, which takes long."""
    chosen = FAMILIES[zlib.crc32(f"{one} + {two}".encode()) % len(FAMILIES)]
    return family == chosen and "compile" not in (one, two)


def measure(
    families: Iterable[str] = FAMILIES, *, pairs: Pair | None = every_pair, without: tuple[str, ...] = ()
) -> Findings:
    """Try everything, `without` some, on tiny models of the families.

    pairs: which two treatments to try on a family that takes both; None tries no two.
    """
    import torch

    torch.set_num_threads(1)
    found = Findings()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for family in families:
            trial = Trial(family, Path(folder) / family.replace(", ", "-").replace(" ", "-"))
            for name in (name for name in (*TREATMENTS, *PARTS) if name not in without):
                found.single[family, name] = trial.part(name) if name in PARTS else trial.denoiser(name)
            works = [name for name in TREATMENTS if found.single.get((family, name)) in ("yes", "same")]
            for one, two in itertools.combinations(works, 2):
                if pairs is not None and TREATMENTS[one] != TREATMENTS[two] and pairs(family, one, two):
                    found.pairs[family, one, two] = trial.denoiser(one, two)
            trial.unharmed()
    return found


class Trial:
    """One family's tiny model and the treatments for it."""

    def __init__(self, family: str, folder: Path) -> None:
        from tests.support.tiny_skyreels import ftfy_or_stand_in

        self.folder = folder
        self.bench = _bench(family, folder / "model")
        with ftfy_or_stand_in():
            self.prompt = self.bench.encode()
        self.whole = self.bench.denoise(prompt=self.prompt, steps=STEPS).samples
        self.treat = self._treatments()

    def denoiser(self, *names: str) -> str:
        """How a denoise goes with these treatments."""
        import torch

        from tests.support.treatments import treated

        if "compile" in names:
            torch._dynamo.reset()  # after some traces of one block it would run without one

        def run() -> str:
            recipe = functools.reduce(
                lambda one, name: self.treat[name](one), names, self.bench.model.denoiser
            )
            result = treated(self.bench, denoiser=recipe).denoise(prompt=self.prompt, steps=STEPS).samples
            if all(TREATMENTS[name] == "offload" for name in names):
                return "same" if torch.equal(result, self.whole) else "fails: other bits"
            return "yes" if torch.isfinite(result).all() else "fails: not finite"

        return outcome(run)

    def part(self, name: str) -> str:
        """How encoding or decoding goes with a treatment of that part."""
        import torch
        from graphflow_nodes.diffusion import offload, quantise, tile_vae

        from graphflow.testing import run_node
        from tests.support.tiny_skyreels import ftfy_or_stand_in
        from tests.support.treatments import treated

        bench, model = self.bench, self.bench.model

        def run() -> str:
            if name.startswith("text encoder"):
                leaf = name.endswith("leaf")
                change: Treat = functools.partial(run_node, offload, strategy="leaf")
                recipe = (change if leaf else functools.partial(run_node, quantise))(model.text_encoder)
                with ftfy_or_stand_in():
                    tensors = treated(bench, text_encoder=recipe).encode().tensors
                equal = all(torch.equal(tensor, self.prompt.tensors[key]) for key, tensor in tensors.items())
            else:
                leaf = name.endswith("leaf")
                tiled: Treat = functools.partial(run_node, tile_vae, tile=64, overlap=32)
                change = functools.partial(run_node, offload, strategy="leaf") if leaf else tiled
                latents = bench.denoise(prompt=self.prompt, steps=STEPS)
                frames = treated(bench, vae=change(model.vae)).decode(latents)
                equal = torch.equal(frames, bench.decode(latents))
            return "yes" if not leaf else "same" if equal else "fails: other bits"

        return outcome(run)

    def unharmed(self) -> None:
        """After everything, the model is as it was."""
        import torch

        if not torch.equal(self.bench.denoise(prompt=self.prompt, steps=STEPS).samples, self.whole):
            raise AssertionError("a treatment was not undone")

    def _treatments(self) -> Mapping[str, Treat]:
        from graphflow_nodes import diffusion as nodes

        from graphflow.testing import run_node
        from tests.support.treatments import save_gguf, save_lora

        with self.bench.context().use(self.bench.model.denoiser) as experts:
            lora = save_lora(self.folder / "lora.safetensors", experts.transformer)
            files = [
                save_gguf(self.folder / f"{part}.gguf", module.state_dict())
                for part, module in experts.named().items()
            ]
        second = {"second_file": files[1]} if len(files) > 1 else {}

        def by(node: Callable[..., Any], **settings: Any) -> Treat:
            return functools.partial(run_node, node, **settings)

        return {
            "int8": by(nodes.quantise, method="torchao_int8"),
            "float8": by(nodes.quantise, method="torchao_float8"),
            "gguf": by(nodes.load_weights, file=files[0], **second),
            "cast": by(nodes.cast_layers),
            "model": by(nodes.offload, strategy="model"),
            "block": by(nodes.offload, strategy="block"),
            "leaf": by(nodes.offload, strategy="leaf"),
            "disk": by(nodes.offload, strategy="leaf", disk=True),
            "sequential": by(nodes.offload, strategy="sequential"),
            "math": by(nodes.attention, backend="_native_math"),
            "first block": by(nodes.first_block_cache, threshold=0.5),
            "magnitude": by(nodes.magnitude_cache, ratios=[1.0, 1.0], threshold=0.5),
            "taylor": by(nodes.taylor_cache, interval=2, warmup=1),
            "attention cache": by(nodes.attention_cache, begin=1000.0, end=0.0),
            "faster cache": by(nodes.faster_cache, begin=1000.0, end=0.0),
            "lora": by(nodes.lora, file=lora),
            "compile": by(nodes.compile_blocks, backend="eager"),
        }


def _bench(family: str, folder: Path) -> Any:
    """The family's tiny model, saved to `folder`, with a way to denoise a clip from one prompt."""
    from tests.support import window_benches as windows
    from tests.support.tiny_family import FamilyBench
    from tests.support.tiny_hunyuan import save_tiny_framepack
    from tests.support.tiny_models import SAVE
    from tests.support.tiny_skyreels import save_tiny_skyreels_df
    from tests.support.tiny_wan import save_tiny_wan
    from tests.support.wan_bench import Bench

    wan: dict[str, tuple[Any, str]] = {
        "wan": (Bench, "wan21"),
        "wan, two experts": (Bench, "wan22"),
        "wan 5B": (Bench, "wan5b"),
        "vace": (windows.ControlBench, "wan_vace"),
        "animate": (windows.AnimateBench, "wan_animate"),
    }
    if family in wan:
        bench, variant = wan[family]
        return bench(save_tiny_wan(variant, folder))
    if family == "framepack":
        return windows.PackedBench(save_tiny_framepack(folder))
    if family == "diffusion forcing":
        return windows.ForcingBench(save_tiny_skyreels_df(folder))
    return FamilyBench(SAVE[family](folder), "float32")


def outcome(run: Callable[[], str]) -> str:
    """What `run` says, or why it was refused. What is not refused and breaks is an honest `fails`."""
    from graphflow.errors import GraphflowError

    try:
        return run()
    except GraphflowError as error:
        return f"no: {error.message}"
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError, IndexError) as error:
        return f"fails: {type(error).__name__}: {error}"


# ---------------------------------------------------------------------------------------------- page


class Notes:
    """Reasons, each written once below the tables."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def cell(self, outcome: str) -> str:
        word, _, reason = outcome.partition(": ")
        if not reason:
            return word
        if reason not in self.reasons:
            self.reasons.append(reason)
        return f"{word} [{self.reasons.index(reason) + 1}]"


def page(found: Findings) -> str:
    """The page, in Markdown."""
    notes = Notes()
    lines = [
        "# What works with what",
        "",
        "Generated by `python docs/compatibility.py`: every cell was tried on a tiny random model on a CPU.",
        "`yes`: works. `same`: gives the same bits as without it. `no`: refused before any weight is loaded,",
        "with the reason below. `fails`: breaks.",
        "",
        *(f"* {name}: {words}" for name, words in WORDS.items()),
        "",
        "What needs a GPU or a package that is not in the development environment (bitsandbytes, modelopt,",
        "streams, `torchao_int4`, `torchao_float8_dynamic`) is refused by name of what is missing,",
        "and was not tried.",
        "",
        "## Families",
        "",
        *_families(found, notes),
        "",
        "## Two at once",
        "",
        "Over all families that take both, of which those that differ are named.",
        "",
        *_pairs(found, notes),
        "",
        "## Reasons",
        "",
        *(f"{index}. {reason}" for index, reason in enumerate(notes.reasons, 1)),
    ]
    return "\n".join(lines) + "\n"


def _families(found: Findings, notes: Notes) -> Iterator[str]:
    families = list(dict.fromkeys(family for family, _ in found.single))
    yield f"| | {' | '.join(families)} |"
    yield "|---" * (len(families) + 1) + "|"
    for name in (*TREATMENTS, *PARTS):
        cells = (notes.cell(found.single[family, name]) for family in families)
        yield f"| {name} | {' | '.join(cells)} |"


def _pairs(found: Findings, notes: Notes) -> Iterator[str]:
    names = tuple(TREATMENTS)
    rows, columns = names[1:], names[:-1]
    yield f"| | {' | '.join(columns)} |"
    yield "|---" * (len(columns) + 1) + "|"
    for two in rows:
        cells = [_pair(found, one, two, notes) for one in columns]
        yield f"| {two} | {' | '.join(cells)} |"


def _pair(found: Findings, one: str, two: str, notes: Notes) -> str:
    """One cell: the same word for all families, or each family that differs."""
    results = {f: result for (f, a, b), result in found.pairs.items() if (a, b) == (one, two)}
    words = {notes.cell(result) for result in results.values()}
    if len(words) <= 1:
        return next(iter(words), "")
    return "; ".join(
        f"{family}: {notes.cell(result)}" for family, result in results.items() if result != "yes"
    )


if __name__ == "__main__":
    everything = measure()
    FOUND.write_text(everything.as_json(), encoding="utf-8")
    PAGE.write_text(page(everything), encoding="utf-8")
