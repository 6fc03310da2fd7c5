"""LTX-2: sound beside the frames, each stream guided by its own rules, prompts kept behind the connectors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from graphflow_nodes.diffusion import decode as decode_node
from graphflow_nodes.diffusion import (
    denoise,
    empty_latents,
    guide_by_step,
    lora,
    noise_latents,
    offload,
    scheduler,
)
from graphflow_nodes.diffusion.audio import decode_audio, load_audio_decoder
from graphflow_nodes.diffusion.families import Configs, family
from graphflow_nodes.diffusion.guidance import RescaledGuidance, StreamGuidance, Strengths, guide_streams
from graphflow_nodes.diffusion.opening import component_class
from graphflow_nodes.diffusion.streams import pack
from safetensors.torch import save_file

from graphflow.errors import Cancelled, NodeError, ValueMismatch
from graphflow.testing import LocalContext, run_node
from graphflow.values import decode, encode
from tests.support.changing import Changing
from tests.support.tiny_ltx2 import RATE, SoundBench, save_tiny_ltx2

Benches = Callable[..., SoundBench]
BOTH = ["ltx2", "ltx2_3"]


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> Benches:
    """`benches("ltx2")` or `benches("ltx2_3", "bfloat16")`."""
    root = tmp_path_factory.mktemp("ltx2")
    folder = functools.cache(lambda variant: save_tiny_ltx2(root / variant, variant))
    return functools.cache(lambda variant, dtype="float32": SoundBench(folder(variant), dtype))


@pytest.fixture(scope="module")
def tiny(benches: Benches) -> SoundBench:
    return benches("ltx2")


def streams(**changes: float) -> StreamGuidance:
    """Every kind of guidance at once, with other numbers for frames and sound."""
    usual = {
        "guidance": 2.5,
        "stg": 0.8,
        "modality": 2.0,
        "rescale": 0.6,
        "sound_guidance": 4.0,
        "sound_stg": 0.5,
        "sound_modality": 1.5,
        "sound_rescale": 0.3,
    }
    guide: StreamGuidance = run_node(guide_streams, blocks=[1], **{**usual, **changes})
    return guide


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("variant", BOTH)
def test_frames_and_sound_are_the_plain_pipelines(benches: Benches, variant: str, dtype: str) -> None:
    tiny = benches(variant, dtype)
    plain, latents = tiny.clip(), tiny.denoise()
    assert torch.equal(tiny.decode(latents), plain.frames)
    assert torch.equal(tiny.hear(latents), plain.sound)
    assert plain.sound.std() > 0.01 and latents.embeds_dtype == dtype


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("variant", BOTH)
def test_every_guidance_of_both_streams(benches: Benches, variant: str, dtype: str) -> None:
    tiny, guide = benches(variant, dtype), streams()
    latents = tiny.denoise(guide=guide)
    plain = tiny.clip(**guide.arguments())
    assert torch.equal(tiny.decode(latents), plain.frames)
    assert torch.equal(tiny.hear(latents), plain.sound)


@pytest.mark.parametrize(
    "setting",
    ["guidance", "modality", "rescale", "sound_guidance", "sound_modality", "sound_rescale"],
)
def test_each_number_of_the_guidance_counts(tiny: SoundBench, setting: str) -> None:
    changed = tiny.denoise(guide=streams(**{setting: 1.0}))
    usual = tiny.denoise(guide=streams())
    assert not torch.equal(changed.sound.samples, usual.sound.samples)


def test_disturbed_blocks_count_where_the_model_has_them(benches: Benches) -> None:
    newer = benches("ltx2_3")
    for setting in ("stg", "sound_stg"):
        changed = newer.denoise(guide=streams(**{setting: 2.0}))
        assert not torch.equal(changed.sound.samples, newer.denoise(guide=streams()).sound.samples)


def test_without_guidance_the_prompt_stands_alone(benches: Benches) -> None:
    """The connectors then see a batch of one; its bits are kept beside those of the pair."""
    tiny = benches("ltx2", "bfloat16")
    off = {"stg": 0.0, "modality": 1.0, "rescale": 0.0, "guidance": 1.0}
    guide = streams(**off, **{f"sound_{name}": value for name, value in off.items()})
    plain, latents = tiny.clip(**guide.arguments()), tiny.denoise(guide=guide)
    assert torch.equal(tiny.decode(latents), plain.frames)
    assert torch.equal(tiny.hear(latents), plain.sound)
    other = tiny.denoise(guide=guide, prompt=tiny.encode(negative_prompt="dark"))
    assert torch.equal(other.samples, latents.samples)


def test_guidance_alone_is_that_of_the_frames(tiny: SoundBench) -> None:
    latents, plain = tiny.denoise(guidance=5.0), tiny.clip(guidance_scale=5.0)
    assert torch.equal(tiny.decode(latents), plain.frames)
    assert torch.equal(tiny.hear(latents), plain.sound)


@pytest.mark.parametrize("variant", BOTH)
def test_a_scale_for_each_step_of_both_streams(benches: Benches, variant: str) -> None:
    """The other kinds of guidance stay what they are."""
    tiny, rising = benches(variant), (2.0, 3.0, 5.0)
    latents = tiny.denoise(guide=run_node(guide_by_step, scales=list(rising)), steps=3)
    scale = Changing(*rising)
    both = {"guidance_scale": scale, "audio_guidance_scale": scale}
    plain = tiny.clip(num_inference_steps=3, **both, **scale.arguments)
    assert torch.equal(tiny.decode(latents), plain.frames)
    assert torch.equal(tiny.hear(latents), plain.sound)


@pytest.mark.parametrize("variant", BOTH)
def test_steps_without_guidance(benches: Benches, variant: str) -> None:
    """They are those of a denoise that goes on; where guidance begins late the other kinds see it too."""
    tiny, context = benches(variant), benches(variant).context()
    guide = run_node(guide_by_step, guidance=3.0, guidance_2=4.0, start=0.25, stop=0.75)
    whole = tiny.denoise(guide=guide, steps=4, context=context)
    usual = family("ltx2").native(tiny.model.denoiser.configs()).arguments
    names = {"stg": "stg_scale", "modality": "modality_scale", "rescale": "guidance_rescale"}
    own = {name: usual[told] for name, told in names.items()}
    own |= {f"sound_{name}": usual[f"audio_{told}"] for name, told in names.items()}
    blocks = usual["spatio_temporal_guidance_blocks"]
    on, off = (
        run_node(guide_streams, blocks=blocks, guidance=scale, sound_guidance=sound, **own)
        for scale, sound in ((3.0, 4.0), (1.0, 1.0))
    )
    part = tiny.denoise(guide=off, steps=4, end_step=1)
    part = tiny.denoise(guide=on, steps=4, latents=part, end_step=3)
    part = tiny.denoise(guide=off, steps=4, latents=part)
    assert torch.equal(whole.samples, part.samples)
    assert torch.equal(whole.sound.samples, part.sound.samples)
    for state in context.states:
        again = tiny.denoise(guide=guide, steps=4, context=tiny.context(state=decode(*encode(state))))
        assert torch.equal(again.sound.samples, whole.sound.samples)


def test_another_seed_and_another_prompt_sound_different(tiny: SoundBench) -> None:
    usual = tiny.hear(tiny.denoise())
    assert not torch.equal(usual, tiny.hear(tiny.denoise(seed=4)))
    assert not torch.equal(usual, tiny.hear(tiny.denoise(prompt=tiny.encode("a blue box"))))
    assert torch.equal(usual, tiny.hear(tiny.denoise()))


@pytest.mark.parametrize("variant", BOTH)
def test_sound_resumes_at_any_step(benches: Benches, variant: str) -> None:
    tiny = benches(variant)
    context = tiny.context()
    whole = tiny.denoise(context=context)
    assert len(context.states) == tiny.model.native.steps - 1
    for state in context.states:
        again = tiny.denoise(context=tiny.context(state=decode(*encode(state))))
        assert torch.equal(again.samples, whole.samples)
        assert torch.equal(again.sound.samples, whole.sound.samples)


def test_two_halves_are_one_whole(tiny: SoundBench) -> None:
    whole = tiny.denoise()
    for middle in (1, 2):
        first = decode(*encode(tiny.denoise(end_step=middle)))
        second = tiny.denoise(latents=first, seed=8)
        assert torch.equal(second.samples, whole.samples)
        assert torch.equal(second.sound.samples, whole.sound.samples)


def test_a_solver_with_a_memory_remembers_both_streams(tiny: SoundBench) -> None:
    """The pipeline steps the sound with a copy of the scheduler, which has a memory of its own."""
    still = run_node(scheduler, tiny.model.scheduler, sigmas=[1.0, 0.8, 0.5, 0.2], exact=True)
    unipc = run_node(scheduler, still, solver="unipc")

    def made(**settings: Any) -> Any:
        ports = (tiny.model.denoiser, unipc, tiny.encode(), settings.pop("latents", None) or empty)
        return run_node(denoise, *ports, **{"seed": 3, "context": tiny.context(), **settings})

    empty, context = run_node(empty_latents, tiny.model.vae), tiny.context()
    whole = made(context=context)
    plain = tiny.clip(scheduler=unipc.build(), sigmas=np.array(unipc.sigmas), num_inference_steps=4)
    assert torch.equal(tiny.decode(whole), plain.frames)
    assert torch.equal(tiny.hear(whole), plain.sound)
    for state in context.states:
        again = made(context=tiny.context(state=decode(*encode(state))))
        assert torch.equal(again.sound.samples, whole.sound.samples)
    halves = made(latents=decode(*encode(made(end_step=2))), seed=8)
    assert torch.equal(halves.sound.samples, whole.sound.samples)


def test_the_same_noise_from_its_own_node(tiny: SoundBench) -> None:
    noise = run_node(noise_latents, run_node(empty_latents, tiny.model.vae), seed=3)
    mine, whole = tiny.denoise(latents=noise, seed=99), tiny.denoise()
    assert torch.equal(mine.samples, whole.samples)
    assert torch.equal(mine.sound.samples, whole.sound.samples)


def test_cancel_leaves_no_trace(tiny: SoundBench) -> None:
    counting = tiny.context()
    whole = tiny.denoise(context=counting)
    for point in (1, 5, counting._points - 1):
        with pytest.raises(Cancelled):
            tiny.denoise(context=tiny.context(cancel_after=point))
        again = tiny.denoise()
        assert torch.equal(again.samples, whole.samples)
        assert torch.equal(again.sound.samples, whole.sound.samples)


def test_cancel_inside_the_audio_decoder(tiny: SoundBench) -> None:
    latents, counting = tiny.denoise(), tiny.context()
    sound = run_node(decode_audio, tiny.decoder, latents, context=counting).samples
    assert counting._points > 3
    with pytest.raises(Cancelled):
        run_node(decode_audio, tiny.decoder, latents, context=tiny.context(cancel_after=3))
    assert torch.equal(tiny.hear(latents), sound)


def test_noise_of_the_decoder_after_a_resume(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Given latents, the pipeline draws noise that it then leaves out; the decoder's must not shift by it."""
    folder = save_tiny_ltx2(tmp_path_factory.mktemp("noisy"), timestep_conditioning=True)
    tiny = SoundBench(folder)
    settings = {"decode_timestep": 0.3, "decode_noise_scale": 0.4}
    plain = tiny.clip(**settings)
    assert torch.equal(tiny.decode(tiny.denoise(), **settings), plain.frames)
    halves = tiny.denoise(latents=tiny.denoise(end_step=1))
    assert torch.equal(tiny.decode(halves, **settings), plain.frames)
    assert not torch.equal(tiny.decode(halves, decode_timestep=0.3, decode_noise_scale=0.0), plain.frames)


