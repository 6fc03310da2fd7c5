"""FramePack makes a clip section by section: the plain pipeline's bits, also after a stop in any section."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion import condition_image, empty_latents, framepack
from graphflow_nodes.diffusion import decode as decode_node
from graphflow_nodes.diffusion.pixels import pil
from graphflow_nodes.diffusion.schedule import scheduler as rescheduled
from graphflow_nodes.diffusion.step_caches import taylor_cache
from graphflow_nodes.diffusion.values import Latents

from graphflow.errors import Cancelled, NodeError
from graphflow.node import spec_of
from graphflow.testing import LocalContext, run_node
from graphflow.values import Image, decode, encode
from tests.support.tiny_family import FamilyBench
from tests.support.tiny_hunyuan import HEIGHT, STEPS, WIDTH, save_tiny_framepack
from tests.support.wan_bench import PROMPT

SEED, SECTION = 3, 2
"""Latent frames of a section; 8 frames."""


def picture(seed: int) -> Image:
    generator = torch.Generator().manual_seed(seed)
    return Image(pixels=torch.randint(0, 256, (HEIGHT, WIDTH, 3), generator=generator, dtype=torch.uint8))


FIRST, LAST, OTHER = picture(1), picture(2), picture(3)


@dataclass(frozen=True)
class Case:
    """One use of FramePack; the plain call is asked for a length that makes as many sections."""

    sections: int
    settings: dict[str, Any] = field(default_factory=dict)
    last: Image | None = None

    @property
    def frames(self) -> int:
        return self.sections * SECTION * 4 + 1


class Bench(FamilyBench):
    """The node and the plain pipeline on one tiny model."""

    @functools.cached_property
    def prompt(self) -> Any:
        return self.encode()

    def packed(self, case: Case, context: LocalContext | None = None, **changes: Any) -> Latents:
        latents = run_node(empty_latents, self.model.vae, frames=case.frames)
        prompt = changes.pop("prompt", None) or self.prompt
        condition = changes.pop("condition", None) or self.condition(latents, FIRST, case.last)
        ports = self.model.denoiser, self.model.scheduler, prompt, latents, condition
        settings = {"seed": SEED, "latent_window_size": SECTION, **case.settings, **changes}
        return run_node(framepack, *ports, context=context or self.context(), **settings)

    def condition(self, latents: Latents, image: Image, last: Image | None = None) -> Any:
        ports = self.model.vae, image, latents, last, self.model.image_encoder
        return run_node(condition_image, *ports, context=self.context())

    def plain_packed(self, case: Case, output_type: str = "latent", scheduler: Any = None) -> Any:
        from diffusers import HunyuanVideoFramepackPipeline

        dtypes = {"default": getattr(torch, self.dtype), "vae": torch.float32, "image_encoder": torch.float32}
        pipe = HunyuanVideoFramepackPipeline.from_pretrained(self.folder, dtype=dtypes)
        pipe.set_progress_bar_config(disable=True)
        pipe.scheduler = scheduler or pipe.scheduler
        found = pipe(
            image=pil(FIRST),
            last_image=pil(case.last),
            prompt=PROMPT,
            width=WIDTH,
            height=HEIGHT,
            num_frames=case.sections * ((SECTION - 1) * 4 + 1),
            latent_window_size=SECTION,
            sampling_type=case.settings.get("sampling", "inverted_anti_drifting"),
            num_inference_steps=STEPS,
            max_sequence_length=self.model.native.max_sequence_length,
            guidance_scale=self.model.native.guidance,
            generator=torch.Generator().manual_seed(SEED),
            output_type=output_type,
        ).frames
        return found[-1] if output_type == "latent" else torch.from_numpy((found[0] * 255).round()).byte()


CASES = {
    "one section": Case(1),
    "three sections": Case(3),
    "many sections": Case(5),
    "first and last image": Case(2, last=LAST),
    "forwards": Case(3, {"sampling": "vanilla"}),
    "one section forwards": Case(1, {"sampling": "vanilla"}),
}
ALL = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
KINDS = ["three sections", "first and last image", "forwards"]
ONE_OF_EACH_KIND = pytest.mark.parametrize("case", [CASES[name] for name in KINDS], ids=KINDS)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(save_tiny_framepack(tmp_path_factory.mktemp("framepack") / "model"))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@ALL
def test_equal_to_the_plain_pipeline(tiny: Bench, case: Case, dtype: str) -> None:
    bench = tiny if dtype == "float32" else Bench(tiny.folder, dtype)
    latents = bench.packed(case)
    assert torch.equal(latents.samples, bench.plain_packed(case))
    frames = bench.decode(decode(*encode(latents)))
    assert torch.equal(frames, bench.plain_packed(case, "np"))
    assert len(frames) == latents.frames == case.frames


@ALL
def test_resumes_at_any_step_of_any_section(tiny: Bench, case: Case) -> None:
    context = tiny.context()
    whole, total = tiny.packed(case, context), case.sections * STEPS
    assert context.progress_log == [(step, total) for step in range(1, total + 1)]
    for done, state in enumerate(context.states, 1):
        again = tiny.context(state=decode(*encode(state)))
        assert torch.equal(tiny.packed(case, again).samples, whole.samples), done
        assert again.progress_log[0] == (done + 1, total)


@ONE_OF_EACH_KIND
def test_cancel_inside_a_step_leaves_no_trace(tiny: Bench, case: Case) -> None:
    counting = tiny.context()
    whole = tiny.packed(case, counting).samples
    for point in (1, 4, counting._points - 1):
        with pytest.raises(Cancelled):
            tiny.packed(case, tiny.context(cancel_after=point))
        assert torch.equal(tiny.packed(case).samples, whole)


@ONE_OF_EACH_KIND
def test_seed_prompt_and_images_count(tiny: Bench, case: Case) -> None:
    usual = tiny.packed(case).samples
    latents = run_node(empty_latents, tiny.model.vae, frames=case.frames)
    first = tiny.condition(latents, FIRST, case.last)
    assert not torch.equal(tiny.packed(case, seed=4).samples, usual)
    assert not torch.equal(tiny.packed(case, prompt=tiny.encode("a blue box")).samples, usual)
    assert not torch.equal(tiny.packed(case, guidance=3.0).samples, usual)
    other = tiny.condition(latents, OTHER, case.last)
    assert not torch.equal(tiny.packed(case, condition=other).samples, usual)
    mixed = first.model_copy(update={"image_embeds": other.image_embeds})
    assert not torch.equal(tiny.packed(case, condition=mixed).samples, usual)
    if case.last is not None:
        last = tiny.condition(latents, FIRST, OTHER)
        assert not torch.equal(tiny.packed(case, condition=last).samples, usual)
        mixed = first.model_copy(update={"image_embeds": last.image_embeds})
        seen = tiny.packed(case, condition=mixed).samples
        assert torch.equal(seen, usual)  # the pipeline has its encoder look at it, and makes no use of that
    assert torch.equal(tiny.packed(case, condition=first).samples, usual)


def test_cancel_inside_the_decoder_leaves_no_trace(tiny: Bench) -> None:
    latents, counting = tiny.packed(CASES["three sections"]), tiny.context()
    frames = run_node(decode_node, tiny.model.vae, latents, context=counting).frames
    for point in (2, counting._points - 1):
        with pytest.raises(Cancelled):
            run_node(decode_node, tiny.model.vae, latents, context=tiny.context(cancel_after=point))
        assert torch.equal(tiny.decode(latents), frames)


def test_previews_show_the_section_that_is_expected(tiny: Bench) -> None:
    watching = tiny.context()
    tiny.packed(CASES["three sections"], watching)
    assert [len(preview.frames) for preview in watching.previews] == [SECTION] * 3 * STEPS


@pytest.mark.parametrize("solver", ["unipc", "lcm"])
def test_other_solvers_go_on_too(tiny: Bench, solver: str) -> None:
    """One remembers its steps, one draws noise at each."""
    case, context = CASES["three sections"], tiny.context()
    other = Bench(tiny.folder)
    changed = run_node(rescheduled, tiny.model.scheduler, solver=solver)
    other.model = tiny.model._replace(scheduler=changed)
    whole = other.packed(case, context, prompt=tiny.prompt).samples
    if solver == "unipc":
        assert torch.equal(whole, tiny.plain_packed(case, scheduler=changed.build()))
    for state in context.states:
        again = other.packed(case, tiny.context(state=decode(*encode(state))), prompt=tiny.prompt)
        assert torch.equal(again.samples, whole)


# ------------------------------------------------------------------------------------------ checks


@pytest.mark.parametrize(
    ("frames", "near"), [(5, "make latents of 9 frames"), (13, "make latents of 9 or 17 frames")]
)
def test_a_length_that_is_not_made_of_sections(tiny: Bench, frames: int, near: str) -> None:
    """The pipeline would make more frames than it is asked for."""
    prompt, fresh = tiny.prompt, LocalContext()
    latents = run_node(empty_latents, tiny.model.vae, frames=frames)
    ports = tiny.model.denoiser, tiny.model.scheduler, prompt, latents, tiny.condition(latents, FIRST)
    with pytest.raises(NodeError, match="not made of sections of 8") as caught:
        run_node(framepack, *ports, context=fresh, latent_window_size=SECTION)
    assert caught.value.hint == near
    assert not fresh.opened


def test_forwards_takes_no_last_image(tiny: Bench) -> None:
    with pytest.raises(NodeError, match="takes no last image"):
        tiny.packed(Case(2, {"sampling": "vanilla"}, LAST), LocalContext())


def test_done_latents_and_step_caches_are_refused(tiny: Bench) -> None:
    done = tiny.packed(CASES["one section"])
    ports = tiny.model.scheduler, tiny.prompt, done, tiny.condition(done, FIRST)
    with pytest.raises(NodeError, match="draws its own noise"):
        run_node(framepack, tiny.model.denoiser, *ports, context=LocalContext(), latent_window_size=SECTION)
    other = Bench(tiny.folder)
    other.model = tiny.model._replace(denoiser=run_node(taylor_cache, tiny.model.denoiser))
    with pytest.raises(NodeError, match="a step cache cannot work"):
        other.packed(CASES["one section"])


def test_the_forecast_is_of_one_section(tiny: Bench) -> None:
    needs = []
    for sections in (1, 4):
        latents = run_node(empty_latents, tiny.model.vae, frames=sections * SECTION * 4 + 1)
        known = {"denoiser": tiny.model.denoiser, "latents": latents, "latent_window_size": SECTION}
        found = spec_of(framepack).forecast(known)
        clip = latents.geometry.latent_shape(latents.width, latents.height, latents.frames)
        needs.append(found.device - 3 * 4 * math.prod(clip))  # the clip so far, in float32, some three times
    assert needs[0] == needs[1] > 0


def test_the_usual_node_names_the_right_one(tiny: Bench) -> None:
    with pytest.raises(NodeError) as caught:
        tiny.denoise()
    assert caught.value.hint == "use diffusion/framepack"


def test_the_published_lengths(tiny: Bench) -> None:
    from graphflow_nodes.diffusion.families import Configs
    from graphflow_nodes.diffusion.families import framepack as rules

    native = rules.native(Configs({}, {}, {}))
    assert (native.frames - 1) % (4 * rules.SECTION) == 0
    assert (native.guidance, native.fps) == (9.0, 30.0)
