"""HunyuanVideo 1.5's own traps: guidance as a component, two text streams with masks, no report of steps."""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path

import pytest
import torch
from graphflow_nodes.diffusion import empty_latents, load_model
from graphflow_nodes.diffusion.families import Config, Configs, family
from graphflow_nodes.diffusion.families.hunyuan15 import STREAMS
from graphflow_nodes.diffusion.shell import shell

from graphflow.errors import NodeError
from graphflow.testing import run_node
from tests.support.tiny_family import FamilyBench
from tests.support.tiny_hunyuan15 import TOKENS, save_tiny_hunyuan15

SEES: Config = {"image_encoder": ["transformers", "SiglipVisionModel"]}
LETTERS = 'a red ball rolls under a sign that says "GO"'


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> FamilyBench:
    return FamilyBench(save_tiny_hunyuan15(tmp_path_factory.mktemp("hunyuan15")))


def test_both_streams_and_their_masks_are_the_pipelines(tiny: FamilyBench) -> None:
    from diffusers import HunyuanVideo15Pipeline

    pipe = HunyuanVideo15Pipeline.from_pretrained(tiny.folder)
    pipe.tokenizer_max_length = TOKENS
    mine = tiny.encode(LETTERS, negative_prompt="blurred").tensors
    for text, prefix in ((LETTERS, ""), ("blurred", "negative_")):
        with torch.no_grad():
            theirs = pipe.encode_prompt(text)
        for name, tensor in zip(STREAMS, theirs, strict=True):
            assert torch.equal(mine[prefix + name], tensor)
    assert mine["prompt_embeds"].shape == (1, TOKENS, 16)
    assert mine["prompt_embeds_2"].shape == (1, 256, 8)


def test_words_in_quotes_go_to_the_second_encoder(tiny: FamilyBench) -> None:
    with_letters, without = tiny.encode(LETTERS), tiny.encode(LETTERS.replace('"', ""))
    assert with_letters.tensors["prompt_embeds_mask_2"].any()
    assert not without.tensors["prompt_embeds_mask_2"].any()
    latents = tiny.denoise(prompt=with_letters)
    plain = tiny.plain(prompt=LETTERS)
    assert torch.equal(latents.samples, plain.latents)
    assert torch.equal(tiny.decode(latents), plain.frames)


def test_each_of_the_four_tensors_matters(tiny: FamilyBench) -> None:
    prompt, other = tiny.encode(LETTERS), tiny.encode('a blue box says "STOP HERE"')
    usual = tiny.denoise(prompt=prompt).samples
    for name in STREAMS:
        mixed = {**prompt.tensors, name: other.tensors[name]}
        changed = prompt.model_copy(update={"tensors": mixed})
        assert not torch.equal(tiny.denoise(prompt=changed).samples, usual), name


def test_the_pipeline_tells_of_no_steps(tiny: FamilyBench) -> None:
    """Were it to learn to, the tap on the scheduler could go."""
    from diffusers import HunyuanVideo15Pipeline

    assert "callback_on_step_end" not in inspect.signature(HunyuanVideo15Pipeline.__call__).parameters
    watching = tiny.context()
    tiny.denoise(context=watching)
    assert watching.progress_log == [(step, 3) for step in (1, 2, 3)]


def test_no_guidance_costs_one_pass_a_step(tiny: FamilyBench) -> None:
    points = []
    for guidance in (1.0, 6.0):
        context = tiny.context()
        tiny.denoise(guidance=guidance, context=context)
        points.append(context._points)
    assert points[0] < points[1]


def test_the_pipeline_cannot_be_built_around_no_vae() -> None:
    """`hasattr(self, "vae")` is true of None; a shell for text needs something with a config."""
    from diffusers import HunyuanVideo15Pipeline

    names = ["text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2", "transformer", "scheduler"]
    with pytest.raises(AttributeError, match="config"):
        HunyuanVideo15Pipeline(vae=None, guider=None, **dict.fromkeys(names))
    assert shell(family("hunyuan15"), {}).transformer is None


@pytest.mark.parametrize("sampler", ["euler", "unipc"])
def test_other_solvers(tiny: FamilyBench, sampler: str) -> None:
    other = FamilyBench(tiny.folder)
    other.model = run_node(load_model, model=str(tiny.folder), dtype="float32", sampler=sampler)
    mine = other.denoise().samples
    assert torch.equal(mine, tiny.plain(scheduler=other.model.scheduler.build()).latents)
    assert torch.equal(mine, tiny.denoise().samples) == (sampler == "euler")


@pytest.mark.parametrize(("tile", "overlap"), [(64, 16), (80, 64), (68, 20), (64, 18)])
def test_tiles_of_any_size(tiny: FamilyBench, tile: int, overlap: int) -> None:
    """This VAE is told how large a share tiles overlap; many shares are no floats and would leave gaps."""
    empty = run_node(empty_latents, tiny.model.vae, width=128, height=96, frames=1)
    latents = tiny.denoise(latents=empty)
    whole = tiny.decode(latents)
    tiled = tiny.decode(latents, tile=tile, overlap=overlap)
    assert tiled.shape == whole.shape and not torch.equal(tiled, whole)
    assert torch.equal(tiny.decode(latents), whole)


def test_a_longer_prompt_is_cut_where_it_is_told(tiny: FamilyBench) -> None:
    short = tiny.encode(LETTERS, max_sequence_length=TOKENS - 10)
    assert short.tensors["prompt_embeds"].shape[1] == TOKENS - 10
    assert tiny.encode(LETTERS).tensors["prompt_embeds"].shape[1] == TOKENS


@pytest.mark.parametrize(
    ("index", "transformer", "guider", "settings"),
    [
        ({}, {"target_size": 640}, {"guidance_scale": 6.0}, (848, 480, 50, 6.0, 5.0)),
        ({}, {"target_size": 960}, {}, (1280, 720, 50, 6.0, 9.0)),
        (SEES, {"target_size": 960}, {"guidance_scale": 1.0}, (1280, 720, 50, 1.0, 7.0)),
        (SEES, {"target_size": 640, "use_meanflow": True}, {}, (848, 480, 12, 1.0, 7.0)),
    ],
    ids=["480p", "720p", "720p from images, no guidance", "480p from images, few steps"],
)
def test_settings_of_the_published_variants(
    index: Config, transformer: Config, guider: Config, settings: tuple[float, ...]
) -> None:
    native = family("hunyuan15").native(Configs(index, transformer, {}, guider=guider))
    assert (native.width, native.height, native.steps, native.guidance, native.shift) == settings


def test_the_guider_of_a_folder_is_read(tiny: FamilyBench, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny.folder, tmp_path / "distilled")
    (folder / "graphflow.json").unlink()
    assert run_node(load_model, model=str(folder)).native.guidance == 6.0
    (folder / "guider" / "guider_config.json").write_text('{"guidance_scale": 1.0}')
    assert run_node(load_model, model=str(folder)).native.guidance == 1.0


def test_sizes_lengths_and_shift_of_the_published_model(tiny: FamilyBench) -> None:
    rules = family("hunyuan15")
    geometry = rules.geometry(Configs({}, {"patch_size": 1}, {}))
    assert geometry.model_dump() == {"channels": 32, "spatial": 16, "temporal": 4, "multiple": 16}
    assert geometry.latent_shape(1280, 720, 121) == (1, 32, 31, 45, 80)
    assert tiny.model.scheduler.config["shift"] == 7.0
    with pytest.raises(NodeError, match="height 18 is not a multiple of 4"):
        run_node(empty_latents, tiny.model.vae, height=18)