def test_what_the_pipeline_calls_latents_decodes_differently(benches: Benches) -> None:
    """In bfloat16 the plain call rounds before it denormalises; its own latents are denormalised before."""
    from diffusers import LTX2Pipeline

    tiny = benches("ltx2", "bfloat16")
    latents = tiny.denoise()
    with tiny.context().use(tiny.model.vae) as vae, torch.no_grad():
        mean, std = (value.view(1, -1, 1, 1, 1) for value in (vae.latents_mean, vae.latents_std))
        early = vae.decode((latents.samples * std + mean).bfloat16().float(), None, return_dict=False)[0]
        exact = family("ltx2").decode(vae, latents.samples, latents)
    assert not torch.equal(early, exact)
    assert torch.equal(LTX2Pipeline._pack_latents(latents.samples), pack(latents.samples))


def test_prompts_are_kept_behind_the_connectors(tiny: SoundBench) -> None:
    """In the real model 45 MiB instead of 735 MiB: hidden states of every layer are gone."""
    tensors = tiny.encode("ab").tensors
    assert tensors["prompt_embeds"].shape == (1, 16, 32)
    assert tensors["guided_audio_prompt_embeds"].shape == (2, 16, 32)
    hidden = 2 * 16 * 32 * 3  # two prompts of 16 tokens, three layers
    assert tensors["prompt_embeds"].numel() * 2 < hidden


