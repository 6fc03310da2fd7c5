"""Pictures and clips inside a clip: LTX-Video's pipelines for them give their plain bits through nodes."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion import (
    condition_extension,
    condition_image,
    condition_keyframes,
    denoise,
    empty_latents,
    guide_rescaled,
    keyframe,
    load_vae,
    noise_latents,
    scheduler,
)
from graphflow_nodes.diffusion.pixels import pil, pils
from graphflow_nodes.diffusion.preview import preview_clip
from graphflow_nodes.diffusion.values import Blank, Condition, Keyframe, Latents

from graphflow.errors import Cancelled, NodeError, ValueMismatch
from graphflow.testing import LocalContext, run_node
from graphflow.values import Image, Video
from graphflow.values import decode as unpack
from graphflow.values import encode as pack
from tests.support.tiny_family import FamilyBench
from tests.support.tiny_ltx import STEPS, save_tiny_ltx
from tests.support.wan_bench import NEGATIVE, PROMPT

Benches = Callable[..., FamilyBench]
WIDTH = HEIGHT = 32
FRAMES = 17
"""Five latent frames."""


def picture(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Image:
    generator = torch.Generator().manual_seed(seed)
    return Image(pixels=torch.randint(0, 256, (height, width, 3), generator=generator, dtype=torch.uint8))


def clip(seed: int, frames: int) -> Video:
    return Video(frames=torch.stack([picture(seed + i).pixels for i in range(frames)]), fps=8.0)


def at(content: Image | Video, index: int = 0, strength: float = 1.0) -> Keyframe:
    return run_node(keyframe, content, index=index, strength=strength)


@dataclass(frozen=True)
class Case:
    """What a clip must show: through the nodes, and as the plain pipeline takes it."""

    variant: str
    pipeline: str
    image: Image | None = None
    last_image: Image | None = None
    keyframes: tuple[Keyframe, ...] = ()
    video: Video | None = None
    """To be extended by its last nine frames."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Of the condition node and of the pipeline."""
    call: dict[str, Any] = field(default_factory=dict)
    """More arguments of the pipeline."""

    def condition(self, tiny: FamilyBench, context: LocalContext | None = None, **changes: Any) -> Condition:
        ports: dict[str, Any] = {
            "vae": tiny.model.vae,
            "latents": empty(tiny),
            "context": context or tiny.context(),
        }
        if self.keyframes:
            ports = {**ports, "keyframes": list(self.keyframes), **self.settings, **changes}
            return run_node(condition_keyframes, **ports)
        if self.video is not None:
            ports = {**ports, "video": self.video, "overlap_history": 9, **changes}
            return run_node(condition_extension, **ports)
        ports = {**ports, "image": self.image, "last_image": self.last_image, **changes}
        return run_node(condition_image, **ports)

    def denoise(self, tiny: FamilyBench, **options: Any) -> Latents:
        options = {"latents": empty(tiny), "condition": self.condition(tiny), **options}
        return tiny.denoise(**options)

    def plain(self, tiny: FamilyBench, output_type: str = "np") -> Any:
        """The unmodified pipeline: uint8 frames, or latents of five dimensions."""
        import diffusers

        cls = getattr(diffusers, self.pipeline)
        pipe = cls.from_pretrained(tiny.folder, dtype=getattr(torch, tiny.dtype))
        pipe.set_progress_bar_config(disable=True)
        with warnings.catch_warnings():  # LTXConditionPipeline gives numpy 2 a tensor
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            found = pipe(
                **self._given(),
                prompt=PROMPT,
                negative_prompt=NEGATIVE,
                width=WIDTH,
                height=HEIGHT,
                num_frames=FRAMES,
                frame_rate=8,
                max_sequence_length=24,
                generator=torch.Generator().manual_seed(3),
                output_type=output_type,
                **tiny.model.native.decode,
                **self.settings,
                **{"num_inference_steps": STEPS, "guidance_scale": 3.0, **self.call},
            ).frames
        if output_type == "np":
            return torch.from_numpy((found[0] * 255).round().astype("uint8"))
        cells = empty(tiny).geometry.latent_shape(WIDTH, HEIGHT, FRAMES)[2:]
        return pipe._unpack_latents(found, *cells) if found.ndim == 3 else found

    def _given(self) -> dict[str, Any]:
        from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition

        if self.pipeline == "LTXImageToVideoPipeline":
            return {"image": pil(self.image)}
        end = None if self.video is None else Video(frames=self.video.frames[-9:], fps=8.0)
        ends = ((end, 0), (self.image, 0), (self.last_image, FRAMES - 1))
        conditions = []
        for frame in (*(at(content, index) for content, index in ends if content), *self.keyframes):
            still = isinstance(frame.content, Image)
            content = {"image": pil(frame.content)} if still else {"video": pils(frame.content)}
            index = frame.index % FRAMES
            conditions.append(LTXVideoCondition(**content, frame_index=index, strength=frame.strength))
        return {"conditions": conditions}


