"""Images, videos and controls: Wan's pipelines that take them, through the nodes, give their plain bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion import (
    condition_control,
    condition_image,
    condition_video,
    decode,
    empty_latents,
    noise_latents,
)
from graphflow_nodes.diffusion.pixels import pil, pils
from graphflow_nodes.diffusion.values import Blank, Condition

from graphflow.errors import Cancelled, NodeError, ValueMismatch
from graphflow.testing import LocalContext, run_node
from graphflow.values import Image, Mask, Video
from graphflow.values import decode as unpack
from graphflow.values import encode as pack
from tests.support.tiny_wan import FRAMES, HEIGHT, STEPS, WIDTH
from tests.support.wan_bench import NEGATIVE, PROMPT, Bench

Benches = Callable[..., Bench]


def picture(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Image:
    generator = torch.Generator().manual_seed(seed)
    return Image(pixels=torch.randint(0, 256, (height, width, 3), generator=generator, dtype=torch.uint8))


def clip(seed: int, frames: int = FRAMES) -> Video:
    return Video(frames=torch.stack([picture(seed + i).pixels for i in range(frames)]), fps=8.0)


FIRST, LAST, OTHER, MOVING = picture(1), picture(2), picture(3), clip(20)
MASK = Video(frames=(clip(40).frames[..., :1] > 127).to(torch.uint8).expand(-1, -1, -1, 3) * 255, fps=8.0)


@dataclass(frozen=True)
class Case:
    """One use of a conditioned pipeline: through the nodes, and its plain arguments."""

    variant: str
    node: Any
    ports: dict[str, Any]
    pipeline: str
    arguments: dict[str, Any]

    def condition(self, tiny: Bench, context: LocalContext | None = None, **changes: Any) -> Condition:
        ports = {**self.ports, **changes}
        if self.variant.startswith("wan21_"):
            ports.setdefault("image_encoder", tiny.model.image_encoder)
        latents = run_node(empty_latents, tiny.model.vae)
        return run_node(
            self.node, vae=tiny.model.vae, latents=latents, context=context or tiny.context(), **ports
        )

    def plain(self, tiny: Bench, output_type: str = "np", **changes: Any) -> Any:
        """The unmodified pipeline: uint8 frames, or latents."""
        import diffusers

        dtypes = {"default": getattr(torch, tiny.dtype), "vae": torch.float32, "image_encoder": torch.float32}
        cls = getattr(diffusers, self.pipeline)
        pipe = cls.from_pretrained(tiny.folder, dtype=dtypes)
        pipe.set_progress_bar_config(disable=True)
        usual = {
            "prompt": PROMPT,
            "negative_prompt": NEGATIVE,
            "width": WIDTH,
            "height": HEIGHT,
            "num_frames": FRAMES,
            "num_inference_steps": STEPS,
            "guidance_scale": 3.0,
            "max_sequence_length": 24,
            "generator": torch.Generator().manual_seed(3),
        }
        if self.node is condition_video:
            del usual["num_frames"]
        found = pipe(**{**usual, **self.arguments, **changes}, output_type=output_type).frames
        return torch.from_numpy((found[0] * 255).round().astype("uint8")) if output_type == "np" else found


CASES = {
    "image, 2.1 with image encoder": Case(
        "wan21_image", condition_image, {"image": FIRST}, "WanImageToVideoPipeline", {"image": pil(FIRST)}
    ),
    "first and last image, 2.1": Case(
        "wan21_ends",
        condition_image,
        {"image": FIRST, "last_image": LAST},
        "WanImageToVideoPipeline",
        {"image": pil(FIRST), "last_image": pil(LAST)},
    ),
    "first and last image, two experts": Case(
        "wan22_image",
        condition_image,
        {"image": FIRST, "last_image": LAST},
        "WanImageToVideoPipeline",
        {"image": pil(FIRST), "last_image": pil(LAST)},
    ),
    "image, 5B": Case(
        "wan5b", condition_image, {"image": FIRST}, "WanImageToVideoPipeline", {"image": pil(FIRST)}
    ),
    "video": Case(
        "wan21",
        condition_video,
        {"video": MOVING, "strength": 0.6},
        "WanVideoToVideoPipeline",
        {"video": pils(MOVING), "strength": 0.6},
    ),
    "control": Case(
        "wan_vace", condition_control, {"video": MOVING}, "WanVACEPipeline", {"video": pils(MOVING)}
    ),
    "inpaint": Case(
        "wan_vace",
        condition_control,
        {"video": MOVING, "mask": MASK, "scale": 0.7},
        "WanVACEPipeline",
        {"video": pils(MOVING), "mask": pils(MASK), "conditioning_scale": 0.7},
    ),
    "references": Case(
        "wan_vace",
        condition_control,
        {"references": [FIRST, picture(9, 48, 20)]},
        "WanVACEPipeline",
        {"reference_images": [pil(FIRST), pil(picture(9, 48, 20))]},
    ),
    "video, mask and reference": Case(
        "wan_vace",
        condition_control,
        {"video": MOVING, "mask": MASK, "references": [FIRST]},
        "WanVACEPipeline",
        {"video": pils(MOVING), "mask": pils(MASK), "reference_images": [pil(FIRST)]},
    ),
}
ALL = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@ALL
def test_equal_to_the_plain_pipeline(bench: Benches, case: Case, dtype: str) -> None:
    tiny = bench(case.variant, dtype)
    latents = tiny.denoise(condition=case.condition(tiny))
    assert torch.equal(latents.samples, case.plain(tiny, "latent"))
    assert torch.equal(tiny.decode(latents), case.plain(tiny))


@ALL
def test_resumes_at_any_step(bench: Benches, case: Case) -> None:
    tiny, prompt = bench(case.variant), bench(case.variant).encode()
    condition, context = case.condition(tiny), tiny.context()
    whole = tiny.denoise(prompt=prompt, condition=condition, context=context)
    steps = 2 if case.node is condition_video else STEPS
    assert [state["step"] for state in context.states] == list(range(STEPS - steps + 1, STEPS))
    for state in context.states:
        again = tiny.context(state=unpack(*pack(state)))
        again = tiny.denoise(prompt=prompt, condition=condition, context=again)
        assert torch.equal(again.samples, whole.samples)


@ALL
def test_two_halves_are_one_whole(bench: Benches, case: Case) -> None:
    tiny = bench(case.variant)
    condition = unpack(*pack(case.condition(tiny)))
    first = tiny.denoise(condition=condition, end_step=STEPS - 1)
    second = tiny.denoise(latents=unpack(*pack(first)), condition=condition, seed=8)
    assert torch.equal(second.samples, tiny.denoise(condition=condition).samples)


@ALL
def test_what_is_given_counts_and_so_do_seed_and_prompt(bench: Benches, case: Case) -> None:
    tiny = bench(case.variant)
    condition = case.condition(tiny)
    usual = tiny.denoise(condition=condition).samples
    assert not torch.equal(usual, tiny.denoise(condition=condition, seed=4).samples)
    assert not torch.equal(usual, tiny.denoise(condition=condition, prompt=tiny.encode("a blue box")).samples)
    others = {"image": OTHER, "last_image": OTHER, "video": clip(60), "references": [OTHER, OTHER]}
    for port in case.ports.keys() & others.keys():
        given = others[port][: len(case.ports[port])] if port == "references" else others[port]
        changed = case.condition(tiny, **{port: given})
        assert not torch.equal(usual, tiny.denoise(condition=changed).samples), port
    assert torch.equal(usual, tiny.denoise(condition=condition).samples)


@ALL
def test_cancel_leaves_no_trace(bench: Benches, case: Case) -> None:
    tiny, prompt, encoding = bench(case.variant), bench(case.variant).encode(), LocalContext()
    encoding.opened = tiny.opened
    condition = case.condition(tiny, encoding)
    with pytest.raises(Cancelled):
        case.condition(tiny, tiny.context(cancel_after=encoding._points - 1))
    whole = tiny.denoise(prompt=prompt, condition=condition).samples
    for point in (1, 4):
        with pytest.raises(Cancelled):
            tiny.denoise(prompt=prompt, condition=condition, context=tiny.context(cancel_after=point))
        assert torch.equal(tiny.denoise(prompt=prompt, condition=condition).samples, whole)


@ALL
def test_a_condition_carries_no_pixels_that_were_only_encoded(bench: Benches, case: Case) -> None:
    given = case.condition(bench(case.variant)).given
    seen = [given.image, given.last_image, given.video, *given.references]
    assert all(isinstance(content, Blank) for content in seen if content is not None)
    assert given.mask is None or isinstance(given.mask, Video)


@ALL
def test_previews_show_the_whole_clip(bench: Benches, case: Case) -> None:
    tiny, watching = bench(case.variant), bench(case.variant).context()
    latents = tiny.denoise(condition=case.condition(tiny), context=watching)
    assert {preview.frames.shape for preview in watching.previews} == {(*latents.samples.shape[2:], 3)}


def test_one_mask_holds_for_all_frames(bench: Benches) -> None:
    tiny, case = bench("wan_vace"), CASES["inpaint"]
    still = case.condition(tiny, mask=Mask(pixels=MASK.frames[0, :, :, 0]))
    frames = Video(frames=MASK.frames[:1].expand(FRAMES, -1, -1, -1), fps=8.0)
    assert torch.equal(still.moments[0], case.condition(tiny, mask=frames).moments[0])


@pytest.mark.parametrize("fit", ["cover", "pad", "stretch"])
def test_an_image_of_another_shape_is_fitted(bench: Benches, fit: str) -> None:
    tiny, case = bench("wan22_image"), CASES["first and last image, two experts"]
    wide = picture(5, 70, 30)
    condition = case.condition(tiny, image=wide, fit=fit)
    assert condition.given.image == Blank(frames=1, width=WIDTH, height=HEIGHT)
    others = [case.condition(tiny, image=wide, fit=other) for other in {"cover", "pad", "stretch"} - {fit}]
    assert not any(torch.equal(condition.moments[0], other.moments[0]) for other in others)


def test_a_later_frame_of_a_longer_video_is_left_out(bench: Benches) -> None:
    tiny, case = bench("wan21"), CASES["video"]
    longer = case.condition(tiny, video=clip(20, FRAMES + 3))
    assert torch.equal(longer.moments[0], case.condition(tiny).moments[0])


# ----------------------------------------------------------------------------------------- refusals


def refused(bench: Benches, variant: str, node: Any, **ports: Any) -> str:
    tiny = bench(variant)
    closed = LocalContext()  # opens nothing: a refusal comes before any weight is loaded
    with pytest.raises(NodeError) as found:
        latents = ports.pop("latents", None) or run_node(empty_latents, tiny.model.vae)
        run_node(node, vae=tiny.model.vae, latents=latents, context=closed, **ports)
    assert not closed.opened
    return str(found.value)


def test_what_a_model_was_not_made_for(bench: Benches) -> None:
    assert "was not made for image to video" in refused(bench, "wan21", condition_image, image=FIRST)
    assert "was not made for video to video" in refused(bench, "wan22", condition_video, video=MOVING)
    assert "was not made for control" in refused(bench, "wan5b", condition_control, video=MOVING)
    ends = {"image": FIRST, "last_image": LAST}
    assert "takes no last image" in refused(bench, "wan5b", condition_image, **ends)
    assert "takes no last image" in refused(bench, "wan21_image", condition_image, **ends)
    assert "needs a last image" in refused(bench, "wan21_ends", condition_image, image=FIRST)


def test_image_encoders_go_with_their_models(bench: Benches) -> None:
    assert "needs its image encoder" in refused(bench, "wan21_image", condition_image, image=FIRST)
    assert bench("wan22_image").model.image_encoder is None
    eyes = bench("wan21_image").model.image_encoder
    assert "takes no image encoder" in refused(
        bench, "wan22_image", condition_image, image=FIRST, image_encoder=eyes
    )


def test_too_little_is_given(bench: Benches) -> None:
    assert "has 4 frames, the clip 5" in refused(bench, "wan21", condition_video, video=clip(1, 4))
    assert "nothing to follow" in refused(bench, "wan_vace", condition_control)
    assert "needs the video" in refused(bench, "wan_vace", condition_control, mask=MASK, references=[FIRST])


def test_conditions_go_with_their_denoisers_and_latents(bench: Benches) -> None:
    tiny, case = bench("wan22_image"), CASES["first and last image, two experts"]
    condition = case.condition(tiny)
    with pytest.raises(ValueMismatch, match="was not made for text to video"):
        tiny.denoise()
    with pytest.raises(ValueMismatch, match="was not made for image to video"):
        bench("wan21").denoise(condition=condition)
    longer = run_node(empty_latents, tiny.model.vae, frames=9)
    with pytest.raises(ValueMismatch, match="32 x 32, 5 frames, the latents are 32 x 32, 9 frames"):
        tiny.denoise(condition=condition, latents=longer)


def test_noise_from_its_own_node(bench: Benches) -> None:
    tiny, case = bench("wan22_image"), CASES["first and last image, two experts"]
    condition = case.condition(tiny)
    noise = run_node(noise_latents, run_node(empty_latents, tiny.model.vae), seed=3)
    mine = tiny.denoise(condition=condition, latents=noise, seed=99)
    assert torch.equal(mine.samples, tiny.denoise(condition=condition).samples)
    other, video = bench("wan21"), CASES["video"]
    noise = run_node(noise_latents, run_node(empty_latents, other.model.vae), seed=3)
    with pytest.raises(ValueMismatch, match="draws its own noise"):
        other.denoise(condition=video.condition(other), latents=noise)


def test_decoding_leaves_out_reference_images(bench: Benches) -> None:
    tiny, case = bench("wan_vace"), CASES["references"]
    latents = tiny.denoise(condition=case.condition(tiny))
    assert latents.reference_frames == 2 and latents.samples.shape[2] == 2 + 2
    assert len(run_node(decode, tiny.model.vae, latents, context=tiny.context()).frames) == FRAMES