def test_the_global_generator_is_left_alone(tiny: SoundBench) -> None:
    before = torch.get_rng_state()
    latents = tiny.denoise()
    tiny.decode(latents)
    tiny.hear(latents)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("frames", "fps"), [(1, 25), (9, 24), (17, 12.5)])
def test_sound_lasts_as_long_as_the_frames(tiny: SoundBench, frames: int, fps: float) -> None:
    empty = run_node(empty_latents, tiny.model.vae, frames=frames, fps=float(fps))
    latents = tiny.denoise(latents=empty)
    plain = tiny.clip(num_frames=frames, frame_rate=fps)
    heard = run_node(decode_audio, tiny.decoder, latents, context=tiny.context())
    assert torch.equal(heard.samples, plain.sound) and heard.rate == RATE
    assert torch.equal(tiny.decode(latents), plain.frames)
    assert heard.samples.shape[1] / RATE == pytest.approx(frames / fps, abs=0.06)


def test_tiles(tiny: SoundBench) -> None:
    empty = run_node(empty_latents, tiny.model.vae, width=128, height=128, frames=1)
    latents = tiny.denoise(latents=empty)
    whole, tiled = tiny.decode(latents), tiny.decode(latents, tile=64, overlap=16)
    assert tiled.shape == whole.shape and not torch.equal(tiled, whole)
    assert torch.equal(tiny.decode(latents), whole)


