"""Scores a VACE model by the stock pipeline: what leads, what is given, holes, what lies beyond the frame."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ..captions import caption
from ..render import to_uint8
from ..score import path_error, places, psnr, read
from ..world import Scene, held_out_scenes
from .conditions import Condition, beyond, given_frames, holes, led_by
from .evaluate import contact_sheet, open_pipeline, read_settings
from .evaluate_image import agreement, as_uint8, recode
from .painted import Painted
from .stock import Stock, WanVACEPipeline

TASKS: tuple[str, ...] = ("box", "outline", "figure", "ends", "hole", "beyond")
TOLD: tuple[str, ...] = ("hole", "beyond")
"""Tasks whose prompts tell where the object goes."""
CASES = 12
SEED = 24
"""Seed of the held-out scenes."""
ON_PATH = 3.2 / 64
"""Largest mean distance from its path, in shares of the width, of an object that follows it."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is given for one clip (uint8 video [T, H, W, 3], mask [T, H, W] of 0 and 1), the prompt, and the
    clip that it was made from."""

    scene: Scene
    text: str
    video: Tensor
    mask: Tensor
    truth: Tensor


def cases(task: str, count: int = CASES, seed: int = SEED) -> list[Case]:
    """Held-out cases of a task. Ends and leading pictures go anywhere, and the prompt does not tell where."""
    rng = random.Random(f"{task} {seed}")
    torch.manual_seed(seed)
    told = task in TOLD
    result = []
    for scene in held_out_scenes(count, seed):
        painted = Painted.draw([scene], "told" if told else "wandering")
        condition, text = _condition(task, painted, rng), caption(scene, rng, moving=told)
        given, truth = to_uint8(condition.video)[0], to_uint8(painted.clips)[0]
        result.append(Case(scene, text, given, condition.mask[0, 0], truth))
    return result


def _condition(task: str, painted: Painted, rng: random.Random) -> Condition:
    match task:
        case "ends":
            return given_frames(painted, [0, -1])
        case "box" | "outline" | "figure":
            return led_by(painted, task, rng)
        case "beyond":
            return beyond(painted)
    return holes(painted, rng)


def generate(pipeline: Stock, case: Case, settings: Mapping[str, int | float], seed: int = 0) -> Tensor:
    """Frames uint8 [T, H, W, 3] of one case by a stock call with the sidecar's settings."""
    frames: Tensor = pipeline(
        prompt=case.text,
        video=[Image.fromarray(frame.numpy()) for frame in case.video],
        mask=[Image.fromarray((frame * 255).to(torch.uint8).numpy()) for frame in case.mask],
        height=settings["height"],
        width=settings["width"],
        num_frames=settings["frames"],
        num_inference_steps=settings["steps"],
        guidance_scale=settings["guidance"],
        max_sequence_length=settings["max_sequence_length"],
        generator=torch.Generator().manual_seed(seed),
        output_type="pt",
    ).frames[0]
    return as_uint8(frames)


def measure(task: str, pipeline: Stock, chosen: Sequence[Case], clips: Sequence[Tensor]) -> dict[str, object]:
    """Figures of clips generated for the cases of one task; between given ends any path is right."""
    names = ["shape", "color", "background", "size"] + (["motion"] if task in TOLD else [])
    readings = [read(clip) for clip in clips]
    facts: dict[str, object] = {
        "clips": len(clips),
        "rates": agreement(readings, [case.scene for case in chosen], names),
    }
    if task not in TOLD:
        looked_at = [0, -1] if task == "ends" else slice(None)
        errors = [
            path_error(clip[looked_at], places(case.truth)[looked_at])
            for clip, case in zip(clips, chosen, strict=True)
        ]
        facts["pixels_off_path"] = round(64 * sum(errors) / len(errors), 2)
        facts["on_path"] = round(sum(error < ON_PATH for error in errors) / len(errors), 4)
    if task == "ends" or task in TOLD:
        facts["db_behind_autoencoder"] = _behind(task, pipeline.vae, chosen, clips)
    return facts


def _behind(task: str, vae: Stock, chosen: Sequence[Case], clips: Sequence[Tensor]) -> dict[str, float]:
    """How many dB the given parts are worse than the autoencoder's own copy of the true clip, on average."""
    losses: dict[str, list[float]] = {}
    for case, clip in zip(chosen, clips, strict=True):
        copy = recode(vae, case.truth)
        kept = case.mask < 0.5
        parts = {"first": 0, "last": -1} if task == "ends" else {"kept": kept}
        for name, part in parts.items():
            loss = psnr(copy[part], case.truth[part]) - psnr(clip[part], case.truth[part])
            losses.setdefault(name, []).append(loss)
    return {name: round(sum(values) / len(values), 3) for name, values in losses.items()}


def evaluate_control(
    folder: Path, count: int = CASES, tasks: Sequence[str] = TASKS
) -> tuple[dict[str, object], Image.Image]:
    """Figures of a folder for each task, and a sheet: what was given, what came out."""
    pipeline, settings = open_pipeline(folder, WanVACEPipeline), read_settings(folder)
    facts: dict[str, object] = {}
    rows: list[tuple[Tensor, str]] = []
    for task in tasks:
        chosen = cases(task, count)
        clips = [generate(pipeline, case, settings) for case in chosen]
        facts[task] = measure(task, pipeline, chosen, clips)
        for case, clip in [*zip(chosen, clips, strict=True)][:3]:
            rows += [(case.video, f"{task}, given"), (clip, case.text)]
    return facts, contact_sheet(torch.stack([clip for clip, _ in rows]), [text for _, text in rows])
