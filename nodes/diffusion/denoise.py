"""Noise to a clip in latent space, by the unmodified pipeline of diffusers.

The trick, in full: build the standard pipeline around the live denoiser, with a VAE that only knows its
sizes and a scheduler that reports each step (`tap.py`); give it ready embeddings; ask for latents.
Everything else - guidance, experts, timesteps - is the pipeline's own code, so results are its own bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from pydantic import Field

from graphflow.node import UNKNOWN, Context, State, Unknown, node
from graphflow.values import Seed

from .activations import denoising
from .asked import call_of, range_of, task_for
from .checks import check_denoise, check_negative, task_of
from .experts import last_step
from .families import Begin, Call, Keep, family
from .guidance import Guide
from .preview import preview_clip
from .recipes import MAKING, Denoiser, Experts, Scheduler
from .shell import cancel_points, parameters, shell
from .stand_ins import VAEStandIn
from .stepwise import by_step
from .tap import Step, Tap, history_of, tapped
from .values import Condition, Latents, PromptEmbeds, SamplerState

Steps = Annotated[int, Field(ge=1, le=1000)]
Guidance = Annotated[float, Field(ge=0, le=100)]


def foreseen(
    denoiser: Denoiser | Unknown,
    scheduler: Scheduler | Unknown,
    prompt: PromptEmbeds | Unknown,
    latents: Latents | Unknown,
    condition: Condition | Unknown | None,
    guide: Guide | Unknown | None,
    steps: int | Unknown | None,
    guidance: float | Unknown | None,
    guidance_2: float | Unknown | None,
    start_step: int | Unknown | None,
    end_step: int | Unknown | None,
) -> Mapping[str, Any] | None:
    """Checked as far as it is known; what comes out is the clip without its samples."""
    if isinstance(denoiser, Unknown) or isinstance(latents, Unknown):
        return None
    check_denoise(denoiser, prompt, latents, condition)
    if isinstance(scheduler, Unknown) or isinstance(condition, Unknown) or isinstance(guide, Unknown):
        return None
    numbers = [steps, guidance, guidance_2, start_step, end_step]
    if UNKNOWN in numbers:
        return None
    asked: Any = numbers
    check_negative(denoiser, prompt, guide)
    call = call_of(denoiser, scheduler, latents, condition, guide, *asked[:3])
    _, end = range_of(scheduler, call, *asked[3:])
    step = None if denoiser.expert == "first" else end
    stopped = SamplerState(step=step, steps=call.steps, scheduler=scheduler.digest(), history={})
    over = step == call.steps
    part = {"stage": "done", "sampler": None} if over else {"stage": "stopped", "sampler": stopped}
    return {"out": latents.model_copy(update={"samples": None, **part})}


@node(
    "diffusion/denoise",
    check=foreseen,
    forecast=denoising,
    depends=(
        ".asked",
        ".checks",
        ".experts",
        ".guidance",
        ".stepwise",
        ".tap",
        ".shell",
        ".stand_ins",
        ".values",
        *MAKING,
    ),
)
def denoise(
    denoiser: Denoiser,
    scheduler: Scheduler,
    prompt: PromptEmbeds,
    latents: Latents,
    ctx: Context,
    condition: Condition | None = None,
    guide: Guide | None = None,
    *,
    seed: Seed = 0,
    steps: Steps | None = None,
    guidance: Guidance | None = None,
    guidance_2: Guidance | None = None,
    start_step: Annotated[int, Field(ge=0)] | None = None,
    end_step: Annotated[int, Field(ge=1)] | None = None,
) -> Latents:
    """Turn noise into a clip, step by step, guided by the prompt.

    latents: empty (noise is drawn from `seed`), noise, or the result of a denoise that stopped early.
    condition: images, a video or other things to follow; for the same VAE and size as the latents.
    guide: how to follow the prompt where one number does not say it; in place of `guidance`.
    seed: 0 to 2**53-1; the same seed gives the same clip.
    steps, guidance: empty is the model's own. guidance above 1 follows the prompt more closely and doubles
        the work, unless the model takes it as an input, as HunyuanVideo does. guidance_2: for the low-noise
        expert of a model with two; empty is `guidance`.
    start_step: first step to run; empty goes on where the latents stopped. end_step: stop before this
        step; empty runs to the end. Latents that stopped early carry the sampler's memory, so two
        halves give the bits of one whole.
    Resumes from its last checkpoint, bit for bit; with a step cache, whose memory is not kept, from the
    beginning. Previews show the clip the model expects at each step.
    Raises ValueMismatch for parts of different models, NodeError for steps that cannot be run.
    """
    check_denoise(denoiser, prompt, latents, condition)
    check_negative(denoiser, prompt, guide)
    call = call_of(denoiser, scheduler, latents, condition, guide, steps, guidance, guidance_2)
    start, end = range_of(scheduler, call, start_step, end_step)
    run = _begin(ctx, denoiser, scheduler, call, seed, start, end)
    with ctx.use(denoiser.during(start, call.steps)) as experts, cancel_points(experts.live(), ctx.check):
        samples = run.pipeline(experts, prompt)
    return run.result(samples, prompt)


@dataclass
class _Run:
    """One denoise: where it begins, what happens after each step, what is left at the end."""

    ctx: Context
    denoiser: Denoiser
    scheduler: Any
    """Live, of this run alone."""
    digest: str
    """Of the scheduler's recipe."""
    levels: dict[str, Any]
    """Noise levels of the user's own, as the pipeline's argument."""
    call: Call
    generator: Any
    samples: Any
    """What the first step begins with; None lets the pipeline draw noise."""
    history: State
    """What the solver remembers of the steps before."""
    kept: State | None
    """What the pipeline held beside the latents; None if it begins anew."""
    first: int
    at: int
    """First step that is still to be run: after a resume, later than `first`."""
    end: int
    keep: Keep | None = field(init=False)
    """Says what of the pipeline to keep after a step."""
    seen: Step = field(init=False)
    """The last step."""
    reporting: bool = field(init=False)
    """Whether the pipeline itself tells of each step's end."""

    def pipeline(self, experts: Experts, prompt: PromptEmbeds) -> Any:
        """Run the standard pipeline. Returns (1, channels, frames, height, width), float32, on the CPU."""
        chosen, device, latents = family(self.denoiser.family), self.ctx.device, self.call.latents
        condition, name = self.call.condition, task_of(self.call.condition)
        call, task = replace(self.call, begun=self.samples is not None), chosen.tasks[name]
        tap = Tap(self.stepped, self.at, self.end, _moved(self.history, device), self.generator)
        tap.skipped = task.skipped(call) if task.cuts else 0
        tap.ends = self.ends if self.denoiser.expert != "both" else None
        said = (condition.moments, condition.statistics) if condition else ()
        embeds, members = chosen.prompt(_moved(prompt.tensors, device), call)
        parts = {
            "vae": VAEStandIn(latents.vae, latents.geometry, *said),
            "scheduler": tapped(self.scheduler, tap),
            **experts.named(),
            **members,
        }
        pipe = shell(chosen, parts, task=name, **self.denoiser.settings)
        if condition and condition.image_embeds is not None:
            image_embeds = condition.image_embeds.to(device)
            pipe.encode_image = lambda *args, **kwargs: image_embeds
        self.keep = task.adjust(pipe, call, Begin(self.generator, self.samples, _moved(self.kept, device)))
        with by_step(call, pipe, tap.at, experts.live()) as call:
            output = pipe(
                **task.arguments(call),
                **self.levels,
                **embeds,
                **self.reported(pipe, task.reports),
                latents=None if self.samples is None else chosen.pack(self.samples.to(device)),
                generator=self.generator,
                output_type="latent",
            )
        return self.unpacked(output.frames if task.last == "output" else self.seen.latents).cpu()

    def ends(self, scheduler: Any) -> int:
        """Where one expert of two stops is known once the scheduler has its timesteps."""
        self.end = last_step(self.denoiser, scheduler, self.at, self.end)
        return self.end

    def reported(self, pipe: Any, names: tuple[str, ...]) -> dict[str, Any]:
        """Arguments for which the pipeline tells of each step's end, if it can.

        What it then calls the latents is the whole clip, also where its scheduler sees only a part. For
        other pipelines the scheduler's word is taken.
        """
        self.reporting = "callback_on_step_end" in parameters(type(pipe).__call__)
        if not self.reporting:
            return {}
        pipe._callback_tensor_inputs = list(names)  # some pipelines offer fewer than they have

        def ended(pipe: Any, index: int, time: Any, tensors: Mapping[str, Any]) -> dict[str, Any]:
            self.after(replace(self.seen, latents=tensors["latents"]), tensors)
            return {}

        return {"callback_on_step_end": ended, "callback_on_step_end_tensor_inputs": list(names)}

    def stepped(self, step: Step) -> None:
        """The scheduler has made a step; a pipeline that reports has more to say."""
        self.seen = step
        if not self.reporting:
            self.after(step, {"latents": step.latents})

    def unpacked(self, samples: Any) -> Any:
        """What the pipeline denoises, in the shape of latents."""
        return family(self.denoiser.family).unpack(samples, self.call.latents)

    def after(self, step: Step, tensors: Mapping[str, Any]) -> None:
        """After each step: a checkpoint, a preview, then progress, which is also a cancel point."""
        self.seen, self.kept = step, self.keep(tensors) if self.keep else {}
        if step.index + 1 < self.end and self.denoiser.resumable:  # after the last one comes the result
            self.ctx.checkpoint(
                lambda: {
                    "step": step.index + 1,
                    "samples": self.unpacked(step.latents).cpu(),
                    **self.memory(),
                }
            )
        self.ctx.preview(
            lambda: preview_clip(self.unpacked(step.expected()), self.call.latents, self.denoiser.preview)
        )
        self.ctx.progress(step.index + 1 - self.first, self.end - self.first)

    def memory(self) -> State:
        """What, beside the samples, the next step depends on."""
        return {
            "history": _moved(history_of(self.scheduler), "cpu"),
            "kept": _moved(self.kept, "cpu"),
            "rng": self.generator.get_state(),
        }

    def result(self, samples: Any, prompt: PromptEmbeds) -> Latents:
        """The latents with their header, and the solver's memory if steps are left."""
        memory, whole = self.memory(), self.call.steps
        stopped = SamplerState(
            step=self.end,
            steps=whole,
            scheduler=self.digest,
            history=memory["history"],
            kept=memory["kept"],
        )
        update = {
            "stage": "stopped" if self.end < whole else "done",
            "samples": samples,
            "sampler": stopped if self.end < whole else None,
            "rng": memory["rng"],
            "embeds_dtype": str(prompt.tensors["prompt_embeds"].dtype).removeprefix("torch."),
            "reference_frames": task_for(self.call).reference_frames(self.call.given),
            **task_for(self.call).finish(self.call.latents, memory["kept"] or {}),
        }
        return self.call.latents.model_copy(update=update)