def test_numbers_of_the_published_models() -> None:
    rules = family("ltx2")
    configs = Configs({}, {}, {"spatio_temporal_scaling": [True] * 3, "patch_size": 4}, {})
    geometry, native = rules.geometry(configs), rules.native(configs)
    assert geometry.model_dump() == {"channels": 128, "spatial": 32, "temporal": 8, "multiple": 32}
    assert native.sound is not None and native.sound.latent_shape(121, 24.0) == (1, 8, 126, 16)
    newer = rules.native(Configs({}, {"cross_attn_mod": True}, {}))
    for found, blocks, cross in ((native, [29], False), (newer, [28], True)):
        assert found.arguments["spatio_temporal_guidance_blocks"] == blocks
        assert found.arguments["use_cross_timestep"] is cross


def test_the_audio_decoder_is_a_part_like_others(tiny: SoundBench) -> None:
    """Its weight is known before it is loaded, and where it stays while it works changes no bit."""
    with tiny.context().use(tiny.decoder) as live:
        held = sum(tensor.nbytes for module in live for tensor in module.state_dict().values())
    assert tiny.decoder.memory_bytes() == held
    latents, moved = tiny.denoise(), run_node(offload, tiny.decoder, strategy="block")
    assert moved.key_fields() == tiny.decoder.key_fields()
    sound = run_node(decode_audio, moved, latents, context=LocalContext()).samples
    assert torch.equal(sound, tiny.hear(latents))


