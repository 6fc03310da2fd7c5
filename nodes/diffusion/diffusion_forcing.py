"""SkyReels-V2 diffusion forcing: clips longer than a model's window, made window by window.

Each window begins with the last frames of the one before. Within a window all frames may be denoised
together, or blocks of frames one behind the other, each frame by a solver of its own. The unmodified pipeline
does it all.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import Context, Estimate, State, Unknown, node
from graphflow.values import Seed

from .activations import denoising
from .asked import check_guide
from .checks import check_denoise, task_of
from .families import Call, family
from .forcing_plan import planned
from .guidance import ScheduledGuidance
from .preview import preview_clip
from .recipes import MAKING, Denoiser, Experts, Scheduler
from .shell import cancel_points, shell
from .stand_ins import VAEStandIn
from .stepwise import by_step
from .tap import attributes, changes
from .values import Condition, Latents, PromptEmbeds
from .windows import Windows, copied

NODE = "diffusion/diffusion_forcing"

_DEPENDS = (
    ".asked",
    ".checks",
    ".forcing_plan",
    ".guidance",
    ".stepwise",
    ".windows",
    ".tap",
    ".shell",
    ".stand_ins",
    ".values",
    *MAKING,
)


def _forecast(known: Mapping[str, Any]) -> Estimate | None:
    """What one window needs, and what stands beside it: each frame's solver remembers latents and predictions
    of its last steps, which are slices of whole windows; the clip is put together anew for each window."""
    denoiser, latents = known.get("denoiser"), known.get("latents")
    if not (isinstance(denoiser, Denoiser) and isinstance(latents, Latents)):
        return None
    longest = min(latents.frames, known.get("base_num_frames") or denoiser.native.frames)
    window = latents.model_copy(update={"frames": longest})
    found = denoising({**known, "latents": window})
    numbers = [
        math.prod(clip.geometry.latent_shape(clip.width, clip.height, clip.frames))
        for clip in (window, latents)
    ]
    kept = round(4 * (_KEPT_WINDOWS * numbers[0] + _KEPT_CLIPS * numbers[1]))
    return found and replace(found, device=found.device + kept)


_KEPT_WINDOWS, _KEPT_CLIPS = 5.5, 3.6
"""Tensors of a window's and of the clip's size beside those of a plain denoise, float32; counted, as the
coefficients of `activations.py`."""


def _foreseen(
    denoiser: Denoiser | Unknown,
    scheduler: Scheduler | Unknown,
    prompt: PromptEmbeds | Unknown,
    latents: Latents | Unknown,
    condition: Condition | Unknown | None,
    guide: ScheduledGuidance | Unknown | None,
    ar_step: int | Unknown,
) -> Mapping[str, Any] | None:
    """Checked as far as it is known; what comes out is the clip without its samples."""
    if isinstance(denoiser, Unknown) or isinstance(latents, Unknown):
        return None
    _check_lag(guide, ar_step)
    _check_parts(denoiser, prompt, latents, condition)
    if not (isinstance(scheduler, Unknown) or isinstance(condition, Unknown)):
        _check_scheduler(denoiser, scheduler, condition)
    return {"out": latents.model_copy(update={"stage": "done"})}


@node(NODE, check=_foreseen, forecast=_forecast, depends=_DEPENDS)
def diffusion_forcing(
    denoiser: Denoiser,
    scheduler: Scheduler,
    prompt: PromptEmbeds,
    latents: Latents,
    ctx: Context,
    condition: Condition | None = None,
    guide: ScheduledGuidance | None = None,
    *,
    seed: Seed = 0,
    steps: Annotated[int, Field(ge=1, le=1000)] | None = None,
    guidance: Annotated[float, Field(ge=0, le=100)] | None = None,
    base_num_frames: Annotated[int, Field(ge=1)] | None = None,
    overlap_history: Annotated[int, Field(ge=1)] | None = None,
    addnoise_condition: Annotated[int, Field(ge=0, le=60)] = 20,
    ar_step: Annotated[int, Field(ge=0, le=100)] = 0,
    causal_block_size: Annotated[int, Field(ge=1)] | None = None,
) -> Latents:
    """Make a clip of any length with a diffusion forcing model of SkyReels-V2.

    latents: empty; they say the size and the length of the clip.
    condition: a first image (and, for a clip of one window, a last one), or a video that is to go on.
    guide: guidance by the step, the same for each window, in place of `guidance`; not with ar_step, where
        every frame is at a step of its own.
    steps, guidance: empty is the model's own.
    base_num_frames: the longest window; empty is the model's own. overlap_history: frames of a window that
        the next one begins with; empty is 17, or as many as the condition holds. 17 or 37 are advised.
    addnoise_condition: how much noise (of 1000) the frames that a window begins with are told to have; 20
        is advised, more smooths the joins and may change what is seen.
    ar_step: 0 denoises all frames together; more lets each block of frames lag so many steps behind the one
        before, slower and more consistent. causal_block_size: latent frames in a block, which then see no
        later block; 5 is advised with ar_step 5. Empty is the model's own.
    Resumes from its last checkpoint, bit for bit. Previews show the samples of the window as they are.
    Raises ValueMismatch for parts of different models, NodeError for lengths that do not fit each other.
    """
    native, steps = denoiser.native, scheduler.count(steps)
    chosen = native.guidance if guidance is None else guidance
    call = Call(latents, steps or native.steps, chosen, None, condition, guide=guide)
    _check_parts(denoiser, prompt, latents, condition)
    _check_scheduler(denoiser, scheduler, condition)
    _check_guide(denoiser, guide, guidance, call.steps, ar_step)
    forcing: dict[str, Any] = {
        "base_num_frames": base_num_frames or native.frames,
        "overlap_history": _overlap(call, overlap_history),
        "addnoise_condition": addnoise_condition,
        "ar_step": ar_step,
        "causal_block_size": causal_block_size,
    }
    block = causal_block_size or int(denoiser.config.get("num_frame_per_block", 1))
    plan = planned(call, forcing["base_num_frames"], forcing["overlap_history"], block)
    run = _Run(ctx, denoiser, call, [window.steps(call.steps, ar_step, block) for window in plan])
    with (
        ctx.use(denoiser.windowed()) as experts,
        cancel_points(experts.live(), ctx.check),
        _blocks_kept(experts.transformer),
        _noise_of_its_own(seed, ctx.device),
    ):
        samples = run.pipeline(experts, scheduler, prompt, seed, forcing)
    embeds_dtype = str(prompt.tensors["prompt_embeds"].dtype).removeprefix("torch.")
    return latents.model_copy(update={"stage": "done", "samples": samples, "embeds_dtype": embeds_dtype})


class _Run:
    """One call of the pipeline: what is done before each window and after each step."""

    def __init__(self, ctx: Context, denoiser: Denoiser, call: Call, steps: list[int]) -> None:
        self.ctx, self.denoiser, self.call = ctx, denoiser, call
        self.windows = Windows(ctx, steps, self.memory, self.preview)
        self.solvers: list[Any] = []
        """One for each latent frame of the window."""
        self.fresh: list[Mapping[str, Any]] = []
        """Their attributes before their first step."""

    def pipeline(
        self,
        experts: Experts,
        scheduler: Scheduler,
        prompt: PromptEmbeds,
        seed: int,
        forcing: Mapping[str, Any],
    ) -> Any:
        """Run the standard pipeline. Returns (1, channels, frames, height, width), float32, on the CPU."""
        import torch

        rules, device, latents = family(self.denoiser.family), self.ctx.device, self.call.latents
        condition, task = self.call.condition, task_of(self.call.condition)
        parts = {
            "vae": VAEStandIn(latents.vae, latents.geometry, condition.moments if condition else ()),
            "scheduler": _counted(scheduler.build(), self.solvers),
            **experts.named(),
        }
        pipe = shell(rules, parts, task=task)
        prepare, matrix = pipe.prepare_latents, pipe.generate_timestep_matrix
        pipe.prepare_latents = lambda *args, **kwargs: self.begin(*prepare(*args, **kwargs))
        pipe.generate_timestep_matrix = lambda frames, times, base, *rest: self.steps_left(
            matrix(frames, times, min(base, frames), *rest)  # image to video fails with a shorter last window
        )
        with by_step(self.call, pipe, lambda: self.windows.step, experts.live()) as call:
            output = pipe(
                **{**rules.tasks[task].arguments(call), **forcing},
                **{name: tensor.to(device) for name, tensor in prompt.tensors.items()},
                generator=torch.Generator("cpu").manual_seed(seed),
                callback_on_step_end=self.after,
                output_type="latent",
            )
        shape = latents.geometry.latent_shape(latents.width, latents.height, latents.frames)
        return output.frames[:, :, : shape[2]].cpu()  # a given last image still stands behind the clip

    def begin(self, samples: Any, *rest: Any) -> tuple[Any, ...]:
        """Before each window. (The pipeline's own `latents=` would do for one window, but makes it fail.)"""
        self.solvers.clear()
        return (self.windows.begin(samples), *rest)

    def steps_left(self, matrix: tuple[Any, ...]) -> tuple[Any, ...]:
        """A window's steps without those done before: timesteps, places, masks and intervals, a row each.

        The pipeline has made the frames' solvers by now; they get their memory back.
        """
        self.fresh = [attributes(solver) for solver in self.solvers]
        memory = self.windows.memory
        if memory is not None:
            _noise_state(self.ctx.device, memory["noise"])
            for solver, changed in zip(self.solvers, memory["solvers"], strict=False):
                for name, value in copied(changed, self.ctx.device).items():
                    setattr(solver, name, value)
        return tuple(part[self.windows.skipped :] for part in matrix)

    def after(self, pipe: Any, index: int, time: Any, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """After each step."""
        self.windows.after(tensors["latents"])
        return {}

    def memory(self) -> State:
        """What, beside the samples, the next step depends on: nothing of the solvers between two windows."""
        solvers = zip(self.fresh, self.solvers, strict=True) if self.windows.step else ()
        changed = [changes(fresh, solver) for fresh, solver in solvers]
        return {"noise": _noise_state(self.ctx.device), "solvers": copied(changed, "cpu")}

    def preview(self, samples: Any) -> Any:
        return preview_clip(samples, self.call.latents, self.denoiser.preview)


def _counted(scheduler: Any, copies: list[Any]) -> Any:
    """`scheduler`, changed in place: every deep copy of it is put into `copies` too."""
    base: Any = type(scheduler)

    class Counted(base):  # type: ignore[misc]
        def __deepcopy__(self, memo: dict[int, Any]) -> Any:
            made = base.__new__(base)
            vars(made).update(copy.deepcopy(vars(self), memo))
            copies.append(made)
            return made

    scheduler.__class__ = Counted
    return scheduler


def _overlap(call: Call, overlap_history: int | None) -> int:
    """The overlap in frames. A video that goes on was encoded for one."""
    held = call.given.settings.get("overlap_history")
    if overlap_history is not None and held not in (None, overlap_history):
        raise ValueMismatch(
            f"the condition holds {held} frames, not {overlap_history}",
            where="overlap_history",
            hint="leave it empty",
        )
    return int(overlap_history or held or 17)


def _check_parts(
    denoiser: Denoiser,
    prompt: PromptEmbeds | Unknown,
    latents: Latents,
    condition: Condition | Unknown | None,
) -> None:
    check_denoise(denoiser, prompt, latents, condition, NODE)
    if latents.stage != "empty":
        raise NodeError(
            "diffusion forcing draws its own noise", where="latents", hint="wire the empty latents instead"
        )


def _check_guide(
    denoiser: Denoiser, guide: ScheduledGuidance | None, guidance: float | None, steps: int, ar_step: int
) -> None:
    check_guide(denoiser, guide, guidance, steps=steps)
    _check_lag(guide, ar_step)


def _check_lag(guide: ScheduledGuidance | Unknown | None, ar_step: int | Unknown) -> None:
    """Refuse a schedule for frames of which each is at a step of its own."""
    if isinstance(guide, ScheduledGuidance) and not isinstance(ar_step, Unknown) and ar_step:
        raise NodeError(
            "with ar_step each frame is at a step of its own, so none can be guided by the step",
            where="guide",
            hint="set guidance instead, or set ar_step to 0",
        )


def _check_scheduler(denoiser: Denoiser, scheduler: Scheduler, condition: Condition | None) -> None:
    """Refuse solvers that the pipelines cannot work with, before anything is loaded."""
    if scheduler.class_name.startswith("FlowMatch"):
        raise NodeError(
            f"diffusion forcing counts noise levels in whole numbers, which {scheduler.class_name} refuses",
            where="scheduler",
            hint="choose the solver unipc",
        )
    scheduler.levels(family(denoiser.family).tasks[task_of(condition)].pipeline)  # refuses given ones


# ------------------------------------------------------------------------------------ what is undone


@contextmanager
def _blocks_kept(transformer: Any) -> Iterator[None]:
    """The pipeline writes `causal_block_size` into the config of the transformer, which others share."""
    before = transformer.config.num_frame_per_block
    try:
        yield
    finally:
        transformer._set_ar_attention(before)


@contextmanager
def _noise_of_its_own(seed: int, device: str) -> Iterator[None]:
    """The pipeline adds noise to given frames from torch's global generator: seeded here, as it was after."""
    import torch

    before = _noise_state(device)
    generator = torch.Generator(device).manual_seed(seed)
    try:
        _noise_state(device, generator.get_state())
        yield
    finally:
        _noise_state(device, before)


def _noise_state(device: str, state: Any = None) -> Any:
    """The state of the global generator that draws noise on `device`, set first if one is given."""
    import torch

    if torch.device(device).type == "cuda":
        if state is not None:
            torch.cuda.set_rng_state(state, device)
        return torch.cuda.get_rng_state(device)
    if state is not None:
        torch.set_rng_state(state)
    return torch.get_rng_state()
