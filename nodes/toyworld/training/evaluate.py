"""Scores a model folder with the stock WanPipeline on prompts that training never saw, and draws them."""

import json
import random
import textwrap
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..captions import caption
from ..score import Score, score
from ..world import ATTRIBUTES, Scene, held_out_scenes
from .stock import Stock, WanPipeline

PROMPTS = 64
SEED = 20
"""Seed of the held-out prompts, not used by training or while choosing the defaults."""


@dataclass(frozen=True, slots=True)
class Prompted:
    """A held-out scene and the caption that asks for it."""

    scene: Scene
    text: str


def held_out_prompts(count: int = PROMPTS, seed: int = SEED) -> list[Prompted]:
    """Captions of scenes whose combination of words was kept away from training, `count` <= 66."""
    rng = random.Random(seed)
    return [Prompted(scene, caption(scene, rng)) for scene in held_out_scenes(count, seed)]


def with_strangers(text: str, rng: random.Random) -> str:
    """The caption with three everyday words that the model never saw."""
    words = text.split()
    for stranger in rng.sample(("wonderful", "seventeen", "kitchen", "quickly", "marble", "october"), 3):
        words.insert(rng.randint(0, len(words)), stranger)
    return " ".join(words)


def open_pipeline(folder: Path, pipeline_class: Stock = WanPipeline) -> Stock:
    """A stock pipeline of a model folder, in single precision and without a progress bar."""
    pipeline = pipeline_class.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def read_settings(folder: Path) -> dict[str, int | float]:
    """The numbers of the folder's `graphflow.json`."""
    content = json.loads((folder / "graphflow.json").read_text())
    return {key: value for key, value in content.items() if isinstance(value, (int, float))}


def generate(
    pipeline: Stock, texts: Sequence[str], settings: Mapping[str, int | float], seed: int = 0
) -> Tensor:
    """Frames uint8 [B, T, H, W, 3] of `texts` by a stock call with the sidecar's settings."""
    frames: Tensor = pipeline(
        prompt=list(texts),
        height=settings["height"],
        width=settings["width"],
        num_frames=settings["frames"],
        num_inference_steps=settings["steps"],
        guidance_scale=settings["guidance"],
        max_sequence_length=settings["max_sequence_length"],
        generator=torch.Generator().manual_seed(seed),
        output_type="pt",
    ).frames
    return (frames * 255).round().to(torch.uint8).permute(0, 1, 3, 4, 2).contiguous()


def rate(frames: Tensor, prompts: Sequence[Prompted]) -> Score:
    """Score generated frames against what the prompts ask for."""
    return score(frames, [prompted.scene for prompted in prompts])


def evaluate(folder: Path) -> dict[str, object]:
    """Score a model folder: held-out prompts as they are, with unknown words, and the time of one clip."""
    pipeline, settings, prompts = open_pipeline(folder), read_settings(folder), held_out_prompts()
    plain = rate(generate(pipeline, [p.text for p in prompts], settings), prompts)
    rng = random.Random(SEED)
    strange = [with_strangers(p.text, rng) for p in prompts]
    disturbed = rate(generate(pipeline, strange, settings), prompts)
    padded = rate(
        generate(pipeline, [p.text for p in prompts], settings | {"max_sequence_length": 512}), prompts
    )
    started = time.perf_counter()
    generate(pipeline, [prompts[0].text], settings)
    overlap = sum(reading.overlap for reading in plain.readings) / len(prompts)
    return {
        "prompts": len(prompts),
        "steps": settings["steps"],
        "guidance": settings["guidance"],
        "shift": settings["shift"],
        "held_out": rounded(plain),
        "with_unknown_words": rounded(disturbed),
        "padded_to_512": rounded(padded),
        "mean_overlap": round(overlap, 3),
        "seconds_per_clip": round(time.perf_counter() - started, 2),
        "threads": torch.get_num_threads(),
        "missed": missed(plain, [p.text for p in prompts], [p.scene for p in prompts]),
    }


def contact_sheet(frames: Tensor, texts: Sequence[str], shown: int = 7, zoom: int = 2) -> Image.Image:
    """A picture with a row for each clip: its prompt and `shown` of its frames, evenly spaced."""
    count, length, height, width, _ = frames.shape
    picks = torch.linspace(0, length - 1, shown).round().long().tolist()
    cell, line, gap = width * zoom, 16, 4
    sheet = Image.new(
        "RGB", (shown * (cell + gap) + gap, count * (height * zoom + line + gap) + gap), (24, 24, 24)
    )
    draw = ImageDraw.Draw(sheet)
    for row in range(count):
        top = gap + row * (height * zoom + line + gap)
        draw.text((gap, top + 2), textwrap.shorten(texts[row], 140), fill=(230, 230, 230))
        for column, pick in enumerate(picks):
            frame = Image.fromarray(frames[row, pick].numpy()).resize(
                (cell, height * zoom), Image.Resampling.NEAREST
            )
            sheet.paste(frame, (gap + column * (cell + gap), top + line))
    return sheet


def draw_sheet(folder: Path, count: int = 14) -> Image.Image:
    """The contact sheet of the first held-out prompts."""
    prompts = held_out_prompts()[:count]
    texts = [p.text for p in prompts]
    return contact_sheet(generate(open_pipeline(folder), texts, read_settings(folder)), texts)


def rounded(result: Score) -> dict[str, float]:
    """Rates to four digits."""
    return {name: round(value, 4) for name, value in result.rates.items()}


def missed(result: Score, texts: Sequence[str], scenes: Sequence[Scene]) -> list[str]:
    """One line for each prompt with a wrong attribute."""
    lines = []
    for text, scene, reading in zip(texts, scenes, result.readings, strict=True):
        wrong = [name for name in ATTRIBUTES if getattr(reading, name) != getattr(scene, name)]
        if wrong:
            seen = ", ".join(f"{name} {getattr(reading, name) or 'not found'}" for name in wrong)
            lines.append(f"{text} -> {seen}")
    return lines
