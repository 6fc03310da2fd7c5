"""What a denoise is asked for: settings, filled in with the model's own, refused where they make no sense."""

from __future__ import annotations

from graphflow.errors import NodeError, ValueMismatch

from .checks import task_of
from .experts import check_begun
from .families import Call, Task, family
from .guidance import Guide, ScheduledGuidance
from .recipes import Denoiser, Scheduler
from .values import Condition, Latents


def call_of(
    denoiser: Denoiser,
    scheduler: Scheduler,
    latents: Latents,
    condition: Condition | None,
    guide: Guide | None,
    steps: int | None,
    guidance: float | None,
    guidance_2: float | None,
) -> Call:
    """Settings with the model's own in place of the empty ones."""
    native, two, steps = denoiser.native, denoiser.experts == 2, scheduler.count(steps)
    if guidance_2 is not None and not two:
        raise NodeError(
            "guidance_2 needs a model with two experts",
            where="guidance_2",
            hint=f"leave it empty for model {denoiser.source.model!r}",
        )
    if steps is None:
        steps = latents.sampler.steps if latents.sampler else native.steps
    check_begun(denoiser, latents)
    check_guide(denoiser, guide, guidance, guidance_2, steps=steps)
    if guidance is None:
        guidance = native.guidance
        guidance_2 = native.guidance_2 if two and guidance_2 is None else guidance_2
    return Call(
        latents,
        steps,
        guidance,
        guidance_2,
        condition,
        guide=guide,
        two=two,
        native=native,
        sigmas=scheduler.sigmas,
        folder=denoiser.folder,
    )


def check_guide(
    denoiser: Denoiser,
    guide: Guide | None,
    guidance: float | None,
    guidance_2: float | None = None,
    *,
    steps: int,
) -> None:
    """Refuse a kind of guidance that the model does not know, two at once, or one for other steps."""
    if guide is None:
        return
    for where, given in (("guidance", guidance), ("guidance_2", guidance_2)):
        if given is not None:
            text = "the guide says how strongly to follow the prompt"
            raise NodeError(text, where=where, hint="leave it empty")
    if guide.kind not in family(denoiser.family).guides:
        raise ValueMismatch(
            f"model {denoiser.source.model!r} cannot be guided by {guide.kind}",
            where="guide",
            hint="leave it out, and set guidance",
        )
    if isinstance(guide, ScheduledGuidance) and denoiser.step_cache is not None:
        raise NodeError(
            "a step cache counts on both prompts at every step, which a guidance schedule does not keep to",
            where="guide",
            hint="leave one of the two out",
        )
    if isinstance(guide, ScheduledGuidance):
        guide.check(steps)


def task_for(call: Call) -> Task:
    return family(call.latents.family).tasks[task_of(call.condition)]


def range_of(
    scheduler: Scheduler, call: Call, start_step: int | None, end_step: int | None
) -> tuple[int, int]:
    """The steps to run, as (first, one past the last), checked against where the latents stopped."""
    latents, steps = call.latents, call.steps
    earliest = task_for(call).skipped(call)
    if latents.stage == "done":
        raise NodeError(
            "these latents are already denoised", where="latents", hint="decode them, or wire refine_latents"
        )
    begun = _begun(scheduler, latents, steps)
    if begun is not None and start_step not in (None, begun):
        raise ValueMismatch(
            f"these latents stopped at step {begun}, not {start_step}",
            where="start_step",
            hint="leave start_step empty to go on from there",
        )
    start = start_step if start_step is not None else begun or earliest
    end = steps if end_step is None else end_step
    if latents.stage in ("empty", "again") and start != earliest:
        raise NodeError(
            f"these latents begin at step {earliest}",
            where="start_step",
            hint="leave start_step empty, or fill them first, such as with noise",
        )
    if not earliest <= start < end <= steps:
        raise NodeError(
            f"steps {start} to {end} are no part of {earliest} to {steps}",
            where="end_step",
            hint="start_step must be less than end_step, and end_step at most steps",
        )
    return start, end


def _begun(scheduler: Scheduler, latents: Latents, steps: int) -> int | None:
    """The step at which an earlier denoise stopped; None if there was none, or if only the run can tell."""
    before = latents.sampler
    if before is None:
        return None
    if before.scheduler != scheduler.digest():
        raise ValueMismatch(
            "these latents were begun with another scheduler", where="scheduler", hint="go on with the same"
        )
    if before.steps != steps:
        raise ValueMismatch(
            f"these latents were begun with {before.steps} steps, not {steps}",
            where="steps",
            hint="leave steps empty to go on with the same",
        )
    return before.step
