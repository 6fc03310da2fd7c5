"""Packs checkpoints as a diffusers folder that the stock WanPipeline loads, with a sidecar and a card.

Weights are stored in half precision; pipelines load them in single.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from ..captions import MOTION_PHRASES, SYNONYMS
from ..render import FRAMES, SIZE
from ..world import BACKGROUNDS, COLORS, FPS, MOTIONS, SHAPES, SIZES
from .card import model_card
from .checkpoint import load_average
from .codec import COMPONENTS, ChunkCodec, load
from .denoiser import Denoiser, build_denoiser
from .stock import FlowMatchEulerDiscreteScheduler, Stock, WanAttnProcessor, WanPipeline
from .vae import LOG_VARIANCE, build_vae

NAME = "toy-wan"
SIDECAR = "graphflow.json"
TRACES = ("_name_or_path", "is_local", "local_files_only")
"""Entries of saved configs that tell where the parts were loaded from."""
TOKENIZER_CLASS = "PreTrainedTokenizerFast"
"""Named instead of the newer TokenizersBackend, which older releases of transformers do not know."""

EXAMPLES: tuple[str, ...] = (
    "a red ball moves to the right on a black background",
    "a large blue square rises in front of a pink background",
    "brown background, a medium white triangle falls",
    "a big yellow disc stays still on a gray background",
    "green, box, large, moving left, black background",
    "moving up, a purple triangle on a pink background",
)


@dataclass(frozen=True, slots=True)
class Defaults:
    """How the model is best called."""

    steps: int = 20
    guidance: float = 3.0
    shift: float = 3.0
    max_sequence_length: int = 64


def load_denoiser(work: Path) -> Denoiser:
    """The denoiser with the averaged weights of the checkpoint in `work`."""
    denoiser = build_denoiser(0, torch.zeros(1, COMPONENTS, 4, 8, 8))
    path = work / "denoiser.safetensors"
    denoiser.transformer.load_state_dict(load_average(path, "transformer."))
    weights = load_average(path, "text_encoder.")
    weights["encoder.embed_tokens.weight"] = weights["shared.weight"]
    denoiser.text_encoder.load_state_dict(weights)
    return denoiser


def load_vae(work: Path) -> Stock:
    """The autoencoder with the averaged weights of the checkpoint in `work`, on normalised latents."""
    vae = build_vae()
    vae.load_state_dict(load_average(work / "vae.safetensors", ""))
    return vae


@torch.no_grad()
def unfold_scale(vae: Stock, codec: ChunkCodec) -> Stock:
    """Let the autoencoder speak plain PCA latents, their scale in `latents_std` as in Wan models.

    The encoder's log-variance, which training holds near a constant, becomes exactly that constant.
    """
    scale = codec.scale[:, None, None, None, None]
    vae.quant_conv.weight[:COMPONENTS] *= scale
    vae.quant_conv.bias[:COMPONENTS] *= codec.scale
    vae.quant_conv.weight[COMPONENTS:] = 0
    vae.quant_conv.bias[COMPONENTS:] = LOG_VARIANCE + 2 * codec.scale.log()
    vae.post_quant_conv.weight /= codec.scale[None, :, None, None, None]
    vae.register_to_config(latents_std=[round(float(s), 7) for s in codec.scale])
    return vae


def build_pipeline(work: Path, defaults: Defaults) -> Stock:
    """The stock pipeline around the trained parts."""
    denoiser = load_denoiser(work)
    vae = unfold_scale(load_vae(work), load(work / "codec.safetensors"))
    scheduler = FlowMatchEulerDiscreteScheduler(shift=defaults.shift)
    return WanPipeline(
        tokenizer=denoiser.tokenizer,
        text_encoder=denoiser.text_encoder.eval(),
        vae=vae.eval(),
        scheduler=scheduler,
        transformer=denoiser.transformer.eval(),
    )


def export(work: Path, folder: Path, defaults: Defaults, facts: Mapping[str, object]) -> int:
    """Write the model folder anew and return its size in bytes; `facts` go to the sidecar as `trained`."""
    save(build_pipeline(work, defaults), folder)
    content = sidecar(defaults, facts, load(work / "codec.safetensors"))
    write_json(folder / SIDECAR, content)
    (folder / "README.md").write_text(model_card(content, EXAMPLES, "WanPipeline"))
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def save(pipeline: Stock, folder: Path) -> None:
    """Write a trained pipeline anew as a model folder, its weights in half precision."""
    for block in (*pipeline.transformer.blocks, *getattr(pipeline.transformer, "vace_blocks", ())):
        block.attn2.set_processor(WanAttnProcessor())
    for part in (pipeline.transformer, pipeline.vae, pipeline.text_encoder):
        part.half()
    shutil.rmtree(folder, ignore_errors=True)
    pipeline.save_pretrained(folder, safe_serialization=True)
    name_tokenizer(folder)
    for config in folder.glob("*/*config.json"):
        _clean(config)


def _clean(config: Path) -> None:
    """Take traces out of a saved config, and let a text encoder be loaded in single precision."""
    content = {key: value for key, value in read_json(config).items() if key not in TRACES}
    write_json(config, content | {"dtype": "float32"} if "dtype" in content else content)


def sidecar(defaults: Defaults, facts: Mapping[str, object], codec: ChunkCodec) -> dict[str, object]:
    """What nodes need to know to use the model well."""
    return {
        "name": NAME,
        "family": "wan",
        "title": "Toy Wan",
        "description": "Text to video of one coloured shape that moves or rests on a plain background.",
        "license": "Apache-2.0",
        "width": SIZE,
        "height": SIZE,
        "frames": FRAMES,
        "fps": FPS,
        "steps": defaults.steps,
        "guidance": defaults.guidance,
        "shift": defaults.shift,
        "max_sequence_length": defaults.max_sequence_length,
        "preview": [[round(value, 4) for value in row] for row in codec.preview.tolist()],
        "vocabulary": {
            "shapes": {shape: _others(shape) for shape in SHAPES},
            "colors": [*COLORS],
            "backgrounds": {name: _others(name) for name in BACKGROUNDS},
            "sizes": {size: _others(size) for size in SIZES},
            "motions": {motion: list(MOTION_PHRASES[motion]) for motion in MOTIONS},
        },
        "example_prompts": list(EXAMPLES),
        "trained": dict(facts),
        "scores": {},
    }


def write_scores(folder: Path, scores: Mapping[str, object]) -> None:
    """Put measured scores into the sidecar of a model folder."""
    path = folder / SIDECAR
    write_json(path, read_json(path) | {"scores": dict(scores)})


def summarize(work: Path) -> dict[str, object]:
    """Facts of the run in `work` for the sidecar, from the last lines of its logs."""
    denoiser, vae = (last_record(work / f"{name}.log") for name in ("denoiser", "vae"))
    return {
        "samples": denoiser["samples"],
        "denoiser_minutes": denoiser["minutes"],
        "vae_steps": vae["step"],
        "vae_minutes": vae["minutes"],
        "vae_psnr_db": vae["both_db"],
        "hardware": "2 CPU cores, three processes with one thread each",
        "data": "procedurally rendered clips, captions by rule, 66 of 720 word combinations held out",
    }


def last_record(log: Path) -> dict[str, object]:
    """The last line of a log that tells progress."""
    record: dict[str, object] = json.loads(log.read_text().splitlines()[-1])
    return record


def _others(entry: str) -> list[str]:
    """Synonyms of a vocabulary entry, itself left out."""
    return sorted({word for word in SYNONYMS.get(entry, ()) if word != entry})


def name_tokenizer(folder: Path) -> None:
    """Name the tokenizer's class as `TOKENIZER_CLASS` in a saved folder."""
    config = folder / "tokenizer" / "tokenizer_config.json"
    write_json(config, read_json(config) | {"tokenizer_class": TOKENIZER_CLASS})
    index = folder / "model_index.json"
    write_json(index, read_json(index) | {"tokenizer": ["transformers", TOKENIZER_CLASS]})


def read_json(path: Path) -> dict[str, object]:
    """An object from a JSON file."""
    content: dict[str, object] = json.loads(path.read_text())
    return content


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """An object as a JSON file."""
    path.write_text(json.dumps(content, indent=2) + "\n")
