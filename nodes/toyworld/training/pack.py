"""Packs tuned checkpoints as model folders: the shipped text-to-video folder with parts replaced."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from .card import model_card
from .checkpoint import load_average
from .export import SIDECAR, last_record, read_json, save, write_json
from .stock import Stock, WanPipeline, WanVACEPipeline
from .train_control import build_control
from .tune import Coder, open_denoiser


@dataclass(frozen=True, slots=True)
class Product:
    """A model made from a tuning run: the names of run and folder, and what people read about it."""

    run: str
    name: str
    title: str
    description: str
    pipeline: str
    tasks: tuple[str, ...]
    examples: tuple[str, ...]


PRODUCTS: Mapping[str, Product] = MappingProxyType(
    {
        "image": Product(
            run="image",
            name="toy-wan-ti2v",
            title="Toy Wan TI2V",
            description="Text, or text and a first frame, to video of one coloured shape on a plain "
            "background; text to single pictures.",
            pipeline="WanImageToVideoPipeline",
            tasks=("text_to_video", "image_to_video", "text_to_image"),
            examples=(
                "a red ball moves to the right on a black background",
                "a large blue square rises in front of a pink background",
                "the ball falls",
                "it stays still",
                "moving left",
            ),
        ),
        "control": Product(
            run="control",
            name="toy-wan-vace",
            title="Toy Wan VACE",
            description="Video of one coloured shape on a plain background that goes where a moving box, "
            "outline or stick figure leads it, or from a first frame to a last one; holes are filled, frames "
            "made wider.",
            pipeline="WanVACEPipeline",
            tasks=("control", "first_last_frame", "inpaint", "outpaint"),
            examples=(
                "a large red ball on a black background",
                "a medium white triangle on a brown background",
                "a big yellow disc on a gray background",
            ),
        ),
    }
)


def pack(product: Product, work: Path, base: Path, folder: Path) -> int:
    """Write a model folder anew from a checkpoint in `work` and the folder `base`; returns its bytes."""
    save(build_pipeline(product, work, base), folder)
    content = sidecar(product, work, base)
    write_json(folder / SIDECAR, content)
    (folder / "README.md").write_text(model_card(content, product.examples, product.pipeline))
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def build_pipeline(product: Product, work: Path, base: Path) -> Stock:
    """The stock pipeline around the averaged weights of a run, with the tuned encoder if there is one."""
    denoiser, path = open_denoiser(base), work / f"{product.run}.safetensors"
    if product.pipeline == "WanVACEPipeline":
        denoiser = build_control(denoiser)
    denoiser.transformer.load_state_dict(load_average(path, "transformer."))
    denoiser.text_encoder.load_state_dict(load_average(path, "text_encoder."), strict=False)
    parts = {
        "tokenizer": denoiser.tokenizer,
        "text_encoder": denoiser.text_encoder.eval(),
        "vae": Coder.open(base, work / "encoder.safetensors").vae,
        "scheduler": WanPipeline.from_pretrained(base).scheduler,
        "transformer": denoiser.transformer.eval(),
    }
    if product.pipeline == "WanVACEPipeline":
        return WanVACEPipeline(**parts)
    return WanPipeline(**parts, expand_timesteps=True)


def sidecar(product: Product, work: Path, base: Path) -> dict[str, object]:
    """The base's sidecar with what is different about the product."""
    content, record = read_json(base / SIDECAR), last_record(work / f"{product.run}.log")
    return content | {
        "name": product.name,
        "title": product.title,
        "description": product.description,
        "tasks": list(product.tasks),
        "example_prompts": list(product.examples),
        "trained": {
            "from": content["name"],
            "steps": record["step"],
            "minutes": record["minutes"],
            "hardware": "one or two threads of a CPU shared with other work",
            "data": "procedurally rendered clips, captions by rule, 66 of 720 word combinations held out",
        },
        "scores": {},
    }
