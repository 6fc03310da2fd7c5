"""The phases of a modular pipeline one by one give the bits of the whole, frames and sound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from graphflow_nodes.diffusion.modular.state import ModularState
from graphflow_nodes.diffusion.pixels import pil, pils

from graphflow.errors import Cancelled
from graphflow.values import decode, encode
from tests.support.modular_clips import (
    CHUNKS,
    PHASES,
    SEGMENTS,
    SIZE,
    TEXT,
    Phases,
    animated,
    marked,
    moving,
    phases_of,
    picture,
    seeded,
)
from tests.support.tiny_modular import SEED, ModularBench, frames_of, waves_of

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),  # Helios' scheduler
    pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile:UserWarning"),
    pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning"),
]

Bench = Callable[..., ModularBench]


def arguments(phases: Phases) -> dict[str, Any]:
    """The same for the one call of the whole."""
    return {name: value for _, given in phases for name, value in given.items()}


def equal(one: Any, other: Any) -> bool:
    import torch

    return bool(torch.equal(one, other))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("pipeline", [marked(pipeline) for pipeline in PHASES])
def test_phases_give_the_bits_of_the_whole(modular_bench: Bench, pipeline: str, dtype: str) -> None:
    bench = modular_bench(pipeline, dtype)
    frames, waves = bench.plain(**arguments(PHASES[pipeline]))

    made = bench.clip(seeded(PHASES[pipeline]))

    assert equal(frames_of(made), frames)
    assert frames.float().std() > 1, "a picture, not one colour"
    if waves is not None:
        assert equal(waves_of(made), waves[0].float().clamp(-1, 1)) and waves_of(made).abs().max() > 0.01


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # its denoiser compiles its attention's mask
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_picture_moves_as_a_video_does_segment_by_segment(modular_bench: Bench, dtype: str) -> None:
    """Wan-Animate-2 decodes each segment within its denoise, to begin the next with its last frame."""
    bench, image, video = modular_bench("wan_animate_2", dtype), picture(), moving(9)
    steps = {"num_inference_steps": 2}
    frames, _ = bench.plain(**TEXT, **SIZE, **SEGMENTS, **steps, image=pil(image), driving_video=pils(video))

    *before, (_, denoising), _ = seeded(animated(image, video))
    context = bench.context()
    state = bench.run("denoise", bench.clip(before), context=context, **denoising)
    made = bench.run("decode", state)

    assert equal(made.frames, frames) and len(frames) == 9
    assert made.fps == 8, "as the phase of the driving video was told"
    assert context.progress_log == [(step, 4) for step in range(1, 5)], "two segments of two steps"


@pytest.mark.slow
def test_the_model_says_how_long_a_clip_should_be(modular_bench: Bench) -> None:
    bench, rate = modular_bench("ltx2_5"), {"frame_rate": 8.0}
    later = {**SIZE, "num_inference_steps": 2}
    frames, _ = bench.plain(**TEXT, **rate, **later)

    phases = [("text_encoder", TEXT), ("duration", rate), ("denoise", later), ("decode", {})]
    made = bench.clip(seeded(phases))

    assert equal(made.video.frames, frames) and 8 <= len(frames) <= 160


@pytest.mark.slow
def test_a_picture_begins_a_clip_with_sound(modular_bench: Bench) -> None:
    bench, image = modular_bench("ltx2_5"), picture()
    encoding = {**SIZE, "image_crf": 0}
    later = {"num_frames": 9, "num_inference_steps": 2, "frame_rate": 16.0}
    frames, waves = bench.plain(**TEXT, **encoding, **later, image=pil(image))

    made = bench.clip(
        seeded(
            [
                ("text_encoder", TEXT),
                ("vae_encoder", {**encoding, "image": image}),
                ("denoise", later),
                ("decode", {}),
            ]
        )
    )

    assert equal(made.video.frames, frames) and equal(made.audio.samples, waves[0].clamp(-1, 1))
    assert made.video.fps == 16 and made.audio.rate == 16_000


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Wan-Animate-2 compiles its attention's mask
@pytest.mark.parametrize("pipeline", [marked(pipeline) for pipeline in (*PHASES, "wan_animate_2")])
def test_another_seed_and_another_prompt_give_other_frames(modular_bench: Bench, pipeline: str) -> None:
    bench, phases = modular_bench(pipeline), phases_of(pipeline)
    first, *rest = phases
    other_words = [(first[0], {**first[1], "prompt": "an old tree"}), *rest]

    def made(phases: Phases) -> Any:
        if pipeline == "minimax_h3":  # its clips are five seconds at least, and slow to decode
            return bench.clip(phases[:-1]).values["latents"]
        return frames_of(bench.clip(phases))

    usual = made(seeded(phases))
    assert not equal(made(seeded(phases, seed=4)), usual)
    assert not equal(made(seeded(other_words)), usual)


def test_a_picture_begins_a_clip_and_random_numbers_go_on_from_its_phase(modular_bench: Bench) -> None:
    """Helios draws while it encodes a picture, and goes on drawing in its denoise."""
    bench, image = modular_bench("helios"), picture()
    encoding = {**SIZE, "num_latent_frames_per_chunk": 2}
    later = {"num_frames": 9, "num_inference_steps": 3}
    frames, _ = bench.plain(**TEXT, **encoding, **later, image=pil(image))

    phases = [
        ("text_encoder", TEXT),
        ("vae_encoder", {**encoding, "image": image}),
        ("denoise", later),
        ("decode", {}),
    ]
    made = bench.clip(seeded(phases))
    assert equal(frames_of(made), frames)

    without = frames_of(bench.clip(seeded(PHASES["helios"])))
    assert not equal(frames_of(made), without)


def test_another_seed_after_the_picture_is_encoded_begins_anew(modular_bench: Bench) -> None:
    bench, encoding = modular_bench("helios"), {**SIZE, "num_latent_frames_per_chunk": 2}
    text = bench.run("text_encoder", **TEXT)
    seen = bench.run("vae_encoder", text, **encoding, image=picture(), seed=SEED)
    later = {"num_frames": 5, "num_inference_steps": 1}

    first, same, other = (bench.run("denoise", seen, **later, seed=seed) for seed in (SEED, SEED, 9))

    assert equal(first.values["latent_chunks"][0], same.values["latent_chunks"][0])
    assert not equal(first.values["latent_chunks"][0], other.values["latent_chunks"][0])


def test_a_video_is_gone_on_from(modular_bench: Bench) -> None:
    bench, video = modular_bench("cosmos3_omni"), moving(5)
    (_, text), (_, steps), _ = PHASES["cosmos3_omni"]
    frames, _ = bench.plain(**text, **steps, video=pils(video))

    state = bench.run("vae_encoder", bench.run("text_encoder", **text), video=video)
    state = bench.run("denoise", state, **steps, seed=SEED)

    assert equal(frames_of(bench.run("decode", state)), frames)


def test_guidance_is_a_setting_of_the_first_phase_that_asks_for_it(modular_bench: Bench) -> None:
    bench = modular_bench("helios")
    frames, _ = bench.plain(guider=1.0, **arguments(PHASES["helios"]))
    (name, text), *rest = PHASES["helios"]

    made = bench.clip(seeded([(name, {**text, "guidance": 1.0}), *rest]))

    assert equal(frames_of(made), frames)
    assert not equal(frames_of(made), frames_of(bench.clip(seeded(PHASES["helios"]))))


def test_a_state_is_stored_and_read_and_gives_the_same_frames(modular_bench: Bench) -> None:
    bench = modular_bench("helios")
    state = bench.clip(seeded(PHASES["helios"][:2]))
    header, tensors = encode(state)

    read = decode(header, tensors)

    assert isinstance(read, ModularState) and read.done == ("text_encoder", "denoise")
    assert equal(frames_of(bench.run("decode", read)), frames_of(bench.run("decode", state)))


def test_a_denoise_tells_of_every_step_of_every_chunk(modular_bench: Bench) -> None:
    bench = modular_bench("helios")
    context = bench.context()

    bench.run("denoise", bench.run("text_encoder", **TEXT), context=context, **SIZE, **CHUNKS)

    assert context.progress_log == [(step, 6) for step in range(1, 7)], "two chunks of three steps"


def test_a_denoise_is_cancelled_within_a_step_and_leaves_nothing_behind(modular_bench: Bench) -> None:
    bench = modular_bench("helios")
    text = bench.run("text_encoder", **TEXT)
    before = bench.run("denoise", text, **SIZE, **CHUNKS, seed=SEED)
    context = bench.context(cancel_after=5)

    with pytest.raises(Cancelled):
        bench.run("denoise", text, context=context, **SIZE, **CHUNKS, seed=SEED)

    assert context.progress_log == [], "it did not wait for the end of the first step"
    again = bench.run("denoise", text, **SIZE, **CHUNKS, seed=SEED)
    assert all(map(equal, before.values["latent_chunks"], again.values["latent_chunks"]))
