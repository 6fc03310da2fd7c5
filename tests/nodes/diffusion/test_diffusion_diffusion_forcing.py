"""Clips made window by window by SkyReels-V2: the plain pipelines' bits, also after a stop in any window."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from graphflow_nodes.diffusion import (
    condition_extension,
    condition_image,
    diffusion_forcing,
    empty_latents,
    guide_by_step,
)
from graphflow_nodes.diffusion.forcing_plan import windows
from graphflow_nodes.diffusion.pixels import pil, pils
from graphflow_nodes.diffusion.schedule import scheduler as rescheduled
from graphflow_nodes.diffusion.step_caches import taylor_cache
from graphflow_nodes.diffusion.values import Latents
from hypothesis import given
from hypothesis import strategies as st

from graphflow.errors import Cancelled, NodeError, ValueMismatch
from graphflow.node import spec_of
from graphflow.testing import LocalContext, check_node, run_node
from graphflow.values import Image, Video, decode, encode
from tests.support.changing import Changing
from tests.support.tiny_family import FamilyBench
from tests.support.tiny_skyreels import HEIGHT, STEPS, WIDTH, save_tiny_skyreels, save_tiny_skyreels_df
from tests.support.wan_bench import NEGATIVE, PROMPT

SEED = 3


def frames(seed: int, count: int) -> Any:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, HEIGHT, WIDTH, 3), generator=generator, dtype=torch.uint8)


FIRST, LAST = (Image(pixels=frames(seed, 1)[0]) for seed in (1, 2))
BEFORE = Video(frames=frames(5, 11), fps=8.0)
"""A video that is to go on; only its end counts."""


class Bench(FamilyBench):
    """The node and the plain pipelines on one tiny model."""

    @functools.cached_property
    def prompt(self) -> Any:
        return self.encode()

    def forcing(self, case: Case, context: LocalContext | None = None, **changes: Any) -> Latents:
        latents = run_node(empty_latents, self.model.vae, frames=case.frames)
        prompt = changes.pop("prompt", None) or self.prompt
        condition = changes.pop("condition", None) or case.condition(self, latents)
        parts = self.model.denoiser, self.model.scheduler, prompt, latents
        settings = {"seed": SEED, **case.settings, **changes}
        ports = parts if condition is None else (*parts, condition)
        return run_node(diffusion_forcing, *ports, context=context or self.context(), **settings)

    def plain_forcing(
        self, case: Case, output_type: str = "latent", scheduler: Any = None, **changes: Any
    ) -> Any:
        """The stock pipeline's result, with the global generator seeded as the node does."""
        dtypes = {"default": getattr(torch, self.dtype), "vae": torch.float32}
        pipe = getattr(diffusers, case.pipeline).from_pretrained(self.folder, dtype=dtypes)
        pipe.set_progress_bar_config(disable=True)
        pipe.scheduler = scheduler or pipe.scheduler
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            return pipe(
                prompt=PROMPT,
                negative_prompt=NEGATIVE,
                width=WIDTH,
                height=HEIGHT,
                num_frames=case.frames,
                num_inference_steps=STEPS,
                max_sequence_length=self.model.native.max_sequence_length,
                fps=8,
                generator=torch.Generator().manual_seed(SEED),
                output_type=output_type,
                **{"guidance_scale": 6.0, "addnoise_condition": 20, **case.settings, **case.plain, **changes},
            ).frames

    def plain_samples(self, case: Case) -> Any:
        """The plain latents; the pipeline cuts off a given last image only before it decodes."""
        samples = self.plain_forcing(case)
        return samples[:, :, :-1] if len(case.images) > 1 else samples


