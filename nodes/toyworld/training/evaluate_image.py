"""Scores a model that starts from a picture, by the stock pipelines, on scenes that training never saw."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ..captions import caption
from ..render import SIZE, render, to_uint8
from ..score import Reading, places, psnr, read_picture, score
from ..world import ATTRIBUTES, Scene, held_out_scenes
from .evaluate import contact_sheet, evaluate, generate, missed, open_pipeline, read_settings, rounded
from .stock import Stock, WanImageToVideoPipeline

CASES = 40
SEED = 23
"""Seed of the held-out scenes."""
MIDDLE = 8 / SIZE
"""How far from the centre, in shares of the width, an object may start, so that it can move any way."""


def centred(scene: Scene) -> Scene:
    """The scene with a seed whose object, while it stands still, is in the middle of the frame."""
    for seed in range(scene.seed, scene.seed + 1000):
        still = replace(scene, motion="still", seed=seed)
        if float((places(render([still])[0])[0] - 0.5).abs().amax()) < MIDDLE:
            return replace(scene, seed=seed)
    raise ValueError(f"no seed puts {scene} into the middle")


def picture(scene: Scene) -> Tensor:
    """The first frame of a scene whose place tells nothing about its motion, uint8 [H, W, 3]."""
    return to_uint8(render([replace(scene, motion="still")]))[0, 0]


def cases(count: int = CASES, seed: int = SEED) -> list[tuple[Scene, str]]:
    """Held-out scenes in the middle of the frame, and captions that tell what shall happen."""
    rng = random.Random(seed)
    return [(centred(scene), caption(scene, rng)) for scene in held_out_scenes(count, seed)]


def animate(
    pipeline: Stock, frame: Tensor, text: str, settings: dict[str, int | float], seed: int = 0
) -> Tensor:
    """Frames uint8 [T, H, W, 3] that begin with `frame`, by a stock call with the sidecar's settings."""
    frames: Tensor = pipeline(
        image=Image.fromarray(frame.numpy()),
        prompt=text,
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


def as_uint8(frames: Tensor) -> Tensor:
    """A pipeline's frames [T, 3, H, W] in 0..1 as uint8 [T, H, W, 3]."""
    return (frames * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


@torch.no_grad()
def recode(vae: Stock, frames: Tensor) -> Tensor:
    """Frames uint8 [T, H, W, 3] after one pass through the autoencoder."""
    clip = frames.permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    decoded = vae.decode(vae.encode(clip).latent_dist.mode()).sample[0]
    return as_uint8((decoded.permute(1, 0, 2, 3) / 2 + 0.5).clamp(0, 1))


def evaluate_image(folder: Path, count: int = CASES) -> tuple[dict[str, dict[str, object]], Image.Image]:
    """Figures of a folder at text to video, image to video and text to image, and a sheet of the second."""
    settings = read_settings(folder)
    pipeline, chosen = open_pipeline(folder, WanImageToVideoPipeline), cases(count)
    given = [picture(scene) for scene, _ in chosen]
    clips = [animate(pipeline, frame, text, settings) for frame, (_, text) in zip(given, chosen, strict=True)]
    result = score(clips, [scene for scene, _ in chosen])
    behind = [
        psnr(recode(pipeline.vae, frame[None])[0], frame) - psnr(clip[0], frame)
        for frame, clip in zip(given, clips, strict=True)
    ]
    facts = {
        "clips": len(chosen),
        "rates": rounded(result),
        "first_frame_db_behind_autoencoder": {
            "mean": round(sum(behind) / len(behind), 3),
            "worst": round(max(behind), 3),
        },
        "missed": missed(result, [text for _, text in chosen], [scene for scene, _ in chosen]),
    }
    shown = [*zip(clips, (text for _, text in chosen), strict=True)][:10]
    sheet = contact_sheet(torch.stack([clip for clip, _ in shown]), [text for _, text in shown])
    text_facts = evaluate(folder)
    return {"text_to_video": text_facts, "image_to_video": facts, "text_to_image": stills(folder)}, sheet


def stills(folder: Path, count: int = 48, seed: int = SEED) -> dict[str, object]:
    """Figures of single frames, prompted without a motion."""
    pipeline = open_pipeline(folder)
    rng, scenes = random.Random(seed), held_out_scenes(count, seed)
    texts = [caption(scene, rng, moving=False) for scene in scenes]
    frames = generate(pipeline, texts, read_settings(folder) | {"frames": 1})
    readings = [read_picture(frame[0]) for frame in frames]
    names = [name for name in ATTRIBUTES if name != "motion"]
    return {"pictures": count, "rates": agreement(readings, scenes, names)}


def agreement(readings: Sequence[Reading], scenes: Sequence[Scene], names: Sequence[str]) -> dict[str, float]:
    """Share (0..1) of readings that agree with their scene in each of the attributes `names`."""
    pairs = [*zip(readings, scenes, strict=True)]
    hits = {name: sum(getattr(r, name) == getattr(s, name) for r, s in pairs) for name in names}
    return {name: round(count / len(pairs), 4) for name, count in hits.items()}
