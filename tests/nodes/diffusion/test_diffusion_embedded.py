"""The model that ships with graphflow, through the nodes and through the stock pipeline."""

from __future__ import annotations

import pytest
import torch
from graphflow_nodes.diffusion.embedded import embedded_folder, embedded_models
from graphflow_nodes.diffusion.load import DEFAULT_MODEL
from graphflow_nodes.diffusion.source import locate, read_json

from graphflow.errors import MissingModel
from tests.support.wan_bench import Bench

MAX_BYTES = 20_000_000
PROMPT = "a red ball moves to the right on a black background"


def test_the_default_model_ships() -> None:
    assert DEFAULT_MODEL in embedded_models()
    folder = locate(DEFAULT_MODEL)
    assert folder == embedded_folder(DEFAULT_MODEL)
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= MAX_BYTES
    assert not list(folder.rglob("*.bin")) and not list(folder.rglob("*.pt"))


def test_an_unknown_name_lists_what_ships() -> None:
    with pytest.raises(MissingModel) as error:
        locate("toy-wam")
    assert DEFAULT_MODEL in error.value.hint


def test_its_sidecar_and_its_scheduler_agree() -> None:
    """So that the stock pipeline, which reads no sidecar, makes the same clip."""
    tiny = Bench(locate(DEFAULT_MODEL))
    own = read_json(tiny.folder / "scheduler" / "scheduler_config.json")
    assert tiny.model.native.shift in (None, own["shift"])
    assert tiny.model.native.dtype == "float32"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_equal_to_the_plain_pipeline(dtype: str) -> None:
    tiny = Bench(locate(DEFAULT_MODEL), dtype)
    latents = tiny.denoise(prompt=tiny.encode(PROMPT), steps=3)
    plain = tiny.plain(prompt=PROMPT, num_inference_steps=3)
    assert torch.equal(latents.samples, plain.latents)
    assert torch.equal(tiny.decode(latents), plain.frames)
