"""HunyuanVideo's own traps: two text encoders, guidance inside the denoiser, no negative prompt."""

from __future__ import annotations

import pytest
import torch
from graphflow_nodes.diffusion import denoise, empty_latents, encode_prompt, load_model, load_scheduler
from graphflow_nodes.diffusion.families import Configs, family

from graphflow.errors import NodeError
from graphflow.testing import check_node, run_node
from tests.support.tiny_family import FamilyBench
from tests.support.tiny_hunyuan import TOKENS, save_tiny_hunyuan
from tests.support.wan_bench import PROMPT


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> FamilyBench:
    return FamilyBench(save_tiny_hunyuan(tmp_path_factory.mktemp("hunyuan")))


def test_both_encoders_see_the_prompt(tiny: FamilyBench) -> None:
    from diffusers import HunyuanVideoPipeline

    pipe = HunyuanVideoPipeline.from_pretrained(tiny.folder)
    with torch.no_grad():
        theirs = pipe.encode_prompt(PROMPT, max_sequence_length=TOKENS)
    mine, other = tiny.encode().tensors, tiny.encode("a blue box").tensors
    names = ("prompt_embeds", "pooled_prompt_embeds", "prompt_attention_mask")
    for name, tensor in zip(names, theirs, strict=True):
        assert torch.equal(mine[name], tensor)
        assert not torch.equal(mine[name], other[name])
    assert mine["prompt_embeds"].shape == (1, TOKENS, 16)
    assert mine["pooled_prompt_embeds"].shape == (1, 8)


def test_each_of_the_three_tensors_matters(tiny: FamilyBench) -> None:
    prompt, other = tiny.encode(), tiny.encode("a blue box")
    usual = tiny.denoise(prompt=prompt).samples
    for name in prompt.tensors:
        mixed = {**prompt.tensors, name: other.tensors[name]}
        changed = prompt.model_copy(update={"tensors": mixed})
        assert not torch.equal(tiny.denoise(prompt=changed).samples, usual)


def test_guidance_costs_no_second_pass(tiny: FamilyBench) -> None:
    points = []
    for guidance in (1.0, 9.0):
        context = tiny.context()
        tiny.denoise(guidance=guidance, context=context)
        points.append(context._points)
    assert points[0] == points[1]


def test_a_negative_prompt_that_nobody_looks_at_is_refused_before_anything_is_loaded(
    tiny: FamilyBench,
) -> None:
    """Already while planning; the second pass that looks at it is asked for by guide_true_cfg."""
    model = tiny.model
    told = check_node(encode_prompt, text_encoder=model.text_encoder, negative_prompt="blurred")
    known = {"denoiser": model.denoiser, "latents": run_node(empty_latents, model.vae), "prompt": told["out"]}
    with pytest.raises(NodeError, match="does not look at a negative prompt by itself"):
        check_node(denoise, **known, scheduler=model.scheduler)
    prompt, context = tiny.encode(negative_prompt="blurred"), FamilyBench(tiny.folder).context()
    with pytest.raises(NodeError, match="does not look at a negative prompt by itself"):
        tiny.denoise(prompt=prompt, context=context)
    assert not context.opened


@pytest.mark.parametrize("sampler", ["euler", "unipc"])
def test_other_solvers(tiny: FamilyBench, sampler: str) -> None:
    other = FamilyBench(tiny.folder)
    other.model = run_node(load_model, model=str(tiny.folder), dtype="float32", sampler=sampler)
    mine = other.denoise().samples
    assert torch.equal(mine, tiny.plain(scheduler=other.model.scheduler.build()).latents)
    assert torch.equal(mine, tiny.denoise().samples) == (sampler == "euler")


def test_tiles(tiny: FamilyBench) -> None:
    empty = run_node(empty_latents, tiny.model.vae, width=128, height=128, frames=1)
    latents = tiny.denoise(latents=empty)
    whole = tiny.decode(latents)
    tiled = tiny.decode(latents, tile=64, overlap=16)
    assert tiled.shape == whole.shape and not torch.equal(tiled, whole)
    assert torch.equal(tiny.decode(latents), whole)


def test_sizes_lengths_and_shift_of_the_published_model(tiny: FamilyBench) -> None:
    configs = Configs({}, {"patch_size": 2}, {"latent_channels": 16})
    geometry = family("hunyuan").geometry(configs)
    assert geometry.model_dump() == {"channels": 16, "spatial": 8, "temporal": 4, "multiple": 16}
    native = family("hunyuan").native(configs)
    assert geometry.latent_shape(native.width, native.height, native.frames) == (1, 16, 33, 90, 160)
    assert run_node(load_scheduler, model=str(tiny.folder), sampler="unipc").config["flow_shift"] == 7.0
    with pytest.raises(NodeError, match="height 24 is not a multiple of 16"):
        run_node(empty_latents, tiny.model.vae, height=24)
    with pytest.raises(NodeError, match="frames, not 6"):
        run_node(empty_latents, tiny.model.vae, frames=6)
