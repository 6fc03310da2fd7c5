"""Long clips window by window are the plain pipeline's, whole, resumed at any step and after a cancel."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from graphflow_nodes.diffusion import condition_image, empty_latents, first_block_cache, load_vae
from graphflow_nodes.diffusion.guidance import guide_by_step, guide_rescaled
from graphflow_nodes.diffusion.long_decode import decode_tiles
from graphflow_nodes.diffusion.long_video import denoise_long, fits
from graphflow_nodes.diffusion.pixels import pil
from graphflow_nodes.diffusion.values import Latents
from hypothesis import assume, given
from hypothesis import strategies as st

from graphflow.errors import Cancelled, NodeError, ValueMismatch
from graphflow.node import spec_of
from graphflow.testing import LocalContext, run_node
from graphflow.values import Image, decode, encode
from tests.support.changing import Changing
from tests.support.tiny_family import FamilyBench
from tests.support.tiny_ltx import save_tiny_ltx
from tests.support.wan_bench import NEGATIVE

Benches = Callable[..., FamilyBench]

WIDTH = HEIGHT = 32
FRAMES, WINDOW, OVERLAP = 33, 20, 12
"""Nine latent frames in three windows of five, each with the last three of the one before."""
SIGMAS = [1.0, 0.9, 0.4, 0.0]
PROMPTS = ("a red ball rolls", "a blue box falls")
PICTURE = Image(
    pixels=torch.randint(
        0, 256, (HEIGHT, WIDTH, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8
    )
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Benches:
    """`bench()`, `bench("bfloat16")`: a model of which every part computes in the same dtype."""
    folder = save_tiny_ltx(tmp_path_factory.mktemp("long"))

    @functools.cache
    def make(dtype: str = "float32") -> FamilyBench:
        tiny = FamilyBench(folder, dtype)
        tiny.model = tiny.model._replace(vae=run_node(load_vae, model=str(folder), dtype=dtype))
        return tiny

    return make


def long(tiny: FamilyBench, *, prompts: tuple[str, ...] = PROMPTS, **options: Any) -> Latents:
    options = {"seed": 3, "sigmas": SIGMAS, "window": WINDOW, "overlap": OVERLAP, **options}
    image = options.pop("image", None)
    if image is not None:
        options["condition"] = run_node(
            condition_image, tiny.model.vae, image, empty(tiny), context=tiny.context()
        )
    options.setdefault("context", tiny.context())
    options.setdefault("latents", empty(tiny))
    embeds = [tiny.encode(prompt) for prompt in prompts]
    return run_node(denoise_long, denoiser=tiny.model.denoiser, prompts=embeds, **options)


def empty(tiny: FamilyBench) -> Latents:
    return run_node(empty_latents, tiny.model.vae, width=WIDTH, height=HEIGHT, frames=FRAMES)


def plain(tiny: FamilyBench, output_type: str = "latent", **options: Any) -> Any:
    """The unmodified pipeline: latents, or uint8 frames."""
    from diffusers import LTXEulerAncestralRFScheduler, LTXI2VLongMultiPromptPipeline

    dtype = getattr(torch, tiny.dtype)
    pipe = LTXI2VLongMultiPromptPipeline.from_pretrained(tiny.folder, dtype=dtype)
    pipe.scheduler = LTXEulerAncestralRFScheduler(eta=options.pop("eta", 1.0))
    pipe.set_progress_bar_config(disable=True)
    usual = {
        "prompt": " | ".join(PROMPTS),
        "negative_prompt": NEGATIVE,
        "width": WIDTH,
        "height": HEIGHT,
        "num_frames": FRAMES,
        "frame_rate": 8,
        "guidance_scale": 3.0,
        "max_sequence_length": 24,
        "sigmas": SIGMAS,
        "seed": 3,
        "temporal_tile_size": WINDOW,
        "temporal_overlap": OVERLAP,
    }
    found = pipe(**{**usual, **options}, output_type=output_type).frames
    return torch.from_numpy((found[0] * 255).round().astype("uint8")) if output_type == "np" else found


CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "prompts": ({}, {}),
    "image": ({"image": PICTURE}, {"cond_image": pil(PICTURE)}),
    "firm image and joins": (
        {"image": PICTURE, "image_strength": 1.0, "overlap_strength": 1.0, "adain_factor": 0.0},
        {
            "cond_image": pil(PICTURE),
            "cond_strength": 1.0,
            "temporal_overlap_cond_strength": 1.0,
            "adain_factor": 0.0,
        },
    ),
    "no new noise, guidance off": ({"eta": 0.0, "guidance": 1.0}, {"eta": 0.0, "guidance_scale": 1.0}),
    "rescaled": (
        {"guide": run_node(guide_rescaled, guidance=5.0, rescale=0.6)},
        {"guidance_scale": 5.0, "guidance_rescale": 0.6},
    ),
    "one window": ({"window": 80, "overlap": 24}, {"temporal_tile_size": 80, "temporal_overlap": 24}),
}
ALL = pytest.mark.parametrize(("mine", "theirs"), CASES.values(), ids=CASES.keys())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@ALL
def test_equal_to_the_plain_pipeline(
    bench: Benches, mine: dict[str, Any], theirs: dict[str, Any], dtype: str
) -> None:
    tiny = bench(dtype)
    latents = long(tiny, **mine)
    assert torch.equal(latents.samples, plain(tiny, **theirs))
    assert latents.samples.shape == latents.geometry.latent_shape(WIDTH, HEIGHT, FRAMES)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_frames_are_the_plain_pipelines(bench: Benches, dtype: str) -> None:
    """Decoded in the tiles of the pipeline, with noise that begins anew."""
    tiny = bench(dtype)
    latents = long(tiny)
    for columns, rows, overlap in ((4, 4, 1), (1, 1, 3), (2, 1, 2)):
        asked = {"decode_horizontal_tiles": columns, "decode_vertical_tiles": rows, "decode_overlap": overlap}
        mine = tiles(tiny, latents, columns=columns, rows=rows, overlap=overlap)
        assert torch.equal(mine, plain(tiny, "np", **asked))
    assert mine.shape == (FRAMES, HEIGHT, WIDTH, 3)
    own = tiles(tiny, latents, columns=1, rows=1, decode_noise_scale=0.5)
    asked = {"decode_horizontal_tiles": 1, "decode_vertical_tiles": 1, "decode_noise_scale": 0.5}
    assert torch.equal(own, plain(tiny, "np", **asked))


def tiles(tiny: FamilyBench, latents: Latents, **settings: Any) -> Any:
    context = settings.pop("context", None) or tiny.context()
    return run_node(decode_tiles, tiny.model.vae, latents, context=context, **settings).frames


@pytest.mark.parametrize("mine", [{}, {"image": PICTURE}], ids=["prompts", "image"])
def test_resumes_at_any_step(bench: Benches, mine: dict[str, Any]) -> None:
    """In the middle of a window too, where the solver has drawn some of its noise."""
    tiny, context = bench(), bench().context()
    whole = long(tiny, context=context, **mine)
    assert context.progress_log == [(done, 9) for done in range(1, 10)]
    assert len(context.states) == 8
    for state in (context.states[0], context.states[2], context.states[4], context.states[-1]):
        again = tiny.context(state=decode(*encode(state)))
        assert torch.equal(long(tiny, context=again, **mine).samples, whole.samples)
        assert again.progress_log == context.progress_log[-len(again.progress_log) :]


def test_a_scale_for_each_step_of_every_window(bench: Benches) -> None:
    """And a step that is not guided is one guided by 1, but for rounding."""
    tiny = bench()
    for mine, theirs, scales in (
        ({}, {}, (2.0, 3.0, 5.0)),
        ({"image": PICTURE}, {"cond_image": pil(PICTURE)}, (1.0, 4.0, 1.0)),
    ):
        guide = run_node(guide_by_step, scales=list(scales))
        guided = long(tiny, guide=guide, context=(context := tiny.context()), **mine).samples
        scale = Changing(*scales, always=True)
        reference = plain(tiny, guidance_scale=scale, **scale.arguments, **theirs)
        if min(scales) > 1:
            assert torch.equal(guided, reference)
        else:
            assert torch.allclose(guided, reference, atol=1e-4)
    for state in (context.states[-1], context.states[-3], context.states[-5]):
        again = long(tiny, guide=guide, context=tiny.context(state=state), **mine)
        assert torch.equal(again.samples, guided)
    alone = long(tiny, guide=run_node(guide_by_step, scales=[1.0] * 3)).samples
    assert torch.equal(alone, long(tiny, guidance=1.0).samples)


def test_cancel_inside_a_step_leaves_no_trace(bench: Benches) -> None:
    tiny, counting = bench(), bench().context()
    whole = long(tiny, context=counting)
    for point in (1, counting._points // 2, counting._points - 1):
        with pytest.raises(Cancelled):
            long(tiny, context=tiny.context(cancel_after=point))
        assert torch.equal(long(tiny).samples, whole.samples)


def test_cancel_inside_the_decoder_leaves_no_trace(bench: Benches) -> None:
    tiny, counting = bench(), bench().context()
    latents = long(tiny)
    frames = tiles(tiny, latents, overlap=1, context=counting)
    with pytest.raises(Cancelled):
        tiles(tiny, latents, overlap=1, context=tiny.context(cancel_after=counting._points - 1))
    assert torch.equal(tiles(tiny, latents, overlap=1), frames)


def test_what_differs_and_what_does_not(bench: Benches) -> None:
    tiny = bench()
    usual = long(tiny).samples
    others: list[dict[str, Any]] = [
        {"seed": 4},
        {"image": PICTURE},
        {"eta": 0.5},
        {"adain_factor": 0.9},
        {"overlap_strength": 0.9},
        {"sigmas": [1.0, 0.8, 0.4, 0.0]},
        {"prompts": (PROMPTS[0], "a green cone")},
    ]
    for other in others:
        assert not torch.equal(usual, long(tiny, **other).samples), other
    assert torch.equal(usual, long(tiny).samples)


def test_a_prompt_is_for_its_windows(bench: Benches) -> None:
    """The second prompt changes nothing before its first window; three windows may share one prompt."""
    tiny = bench()
    usual, other = long(tiny).samples, long(tiny, prompts=(PROMPTS[0], "a green cone")).samples
    assert torch.equal(usual[:, :, :3], other[:, :, :3]) and not torch.equal(usual[:, :, 5:], other[:, :, 5:])
    late = long(tiny, first_windows=[0, 2])
    segments = [
        {"start_window": 0, "end_window": 1, "text": PROMPTS[0]},
        {"start_window": 2, "end_window": 2, "text": PROMPTS[1]},
    ]
    assert torch.equal(late.samples, plain(tiny, prompt_segments=segments))
    assert torch.equal(long(tiny, prompts=PROMPTS[:1]).samples, plain(tiny, prompt=PROMPTS[0]))


def test_the_models_own_schedule(bench: Benches) -> None:
    from diffusers.pipelines.ltx.pipeline_ltx_condition import linear_quadratic_schedule

    tiny = bench()
    levels = [*linear_quadratic_schedule(4).tolist(), 0.0]
    assert torch.equal(long(tiny, sigmas=None, steps=4).samples, plain(tiny, sigmas=levels))


def test_previews_show_the_window_at_work(bench: Benches) -> None:
    tiny, watching = bench(), bench().context()
    long(tiny, context=watching)
    frames = [clip.frames.shape[0] for clip in watching.previews]
    assert frames == [5] * 3 + [8] * 6  # three are of the window before
    assert watching.previews[0].frames.shape[1:] == (HEIGHT // 4, WIDTH // 4, 3)


@given(cells=st.integers(2, 60), window=st.integers(2, 20), overlap=st.integers(0, 19))
def test_only_windows_that_make_the_asked_length_are_allowed(cells: int, window: int, overlap: int) -> None:
    """In latent frames, by the pipeline's own functions: it cuts the first frame off every later window."""
    from diffusers.pipelines.ltx import pipeline_ltx_i2v_long_multi_prompt as long_pipeline

    assume(overlap < window)
    made = torch.empty(1, 1, 0, 1, 1)
    windows = long_pipeline.split_into_temporal_windows(cells, window, overlap, 4)
    for start, end in windows:
        new = torch.zeros(1, 1, end - start - bool(start), 1, 1)
        before, tail = made[:, :, : -new.shape[2]], made[:, :, -new.shape[2] :]
        joined = long_pipeline.linear_overlap_fuse(tail, new, max(overlap - 1, 1)) if start else new
        made = torch.cat([before, joined], 2)
    if fits(window, overlap):
        assert made.shape[2] == cells
    elif len(windows) > 1:
        assert made.shape[2] != cells


