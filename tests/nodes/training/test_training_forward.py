"""A denoiser called for training says what it says inside its own pipeline."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion import denoise, empty_latents, encode_prompt, load_model, noise_latents
from graphflow_nodes.training.forward import check_trainable, recorded, velocity

from graphflow.errors import NodeError
from graphflow.testing import LocalContext, run_node
from tests.nodes.training.conftest import Course
from tests.support.tiny_models import SAVE
from tests.support.tiny_wan import VARIANTS, save_tiny_wan


@pytest.mark.parametrize("variant", ["wan21", "wan5b", "wan22", "ltx", "hunyuan", "hunyuan15", "skyreels"])
def test_it_says_what_it_says_at_the_first_step_of_its_pipeline(
    course: Callable[..., Course], variant: str
) -> None:
    model, context = course(variant).model, LocalContext()
    prompt = run_node(encode_prompt, model.text_encoder, prompt="a red ball", context=context)
    empty = run_node(empty_latents, model.vae)
    noise = run_node(noise_latents, empty, seed=3)
    heard: list[tuple[Any, Any]] = []

    def listen(module: Any, args: Any, kwargs: Any, output: Any) -> None:
        heard.append((kwargs["timestep"].max(), output[0]))

    with context.use(model.denoiser) as experts:
        hook = experts.transformer.register_forward_hook(listen, with_kwargs=True)
    run_node(
        denoise,
        model.denoiser,
        model.scheduler,
        prompt,
        noise,
        steps=4,
        guidance=1.0,
        end_step=1,
        context=context,
    )
    hook.remove()
    time, expected = heard[0]
    with context.use(model.denoiser) as experts, torch.no_grad():
        said = recorded(model.denoiser, experts, empty, prompt, "cpu")
        levels = torch.full((1, noise.samples.shape[2]), float(time) / said.scale)
        found = velocity(experts.transformer, model.denoiser, [said], noise.samples, levels)
    assert 0.5 < float(levels[0, 0]) <= 1
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_a_batch_is_its_clips_side_by_side(course: Callable[..., Course]) -> None:
    tiny, context = course("ltx"), LocalContext()
    noisy = torch.randn(2, *tiny.latents[0].samples.shape[1:], generator=torch.Generator().manual_seed(1))
    levels = torch.tensor([0.3, 0.8])[:, None].repeat(1, noisy.shape[2])
    with context.use(tiny.model.denoiser) as experts, torch.no_grad():
        said = [
            recorded(tiny.model.denoiser, experts, latents, prompt, "cpu")
            for latents, prompt in zip(tiny.latents, tiny.prompts, strict=True)
        ]
        both = velocity(experts.transformer, tiny.model.denoiser, said, noisy, levels)
        alone = [
            velocity(experts.transformer, tiny.model.denoiser, [said[i]], noisy[i : i + 1], levels[i : i + 1])
            for i in range(2)
        ]
    torch.testing.assert_close(both, torch.cat(alone), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("variant", ["ltx2", "wan22_image", "wan_vace"])
def test_models_with_sound_or_that_need_more_than_a_text_are_refused(tmp_path: Path, variant: str) -> None:
    save = functools.partial(save_tiny_wan, variant) if variant in VARIANTS else SAVE[variant]
    with pytest.raises(NodeError, match="cannot be trained here"):
        check_trainable(run_node(load_model, model=str(save(tmp_path / variant))).denoiser)
