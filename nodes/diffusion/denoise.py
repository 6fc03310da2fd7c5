"""Noise to a clip in latent space, by the unmodified pipeline of diffusers.

The trick, in full: build the standard pipeline around the live denoiser, with a VAE that only knows its
sizes and a scheduler that reports each step (`tap.py`); give it ready embeddings; ask for latents.
Everything else - guidance, experts, timesteps - is the pipeline's own code, so results are its own bits.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import Context, State, node
from graphflow.values import Seed

from .families import Call, family
from .preview import preview_clip
from .recipes import Denoiser, Experts, Scheduler
from .shell import VAEStandIn, cancel_points, shell
from .tap import Step, history_of, tapped
from .values import Latents, PromptEmbeds, SamplerState

Steps = Annotated[int, Field(ge=1, le=1000)]
Guidance = Annotated[float, Field(ge=0, le=100)]


@node("diffusion/denoise", depends=(".tap", ".shell", ".recipes", ".values"))
def denoise(
    denoiser: Denoiser,
    scheduler: Scheduler,
    prompt: PromptEmbeds,
    latents: Latents,
    ctx: Context,
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
    seed: 0 to 2**53-1; the same seed gives the same clip.
    steps, guidance, guidance_2: empty is the model's own; guidance above 1 follows the prompt more closely
        and doubles the work; guidance_2 is for the low-noise expert of a model with two.
    start_step: first step to run; empty goes on where the latents stopped. end_step: stop before this
        step; empty runs to the end. Latents that stopped early carry the sampler's memory, so two
        halves give the bits of one whole.
    Resumes from its last checkpoint, bit for bit. Previews show the clip the model expects at each step.
    Raises ValueMismatch for parts of different models.
    """
    call = _call(denoiser, latents, steps, guidance, guidance_2)
    start, end = _range(scheduler, latents, call.steps, start_step, end_step)
    _check_parts(denoiser, prompt, latents, call)
    with ctx.use(denoiser) as experts:
        run = _Run(ctx, denoiser, scheduler, latents, call, seed=seed, start=start, end=end)
        samples = run(experts, prompt)
    return run.result(samples, prompt)


class _Run:
    """One denoise: where it begins, what it does after each step, what it leaves behind."""

    def __init__(
        self,
        ctx: Context,
        denoiser: Denoiser,
        scheduler: Scheduler,
        latents: Latents,
        call: Call,
        *,
        seed: int,
        start: int,
        end: int,
    ) -> None:
        import torch

        self.ctx, self.denoiser, self.latents, self.call = ctx, denoiser, latents, call
        self.scheduler, self.scheduler_digest = scheduler.build(), scheduler.digest()
        self.generator = torch.Generator("cpu").manual_seed(seed)
        if latents.rng is not None:
            self.generator.set_state(latents.rng)
        self.samples, self.start, self.end = latents.samples, start, end
        self.history: State = latents.sampler.history if latents.sampler else {}
        saved = ctx.restore()
        if saved is not None:
            self.samples, self.start, self.history = saved["samples"], saved["step"], saved["history"]
            self.generator.set_state(saved["rng"])

    def __call__(self, experts: Experts, prompt: PromptEmbeds) -> Any:
        """Run the pipeline. Returns latents of shape (1, channels, frames, height, width) on the CPU."""
        if self.start == self.end:
            return self.samples
        chosen, device = family(self.denoiser.family), self.ctx.device
        history = _moved(self.history, device)
        members = {
            "vae": VAEStandIn(self.latents.vae),
            "scheduler": tapped(self.scheduler, self.after, start=self.start, end=self.end, history=history),
            "transformer": experts.transformer,
            "transformer_2": experts.transformer_2,
        }
        pipe = shell(
            chosen,
            members,
            boundary_ratio=self.denoiser.boundary_ratio,
            expand_timesteps=self.denoiser.expand_timesteps,
        )
        embeds = {name: tensor.to(device) for name, tensor in prompt.tensors.items()}
        with cancel_points(experts.live(), self.ctx.check):
            output = pipe(
                **chosen.arguments(self.call),
                **embeds,
                latents=self.samples,
                generator=self.generator,
                output_type="latent",
            )
        return output.frames.cpu()

    def after(self, step: Step) -> None:
        """After each step: a checkpoint, a preview, then progress, which is also a cancel point."""
        done = step.index + 1
        self.ctx.checkpoint(lambda: {"step": done, "samples": step.latents.cpu(), **self.memory()})
        expected = step.sample - step.sigma * step.output  # the clean clip, for a velocity-predicting model
        self.ctx.preview(lambda: preview_clip(expected, self.latents, self.denoiser.preview))
        self.ctx.progress(done - self.start, self.end - self.start)

    def memory(self) -> State:
        """What, beside the latents, the next step depends on."""
        return {"history": _moved(history_of(self.scheduler), "cpu"), "rng": self.generator.get_state()}

    def result(self, samples: Any, prompt: PromptEmbeds) -> Latents:
        """The latents with their header."""
        sampler = None
        if self.end < self.call.steps:
            history = _moved(history_of(self.scheduler), "cpu") if self.start < self.end else self.history
            sampler = SamplerState(
                step=self.end, steps=self.call.steps, scheduler=self.scheduler_digest, history=history
            )
        dtype = str(prompt.tensors["prompt_embeds"].dtype).removeprefix("torch.")
        update = {
            "samples": samples,
            "sampler": sampler,
            "rng": self.generator.get_state(),
            "embeds_dtype": dtype,
        }
        return self.latents.model_copy(update=update)


