"""Long clips of LTX-Video, window by window, each with its own prompt and tied to the one before.

LTXI2VLongMultiPromptPipeline does it in one call. Where it encodes a prompt it is given a ready one, and
where it begins a window that an earlier run had begun it is given what that run had made of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import Context, Estimate, Unknown, node
from graphflow.values import Seed, Video

from .activations import denoising
from .asked import check_guide
from .checks import check_parts, check_task
from .families import Call
from .families.ltx_condition import schedule
from .guidance import RescaledGuidance, ScheduledGuidance
from .pixels import pil
from .preview import preview_clip
from .recipes import MAKING, Denoiser
from .shell import cancel_points
from .stand_ins import VAEStandIn
from .stepwise import by_step
from .values import Condition, Latents, PromptEmbeds
from .windows import Windows

FAMILIES = ("ltx", "ltx_condition")
PIPELINE = "LTXI2VLongMultiPromptPipeline"

_TOKENS = "latents_packed"
"""The pipeline's name for its window's samples; what it calls latents is the clip before the first step."""

Frames = Annotated[int, Field(ge=0, le=100_000)]
Strength = Annotated[float, Field(ge=0, le=1)]
Window = Annotated[int, Field(ge=0, le=10_000)]


def _denoising(known: Mapping[str, Any]) -> Estimate | None:
    """What one window needs, with what it is given of the window before; the clip may be longer."""
    latents = known.get("latents")
    if not isinstance(latents, Latents) or not {"window", "overlap"} <= known.keys():
        return None
    window = latents.model_copy(update={"frames": min(latents.frames, known["window"] + known["overlap"])})
    return denoising({**known, "latents": window})


def _foreseen(
    denoiser: Denoiser | Unknown,
    prompts: list[PromptEmbeds | Unknown] | Unknown,
    latents: Latents | Unknown,
    condition: Condition | Unknown | None,
    window: int | Unknown,
    overlap: int | Unknown,
) -> Mapping[str, Any] | None:
    """Checked as far as it is known; what comes out is the clip without its samples."""
    if isinstance(denoiser, Unknown) or isinstance(latents, Unknown):
        return None
    known = [] if isinstance(prompts, Unknown) else prompts
    if not (isinstance(condition, Unknown) or isinstance(window, Unknown) or isinstance(overlap, Unknown)):
        _check(denoiser, known, latents, condition, window, overlap)
    return {"out": latents.model_copy(update={"stage": "done"})}


@node(
    "diffusion/denoise_long",
    check=_foreseen,
    forecast=_denoising,
    depends=(
        ".asked",
        ".checks",
        ".families.ltx_condition",
        ".guidance",
        ".stepwise",
        ".windows",
        ".stand_ins",
        ".values",
        *MAKING,
    ),
)
def denoise_long(
    denoiser: Denoiser,
    prompts: list[PromptEmbeds],
    latents: Latents,
    ctx: Context,
    condition: Condition | None = None,
    guide: RescaledGuidance | ScheduledGuidance | None = None,
    *,
    seed: Seed = 0,
    steps: Annotated[int, Field(ge=2, le=1000)] | None = None,
    sigmas: list[Strength] | None = None,
    guidance: Annotated[float, Field(ge=0, le=100)] | None = None,
    eta: Strength = 1.0,
    window: Frames = 80,
    overlap: Frames = 24,
    overlap_strength: Strength = 0.5,
    image_strength: Strength = 0.5,
    adain_factor: Strength = 0.25,
    first_windows: list[Window] | None = None,
) -> Latents:
    """Make a long clip window by window, with a prompt for each.

    latents: empty; any length. condition: the image that the clip begins with, of condition_image.
    sigmas: noise levels of each window, from 1 down to 0; empty is LTX-Video's own schedule for `steps`.
    steps, guidance: empty is the model's own. guide: in place of guidance, against glaring colours or by the
        step, the same for each window.
    eta: how much of the noise is drawn anew at each step; 0 is none.
    window, overlap: frames of the clip. overlap_strength: how far a window's start keeps to the end of the
        one before; image_strength: how far the first frame keeps to the image; 1 is all of it.
    adain_factor: how far later windows go to the colours of the first.
    first_windows: the window, from 0, in which each prompt begins; empty gives each prompt one window, and
        the last prompt all that are left.
    Resumes from its last checkpoint, bit for bit. Previews show the samples of the window as they are.
    Raises ValueMismatch for parts of different models, NodeError for windows or noise levels that make no
    sense.
    """
    levels = _levels(steps or denoiser.native.steps, sigmas)
    segments = _segments(len(prompts), first_windows)
    scale = denoiser.native.guidance if guidance is None else guidance
    call = Call(latents, len(levels) - 1, scale, None, guide=guide)
    check_guide(denoiser, guide, guidance, steps=call.steps)
    _check(denoiser, prompts, latents, condition, window, overlap)
    with ctx.use(denoiser.windowed()) as experts, cancel_points(experts.live(), ctx.check):
        run = _Run(ctx, denoiser, prompts, latents, [call.steps] * _windows(latents, window, overlap))
        pipe = run.shell(experts.transformer, condition, eta)
        with by_step(call, pipe, lambda: run.windows.step, experts.live()) as call:
            samples = pipe(
                **run.usual(),
                prompt_segments=segments,
                sigmas=levels,
                **_scales(call),
                seed=seed,
                cond_image=pil(condition.given.image) if condition else None,
                cond_strength=image_strength,
                temporal_tile_size=window,
                temporal_overlap=overlap,
                temporal_overlap_cond_strength=overlap_strength,
                adain_factor=adain_factor,
            ).frames
    return run.result(samples.cpu(), seed)


class _Run:
    """The pipeline's loop over windows, seen from outside."""

    def __init__(
        self,
        ctx: Context,
        denoiser: Denoiser,
        prompts: list[PromptEmbeds],
        latents: Latents,
        steps: list[int],
    ) -> None:
        """steps: of each window."""
        self.ctx, self.denoiser, self.prompts, self.latents = ctx, denoiser, prompts, latents
        self.windows = Windows(ctx, steps, self.memory, self.preview)
        self.generator: Any = None
        """Of the window; a solver draws noise from it."""

    def shell(self, transformer: Any, condition: Condition | None, eta: float) -> Any:
        """The pipeline around the live denoiser, that asks here for prompts and for where a window begins."""
        import diffusers

        said = (condition.moments, condition.statistics) if condition else ()
        solver: Any = diffusers.LTXEulerAncestralRFScheduler
        scheduler = solver(eta=eta)
        pipe = getattr(diffusers, PIPELINE)(
            scheduler=scheduler,
            vae=VAEStandIn(self.latents.vae, self.latents.geometry, *said),
            text_encoder=None,
            tokenizer=None,
            transformer=transformer,
        )
        pipe.set_progress_bar_config(disable=True)
        pack, step, order = pipe._pack_latents, scheduler.step, itertools.cycle(("given", "begin", "mask"))

        def packed(samples: Any, *patch: int) -> Any:
            tokens = pack(samples, *patch)
            return self.begin(scheduler, tokens) if next(order) == "begin" else tokens

        def stepped(*args: Any, generator: Any, **settings: Any) -> Any:
            if generator is not self.generator and self.windows.memory is not None and self.windows.skipped:
                generator.set_state(self.windows.memory["rng"])
            self.generator = generator
            return step(*args, generator=generator, **settings)

        def prompted(prompt: list[str], **settings: Any) -> tuple[Any, ...]:
            return _tensors(self.prompts[int(prompt[0])], self.ctx.device)

        pipe.encode_prompt, pipe._pack_latents, scheduler.step = prompted, packed, stepped
        return pipe

    def usual(self) -> dict[str, Any]:
        """The arguments that follow from the latents, and those that are always the same."""
        clip = self.latents
        return {
            "prompt": ["0"],  # its segments say more
            "width": clip.width,
            "height": clip.height,
            "num_frames": clip.frames,
            "frame_rate": clip.fps,
            "output_type": "latent",
            "callback_on_step_end": self.after,
            "callback_on_step_end_tensor_inputs": [_TOKENS],
        }

    def begin(self, scheduler: Any, tokens: Any) -> Any:
        """What the next window begins with; of its steps the scheduler shows those that are left."""
        tokens = self.windows.begin(tokens)
        done = self.windows.skipped
        scheduler.timesteps, scheduler.sigmas = scheduler.timesteps[done:], scheduler.sigmas[done:]
        return tokens

    def after(self, pipe: Any, index: int, time: Any, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """After each step, as pipelines tell of it."""
        self.windows.after(tensors[_TOKENS])
        if not self.windows.step:  # a window ends; what the next one prepares belongs to none of its steps
            pipe._current_timestep = None
        return {}

    def memory(self) -> dict[str, Any]:
        return {"rng": self.generator.get_state()}

    def preview(self, tokens: Any) -> Video:
        """(1, tokens, channels) of a window as a small clip."""
        clip = self.latents
        _, channels, _, height, width = clip.geometry.latent_shape(clip.width, clip.height, clip.frames)
        samples = tokens.transpose(1, 2).reshape(1, channels, -1, height, width)
        return preview_clip(samples, clip, self.denoiser.preview)

    def result(self, samples: Any, seed: int) -> Latents:
        """The whole clip; a decoder's noise begins with a fresh generator, as in the pipeline."""
        import torch

        dtype = self.prompts[0].tensors["prompt_embeds"].dtype
        update = {
            "stage": "done",
            "samples": samples,
            "rng": torch.Generator("cpu").manual_seed(seed).get_state(),
            "embeds_dtype": str(dtype).removeprefix("torch."),
        }
        return self.latents.model_copy(update=update)


# --------------------------------------------------------------------------------------------- parts


def _tensors(prompt: PromptEmbeds, device: str) -> tuple[Any, ...]:
    """What the pipeline's `encode_prompt` returns."""
    names = ("prompt_embeds", "prompt_attention_mask")
    return tuple(prompt.tensors[f"{sign}{name}"].to(device) for sign in ("", "negative_") for name in names)


def _scales(call: Call) -> dict[str, Any]:
    """How to follow the prompt, by the argument names of the pipeline."""
    guide = call.guide
    return guide.arguments() if isinstance(guide, RescaledGuidance) else {"guidance_scale": call.guidance}


def _levels(steps: int, sigmas: list[float] | None) -> list[float]:
    """The noise levels of a window. The pipeline makes a step from each to the next; the last must be 0."""
    if sigmas is None:
        return [*schedule(steps), 0.0]
    falling = all(before > after for before, after in itertools.pairwise(sigmas))
    if len(sigmas) < 2 or not falling or sigmas[-1] != 0:
        raise NodeError(
            "the noise levels must fall from one to the next and end with 0",
            where="sigmas",
            hint="such as [1.0, 0.9, 0.5, 0.0]; or leave it empty",
        )
    return sigmas


def _segments(prompts: int, first_windows: list[int] | None) -> list[dict[str, Any]]:
    """Which prompt is for which windows, as the pipeline takes it; the texts are the prompts' places."""
    starts = list(range(prompts)) if first_windows is None else first_windows
    if not prompts:
        raise NodeError("there are no prompts", where="prompts", hint="wire at least one encoded prompt")
    rising = all(before < after for before, after in itertools.pairwise(starts))
    if len(starts) != prompts or starts[0] != 0 or not rising:
        raise NodeError(
            f"{len(starts)} first windows do not say where {prompts} prompts begin",
            where="first_windows",
            hint="give one window for each prompt: 0 first, then rising; or leave it empty",
        )
    ends = [start - 1 for start in starts[1:]] + [starts[-1]]
    return [
        {"start_window": start, "end_window": end, "text": str(index)}
        for index, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]


def fits(window: int, overlap: int) -> bool:
    """Whether the pipeline makes a clip of the asked length; both in latent frames.

    It drops the first of each later window and joins the rest over one less than the overlap, but an overlap
    of 2 as if there were none.
    """
    return 1 <= overlap < window and overlap != 2


def _windows(latents: Latents, window: int, overlap: int) -> int:
    """How many windows the pipeline makes."""
    from diffusers.pipelines.ltx.pipeline_ltx_i2v_long_multi_prompt import split_into_temporal_windows

    step = latents.geometry.temporal
    cells = latents.geometry.latent_shape(latents.width, latents.height, latents.frames)[2]
    return len(split_into_temporal_windows(cells, window // step, overlap // step, step))


def _check(
    denoiser: Denoiser,
    prompts: Sequence[PromptEmbeds | Unknown],
    latents: Latents,
    condition: Condition | None,
    window: int,
    overlap: int,
) -> None:
    """Refuse what does not belong together, before anything is loaded."""
    model, step = denoiser.source.model, latents.geometry.temporal
    if denoiser.family not in FAMILIES:
        raise ValueMismatch(
            f"long video is for models of {' or '.join(FAMILIES)}; {model!r} is of family {denoiser.family}",
            where="denoiser",
        )
    for prompt in prompts:
        check_parts(denoiser, prompt, latents)
    if latents.stage != "empty":
        raise NodeError("a long video draws its own noise", where="latents", hint="wire the empty latents")
    cells, shared = window // step, overlap // step
    if not fits(cells, shared):
        raise NodeError(
            f"windows of {window} frames that overlap by {overlap} cannot be laid over the clip",
            where="overlap",
            hint=f"overlap by at least {3 * step} frames, and by less than a window is long",
        )
    if condition is not None:
        if condition.task != "image_to_video" or condition.given.last_image is not None:
            raise ValueMismatch(
                "a long video begins with one image", where="condition", hint="wire condition_image"
            )
        check_task(denoiser, latents, condition)