def empty(tiny: FamilyBench) -> Latents:
    return run_node(empty_latents, tiny.model.vae, width=WIDTH, height=HEIGHT, frames=FRAMES)


CONDITION = ("ltx_0.9.5", "LTXConditionPipeline")
CASES = {
    "first image": Case("ltx", "LTXImageToVideoPipeline", image=picture(1)),
    "first image, plain decoder": Case("ltx_0.9.0", "LTXImageToVideoPipeline", image=picture(1)),
    "first image, 0.9.5": Case(*CONDITION, image=picture(1)),
    "first and last image, 0.9.5": Case(*CONDITION, image=picture(1), last_image=picture(2)),
    "images at any place": Case(
        *CONDITION, keyframes=(at(picture(1)), at(picture(2), 7, 0.7), at(picture(3), -1, 0.9))
    ),
    "a weak first image": Case(*CONDITION, keyframes=(at(picture(1), 0, 0.5),)),
    "still keyframes": Case(
        *CONDITION, keyframes=(at(picture(1)), at(picture(2), 9)), settings={"image_cond_noise_scale": 0.0}
    ),
    "extension of a clip": Case(
        *CONDITION, keyframes=(at(clip(20, 9)),), settings={"image_cond_noise_scale": 0.3}
    ),
    "extension by the node for it": Case(*CONDITION, video=clip(20, 12)),
    "a clip inside": Case(*CONDITION, keyframes=(at(picture(4)), at(clip(20, 9), 8, 0.8))),
}
ALL = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Benches:
    """`bench("ltx")`: a model of which every part computes in the same dtype, as these pipelines want it."""
    root = tmp_path_factory.mktemp("keyframes")
    changes: dict[str, dict[str, bool]] = {
        "ltx": {},
        "ltx_0.9.0": {"timestep_conditioning": False},
        "ltx_0.9.5": {"keyframes": True},
    }
    folder = functools.cache(lambda variant: save_tiny_ltx(root / variant, **changes[variant]))

    @functools.cache
    def make(variant: str, dtype: str = "float32") -> FamilyBench:
        tiny = FamilyBench(folder(variant), dtype)
        vae = run_node(load_vae, model=str(tiny.folder), dtype=dtype)
        tiny.model = tiny.model._replace(vae=vae)
        return tiny

    return make


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@ALL
def test_equal_to_the_plain_pipeline(bench: Benches, case: Case, dtype: str) -> None:
    tiny = bench(case.variant, dtype)
    latents = case.denoise(tiny)
    assert torch.equal(latents.samples, case.plain(tiny, "latent"))
    assert torch.equal(tiny.decode(latents), case.plain(tiny))


@ALL
def test_resumes_at_any_step(bench: Benches, case: Case) -> None:
    tiny, prompt = bench(case.variant), bench(case.variant).encode()
    condition, context = case.condition(tiny), tiny.context()
    whole = case.denoise(tiny, prompt=prompt, condition=condition, context=context)
    frames = tiny.decode(whole)
    assert [state["step"] for state in context.states] == list(range(1, STEPS))
    for state in context.states:
        again = tiny.context(state=unpack(*pack(state)))
        again = case.denoise(tiny, prompt=prompt, condition=condition, context=again)
        assert torch.equal(again.samples, whole.samples)
        assert torch.equal(tiny.decode(again), frames)


@ALL
def test_three_parts_are_one_whole(bench: Benches, case: Case) -> None:
    tiny = bench(case.variant)
    condition = unpack(*pack(case.condition(tiny)))
    latents = None
    for end in range(1, STEPS + 1):
        begun = {} if latents is None else {"latents": unpack(*pack(latents)), "seed": 8}
        latents = case.denoise(tiny, condition=condition, end_step=end, **begun)
    whole = case.denoise(tiny, condition=condition)
    assert torch.equal(latents.samples, whole.samples)
    assert torch.equal(tiny.decode(latents), tiny.decode(whole))


