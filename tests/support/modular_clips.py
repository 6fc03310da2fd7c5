"""What makes a tiny clip of each modular pipeline: its phases, with settings by the pipelines' names."""

from __future__ import annotations

from typing import Any

import pytest

from graphflow.values import Image, Video
from tests.support.tiny_modular import SEED

Phases = list[tuple[str, dict[str, Any]]]

TEXT = {"prompt": "a red ball rolls", "negative_prompt": "blurred", "max_sequence_length": 16}
SIZE = {"height": 32, "width": 32}
CHUNKS = {"num_frames": 9, "num_latent_frames_per_chunk": 2, "num_inference_steps": 3}

PHASES: dict[str, Phases] = {
    "helios": [("text_encoder", TEXT), ("denoise", {**SIZE, **CHUNKS}), ("decode", {})],
    "helios_pyramid": [
        ("text_encoder", TEXT),
        (
            "denoise",
            {
                "height": 64,
                "width": 64,
                "num_frames": 5,
                "num_latent_frames_per_chunk": 2,
                "pyramid_num_inference_steps_list": [2, 1],
            },
        ),
        ("decode", {}),
    ],
    "ltx2_5": [
        ("text_encoder", TEXT),
        ("denoise", {**SIZE, "num_frames": 9, "num_inference_steps": 2}),
        ("decode", {}),
    ],
    "cosmos3_omni": [
        ("text_encoder", {"prompt": "a red ball rolls", **SIZE, "num_frames": 5}),
        ("denoise", {"num_inference_steps": 3}),
        ("decode", {}),
    ],
    "minimax_h3": [
        ("text_encoder", {"prompt": "a red ball rolls"}),
        ("denoise", {"height": 16, "width": 16, "num_frames": 124, "num_inference_steps": 3}),
        ("decode", {}),
    ],
}
"""From words alone."""

SEGMENTS = {"segment_frame_length": 5, "fps": 8}


def animated(image: Image, video: Video, text: dict[str, Any] = TEXT) -> Phases:
    """Wan-Animate-2: the picture moves as the video does, in two segments of two steps."""
    return [
        ("text_encoder", text),
        ("image_encoder", {**SIZE, "image": image}),
        ("video_encoder", {**SEGMENTS, "driving_video": video}),
        ("vae_encoder", {}),
        ("denoise", {"num_inference_steps": 2}),
        ("decode", {}),
    ]


def phases_of(pipeline: str) -> Phases:
    """Any pipeline's."""
    return animated(picture(), moving(9)) if pipeline == "wan_animate_2" else PHASES[pipeline]


def marked(pipeline: str) -> Any:
    """For a parameter of a test."""
    slow = ("ltx2_5", "minimax_h3", "wan_animate_2")  # flex attention not compiled; clips of five seconds
    return pytest.param(pipeline, marks=pytest.mark.slow) if pipeline in slow else pipeline


def seeded(phases: Phases, seed: int = SEED) -> Phases:
    """With a seed for the phases that draw random numbers."""
    draws = ("denoise", "vae_encoder")
    return [
        (phase, {**given, "seed": seed} if phase in draws and (given or phase == "denoise") else given)
        for phase, given in phases
    ]


def picture() -> Image:
    import torch

    return Image(pixels=torch.randint(0, 256, (32, 32, 3), generator=torch.Generator().manual_seed(1)).byte())


def moving(frames: int) -> Video:
    import torch

    generator = torch.Generator().manual_seed(2)
    return Video(frames=torch.randint(0, 256, (frames, 32, 32, 3), generator=generator).byte(), fps=8)
