"""Scores a model folder at video to video by the stock pipeline: another colour, the same movement."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ..captions import caption
from ..render import render, to_uint8
from ..score import path_error, places, read
from ..world import ATTRIBUTES, COLORS, Scene, held_out_scenes
from .evaluate import contact_sheet, open_pipeline, read_settings
from .evaluate_control import ON_PATH
from .evaluate_image import agreement, as_uint8
from .stock import Stock, WanVideoToVideoPipeline

CASES = 24
SEED = 25
"""Seed of the held-out scenes."""
STRENGTHS: tuple[float, ...] = (0.85, 0.3)
"""The second keeps the movement; the first lays so much noise over the clip that little of it is left."""
GUIDANCE = 6.0
"""More than from nothing: few steps are left to follow the prompt."""


@dataclass(frozen=True, slots=True)
class Case:
    """A clip (uint8 [T, H, W, 3]), and a prompt that asks for the same in another colour."""

    scene: Scene
    text: str
    video: Tensor


def cases(count: int = CASES, seed: int = SEED) -> list[Case]:
    """Held-out scenes; the given clip shows each in another colour."""
    rng = random.Random(f"video {seed}")
    result = []
    for scene in held_out_scenes(count, seed):
        before = replace(scene, color=rng.choice([color for color in COLORS if color != scene.color]))
        result.append(Case(scene, caption(scene, rng), to_uint8(render([before]))[0]))
    return result


def repaint(
    pipeline: Stock, case: Case, settings: dict[str, int | float], strength: float, seed: int = 0
) -> Tensor:
    """Frames uint8 [T, H, W, 3] of one case by a stock call with the sidecar's settings."""
    frames: Tensor = pipeline(
        video=[Image.fromarray(frame.numpy()) for frame in case.video],
        prompt=case.text,
        height=settings["height"],
        width=settings["width"],
        strength=strength,
        num_inference_steps=settings["steps"],
        guidance_scale=GUIDANCE,
        max_sequence_length=settings["max_sequence_length"],
        generator=torch.Generator().manual_seed(seed),
        output_type="pt",
    ).frames[0]
    return as_uint8(frames)


def measure(chosen: Sequence[Case], clips: Sequence[Tensor]) -> dict[str, object]:
    """How many clips show what the prompt asks for, and follow the path of the given one."""
    errors = [path_error(clip, places(case.video)) for clip, case in zip(clips, chosen, strict=True)]
    return {
        "clips": len(clips),
        "rates": agreement([read(clip) for clip in clips], [case.scene for case in chosen], ATTRIBUTES),
        "pixels_off_path": round(64 * sum(errors) / len(errors), 2),
        "on_path": round(sum(error < ON_PATH for error in errors) / len(errors), 4),
    }


def evaluate_video(folder: Path, count: int = CASES) -> tuple[dict[str, object], Image.Image]:
    """Figures of a folder at each strength, and a sheet: what was given, what came out."""
    pipeline, settings, chosen = (
        open_pipeline(folder, WanVideoToVideoPipeline),
        read_settings(folder),
        cases(count),
    )
    facts: dict[str, object] = {}
    rows: list[tuple[Tensor, str]] = []
    for strength in STRENGTHS:
        clips = [repaint(pipeline, case, settings, strength) for case in chosen]
        facts[f"strength {strength}"] = measure(chosen, clips)
    for case, clip in [*zip(chosen, clips, strict=True)][:6]:
        rows += [(case.video, "given"), (clip, case.text)]
    return facts, contact_sheet(torch.stack([clip for clip, _ in rows]), [text for _, text in rows])