@dataclass(frozen=True)
class Case:
    """One use of diffusion forcing: settings of the node, and what the plain call is given beside them."""

    frames: int
    settings: dict[str, Any]
    plain: dict[str, Any] = field(default_factory=dict)
    images: tuple[Image, ...] = ()
    video: Video | None = None

    @property
    def pipeline(self) -> str:
        kind = "ImageToVideo" if self.images else "VideoToVideo" if self.video else ""
        return f"SkyReelsV2DiffusionForcing{kind}Pipeline"

    def condition(self, bench: Bench, latents: Latents) -> Any:
        context, vae = bench.context(), bench.model.vae
        if self.images:
            last = dict(zip(("last_image",), self.images[1:], strict=False))
            node = condition_image, vae, self.images[0], latents, *last.values()
        elif self.video:
            overlap = self.settings["overlap_history"]
            return run_node(
                condition_extension, vae, self.video, latents, context=context, overlap_history=overlap
            )
        else:
            return None
        return run_node(*node, context=context)


TWO = {"base_num_frames": 17, "overlap_history": 5}
"""Windows of 5 latent frames, of which the later ones begin with 2."""

CASES = {
    "a picture": Case(1, {}),
    "one window": Case(5, {"base_num_frames": 17}),
    "three windows": Case(33, TWO),
    "blocks": Case(13, {"base_num_frames": 17, "ar_step": 2, "causal_block_size": 2}),
    "blocks in two windows": Case(
        37, {"base_num_frames": 21, "overlap_history": 5, "ar_step": 1, "causal_block_size": 2}
    ),
    "frame after frame": Case(9, {"base_num_frames": 17, "ar_step": 1}),
    "image": Case(9, {"base_num_frames": 17}, {"image": pil(FIRST)}, (FIRST,)),
    "image, two whole windows": Case(29, TWO, {"image": pil(FIRST)}, (FIRST,)),
    "first and last image": Case(
        9, {"base_num_frames": 17}, {"image": pil(FIRST), "last_image": pil(LAST)}, (FIRST, LAST)
    ),
    "extension": Case(13, TWO, {"video": pils(BEFORE)}, video=BEFORE),
    "extension, two windows": Case(29, TWO, {"video": pils(BEFORE)}, video=BEFORE),
}
ALL = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
KINDS = ["three windows", "blocks in two windows", "first and last image", "extension, two windows"]
ONE_OF_EACH_KIND = pytest.mark.parametrize("case", [CASES[name] for name in KINDS], ids=KINDS)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory, mended_prompts: None) -> Bench:
    return Bench(save_tiny_skyreels_df(tmp_path_factory.mktemp("forcing") / "float32"))


@ALL
def test_equal_to_the_plain_pipeline(tiny: Bench, case: Case) -> None:
    latents = tiny.forcing(case)
    assert (latents.stage, latents.frames) == ("done", case.frames)
    assert torch.equal(latents.samples, tiny.plain_samples(case))
    mine, theirs = tiny.decode(latents), tiny.plain_forcing(case, "np")[0]
    theirs = torch.from_numpy((theirs * 255).round().astype("uint8"))
    if case.video is not None:  # the pipeline puts the whole given video before the clip
        assert torch.equal(theirs[: len(BEFORE.frames)], BEFORE.frames)
        theirs = theirs[len(BEFORE.frames) :]
    assert torch.equal(mine, theirs)


@ALL
def test_equal_to_the_plain_pipeline_in_half_precision(tiny: Bench, case: Case) -> None:
    half = Bench(tiny.folder, "bfloat16")
    assert torch.equal(half.forcing(case).samples, half.plain_samples(case))


@ALL
def test_resumes_at_any_step_of_any_window(tiny: Bench, case: Case) -> None:
    prompt, context = tiny.prompt, tiny.context()
    whole = tiny.forcing(case, context, prompt=prompt)
    total = context.progress_log[-1][1]
    assert context.progress_log == [(step, total) for step in range(1, total + 1)]
    states = [decode(*encode(state)) for state in context.states]
    assert len(states) == total - 1
    for done, state in enumerate(states, 1):
        again = tiny.context(state=state)
        assert torch.equal(tiny.forcing(case, again, prompt=prompt).samples, whole.samples), done
        assert again.progress_log[0] == (done + 1, total)


