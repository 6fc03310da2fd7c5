"""Nodes that run a whole pipeline, window by window, against every tensor that they really allocate.

The models are tiny, the clips large enough that tensors of the clip, and not those of the prompt, decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion import animate, condition_image, diffusion_forcing, empty_latents, framepack
from graphflow_nodes.diffusion.load import Model
from graphflow_nodes.diffusion.values import Latents

from benchmarks.activations import Counter
from graphflow.node import Estimate, State, spec_of
from graphflow.testing import LocalContext, run_node
from graphflow.values import Image, Value, Video
from tests.support.tiny_family import FamilyBench
from tests.support.tiny_hunyuan import save_tiny_framepack
from tests.support.tiny_skyreels import save_tiny_skyreels_df
from tests.support.wan_bench import Bench


class Forgetful(LocalContext):
    """A context that keeps neither checkpoints nor previews, which are no part of the node's own need."""

    def checkpoint(self, make: Callable[[], State]) -> None:
        make()

    def preview(self, make: Callable[[], Value]) -> None:
        make()


def context(bench: Bench | FamilyBench) -> Forgetful:
    found = Forgetful()
    found.opened = bench.opened
    return found


def modules(opened: Any) -> Iterator[Any]:
    """The modules inside what recipes open."""
    if isinstance(opened, torch.nn.Module):
        yield opened
    elif isinstance(opened, (tuple, list, dict)) or hasattr(opened, "__dict__"):
        parts = (
            opened.values()
            if isinstance(opened, dict)
            else opened
            if isinstance(opened, (tuple, list))
            else vars(opened).values()
        )
        for part in parts:
            yield from modules(part)


def counted(bench: Bench | FamilyBench, run: Callable[[], object]) -> int:
    """The most bytes that tensors of a second run take, beside weights."""
    run()
    kept = [t for module in modules(bench.opened) for t in (*module.parameters(), *module.buffers())]
    assert kept
    counter = Counter(kept)
    with counter:
        run()
    return counter.peak


def told(node: Callable[..., Any], model: Model, latents: Latents, **settings: Any) -> Estimate:
    known = {"denoiser": model.denoiser, "vae": model.vae, "latents": latents, **settings}
    spec = spec_of(node)
    assert spec.forecast is not None
    found = spec.forecast(known)
    assert found is not None and found.measured
    return found


def noise(frames: int, side: int) -> Any:
    return torch.randint(0, 256, (frames, side, side, 3), dtype=torch.uint8)


@pytest.mark.parametrize(("side", "frames", "segment"), [(64, 13, 5), (96, 17, 9)])
def test_animate(bench: Callable[..., Bench], side: int, frames: int, segment: int) -> None:
    wan = bench("wan_animate")
    model, prompt = wan.model, wan.encode()
    latents = run_node(empty_latents, model.vae, frames=frames, width=side, height=side)
    pose, face = (Video(frames=noise(frames, edge), fps=8.0) for edge in (side, 16))
    parts = model.denoiser, model.scheduler, model.vae, model.image_encoder, prompt
    ports = *parts, Image(pixels=noise(1, side)[0]), pose, face, latents
    settings = {"segment": segment, "guidance": 2.0}

    def run() -> object:
        return run_node(animate, *ports, context=context(wan), steps=1, **settings)

    found = told(animate, model, latents, **settings)
    assert found.device + found.host == pytest.approx(counted(wan, run), rel=0.15)


def test_framepack(tmp_path: Path) -> None:
    packed = FamilyBench(save_tiny_framepack(tmp_path / "model"), "float32")
    model, prompt, section = packed.model, packed.encode(), 9
    latents = run_node(empty_latents, model.vae, frames=2 * section * 4 + 1, width=384, height=384)
    image = Image(pixels=noise(1, 384)[0])
    given = model.vae, image, latents, None, model.image_encoder
    condition = run_node(condition_image, *given, context=context(packed))
    ports = model.denoiser, model.scheduler, prompt, latents, condition

    def run() -> object:
        return run_node(framepack, *ports, context=context(packed), steps=1, latent_window_size=section)

    found = told(framepack, model, latents, latent_window_size=section)
    assert found.device + found.host == pytest.approx(counted(packed, run), rel=0.15)


def test_diffusion_forcing(tmp_path: Path, mended_prompts: None) -> None:
    forced = FamilyBench(save_tiny_skyreels_df(tmp_path / "model"), "float32")
    model, prompt = forced.model, forced.encode()
    latents = run_node(empty_latents, model.vae, frames=33, width=256, height=256)
    ports = model.denoiser, model.scheduler, prompt, latents
    settings = {"base_num_frames": 17, "overlap_history": 5, "guidance": 2.0}

    def run() -> object:
        return run_node(diffusion_forcing, *ports, context=context(forced), steps=1, **settings)

    found = told(diffusion_forcing, model, latents, **settings)
    assert found.device + found.host == pytest.approx(counted(forced, run), rel=0.15)