def _begin(
    ctx: Context, denoiser: Denoiser, scheduler: Scheduler, call: Call, seed: int, start: int, end: int
) -> _Run:
    """A run that begins with the latents it is given, or with the last checkpoint of this very step."""
    import torch

    latents, saved = call.latents, ctx.restore() if denoiser.resumable else None
    if saved is None:
        before = latents.sampler
        history, kept = (before.history, before.kept) if before else ({}, None)
        saved = {
            "samples": latents.samples,
            "step": start,
            "history": history,
            "kept": kept,
            "rng": latents.rng,
        }
    generator = torch.Generator("cpu").manual_seed(seed)
    if saved["rng"] is not None:
        generator.set_state(saved["rng"])
    return _Run(
        ctx=ctx,
        denoiser=denoiser,
        scheduler=scheduler.build(),
        digest=scheduler.digest(),
        levels=scheduler.levels(task_for(call).pipeline, by_token=task_for(call).by_token),
        call=call,
        generator=generator,
        samples=saved["samples"],
        history=saved["history"],
        kept=saved["kept"],
        first=start,
        at=saved["step"],
        end=end,
    )


def _moved(value: Any, device: str) -> Any:
    """A solver's memory, or any tensors in dicts and lists, on `device`."""
    if isinstance(value, dict):
        return {name: _moved(item, device) for name, item in value.items()}
    if isinstance(value, list):
        return [_moved(item, device) for item in value]
    return value.to(device) if hasattr(value, "to") else value
