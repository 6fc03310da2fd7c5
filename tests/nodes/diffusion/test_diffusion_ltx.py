"""LTX-Video's own traps: a decoder that denoises, packed tokens, a schedule that follows the size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from graphflow_nodes.diffusion import empty_latents, load_model, load_scheduler
from graphflow_nodes.diffusion.families import Configs, family
from graphflow_nodes.diffusion.guidance import guide_rescaled

from graphflow.errors import NodeError
from graphflow.testing import run_node
from tests.support.tiny_family import FamilyBench
from tests.support.tiny_ltx import save_tiny_ltx


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> FamilyBench:
    return FamilyBench(save_tiny_ltx(tmp_path_factory.mktemp("ltx")), "bfloat16")


@pytest.fixture(scope="module")
def plain_decoder(tmp_path_factory: pytest.TempPathFactory) -> FamilyBench:
    return FamilyBench(save_tiny_ltx(tmp_path_factory.mktemp("ltx"), timestep_conditioning=False))


@pytest.mark.parametrize(
    "settings",
    [
        {"decode_timestep": 0.3},
        {"decode_noise_scale": 0.4},
        {"decode_timestep": 0.0, "decode_noise_scale": 0.0},
    ],
)
def test_decoder_settings_need_no_new_denoise(tiny: FamilyBench, settings: dict[str, float]) -> None:
    latents = tiny.denoise()
    frames = tiny.decode(latents, **settings)
    assert torch.equal(frames, tiny.plain(**settings).frames)
    assert not torch.equal(frames, tiny.decode(latents))
    with_clip = latents.model_copy(update={"decode": settings})
    assert torch.equal(tiny.decode(with_clip), frames)


def test_the_decoders_noise_goes_on_where_the_denoise_ended(tiny: FamilyBench) -> None:
    """Another state of the generator, or noise in another dtype, gives other frames."""
    latents = tiny.denoise()
    frames = tiny.decode(latents)
    fresh = torch.Generator().manual_seed(3).get_state()
    assert not torch.equal(tiny.decode(latents.model_copy(update={"rng": fresh})), frames)
    wide = latents.model_copy(update={"embeds_dtype": "float32"})
    assert not torch.equal(tiny.decode(wide), frames)
    assert torch.equal(tiny.decode(latents), frames)


def test_the_global_generator_is_left_alone(tiny: FamilyBench) -> None:
    before = torch.get_rng_state()
    tiny.decode(tiny.denoise())
    assert torch.equal(torch.get_rng_state(), before)


def test_a_decoder_without_timestep_takes_no_settings(plain_decoder: FamilyBench) -> None:
    latents = plain_decoder.denoise()
    assert plain_decoder.model.native.decode == {}
    with pytest.raises(NodeError, match="has no decode_timestep"):
        plain_decoder.decode(latents, decode_timestep=0.1)


def test_packing_is_the_pipelines() -> None:
    from diffusers import LTXPipeline

    rules, samples = family("ltx"), torch.randn(1, 8, 3, 2, 5)
    packed = rules.pack(samples)
    assert torch.equal(packed, LTXPipeline._pack_latents(samples))
    assert packed.stride()[1:] == LTXPipeline._pack_latents(samples).stride()[1:]


def test_tiles(tiny: FamilyBench) -> None:
    empty = run_node(empty_latents, tiny.model.vae, width=128, height=128, frames=1)
    latents = tiny.denoise(latents=empty)
    whole = tiny.decode(latents)
    tiled = tiny.decode(latents, tile=64, overlap=16)
    assert tiled.shape == whole.shape and not torch.equal(tiled, whole)
    assert torch.equal(tiny.decode(latents), whole)


def test_the_frame_rate_is_an_input_of_the_denoiser(tiny: FamilyBench) -> None:
    fast = tiny.denoise(latents=run_node(empty_latents, tiny.model.vae, fps=24))
    assert torch.equal(fast.samples, tiny.plain(frame_rate=24).latents)
    assert not torch.equal(fast.samples, tiny.denoise().samples)


def test_decoder_settings_from_beside_the_model(tmp_path: Path) -> None:
    """As in the pipeline, the noise scale follows the timestep where nothing is said of it."""
    folder = save_tiny_ltx(tmp_path)
    sidecar = folder / "graphflow.json"
    settings = {"decode_timestep": 0.2}
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), "decode": settings}))
    other = FamilyBench(folder)
    assert other.model.native.decode == settings
    assert torch.equal(other.decode(other.denoise()), other.plain().frames)


def test_guidance_may_be_rescaled(tiny: FamilyBench) -> None:
    guide = run_node(guide_rescaled, guidance=5.0, rescale=0.6)
    mine = tiny.denoise(guide=guide).samples
    assert torch.equal(mine, tiny.plain(guidance_scale=5.0, guidance_rescale=0.6).latents)
    assert not torch.equal(mine, tiny.denoise(guidance=5.0).samples)
    assert torch.equal(
        tiny.denoise(guide=guide.model_copy(update={"rescale": 0.0})).samples,
        tiny.denoise(guidance=5.0).samples,
    )
    with pytest.raises(NodeError, match="leave it empty"):
        tiny.denoise(guide=guide, guidance=5.0)


@pytest.mark.parametrize(
    ("pipeline", "name", "tasks"),
    [
        ("LTXPipeline", "ltx", ("text_to_video", "image_to_video")),
        ("LTXImageToVideoPipeline", "ltx", ("text_to_video", "image_to_video")),
        (
            "LTXConditionPipeline",
            "ltx_condition",
            ("text_to_video", "image_to_video", "keyframes", "extension"),
        ),
    ],
)
def test_an_index_may_name_any_of_its_pipelines(
    tmp_path: Path, pipeline: str, name: str, tasks: tuple[str, ...]
) -> None:
    index = save_tiny_ltx(tmp_path) / "model_index.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "_class_name": pipeline}))
    model = run_node(load_model, model=str(tmp_path))
    assert {part.family for part in (model.text_encoder, model.denoiser, model.vae)} == {name}
    assert model.denoiser.tasks == tasks


def test_the_mask_hides_the_padding(tiny: FamilyBench) -> None:
    tensors = tiny.encode("ab").tensors
    assert tensors["prompt_attention_mask"].dtype == torch.bool
    assert int(tensors["prompt_attention_mask"].sum()) == 3  # two letters and the end mark


def test_sizes_and_lengths_of_the_published_model() -> None:
    configs = Configs(
        {}, {}, {"timestep_conditioning": True, "spatio_temporal_scaling": [True] * 3 + [False]}
    )
    rules, geometry = family("ltx"), family("ltx").geometry(configs)
    assert geometry.model_dump() == {"channels": 128, "spatial": 32, "temporal": 8, "multiple": 32}
    assert geometry.latent_shape(704, 512, 161) == (1, 128, 21, 16, 22)
    assert rules.native(configs).decode == {"decode_timestep": 0.05, "decode_noise_scale": 0.025}
    with pytest.raises(ValueError, match="patch"):
        rules.geometry(Configs({}, {"patch_size": 2}, {}))


def test_wrong_sizes_and_samplers_are_refused(tiny: FamilyBench) -> None:
    with pytest.raises(NodeError, match="width 48 is not a multiple of 32"):
        run_node(empty_latents, tiny.model.vae, width=48)
    with pytest.raises(NodeError, match=r"1, 5, 9, \.\.\. frames, not 8"):
        run_node(empty_latents, tiny.model.vae, frames=8)
    with pytest.raises(NodeError, match="take no sampler 'unipc'"):
        run_node(load_scheduler, model=str(tiny.folder), sampler="unipc")
    with pytest.raises(NodeError, match="it follows the size of the video"):
        run_node(load_scheduler, model=str(tiny.folder), shift=3.0)


def test_euler_is_the_published_schedule(tiny: FamilyBench) -> None:
    own = run_node(load_scheduler, model=str(tiny.folder)).build()
    euler = run_node(load_scheduler, model=str(tiny.folder), sampler="euler").build()
    for scheduler in (own, euler):
        scheduler.set_timesteps(5, mu=1.3)
    assert torch.equal(own.sigmas, euler.sigmas)
