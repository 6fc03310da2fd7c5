"""Traps of diffusers that no other test is about, and the page that says which test holds which."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion.families import family
from safetensors.torch import load_file

from tests.support.tiny_family import FamilyBench
from tests.support.treatments import save_lora
from tests.support.wan_bench import PROMPT, Bench

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
