"""Traps of diffusers that no other test is about, and the page that says which test holds which."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion import attention_cache, offload
from graphflow_nodes.diffusion.families import family
from graphflow_nodes.diffusion.pixels import pil
from safetensors.torch import load_file

from graphflow.errors import NodeError
from graphflow.testing import run_node
from graphflow.values import Image
from tests.support.tiny_family import FamilyBench
from tests.support.tiny_hunyuan import save_tiny_framepack
from tests.support.tiny_skyreels import ftfy_or_stand_in, save_tiny_skyreels_df
from tests.support.treatments import save_lora, treated
from tests.support.wan_bench import PROMPT, Bench
from tests.support.window_benches import ForcingBench, clip

Benches = Callable[..., Bench]
Families = Callable[..., FamilyBench]

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "traps.md"


def test_every_trap_names_tests_that_exist() -> None:
    rows = [row for row in PAGE.read_text("utf-8").splitlines() if row.startswith("| ") and "::" in row]
    assert len(rows) > 40
    for row in rows:
        for file, name in re.findall(r"`([\w/]+\.py)::(\w+)`", row):
            assert f"\ndef {name}(" in (HERE / file).read_text("utf-8"), f"{file} has no {name}"
    traps = [row for row in PAGE.read_text("utf-8").splitlines() if re.match(r"\| (?!what happens|-)", row)]
    assert all("::" in row for row in traps), "a trap without a test"


def test_without_a_vae_ltx_assumes_the_size_of_its_cells(families: Families) -> None:
    from diffusers import LTXPipeline

    names = ["text_encoder", "tokenizer", "transformer", "scheduler"]
    made = LTXPipeline(vae=None, **dict.fromkeys(names))
    assert (made.vae_spatial_compression_ratio, made.vae_temporal_compression_ratio) == (32, 8)
    tiny = families("ltx").model.vae.geometry
    assert (tiny.spatial, tiny.temporal) != (32, 8), "the clips of this model would have another shape"


def test_sound_does_not_count_as_steps(families: Families) -> None:
    """LTX-2 steps twice in each step: for the frames and, by a copy of the scheduler, for the sound."""
    tiny = families("ltx2")
    context = tiny.context()
    tiny.denoise(steps=3, context=context)
    assert context.progress_log == [(1, 3), (2, 3), (3, 3)]


def test_a_generator_of_the_cpu_serves_every_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """The noise of LTX-Video's decoder, on a device whose generators are not the CPU's, as on a GPU."""
    randn = torch.randn

    def strict(*size: Any, generator: Any = None, device: Any = None, **options: Any) -> Any:
        if generator is not None and torch.device(device or "cpu").type != generator.device.type:
            raise RuntimeError("Expected a generator of this device")
        return randn(*size, generator=generator, device=device, **options)

    monkeypatch.setattr(torch, "randn", strict)
    generator = torch.Generator("cpu").manual_seed(0)
    with pytest.raises(RuntimeError, match="Expected a generator"):
        torch.randn(2, generator=generator, device="meta")
    seen: list[Any] = []

    def decode(x: Any, timestep: Any, return_dict: bool) -> tuple[Any]:
        seen.append((x, timestep))
        return (x,)

    vae: Any = SimpleNamespace(
        device=torch.device("meta"),
        dtype=torch.float32,
        latents_mean=torch.zeros(8),
        latents_std=torch.ones(8),
        config=SimpleNamespace(timestep_conditioning=True, scaling_factor=1.0),
        decode=decode,
    )
    clip: Any = SimpleNamespace(
        embeds_dtype="bfloat16", rng=generator.get_state(), decode={"decode_timestep": 0.05}
    )
    family("ltx").decode(vae, torch.zeros(1, 8, 2, 2, 2), clip)
    ((x, timestep),) = seen
    assert x.shape == (1, 8, 2, 2, 2) and x.is_meta and timestep.is_meta


def test_an_interrupted_pipeline_still_decodes(bench: Benches) -> None:
    """`_interrupt` ends no step and gives frames of half a denoise; a cancel must be an exception."""
    from diffusers import WanPipeline

    pipe = WanPipeline.from_pretrained(bench("wan21").folder)
    pipe.set_progress_bar_config(disable=True)
    calls: list[int] = []
    pipe.transformer.register_forward_pre_hook(lambda *_: calls.append(1))

    def stop(pipe: Any, step: int, time: Any, tensors: Any) -> Any:
        pipe._interrupt = True
        return {}

    size = {"width": 32, "height": 32, "num_frames": 5, "num_inference_steps": 4, "max_sequence_length": 24}
    found = pipe(prompt=PROMPT, **size, callback_on_step_end=stop, output_type="np", guidance_scale=1.0)
    assert len(calls) == 1 and found.frames[0].shape == (5, 32, 32, 3)


def test_modular_wan_is_not_the_standard_pipeline_in_half_precision(bench: Benches) -> None:
    """Why no family here runs by the modular blocks where a standard pipeline exists."""
    import diffusers

    def frames(dtype: str) -> tuple[Any, Any]:
        kinds = {"default": getattr(torch, dtype), "vae": torch.float32}
        pipe = diffusers.WanPipeline.from_pretrained(bench("wan21").folder, dtype=kinds)
        pipe.set_progress_bar_config(disable=True)
        size = {"width": 32, "height": 32, "num_frames": 5, "num_inference_steps": 4}
        usual = {"prompt": PROMPT, "negative_prompt": "blurred", "max_sequence_length": 24, **size}
        plain = pipe(
            **usual, guidance_scale=3.0, generator=torch.Generator().manual_seed(3), output_type="pt"
        ).frames
        blocks = diffusers.modular_pipelines.WanBlocks().init_pipeline()
        blocks.set_progress_bar_config(disable=True)
        guider = diffusers.ClassifierFreeGuidance(guidance_scale=3.0)
        parts = {name: part for name, part in pipe.components.items() if part is not None}
        blocks.update_components(**parts, guider=guider)
        made = blocks(**usual, generator=torch.Generator().manual_seed(3), output="videos", output_type="pt")
        return plain, made

    assert torch.equal(*frames("float32"))
    assert not torch.equal(*frames("bfloat16"))


def test_a_fused_lora_leaves_rounding_behind(bench: Benches, tmp_path: Path) -> None:
    """Why LoRAs are added beside a layer and never merged into it: what is merged cannot be taken off."""
    from diffusers import WanPipeline

    pipe = WanPipeline.from_pretrained(bench("wan21").folder)
    file = save_lora(tmp_path / "random.safetensors", pipe.transformer)
    before = load_file(bench("wan21").folder / "transformer" / "diffusion_pytorch_model.safetensors")
    pipe.load_lora_weights(file)
    pipe.fuse_lora()
    pipe.unfuse_lora()
    pipe.unload_lora_weights()
    after = pipe.transformer.state_dict()
    assert not all(torch.equal(before[name], after[name]) for name in before)


def test_framepack_gives_every_history_and_the_last_is_the_clip(tmp_path: Path) -> None:
    """Asked for latents it returns a list, one entry longer than the other; sections behind come first."""
    from diffusers import HunyuanVideoFramepackPipeline

    pipe = HunyuanVideoFramepackPipeline.from_pretrained(save_tiny_framepack(tmp_path / "model"))
    pipe.set_progress_bar_config(disable=True)
    size = {"width": 32, "height": 16, "num_frames": 2 * 5, "latent_window_size": 2}
    told = {"prompt": PROMPT, "num_inference_steps": 1, "max_sequence_length": 24, "output_type": "latent"}
    generator = torch.Generator().manual_seed(3)
    first, whole = pipe(
        image=pil(Image(pixels=clip(32, 16, 1).frames[0])), **size, **told, generator=generator
    ).frames
    assert first.shape[2] < whole.shape[2]
    assert torch.equal(whole[:, :, -first.shape[2] :], first), "the first section to be made is the last seen"


def test_attention_broadcast_cannot_read_a_timestep_for_each_frame(tmp_path: Path) -> None:
    """Diffusion forcing has one for each; our node takes no step cache."""
    from diffusers import PyramidAttentionBroadcastConfig, SkyReelsV2DiffusionForcingPipeline

    tiny = ForcingBench(save_tiny_skyreels_df(tmp_path / "model"))
    pipe = SkyReelsV2DiffusionForcingPipeline.from_pretrained(tiny.folder)
    pipe.set_progress_bar_config(disable=True)
    config = PyramidAttentionBroadcastConfig(
        spatial_attention_block_skip_range=2,
        spatial_attention_timestep_skip_range=(0, 1000),
        current_timestep_callback=lambda: pipe.current_timestep,
    )
    pipe.transformer.enable_cache(config)
    size = {"width": 32, "height": 16, "num_frames": 9, "base_num_frames": 17, "max_sequence_length": 24}
    with ftfy_or_stand_in():
        with pytest.raises(RuntimeError, match="Boolean value of Tensor"):
            pipe(prompt=PROMPT, **size, num_inference_steps=3, output_type="latent")
        prompt = tiny.encode()
    cached = treated(tiny, denoiser=run_node(attention_cache, tiny.model.denoiser))
    cached.opened = {}
    with pytest.raises(NodeError, match="step cache cannot work on a clip that is made in windows"):
        cached.denoise(prompt=prompt, steps=2)
    assert cached.opened == {}, "refused before anything was loaded"


def test_one_pipeline_has_one_kind_of_offload(bench: Benches) -> None:
    """diffusers refuses a second kind, late; here the later node's word is the recipe's one placement."""
    from diffusers import WanPipeline

    tiny = bench("wan21")
    pipe = WanPipeline.from_pretrained(tiny.folder)
    cpu = torch.device("cpu")
    pipe.transformer.enable_group_offload(onload_device=cpu, offload_device=cpu, offload_type="leaf_level")
    with pytest.raises(ValueError, match="This is not supported"):
        pipe.enable_model_cpu_offload(device="cpu")

    twice = run_node(offload, run_node(offload, tiny.model.denoiser, strategy="leaf"), strategy="model")
    assert twice == run_node(offload, tiny.model.denoiser, strategy="model")
    prompt = tiny.encode()
    found = treated(tiny, denoiser=twice).denoise(prompt=prompt, steps=2).samples
    assert torch.equal(found, tiny.denoise(prompt=prompt, steps=2).samples)


def test_whole_pipelines_are_not_offloaded_on_a_cpu(bench: Benches) -> None:
    """Model offload looks for a GPU unless it is told a device, sequential offload fails; ours does neither
    by the pipeline (modifiers/test_diffusion_offload.py runs both)."""
    from diffusers import WanPipeline

    pipe = WanPipeline.from_pretrained(bench("wan21").folder)
    if not torch.accelerator.is_available():
        with pytest.raises(RuntimeError, match="requires accelerator"):
            pipe.enable_model_cpu_offload()
    with pytest.raises(TypeError, match="invalid combination of arguments"):
        pipe.enable_sequential_cpu_offload(device="cpu")
        pipe(
            prompt=PROMPT,
            width=32,
            height=32,
            num_frames=5,
            num_inference_steps=1,
            max_sequence_length=24,
            output_type="latent",
        )


def test_torchao_is_not_named_in_words() -> None:
    """Names, which older versions took, are refused; ours are made into configs."""
    from diffusers import TorchAoConfig

    with pytest.raises(TypeError, match="must be an AOBaseConfig instance"):
        TorchAoConfig("int8_weight_only")
