"""LTX-2 decoded by a diffusion model: the bits of the plain pipelines, one after the other."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion import decode_by_diffusion, empty_latents, load_diffusion_decoder, offload
from graphflow_nodes.diffusion.diffusion_decode import DiffusionDecoder

from graphflow.errors import Cancelled, MissingModel, NodeError, ValueMismatch
from graphflow.testing import LocalContext, check_node, run_node
from tests.support.tiny_ltx2 import SoundBench, save_tiny_ltx2
from tests.support.tiny_modular import tiny_diffusion_decoder
from tests.support.wan_bench import Bench

pytestmark = pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile:UserWarning")

SEED = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny LTX-2 with a diffusion decoder beside its VAE, whose mean and spread it shares."""
    from diffusers import AutoencoderKLLTX2Video

    path = save_tiny_ltx2(tmp_path_factory.mktemp("ltx2") / "model")
    vae, decoder = AutoencoderKLLTX2Video.from_pretrained(path / "vae"), tiny_diffusion_decoder()
    decoder.latents_mean.copy_(vae.latents_mean)
    decoder.latents_std.copy_(vae.latents_std)
    decoder.save_pretrained(path / "diffusion_decoder")
    return path


@pytest.fixture(scope="module")
def benches(folder: Path) -> Callable[..., SoundBench]:
    return functools.cache(lambda dtype="float32": SoundBench(folder, dtype))


def recipe(folder: Path, dtype: str = "float32") -> DiffusionDecoder:
    made: DiffusionDecoder = run_node(load_diffusion_decoder, model=str(folder), dtype=dtype)
    return made


def decoded(
    model: DiffusionDecoder, latents: Any, context: LocalContext | None = None, **settings: Any
) -> Any:
    settings = {"seed": SEED, **settings}
    return run_node(decode_by_diffusion, model, latents, context=context or LocalContext(), **settings).frames


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_equal_to_the_plain_pipelines(benches: Callable[..., SoundBench], folder: Path, dtype: str) -> None:
    from diffusers import LTX2VideoDiffusionDecodePipeline, LTX2VideoDiffusionDecoderModel

    tiny = benches(dtype)
    kind = getattr(torch, dtype)
    live = LTX2VideoDiffusionDecoderModel.from_pretrained(folder / "diffusion_decoder", dtype=kind)
    pipe = LTX2VideoDiffusionDecodePipeline(diffusion_decoder=live, scheduler=None)
    clip, _ = tiny.raw("LTX2Pipeline", output_type="latent")
    latents = tiny.denoise()

    def plain(samples: Any, **options: Any) -> Any:
        generator = torch.Generator().manual_seed(SEED)
        frames = pipe(samples, generator=generator, output_type="np", **options).frames[0]
        return torch.from_numpy((frames * 255).round().astype("uint8"))

    made = decoded(recipe(folder, dtype), latents, vae=tiny.model.vae)
    assert torch.equal(made, plain(clip, denormalize=False))
    alone = decoded(recipe(folder, dtype), latents)
    assert torch.equal(alone, plain(latents.samples))
    assert torch.equal(alone, made) == (dtype == "float32")
    assert made.shape == (9, 32, 32, 3) and made.is_contiguous()


def test_the_seed_the_clip_and_tiles_count(benches: Callable[..., SoundBench], folder: Path) -> None:
    tiny, model, context = benches(), recipe(folder), LocalContext()
    clip = tiny.denoise(latents=run_node(empty_latents, tiny.model.vae, width=96))
    usual = decoded(model, clip, context)
    assert not torch.equal(usual, decoded(model, clip, context, seed=6))
    assert not torch.equal(usual, decoded(model, clip, context, tile=64, overlap=16))
    assert torch.equal(usual, decoded(model, clip, context)), "tiles are switched off again"
    assert not torch.equal(usual, tiny.decode(clip)), "the VAE makes other pixels"


def test_cancel_and_offload(benches: Callable[..., SoundBench], folder: Path) -> None:
    clip, model = benches().denoise(), recipe(folder)
    counting = LocalContext()
    whole = decoded(model, clip, counting)
    assert counting._points > 2
    with pytest.raises(Cancelled):
        decoded(model, clip, LocalContext(cancel_after=2))
    away = run_node(offload, model, strategy="leaf")
    assert torch.equal(decoded(away, clip), whole)
    assert away.key_fields() == model.key_fields() and model.memory_bytes() > 0


def test_what_it_was_not_made_for(
    benches: Callable[..., SoundBench], bench: Callable[..., Bench], folder: Path
) -> None:
    tiny, model, fresh = benches(), recipe(folder), LocalContext()
    with pytest.raises(NodeError, match="these latents are empty"):
        decoded(model, run_node(empty_latents, tiny.model.vae), fresh)
    for latents in (
        bench("wan21").denoise(),
        tiny.denoise().model_copy(
            update={"geometry": tiny.model.vae.geometry.model_copy(update={"channels": 9})}
        ),
    ):
        with pytest.raises(ValueMismatch, match="was not made for these latents"):
            decoded(model, latents, fresh)
        with pytest.raises(ValueMismatch, match="was not made for these latents"):
            check_node(decode_by_diffusion, decoder=model, latents=latents)
    with pytest.raises(ValueMismatch, match="another VAE"):
        decoded(model, tiny.denoise(), fresh, vae=bench("wan21").model.vae)
    assert not fresh.opened
    with pytest.raises(NodeError, match="has no diffusion decoder"):
        recipe(bench("wan21").folder)
    with pytest.raises(MissingModel):
        recipe(folder / "nowhere")