@ALL
def test_what_is_given_counts_and_so_do_seed_and_prompt(bench: Benches, case: Case) -> None:
    tiny = bench(case.variant)
    condition, usual = case.condition(tiny), case.denoise(tiny).samples
    assert not torch.equal(usual, case.denoise(tiny, condition=condition, seed=4).samples)
    other = case.denoise(tiny, condition=condition, prompt=tiny.encode("a blue box"))
    assert not torch.equal(usual, other.samples)
    for place, frame in enumerate(case.keyframes):
        content = picture(9) if isinstance(frame.content, Image) else clip(60, 9)
        changed = list(case.keyframes)
        changed[place] = frame.model_copy(update={"content": content})
        changed_condition = case.condition(tiny, keyframes=changed)
        assert not torch.equal(usual, case.denoise(tiny, condition=changed_condition).samples)
    for port, content in (("image", picture(9)), ("last_image", picture(9)), ("video", clip(60, 12))):
        if getattr(case, port) is not None:
            changed_condition = case.condition(tiny, **{port: content})
            assert not torch.equal(usual, case.denoise(tiny, condition=changed_condition).samples)
    assert torch.equal(usual, case.denoise(tiny, condition=condition).samples)


@ALL
def test_cancel_leaves_no_trace(bench: Benches, case: Case) -> None:
    tiny, prompt, encoding = bench(case.variant), bench(case.variant).encode(), LocalContext()
    encoding.opened = tiny.opened
    condition = case.condition(tiny, encoding)
    with pytest.raises(Cancelled):
        case.condition(tiny, tiny.context(cancel_after=encoding._points - 1))
    whole = case.denoise(tiny, prompt=prompt, condition=condition).samples
    for point in (1, 4):
        with pytest.raises(Cancelled):
            context = tiny.context(cancel_after=point)
            case.denoise(tiny, prompt=prompt, condition=condition, context=context)
        assert torch.equal(case.denoise(tiny, prompt=prompt, condition=condition).samples, whole)


@ALL
def test_previews_show_the_clip_without_its_keyframes(bench: Benches, case: Case) -> None:
    """Whether the scheduler sees a part of the clip, all of it, or keyframes too."""
    tiny, watching = bench(case.variant), bench(case.variant).context()
    latents = case.denoise(tiny, context=watching)
    assert [clip.frames.shape for clip in watching.previews] == [(*latents.samples.shape[2:], 3)] * STEPS
    if all(frame.strength == 1 for frame in case.keyframes):  # weaker ones may be held to the end
        foreseen, made = watching.previews[-1].frames, preview_clip(latents.samples, latents, ()).frames
        assert (foreseen.int() - made.int()).abs().max() <= 1


@ALL
def test_a_condition_carries_no_pixels(bench: Benches, case: Case) -> None:
    given = case.condition(bench(case.variant)).given
    seen = [given.image, given.last_image, given.video, *(frame.content for frame in given.keyframes)]
    assert all(isinstance(content, Blank) for content in seen if content is not None)
    assert len(given.keyframes) == len(case.keyframes)


def test_weaker_keyframes_let_more_change(bench: Benches) -> None:
    """By the first frame, whose picture is known: at strength 1 it stays, but for noise."""
    tiny, still = bench("ltx_0.9.5"), {"image_cond_noise_scale": 0.0}
    latents = [
        Case(*CONDITION, keyframes=(at(picture(1), 0, strength),), settings=still)
        .denoise(tiny)
        .samples[:, :, 0]
        for strength in (1.0, 0.6, 0.0)
    ]
    kept, weak, free = latents
    assert 0 < (weak - kept).abs().mean() < (free - kept).abs().mean()


def test_frames_of_a_clip_that_make_no_latent_frame_are_left_out(bench: Benches) -> None:
    tiny = bench("ltx_0.9.5")
    usual = Case(*CONDITION, keyframes=(at(clip(20, 9), 8),)).condition(tiny).moments[0]
    for longer in (clip(20, 11), clip(20, 30)):
        assert torch.equal(Case(*CONDITION, keyframes=(at(longer, 8),)).condition(tiny).moments[0], usual)


