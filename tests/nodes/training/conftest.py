"""A few clips of the toy world, encoded once by a tiny random model, to train on in hundredths of seconds."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from graphflow_nodes.diffusion import encode_prompt, load_model
from graphflow_nodes.toyworld import effect_clip
from graphflow_nodes.training import encode_clip, fit_bucket

from graphflow.testing import LocalContext, run_node
from graphflow.values import Video
from tests.support.threads import one_thread as one_thread
from tests.support.tiny_models import SAVE
from tests.support.tiny_wan import VARIANTS, save_tiny_wan


@dataclass(frozen=True)
class Course:
    """A model and what it is to learn: clips of an effect, the same without it, captions, masks."""

    folder: Path
    model: Any
    videos: list[Video]
    latents: list[Any]
    prompts: list[Any]
    masks: list[Video]
    prior_latents: list[Any]
    prior_prompts: list[Any]


def make_course(folder: Path, count: int = 2, dtype: str = "float32") -> Course:
    model, context = run_node(load_model, model=str(folder), dtype=dtype), LocalContext()
    native = model.native
    bucket = [f"{native.frames}x{native.height}x{native.width}"]
    pairs = [run_node(effect_clip, seed=seed, color=("red", "blue")[seed % 2]) for seed in range(count)]
    fitted = [
        [
            run_node(fit_bucket, clip, buckets=bucket, take="end")
            for clip in (pair.video, pair.plain, pair.mask)
        ]
        for pair in pairs
    ]

    def latents(place: int) -> list[Any]:
        return [run_node(encode_clip, model.vae, clips[place], context=context) for clips in fitted]

    def prompts(template: str) -> list[Any]:
        texts = [template.format(pair.caption) for pair in pairs]
        return [run_node(encode_prompt, model.text_encoder, prompt=text, context=context) for text in texts]

    return Course(
        folder,
        model,
        [clips[0] for clips in fitted],
        latents(0),
        prompts("CAKE {}"),
        [clips[2] for clips in fitted],
        latents(1),
        prompts("{}"),
    )


@pytest.fixture(scope="session")
def course(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Course]:
    """`course("wan21")`: what a tiny random model of any family is to learn, made once."""
    root = tmp_path_factory.mktemp("courses")

    @functools.cache
    def make(variant: str, dtype: str = "float32") -> Course:
        save = functools.partial(save_tiny_wan, variant) if variant in VARIANTS else SAVE[variant]
        folder = root / variant
        return make_course(folder if folder.exists() else save(folder), dtype=dtype)

    return make