@pytest.mark.parametrize("name", ["three windows", "extension, two windows"])
def test_a_scale_for_each_step_of_every_window(tiny: Bench, name: str) -> None:
    """The last of which is not guided."""
    case, context = CASES[name], tiny.context()
    falling = [float(STEPS - index) for index in range(STEPS)]
    guide, scale = run_node(guide_by_step, scales=falling), Changing(*falling)
    mine = tiny.forcing(case, context, guide=guide).samples
    assert torch.equal(mine, tiny.plain_forcing(case, guidance_scale=scale, **scale.arguments))
    for state in context.states[-3:]:
        again = tiny.forcing(case, tiny.context(state=decode(*encode(state))), guide=guide)
        assert torch.equal(again.samples, mine)


def test_frames_at_steps_of_their_own_have_no_scale_for_each_step(tiny: Bench) -> None:
    guide = run_node(guide_by_step, guidance=6.0)
    with pytest.raises(NodeError, match="each frame is at a step of its own"):
        tiny.forcing(CASES["frame after frame"], guide=guide)
    latents = run_node(empty_latents, tiny.model.vae, frames=9)
    known = {"denoiser": tiny.model.denoiser, "latents": latents, "guide": guide, "ar_step": 1}
    with pytest.raises(NodeError, match="each frame is at a step of its own"):  # already while planning
        check_node(diffusion_forcing, **known)


@ONE_OF_EACH_KIND
def test_cancel_inside_a_step_leaves_no_trace(tiny: Bench, case: Case) -> None:
    prompt, counting = tiny.prompt, tiny.context()
    whole = tiny.forcing(case, counting, prompt=prompt).samples
    for point in (1, 4, counting._points - 1):
        with pytest.raises(Cancelled):
            tiny.forcing(case, tiny.context(cancel_after=point), prompt=prompt)
        assert torch.equal(tiny.forcing(case, prompt=prompt).samples, whole)


@ONE_OF_EACH_KIND
def test_seed_prompt_and_what_is_given_count(tiny: Bench, case: Case) -> None:
    usual = tiny.forcing(case).samples
    assert not torch.equal(tiny.forcing(case, seed=4).samples, usual)
    assert not torch.equal(tiny.forcing(case, prompt=tiny.encode("a blue box")).samples, usual)
    for name in ("images", "video"):
        if getattr(case, name):
            other = {"images": case.images[::-1] if len(case.images) > 1 else (LAST,), "video": clip(60)}
            changed = Case(case.frames, case.settings, **{name: other[name]})
            assert not torch.equal(tiny.forcing(changed).samples, usual)
    assert torch.equal(tiny.forcing(case).samples, usual)


def clip(seed: int) -> Video:
    return Video(frames=frames(seed, 11), fps=8.0)


def test_previews_are_as_long_as_their_window(tiny: Bench) -> None:
    watching = tiny.context()
    tiny.forcing(CASES["three windows"], watching)
    assert [len(preview.frames) for preview in watching.previews] == [5] * STEPS + [5] * STEPS + [3] * STEPS


# ------------------------------------------------------------------------------------------- traps


def test_noise_on_given_frames_comes_from_the_global_generator(tiny: Bench) -> None:
    """So the same seed would give another clip each time; the node seeds it and leaves no trace."""
    case = CASES["image"]
    before = torch.get_rng_state()
    first = tiny.forcing(case).samples
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    assert torch.equal(tiny.forcing(case).samples, first)
    assert not torch.equal(tiny.forcing(case, addnoise_condition=0).samples, first)


def test_the_size_of_a_block_does_not_stay_on_the_transformer(tiny: Bench) -> None:
    tiny.forcing(CASES["blocks"])
    with pytest.raises(Cancelled):
        tiny.forcing(CASES["blocks"], tiny.context(cancel_after=5))
    with tiny.context().use(tiny.model.denoiser) as experts:
        assert experts.transformer.config.num_frame_per_block == 1