def test_a_lora_as_the_authors_name_its_layers(benches: Benches, tmp_path: Path) -> None:
    """Such as the distilled one of the second stage. It reaches both streams."""
    tiny, generator = benches("ltx2"), torch.Generator().manual_seed(0)
    inner, heard = "transformer_blocks.1.attn1.to_q", "transformer_blocks.0.audio_attn1.to_v"
    tensors = {}
    for layer, width in ((inner, 16), (heard, 8)):
        for name, shape in (("lora_A", (2, width)), ("lora_B", (width, 2))):
            tensors[f"diffusion_model.{layer}.{name}.weight"] = torch.randn(shape, generator=generator)
    file = tmp_path / "distilled.safetensors"
    save_file(tensors, file)
    changed = run_node(lora, tiny.model.denoiser, file=str(file), weight=0.5)
    ports = (changed, tiny.model.scheduler, tiny.encode(), run_node(empty_latents, tiny.model.vae))
    latents = run_node(denoise, *ports, seed=3, context=tiny.context())
    plain = tiny.clip(lora=(file, 0.5))
    assert torch.equal(tiny.decode(latents), plain.frames)
    assert torch.equal(tiny.hear(latents), plain.sound)
    usual = tiny.denoise()
    assert not torch.equal(usual.sound.samples, latents.sound.samples)
    assert torch.equal(tiny.decode(usual), tiny.clip().frames)


def test_parts_that_do_not_belong_together_are_refused(tiny: SoundBench) -> None:
    empty = run_node(empty_latents, tiny.model.vae)
    with pytest.raises(NodeError, match="these latents are empty"):
        run_node(decode_audio, tiny.decoder, empty)
    with pytest.raises(ValueMismatch, match="family 'wan'"):
        run_node(decode_audio, tiny.decoder, empty.model_copy(update={"family": "wan", "sound": None}))
    other = tiny.denoise()
    sound = other.sound.model_copy(update={"rate": 48_000})
    with pytest.raises(ValueMismatch, match="another audio decoder"):
        run_node(decode_audio, tiny.decoder, other.model_copy(update={"sound": sound}))
    with pytest.raises(NodeError, match="makes no sound") as caught:
        run_node(load_audio_decoder, model="toy-wan")
    assert caught.value.hint


def test_guides_that_do_not_fit_are_refused(tiny: SoundBench) -> None:
    with pytest.raises(ValueMismatch, match="cannot be guided by rescaled"):
        tiny.denoise(guide=RescaledGuidance(scale=3.0, rescale=0.5))
    with pytest.raises(NodeError, match="the guide says how strongly") as caught:
        tiny.denoise(guide=streams(), guidance=2.0)
    assert caught.value.where == "guidance"
    with pytest.raises(NodeError, match="cannot be 0 while that of the frames is not"):
        streams(sound_stg=0.0)
    with pytest.raises(NodeError, match="which blocks") as caught:
        run_node(guide_streams, stg=1.0, blocks=[])
    assert caught.value.where == "blocks"
    assert isinstance(streams().frames, Strengths)


def test_latents_of_sound_travel(tiny: SoundBench) -> None:
    latents = tiny.denoise()
    back = decode(*encode(latents))
    assert torch.equal(back.sound.samples, latents.sound.samples)
    again = run_node(decode_node, tiny.model.vae, back, context=tiny.context()).frames
    assert torch.equal(again, tiny.decode(latents))


@pytest.mark.parametrize(
    "entry", [["os", "PathLike"], ["ltx2.utils", "dataclass"], ["..", "x"], [1, "x"], "ltx2"]
)
def test_classes_of_pipelines_are_loaded_and_no_others(entry: object) -> None:
    assert component_class({"part": ["ltx2", "LTX2Vocoder"]}, "part").__name__ == "LTX2Vocoder"
    with pytest.raises(NodeError, match="no usable class for 'part'"):
        component_class({"part": entry}, "part")
