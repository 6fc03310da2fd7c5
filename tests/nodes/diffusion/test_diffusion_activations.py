"""Formulas for what nodes need beside weights, against every tensor that the models really allocate."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from graphflow_nodes.diffusion.activations import (
    TILE,
    VOICING,
    decoding,
    denoising,
    encoding,
    spectrum_bytes,
    vocoder_bytes,
)
from graphflow_nodes.diffusion.denoise import denoise
from graphflow_nodes.diffusion.latents import empty_latents
from graphflow_nodes.diffusion.load import Model, load_model
from graphflow_nodes.diffusion.recipes import Tiling

from benchmarks.activations import (
    DECODERS,
    ENCODERS,
    TILED,
    TRANSFORMERS,
    Case,
    forecast,
    measured,
    peak_bytes,
)
from graphflow.testing import check_node, run_node


@pytest.mark.parametrize("case", TRANSFORMERS, ids=lambda case: case.name)
def test_transformers_of_published_sizes(case: Case) -> None:
    dtype = ("float32", "bfloat16")[TRANSFORMERS.index(case) % 2]  # both, in turns
    assert forecast(case, dtype) == pytest.approx(measured(case, dtype), rel=0.05)


@pytest.mark.parametrize("case", [*DECODERS, *ENCODERS, TILED[-1]], ids=lambda case: case.name)
def test_autoencoders_of_published_sizes(case: Case) -> None:
    assert forecast(case, "float32") == pytest.approx(measured(case, "float32"), rel=0.05)


@pytest.mark.parametrize("kind", sorted(VOICING))
def test_sound_of_published_sizes(kind: str) -> None:
    """The audio VAE and vocoders of LTX-2 as their classes have them; 25 latent cells are a second."""
    import diffusers
    from diffusers.pipelines.ltx2 import vocoder

    cells, vae, cls = 250, diffusers.AutoencoderKLLTX2Audio, getattr(vocoder, kind)
    columns, rate = 4 * cells - 3, 48000 if kind.endswith("BWE") else 24000  # the first cell is one column
    told = spectrum_bytes({}, cells, "float32")
    found = peak_bytes(lambda: vae().eval(), lambda: {"z": torch.empty(1, 8, cells, 16)}, "decode")
    assert told == pytest.approx(found, rel=0.05)
    defaults = {name: one.default for name, one in inspect.signature(cls.__init__).parameters.items()}
    told = vocoder_bytes(kind, defaults, columns * rate // 100, "float32")
    _, spectrum, *_ = inspect.signature(cls.forward).parameters
    found = peak_bytes(lambda: cls().eval(), lambda: {spectrum: torch.empty(1, 2, columns, 64)})
    assert told == pytest.approx(found, rel=0.05)


@pytest.fixture
def model(tiny_wan: Callable[[str], Path]) -> Model:
    return run_node(load_model, model=str(tiny_wan("wan21")))


def need(model: Model, *, guidance: float | None = None, **size: int) -> int:
    latents = run_node(empty_latents, model.vae, **size)
    told = denoising({"denoiser": model.denoiser, "latents": latents, "guidance": guidance})
    assert told is not None and told.measured
    return told.device


def test_more_frames_and_larger_ones_need_more(model: Model) -> None:
    assert need(model) < need(model, frames=9) < need(model, frames=9, width=64)


def test_the_denoiser_tells_what_comes_out(model: Model) -> None:
    """So that the decoder after it can tell its own need before anything has run."""
    latents = run_node(empty_latents, model.vae, frames=9)
    told = check_node(denoise, denoiser=model.denoiser, scheduler=model.scheduler, latents=latents)
    after = decoding({"vae": model.vae, "latents": told["out"]})
    assert after is not None and after.host == 3 * 32 * 32 * 9


def test_tiles_are_proposed_only_where_they_save_memory(model: Model) -> None:
    small, large = (run_node(empty_latents, model.vae, width=side, height=side) for side in (64, 1024))
    told = [decoding({"vae": model.vae, "latents": latents}) for latents in (small, large)]
    assert told[0] is not None and not told[0].thrifty
    assert told[1] is not None and told[1].thrifty[f"tile={TILE}"] < told[1].device
    chosen = decoding({"vae": model.vae, "latents": large, "tile": TILE})
    assert chosen is not None and chosen.device == told[1].thrifty[f"tile={TILE}"] and not chosen.thrifty
    tiled = model.vae.model_copy(update={"tiling": Tiling(tile=TILE, stride=192)})
    assert decoding({"vae": tiled, "latents": large}) == chosen


def test_what_is_not_known_is_not_told(model: Model) -> None:
    assert denoising({"denoiser": model.denoiser}) is None
    assert decoding({"vae": model.vae}) is None
    assert encoding({}) is None


def test_longer_prompts_need_more(model: Model) -> None:
    short, long = (
        encoding({"text_encoder": model.text_encoder, "max_sequence_length": tokens}) for tokens in (32, 512)
    )
    assert short is not None and long is not None and short.device < long.device
