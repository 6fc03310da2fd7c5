"""Wan Animate as one node: the plain pipeline's frames, resumed by segment, with its errors told early."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion import animate, empty_latents, guide_by_step
from graphflow_nodes.diffusion.pixels import pil, pils

from graphflow.errors import Cancelled, NodeError, ValueMismatch
from graphflow.testing import LocalContext, run_node
from graphflow.values import Image, Video, decode, encode
from tests.support.changing import Changing
from tests.support.wan_bench import NEGATIVE, PROMPT, Bench

Benches = Callable[..., Bench]
FRAMES, SEGMENT, STEPS, SEED = 13, 5, 2, 3


def clip(seed: int, side: int = 32, frames: int = FRAMES) -> Video:
    generator = torch.Generator().manual_seed(seed)
    shape = (frames, side, side, 3)
    return Video(frames=torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8), fps=8.0)


PICTURE = Image(pixels=clip(1).frames[0])
POSE, FACE, BACKGROUND = clip(2), clip(3, 16), clip(4)
MASK = Video(frames=(clip(5).frames[..., :1] > 127).to(torch.uint8).expand(-1, -1, -1, 3) * 255, fps=8.0)
REPLACE = {"background": BACKGROUND, "mask": MASK}


def animated(tiny: Bench, context: LocalContext | None = None, **changes: Any) -> Any:
    """The node's frames."""
    model = tiny.model
    usual = {
        "prompt": tiny.encode(),
        "image": PICTURE,
        "pose": POSE,
        "face": FACE,
        "latents": run_node(empty_latents, model.vae, frames=FRAMES),
        "seed": SEED,
        "steps": STEPS,
        "guidance": 2.0,
        "segment": SEGMENT,
    }
    parts = (model.denoiser, model.scheduler, model.vae, model.image_encoder)
    return run_node(animate, *parts, context=context or tiny.context(), **{**usual, **changes}).frames


def plain(tiny: Bench, **changes: Any) -> Any:
    """The unmodified pipeline's frames."""
    from diffusers import WanAnimatePipeline

    dtypes = {"default": getattr(torch, tiny.dtype), "vae": torch.float32, "image_encoder": torch.float32}
    pipe = WanAnimatePipeline.from_pretrained(tiny.folder, dtype=dtypes)
    pipe.set_progress_bar_config(disable=True)
    usual = {
        "image": pil(PICTURE),
        "pose_video": pils(POSE),
        "face_video": pils(FACE),
        "prompt": PROMPT,
        "negative_prompt": NEGATIVE,
        "width": 32,
        "height": 32,
        "segment_frame_length": SEGMENT,
        "num_inference_steps": STEPS,
        "guidance_scale": 2.0,
        "max_sequence_length": 24,
        "generator": torch.Generator().manual_seed(SEED),
    }
    frames = pipe(**{**usual, **changes}, output_type="np").frames[0]
    return torch.from_numpy((frames * 255).round().astype("uint8"))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_equal_to_the_plain_pipeline(bench: Benches, dtype: str) -> None:
    tiny = bench("wan_animate", dtype)
    assert torch.equal(animated(tiny), plain(tiny))


def test_segments_that_overlap_by_five_frames(bench: Benches) -> None:
    tiny = bench("wan_animate")
    pose, face = clip(2, frames=21), clip(3, 16, frames=21)
    latents = run_node(empty_latents, tiny.model.vae, frames=21)
    mine = animated(tiny, pose=pose, face=face, latents=latents, segment=13, overlap=5)
    given = {"segment_frame_length": 13, "prev_segment_conditioning_frames": 5}
    assert torch.equal(mine, plain(tiny, pose_video=pils(pose), face_video=pils(face), **given))


def test_replacing_somebody_in_a_video(bench: Benches) -> None:
    tiny = bench("wan_animate")
    given = {"mode": "replace", "background_video": pils(BACKGROUND), "mask_video": pils(MASK)}
    mine = animated(tiny, **REPLACE)
    assert torch.equal(mine, plain(tiny, **given)) and not torch.equal(mine, animated(tiny))


def test_a_resume_goes_on_after_the_last_finished_segment(bench: Benches) -> None:
    tiny, context = bench("wan_animate"), bench("wan_animate").context()
    whole = animated(tiny, context)
    assert [len(state["finished"]) for state in context.states] == [1, 2]
    for state in context.states:
        again = tiny.context(state=decode(*encode(state)))
        assert torch.equal(animated(tiny, again), whole)
        assert again.progress_log == context.progress_log[STEPS * len(state["finished"]) :]


def test_a_scale_for_each_step_of_every_segment(bench: Benches) -> None:
    tiny = bench("wan_animate")
    usual = animated(tiny)
    for chosen in ([2.0, 4.0], [3.0, 1.0]):
        guide, scale = run_node(guide_by_step, scales=chosen), Changing(*chosen)
        mine = animated(tiny, guidance=None, guide=guide)
        theirs = plain(tiny, guidance_scale=scale, **scale.arguments)
        assert torch.equal(mine, theirs)
        assert not torch.equal(mine, usual)
    with pytest.raises(NodeError, match="the guide says how strongly"):
        animated(tiny, guide=guide)
    with pytest.raises(NodeError, match="for 3 steps, not 2"):
        animated(tiny, guidance=None, guide=run_node(guide_by_step, scales=[2.0] * 3))


def test_cancel_leaves_no_trace(bench: Benches) -> None:
    tiny, counting = bench("wan_animate"), bench("wan_animate").context()
    whole = animated(tiny, counting)
    for point in (1, 9, counting._points // 2):
        with pytest.raises(Cancelled):
            animated(tiny, tiny.context(cancel_after=point))
    assert torch.equal(animated(tiny), whole)


def test_everything_given_counts(bench: Benches) -> None:
    tiny = bench("wan_animate")
    usual = animated(tiny)
    others = {
        "seed": 4,
        "prompt": tiny.encode("a blue box"),
        "image": Image(pixels=clip(8).frames[0]),
        "pose": clip(8),
        "face": clip(8, 16),
    }
    for name, value in others.items():
        assert not torch.equal(animated(tiny, **{name: value}), usual), name
    assert torch.equal(animated(tiny), usual)


def test_what_makes_no_sense_is_told_before_anything_is_loaded(bench: Benches) -> None:
    tiny, closed = bench("wan_animate"), LocalContext()

    def told(**changes: Any) -> str:
        with pytest.raises(NodeError) as error:
            animated(tiny, closed, **changes)
        return str(error.value)

    assert "not 6" in told(segment=6)
    assert "too short for an overlap of 5" in told(segment=9, overlap=5)
    assert "goes with a mask" in told(background=BACKGROUND)
    short = Video(frames=POSE.frames[:4], fps=8.0)
    assert "the pose has 4 frames, the clip 13" in told(pose=short)
    assert not closed.opened


def test_other_models_cannot_animate_and_this_one_cannot_do_other_things(bench: Benches) -> None:
    tiny, other = bench("wan_animate"), bench("wan21_image")
    with pytest.raises(ValueMismatch, match="was not made for animate"):
        animated(other)
    with pytest.raises(ValueMismatch, match="it was made for: animate"):
        tiny.denoise()