def test_a_picture_of_another_shape_is_fitted(bench: Benches) -> None:
    tiny = bench("ltx_0.9.5")
    case = Case(*CONDITION, keyframes=(at(picture(1, 70, 90)), at(clip(3, 9), 8)))
    fitted = [case.condition(tiny, fit=fit) for fit in ("cover", "pad", "stretch")]
    assert not torch.equal(fitted[0].moments[0], fitted[1].moments[0])
    assert not torch.equal(fitted[1].moments[0], fitted[2].moments[0])
    assert fitted[0].given.keyframes[0].content == Blank(frames=1, width=WIDTH, height=HEIGHT)


@pytest.mark.parametrize("name", ["first image", "a clip inside"])
def test_guidance_off_and_rescaled(bench: Benches, name: str) -> None:
    case = CASES[name]
    tiny = bench(case.variant)
    off = replace(case, call={"guidance_scale": 1.0})
    assert torch.equal(case.denoise(tiny, guidance=1.0).samples, off.plain(tiny, "latent"))
    rescaled = replace(case, call={"guidance_scale": 5.0, "guidance_rescale": 0.6})
    guide = run_node(guide_rescaled, guidance=5.0, rescale=0.6)
    assert torch.equal(case.denoise(tiny, guide=guide).samples, rescaled.plain(tiny, "latent"))


def test_noise_levels_of_ones_own(bench: Benches) -> None:
    """As distilled models want them: the pipeline takes them as timesteps."""
    tiny, case = bench("ltx_0.9.5"), CASES["images at any place"]
    own = run_node(scheduler, tiny.model.scheduler, sigmas=[1.0, 0.993, 0.725, 0.3])
    mine = run_node(
        denoise,
        tiny.model.denoiser,
        own,
        tiny.encode(),
        empty(tiny),
        context=tiny.context(),
        condition=case.condition(tiny),
        seed=3,
    )
    theirs = replace(case, call={"timesteps": [1000, 993, 725, 300], "num_inference_steps": None})
    assert torch.equal(mine.samples, theirs.plain(tiny, "latent"))


# ----------------------------------------------------------------------------------------- refusals


def test_schedulers_that_know_one_noise_level_for_all(bench: Benches) -> None:
    tiny, closed = bench("ltx_0.9.5"), LocalContext()
    unipc = run_node(scheduler, tiny.model.scheduler, solver="unipc")
    reasons = {"has a noise level for each token, which UniPC": unipc}
    reasons["follows the size of the video, which LTXCond"] = bench("ltx").model.scheduler
    for reason, other in reasons.items():
        with pytest.raises(NodeError, match=reason):
            run_node(denoise, tiny.model.denoiser, other, tiny.encode(), empty(tiny), context=closed)
    assert not closed.opened


def refused(bench: Benches, variant: str, **given: Any) -> str:
    tiny, closed = (
        bench(variant),
        LocalContext(),
    )  # opens nothing: a refusal comes before any weight is loaded
    with pytest.raises(NodeError) as found:
        Case(variant, "", **given).condition(tiny, closed)
    assert not closed.opened
    return str(found.value)


def test_keyframes_that_a_model_cannot_show(bench: Benches) -> None:
    new = "ltx_0.9.5"
    assert "no frame 17 in a clip of 17" in refused(bench, new, keyframes=(at(picture(1), 17),))
    assert "no frame -18 in a clip of 17" in refused(bench, new, keyframes=(at(picture(1), -18),))
    assert "only at frames 0, 4, 8" in refused(bench, new, keyframes=(at(clip(1, 9), 6),))
    assert "at least 5 frames" in refused(bench, new, keyframes=(at(clip(1, 3), 8),))
    assert "was not made for keyframes" in refused(bench, "ltx", keyframes=(at(picture(1)),))
    assert "takes no last image" in refused(bench, "ltx", image=picture(1), last_image=picture(2))
    with pytest.raises(NodeError, match="there are no keyframes"):
        tiny = bench(new)
        run_node(condition_keyframes, tiny.model.vae, [], empty(tiny), context=LocalContext())


def test_these_pipelines_draw_their_own_noise(bench: Benches) -> None:
    for name in ("first image", "images at any place"):
        tiny, case = bench(CASES[name].variant), CASES[name]
        noise = run_node(noise_latents, empty(tiny), seed=3)
        with pytest.raises(ValueMismatch, match="draws its own noise"):
            case.denoise(tiny, latents=noise)