def _call(
    denoiser: Denoiser, latents: Latents, steps: int | None, guidance: float | None, guidance_2: float | None
) -> Call:
    """Settings with the model's own in place of the empty ones."""
    native = denoiser.native
    if guidance_2 is not None and denoiser.boundary_ratio is None:
        raise NodeError(
            "guidance_2 needs a model with two experts",
            where="guidance_2",
            hint="leave it empty for this model",
        )
    if steps is None:
        steps = latents.sampler.steps if latents.sampler else native.steps
    if guidance_2 is None and guidance is None:
        guidance_2 = native.guidance_2
    return Call(latents, steps, native.guidance if guidance is None else guidance, guidance_2)


def _range(
    scheduler: Scheduler, latents: Latents, steps: int, start_step: int | None, end_step: int | None
) -> tuple[int, int]:
    """The steps to run, as (first, one past the last), checked against where the latents stopped."""
    before = latents.sampler
    if before is not None:
        if before.scheduler != scheduler.digest():
            raise ValueMismatch(
                "these latents were begun with another scheduler", hint="use the same one to go on"
            )
        if before.steps != steps:
            raise ValueMismatch(
                f"these latents were begun with {before.steps} steps, not {steps}", where="steps"
            )
        if start_step not in (None, before.step):
            raise ValueMismatch(
                f"these latents stopped at step {before.step}, not {start_step}",
                where="start_step",
                hint="leave start_step empty to go on from there",
            )
    start = start_step if start_step is not None else before.step if before else 0
    end = steps if end_step is None else end_step
    if latents.samples is None and start > 0:
        raise NodeError(
            "empty latents can only begin at step 0", where="start_step", hint="connect filled latents"
        )
    if not start < end <= steps:
        raise NodeError(
            f"steps {start} to {end} are not a part of 0 to {steps}",
            where="end_step",
            hint="start_step < end_step <= steps",
        )
    return start, end


def _check_parts(denoiser: Denoiser, prompt: PromptEmbeds, latents: Latents, call: Call) -> None:
    """Refuse parts that do not belong together before anything is loaded."""
    for name, value in (("prompt", prompt.family), ("latents", latents.family)):
        if value != denoiser.family:
            raise ValueMismatch(f"the {name} is for {value}, the denoiser for {denoiser.family}", where=name)
    wanted = denoiser.config.get("in_channels")
    if wanted != latents.geometry.channels:
        raise ValueMismatch(
            f"the latents have {latents.geometry.channels} channels, the denoiser takes {wanted}",
            where="latents",
            hint="make the latents with the VAE of the denoiser's model",
        )
    width = prompt.tensors["prompt_embeds"].shape[-1]
    if denoiser.config.get("text_dim", width) != width:
        raise ValueMismatch(
            f"the prompt is {width} numbers wide, the denoiser takes {denoiser.config['text_dim']}",
            where="prompt",
            hint="encode the prompt with the text encoder of the denoiser's model",
        )


def _moved(value: Any, device: str) -> Any:
    """A sampler's memory with its tensors on `device`."""
    if isinstance(value, dict):
        return {name: _moved(item, device) for name, item in value.items()}
    if isinstance(value, list):
        return [_moved(item, device) for item in value]
    return value.to(device) if hasattr(value, "to") else value