def test_memory_is_that_of_a_window_and_of_a_tile(bench: Benches) -> None:
    tiny = bench()
    clips = [run_node(empty_latents, tiny.model.vae, frames=frames) for frames in (33, 65)]
    asked = {"denoiser": tiny.model.denoiser, "window": WINDOW, "overlap": OVERLAP}
    short, longer = (spec_of(denoise_long).forecast({**asked, "latents": clip}) for clip in clips)
    assert 0 < short.device == longer.device
    one, many = (
        spec_of(decode_tiles).forecast(
            {"vae": tiny.model.vae, "latents": clips[0], "columns": tiles, "rows": 1, "overlap": 1}
        )
        for tiles in (1, 4)
    )
    assert 0 < many.device < one.device


# ----------------------------------------------------------------------------------------- refusals


def refused(tiny: FamilyBench, **options: Any) -> str:
    closed = LocalContext()  # opens nothing: a refusal comes before any weight is loaded
    with pytest.raises(NodeError) as found:
        long(tiny, context=closed, **options)
    assert not closed.opened
    return str(found.value)


def test_windows_and_levels_that_make_no_sense(bench: Benches) -> None:
    tiny = bench()
    for window, overlap in ((16, 16), (16, 3), (7, 4), (16, 8)):
        assert "cannot be laid over the clip" in refused(tiny, window=window, overlap=overlap)
    for sigmas in ([1.0], [0.5, 0.9, 0.0], [1.0, 0.5]):
        assert "noise levels must fall" in refused(tiny, sigmas=sigmas)
    assert "no prompts" in refused(tiny, prompts=())
    for starts in ([0], [1, 2], [0, 0], [0, 1, 2]):
        assert "do not say where 2 prompts begin" in refused(tiny, first_windows=starts)


def test_parts_that_do_not_belong_together(bench: Benches) -> None:
    tiny = bench()
    with pytest.raises(ValueMismatch, match="another VAE"):
        other = long(tiny).model_copy(update={"family": "wan"})
        tiles(tiny, other)
    assert "draws its own noise" in refused(tiny, latents=empty(tiny).model_copy(update={"stage": "noise"}))
    other = tiny.encode()
    other = other.model_copy(update={"family": "wan"})
    with pytest.raises(ValueMismatch, match="the prompt is for wan"):
        run_node(denoise_long, tiny.model.denoiser, [other], empty(tiny), context=LocalContext())
    cached = run_node(first_block_cache, tiny.model.denoiser)
    with pytest.raises(NodeError, match="step cache cannot work on a clip that is made in windows"):
        run_node(denoise_long, cached, [tiny.encode()], empty(tiny), context=LocalContext())
    with pytest.raises(NodeError, match="8 latent cells cannot be cut into 8 rows"):
        tiles(tiny, long(tiny), rows=8)