def test_the_pipeline_writes_into_the_latents_that_it_told_of(tiny: Bench) -> None:
    """So what is kept of them must be a copy."""
    told: list[Any] = []

    def listen(pipe: Any, step: int, time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        told.append(tensors["latents"])
        return {}

    tiny.plain_forcing(Case(5, {}, {"callback_on_step_end": listen}))
    assert len(told) == STEPS and all(torch.equal(latents, told[-1]) for latents in told)


def test_the_pipeline_fails_if_it_is_given_latents(tiny: Bench) -> None:
    """Its `prepare_latents` then returns one value for four; a resume must not go that way."""
    case = Case(5, {}, {"latents": torch.zeros(1, 16, 2, 2, 4)})
    with pytest.raises(ValueError, match="not enough values to unpack"):
        tiny.plain_forcing(case)


def test_image_to_video_fails_with_a_shorter_last_window(
    tiny: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts steps for the longest window there, as text to video does not. The node mends it."""
    case = Case(25, TWO, {"image": pil(FIRST)}, (FIRST,))
    with pytest.raises(IndexError, match="out of bounds"):
        tiny.plain_forcing(case)
    cls = getattr(diffusers, case.pipeline)
    matrix = cls.generate_timestep_matrix

    def mended(self: Any, frames: int, times: Any, base: int, *rest: Any) -> Any:
        return matrix(self, frames, times, frames, *rest)

    monkeypatch.setattr(cls, "generate_timestep_matrix", mended)
    theirs = tiny.plain_forcing(case)
    monkeypatch.undo()
    mine = tiny.forcing(case)
    assert torch.equal(mine.samples, theirs)
    assert len(tiny.decode(mine)) == 25


def test_the_pipeline_fails_with_a_last_image_in_a_second_window(tiny: Bench) -> None:
    settings = {**TWO, "overlap_history": 9}
    both = Case(29, settings, {"image": pil(FIRST), "last_image": pil(LAST)}, (FIRST, LAST))
    with pytest.raises(RuntimeError):
        tiny.plain_forcing(both)
    with pytest.raises(NodeError, match="only for clips of one window"):
        tiny.forcing(both)


def test_the_pipeline_would_not_keep_an_image_that_is_less_than_a_block(tiny: Bench) -> None:
    with pytest.raises(NodeError, match="1 of them given, makes no blocks of 3"):
        tiny.forcing(CASES["image"], causal_block_size=3)


# ------------------------------------------------------------------------------------------ checks


@given(st.integers(1, 200), st.integers(2, 30), st.data())
def test_windows_make_the_whole_clip_and_no_more(total: int, base: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(1, base - 1))
    plan = windows(total, base, overlap)
    assert sum(window.frames - window.ready for window in plan) == total
    assert all(window.ready < window.frames <= base for window in plan)
    assert all(window.frames == base for window in plan[:-1])
    assert all(window.ready == overlap for window in plan[1:])


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"base_num_frames": 18}, "base_num_frames 18 is not 1 more than a multiple of 4"),
        ({"overlap_history": 7}, "overlap_history 7 is not 1 more than a multiple of 4"),
        ({"overlap_history": 17}, "leaves nothing of a window of 17"),
        ({"causal_block_size": 2}, "makes no blocks of 2"),
    ],
)
def test_lengths_that_do_not_fit_are_refused_before_anything_is_loaded(
    tiny: Bench, settings: dict[str, Any], problem: str
) -> None:
    prompt, fresh = tiny.prompt, LocalContext()
    with pytest.raises(NodeError, match=problem):
        tiny.forcing(CASES["three windows"], fresh, prompt=prompt, **settings)
    assert not fresh.opened


def test_a_clip_that_is_its_first_image_is_refused(tiny: Bench) -> None:
    with pytest.raises(NodeError, match="a clip of one frame is its first image"):
        tiny.forcing(Case(1, {}, images=(FIRST,)))


def test_latents_with_noise_are_refused(tiny: Bench) -> None:
    parts = tiny.model.denoiser, tiny.model.scheduler, tiny.prompt
    with pytest.raises(NodeError, match="draws its own noise"):
        run_node(diffusion_forcing, *parts, tiny.forcing(CASES["one window"]), context=LocalContext())


def test_what_a_window_cannot_do_is_refused(tiny: Bench) -> None:
    prompt, fresh = tiny.prompt, LocalContext()
    latents = run_node(empty_latents, tiny.model.vae)
    cached = run_node(taylor_cache, tiny.model.denoiser)
    with pytest.raises(NodeError, match="a step cache cannot work"):
        run_node(diffusion_forcing, cached, tiny.model.scheduler, prompt, latents, context=fresh)
    for change, problem in (
        ({"sigmas": [1.0, 0.5]}, "takes no noise levels"),
        ({"solver": "euler"}, "in whole numbers, which FlowMatchEuler"),
    ):
        changed = run_node(rescheduled, tiny.model.scheduler, **change)
        with pytest.raises(NodeError, match=problem):
            run_node(diffusion_forcing, tiny.model.denoiser, changed, prompt, latents, context=fresh)
    assert not fresh.opened


@pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")  # of these solvers
@pytest.mark.parametrize("solver", ["dpm_multistep", "dpm_singlestep", "deis", "sa"])
def test_other_solvers(tiny: Bench, solver: str) -> None:
    """Also one that adds noise at each step, which it draws from the global generator."""
    case, prompt = CASES["three windows"], tiny.encode()
    changed = run_node(rescheduled, tiny.model.scheduler, solver=solver)
    other = Bench(tiny.folder)
    other.model = tiny.model._replace(scheduler=changed)
    context = tiny.context()
    mine = other.forcing(case, context, prompt=prompt)
    assert torch.equal(mine.samples, tiny.plain_forcing(case, scheduler=changed.build()))
    for state in context.states[::3]:
        again = other.forcing(case, tiny.context(state=decode(*encode(state))), prompt=prompt)
        assert torch.equal(again.samples, mine.samples)


def test_an_extension_has_one_overlap(tiny: Bench) -> None:
    case, latents = CASES["extension"], run_node(empty_latents, tiny.model.vae, frames=13)
    condition = case.condition(tiny, latents)
    with pytest.raises(ValueMismatch, match="holds 5 frames, not 9"):
        tiny.forcing(case, condition=condition, overlap_history=9)
    alone = tiny.forcing(Case(13, {"base_num_frames": 17}), condition=condition)
    assert torch.equal(alone.samples, tiny.forcing(case).samples)


@pytest.mark.parametrize(
    ("overlap", "length", "problem"),
    [
        (6, 29, "overlap_history 6 is not 1 more than a multiple of 4"),
        (13, 13, "ends with the 13 that it is given"),
        (17, 29, "the video has 11 frames"),
    ],
)
def test_an_extension_that_cannot_be(tiny: Bench, overlap: int, length: int, problem: str) -> None:
    latents, fresh = run_node(empty_latents, tiny.model.vae, frames=length), LocalContext()
    ports = tiny.model.vae, BEFORE, latents
    with pytest.raises(NodeError, match=problem):
        run_node(condition_extension, *ports, context=fresh, overlap_history=overlap)
    assert not fresh.opened


def test_the_forecast_is_of_one_window(tiny: Bench) -> None:
    """A clip of two windows needs a little more than one of one: only the clip itself is longer."""
    needs = []
    for frames in (9, 17, 33):
        latents = run_node(empty_latents, tiny.model.vae, frames=frames)
        known = {"denoiser": tiny.model.denoiser, "latents": latents, "base_num_frames": 17}
        needs.append(spec_of(diffusion_forcing).forecast(known).device)
    assert 0 < needs[0] < needs[1] < needs[2]
    assert needs[2] - needs[1] < (needs[1] - needs[0]) / 2


def test_each_model_has_its_own_node(tiny: Bench, tmp_path: Path) -> None:
    with pytest.raises(NodeError) as caught:
        tiny.denoise()
    assert caught.value.hint == "use diffusion/diffusion_forcing"
    other = Bench(save_tiny_skyreels(tmp_path))
    with pytest.raises(NodeError) as caught:
        other.forcing(CASES["one window"])
    assert caught.value.hint == "use diffusion/denoise"
