"""LTX-2 that begins with an image, or shows keyframes: frames and sound are the plain pipelines' own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition
from diffusers.pipelines.ltx2.pipeline_ltx2_ic_lora import LTX2ReferenceCondition
from graphflow_nodes.diffusion import condition_control, condition_image, empty_latents, noise_latents
from graphflow_nodes.diffusion.families import Call, Configs, family
from graphflow_nodes.diffusion.keyframes import condition_keyframes
from graphflow_nodes.diffusion.pixels import pil, pils
from graphflow_nodes.diffusion.values import Blank, Condition, Given, Keyframe, Latents

from graphflow.errors import Cancelled, NodeError, ValueMismatch
from graphflow.testing import run_node
from graphflow.values import Image, Video, decode, encode
from tests.support.tiny_ltx2 import FRAMES, HEIGHT, WIDTH, SoundBench, save_tiny_ltx2

Benches = Callable[..., SoundBench]
GUIDED = {"spatio_temporal_guidance_blocks": [1]}


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> Benches:
    """In bfloat16 the VAE is so too: the plain pipeline gives it images in the dtype of the prompt."""
    folder = save_tiny_ltx2(tmp_path_factory.mktemp("ltx2"))
    return functools.cache(lambda dtype="float32": SoundBench(folder, dtype, vae_dtype=dtype))


@pytest.fixture(scope="module")
def tiny(benches: Benches) -> SoundBench:
    return benches()


def picture(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Image:
    generator = torch.Generator().manual_seed(seed)
    small = torch.randint(0, 256, (height // 8, width // 8, 3), dtype=torch.uint8, generator=generator)
    return Image(pixels=small.repeat_interleave(8, 0).repeat_interleave(8, 1))


def film(seed: int, frames: int) -> Video:
    return Video(frames=torch.stack([picture(seed + i).pixels for i in range(frames)]), fps=25.0)


def from_image(tiny: SoundBench, image: Image, latents: Latents | None = None) -> Condition:
    empty = latents or run_node(empty_latents, tiny.model.vae)
    condition: Condition = run_node(condition_image, tiny.model.vae, image, empty, context=tiny.context())
    return condition


def from_keyframes(
    tiny: SoundBench, *keyframes: Keyframe, frames: int = 17, **settings: Any
) -> tuple[Latents, Condition]:
    empty = run_node(empty_latents, tiny.model.vae, frames=frames)
    ports = (tiny.model.vae, list(keyframes), empty)
    return empty, run_node(condition_keyframes, *ports, context=tiny.context(), **settings)


def controlled(tiny: SoundBench, video: Video, **settings: Any) -> Condition:
    ports = (tiny.model.vae, run_node(empty_latents, tiny.model.vae), video)
    condition: Condition = run_node(condition_control, *ports, context=tiny.context(), **settings)
    return condition


def same(tiny: SoundBench, latents: Latents, plain: Any) -> bool:
    return torch.equal(tiny.decode(latents), plain.frames) and torch.equal(tiny.hear(latents), plain.sound)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_image_to_video_with_sound(benches: Benches, dtype: str) -> None:
    tiny, image = benches(dtype), picture(1)
    latents = tiny.denoise(condition=from_image(tiny, image))
    plain = tiny.clip("LTX2ImageToVideoPipeline", image=pil(image))
    assert same(tiny, latents, plain)
    assert not torch.equal(tiny.clip().frames, plain.frames)


def test_the_image_is_compressed_as_the_training_images_were(tiny: SoundBench) -> None:
    image = picture(1)
    condition = from_image(tiny, image)
    sharp = tiny.clip("LTX2ImageToVideoPipeline", image=pil(image), image_crf=0)
    assert not torch.equal(tiny.decode(tiny.denoise(condition=condition)), sharp.frames)
    assert isinstance(condition.given.image, Blank)


def test_newer_models_compress_less() -> None:
    index = {"text_encoder": ["transformers", "Gemma4ForConditionalGeneration"]}
    rules = family("ltx2")
    native = rules.native(Configs(index, {}, {}))
    latents = Latents.model_construct(width=32, height=32, frames=9, fps=25.0)
    condition = Condition.model_construct(given=Given(image=picture(1)))
    call = Call(latents, 2, 1.0, None, condition=condition, native=native)
    assert rules.tasks["image_to_video"].arguments(call)["image_crf"] == 18
    assert "image_crf" not in rules.tasks["text_to_video"].arguments(call)


def test_a_given_image_is_seen_and_kept(tiny: SoundBench) -> None:
    one, other = (tiny.denoise(condition=from_image(tiny, picture(seed))) for seed in (1, 2))
    assert not torch.equal(one.samples, other.samples)
    assert not torch.equal(one.sound.samples, other.sound.samples)
    again = tiny.denoise(condition=from_image(tiny, picture(1)), seed=9)
    assert torch.equal(again.samples[:, :, 0], one.samples[:, :, 0])
    assert not torch.equal(again.samples[:, :, 1:], one.samples[:, :, 1:])


@pytest.mark.parametrize("kind", ["image", "keyframes", "control"])
def test_resume_halves_and_cancel(tiny: SoundBench, kind: str) -> None:
    """A keyframe of half strength is itself denoised, so its tokens must be kept too."""
    latents = run_node(empty_latents, tiny.model.vae, frames=17)
    if kind == "image":
        condition = from_image(tiny, picture(1), latents)
    elif kind == "control":
        latents = run_node(empty_latents, tiny.model.vae)
        condition = controlled(tiny, film(7, 9))
    else:
        frames = Keyframe(content=picture(1), index=0), Keyframe(content=picture(2), index=16, strength=0.5)
        latents, condition = from_keyframes(tiny, *frames)
    prompt, counting = tiny.encode(), tiny.context()

    def made(**settings: Any) -> Any:
        usual = {"latents": latents, "condition": condition, "prompt": prompt}
        return tiny.denoise(**{**usual, **settings})

    whole = made(context=counting)
    for state in counting.states:
        again = made(context=tiny.context(state=decode(*encode(state))))
        assert torch.equal(again.samples, whole.samples)
        assert torch.equal(again.sound.samples, whole.sound.samples)
    second = made(latents=decode(*encode(made(end_step=1))), seed=8)
    assert torch.equal(second.samples, whole.samples)
    assert torch.equal(second.sound.samples, whole.sound.samples)
    with pytest.raises(Cancelled):
        made(context=tiny.context(cancel_after=counting._points // 2))
    assert torch.equal(made().samples, whole.samples)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_keyframes_at_several_places(benches: Benches, dtype: str) -> None:
    """Both ends, of different strength, and a short film between them."""
    tiny, between = benches(dtype), film(5, 9)
    first = Keyframe(content=picture(1), index=0)
    middle, last = (
        Keyframe(content=between, index=9, strength=0.7),
        Keyframe(content=picture(2), index=-1, strength=0.5),
    )
    empty, condition = from_keyframes(tiny, first, middle, last, frames=25)
    plain = tiny.clip(
        "LTX2ConditionPipeline",
        num_frames=25,
        conditions=[
            LTX2VideoCondition(pil(picture(1)), 0, 1.0),
            LTX2VideoCondition(pils(between), 2, 0.7),
            LTX2VideoCondition(pil(picture(2)), -1, 0.5),
        ],
    )
    latents = tiny.denoise(latents=empty, condition=condition)
    assert same(tiny, latents, plain)
    assert not torch.equal(plain.frames, tiny.clip(num_frames=25).frames)
    assert len(condition.moments) == 3 and condition.moments[1].shape[2] == 2


def test_a_video_goes_on(tiny: SoundBench) -> None:
    """Extension: the first frames are those of a given video."""
    start = film(3, 9)
    empty, condition = from_keyframes(tiny, Keyframe(content=start, index=0), frames=25)
    plain = tiny.clip(
        "LTX2ConditionPipeline", num_frames=25, conditions=[LTX2VideoCondition(pils(start), 0, 1.0)]
    )
    assert same(tiny, tiny.denoise(latents=empty, condition=condition), plain)


@pytest.mark.parametrize(("dtype", "scale"), [("float32", 1.0), ("float32", 0.4), ("bfloat16", 1.0)])
def test_a_control_video_is_context(benches: Benches, dtype: str, scale: float) -> None:
    """In-context LoRAs say what kind of video; here the denoiser just looks at it."""
    tiny, poses = benches(dtype), film(7, 9)
    condition = controlled(tiny, poses, scale=scale)
    plain = tiny.clip(
        "LTX2InContextPipeline",
        reference_conditions=[LTX2ReferenceCondition(pils(poses))],
        conditioning_attention_strength=scale,
    )
    assert same(tiny, tiny.denoise(condition=condition), plain)
    other = tiny.denoise(condition=controlled(tiny, film(30, 9), scale=scale))
    assert not torch.equal(tiny.decode(other), plain.frames)


@pytest.mark.parametrize(("index", "cell"), [(0, 0), (1, 1), (8, 1), (9, 2), (16, 2), (-1, 2), (-17, 0)])
def test_an_image_holds_for_its_latent_frame(tiny: SoundBench, index: int, cell: int) -> None:
    from graphflow_nodes.diffusion.families.ltx2 import place

    empty = run_node(empty_latents, tiny.model.vae, frames=17)
    assert place(Keyframe(content=picture(1), index=index), empty) == cell


def test_what_cannot_be_followed_is_refused(tiny: SoundBench) -> None:
    empty = run_node(empty_latents, tiny.model.vae)
    arguments = (condition_image, tiny.model.vae, picture(1), empty)
    with pytest.raises(NodeError, match="takes a last image only as a keyframe"):
        run_node(*arguments, picture(2), context=tiny.context())
    with pytest.raises(NodeError, match=r"takes a video only at frames 0, 1, 9, 17, \.\.\., not at 4"):
        from_keyframes(tiny, Keyframe(content=film(1, 9), index=4))
    with pytest.raises(NodeError, match="takes no image_cond_noise_scale"):
        from_keyframes(tiny, Keyframe(content=picture(1), index=0), image_cond_noise_scale=0.1)
    control = (condition_control, tiny.model.vae, empty)
    for ports, settings, reason in (
        ((film(1, 9), film(1, 9)), {}, "takes no mask"),
        ((None, None, [picture(1)]), {}, "not reference pictures"),
        ((film(1, 9),), {"scale": 2.0}, "takes a scale of 0 to 1"),
    ):
        with pytest.raises(NodeError, match=reason):
            run_node(*control, *ports, context=tiny.context(), **settings)
    noise = run_node(noise_latents, empty, seed=1)
    condition = from_image(tiny, picture(1))
    with pytest.raises(ValueMismatch, match="draws its own noise"):
        tiny.denoise(latents=noise, condition=condition)
    other = run_node(empty_latents, tiny.model.vae, frames=FRAMES + 8)
    with pytest.raises(ValueMismatch, match="the condition is for 32 x 32, 9 frames"):
        tiny.denoise(latents=other, condition=condition)
