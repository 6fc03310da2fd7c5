"""FramePack: a long clip from an image, section by section, each seeing all earlier ones packed small."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import Context, Estimate, State, Unknown, node
from graphflow.values import Seed

from .activations import denoising
from .asked import check_guide
from .checks import check_denoise, check_negative
from .denoise import Guidance, Steps
from .families import Call, family
from .families.framepack import SECTION
from .guidance import ScheduledGuidance, TrueGuidance
from .preview import preview_clip
from .recipes import MAKING, Denoiser, Experts, Scheduler
from .shell import cancel_points, shell
from .stand_ins import VAEStandIn
from .stepwise import by_step
from .tap import Step, Tap, history_of, tapped
from .values import Condition, Latents, PromptEmbeds
from .windows import Windows, copied

Sampling = Literal["inverted_anti_drifting", "vanilla"]
"""From the last section to the first, or forwards."""

NODE = "diffusion/framepack"

_DEPENDS = (
    ".checks",
    ".denoise",
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
    """What one section needs with all before it, which are packed into the room of about three frames.

    The clip so far, in float32, stands beside it about three times.
    """
    latents, section = known.get("latents"), known.get("latent_window_size") or SECTION
    if not isinstance(latents, Latents):
        return None
    frames = (section + 2) * latents.geometry.temporal + 1
    found = denoising({**known, "latents": latents.model_copy(update={"frames": frames})})
    clip = math.prod(latents.geometry.latent_shape(latents.width, latents.height, latents.frames))
    return found and replace(found, device=found.device + 3 * 4 * clip)


def _foreseen(
    denoiser: Denoiser | Unknown,
    prompt: PromptEmbeds | Unknown,
    latents: Latents | Unknown,
    condition: Condition | Unknown,
    guide: TrueGuidance | ScheduledGuidance | Unknown | None,
    latent_window_size: int | Unknown,
    sampling: Sampling | Unknown,
) -> Mapping[str, Any] | None:
    """Checked as far as it is known; what comes out is the clip without its samples."""
    if isinstance(denoiser, Unknown) or isinstance(latents, Unknown):
        return None
    check_denoise(denoiser, prompt, latents, condition, NODE)
    if not isinstance(guide, Unknown):
        check_negative(denoiser, prompt, guide)
    if not (isinstance(latent_window_size, Unknown) or isinstance(sampling, Unknown)):
        told = None if isinstance(condition, Unknown) else condition
        _sections(Call(latents, 1, 1.0, None, told), latent_window_size, sampling)
    return {"out": latents.model_copy(update={"stage": "done"})}


@node(NODE, check=_foreseen, forecast=_forecast, depends=_DEPENDS)
def framepack(
    denoiser: Denoiser,
    scheduler: Scheduler,
    prompt: PromptEmbeds,
    latents: Latents,
    condition: Condition,
    ctx: Context,
    guide: TrueGuidance | ScheduledGuidance | None = None,
    *,
    seed: Seed = 0,
    steps: Steps | None = None,
    guidance: Guidance | None = None,
    latent_window_size: Annotated[int, Field(ge=1, le=64)] = SECTION,
    sampling: Sampling = "inverted_anti_drifting",
) -> Latents:
    """Make a long clip with a FramePack model, from its first image or between two.

    latents: empty; they say the size and the length of the clip, a whole number of sections after the image.
    condition: the first image, and the last one if sampling is `inverted_anti_drifting`.
    guide: to keep away from a negative prompt too; it says how strongly in place of `guidance`. By the
        step, it is the same for each section.
    steps: of each section. guidance: an input of the model. Empty is the model's own.
    latent_window_size: latent frames of a section; 9 is what the models were made for, 36 frames.
    sampling: `inverted_anti_drifting` makes the last section first and ends at the image, for FramePack;
        `vanilla` goes forwards, for FramePack-F1.
    Resumes from its last checkpoint, bit for bit. Previews show the section the model expects.
    Raises ValueMismatch for parts of different models, NodeError for a length that is not made of sections.
    """
    native, steps = denoiser.native, scheduler.count(steps)
    chosen = native.guidance if guidance is None else guidance
    call = Call(latents, steps or native.steps, chosen, None, condition, guide=guide, native=native)
    check_denoise(denoiser, prompt, latents, condition, NODE)
    check_guide(denoiser, guide, guidance, steps=call.steps)
    check_negative(denoiser, prompt, guide)
    sections = _sections(call, latent_window_size, sampling)
    temporal = latents.geometry.temporal
    arguments = {
        "latent_window_size": latent_window_size,
        "sampling_type": sampling,
        "num_frames": sections * ((latent_window_size - 1) * temporal + 1),  # as the pipeline counts sections
        **scheduler.levels(_task(denoiser).pipeline),
    }
    run = _Run(ctx, denoiser, scheduler, call, sections, seed)
    with ctx.use(denoiser.windowed()) as experts, cancel_points(experts.live(), ctx.check):
        samples = run.pipeline(experts, prompt, seed, arguments)
    update = {
        "stage": "done",
        "samples": samples,
        "embeds_dtype": str(prompt.tensors["prompt_embeds"].dtype).removeprefix("torch."),
        "decode": {"latent_window_size": float(latent_window_size), "vanilla": float(sampling == "vanilla")},
    }
    return latents.model_copy(update=update)


class _Run:
    """One call of the pipeline: what is done before each section and after each step."""

    def __init__(
        self,
        ctx: Context,
        denoiser: Denoiser,
        scheduler: Scheduler,
        call: Call,
        sections: int,
        seed: int,
    ) -> None:
        import torch

        self.ctx, self.denoiser, self.call = ctx, denoiser, call
        self.windows = Windows(ctx, [call.steps] * sections, self.memory, self.preview)
        self.noise = torch.Generator("cpu").manual_seed(seed)
        """For solvers that add noise at each step; apart from the one that sections begin with."""
        self.tap = Tap(self.after, 0, call.steps, {}, self.noise)
        self.recipe, self.scheduler = scheduler, tapped(scheduler.build(), self.tap)
        self.seen: Step | None = None

    def pipeline(
        self, experts: Experts, prompt: PromptEmbeds, seed: int, arguments: Mapping[str, Any]
    ) -> Any:
        """Run the standard pipeline. Returns (1, channels, frames, height, width), float32, on the CPU."""
        import torch

        rules, device, latents = family(self.denoiser.family), self.ctx.device, self.call.latents
        condition = self.call.condition
        assert condition is not None and condition.image_embeds is not None  # the condition node's own rule
        parts = {
            "vae": VAEStandIn(latents.vae, latents.geometry, condition.moments, condition.statistics),
            "scheduler": self.scheduler,
            **experts.named(),
        }
        pipe = shell(rules, parts, task="image_to_video")
        prepare, said = pipe.prepare_latents, iter(condition.image_embeds.to(device)[:, None])
        pipe.encode_image = lambda *args, **kwargs: next(said)
        pipe.prepare_latents = lambda *args, **kwargs: self.begin(pipe, prepare(*args, **kwargs))
        with by_step(self.call, pipe, self.tap.at, experts.live()) as call:
            output = pipe(
                **{**_task(self.denoiser).arguments(call), **arguments},
                **{name: tensor.to(device) for name, tensor in prompt.tensors.items()},
                generator=torch.Generator("cpu").manual_seed(seed),
                output_type="latent",
            )
        return output.frames[-1].cpu()  # all of the clip, after the last section

    def begin(self, pipe: Any, samples: Any) -> Any:
        """Before each section. Of a finished one the pipeline is shown no steps.

        Each section has a solver of its own: what one leaves behind would not be there after a resume.
        """
        begun, memory = self.windows.begin(samples), self.windows.memory
        pipe.scheduler = self.scheduler = tapped(self.recipe.build(), self.tap)
        self.tap.start, self.tap.history = self.windows.skipped, {}
        if memory is not None:
            self.tap.history = copied(memory["history"], self.ctx.device)
            self.noise.set_state(memory["noise"])
        return begun

    def after(self, step: Step) -> None:
        """After each step."""
        self.seen = step
        self.windows.after(step.latents)

    def memory(self) -> State:
        """What, beside the samples, the next step depends on: nothing of the solver between two sections."""
        history = history_of(self.scheduler) if self.windows.step else {}
        return {"history": copied(history, "cpu"), "noise": self.noise.get_state()}

    def preview(self, samples: Any) -> Any:
        assert self.seen is not None  # previews come after steps
        return preview_clip(self.seen.expected(), self.call.latents, self.denoiser.preview)


def _task(denoiser: Denoiser) -> Any:
    return family(denoiser.family).tasks["image_to_video"]


def _sections(call: Call, window: int, sampling: Sampling) -> int:
    """How many sections a clip has; its first frame is the image."""
    latents = call.latents
    length = window * latents.geometry.temporal
    count = (latents.frames - 1) // length
    if count == 0 or latents.frames != count * length + 1:
        near = [str(sections * length + 1) for sections in (count, count + 1) if sections]
        raise NodeError(
            f"a clip of {latents.frames} frames is not made of sections of {length} after the first frame",
            where="latents",
            hint=f"make latents of {' or '.join(near)} frames",
        )
    if sampling == "vanilla" and call.given.last_image is not None:
        raise NodeError(
            "sampling forwards does not know where it ends: it takes no last image",
            where="condition",
            hint="choose inverted_anti_drifting, or leave out the last image",
        )
    if latents.stage != "empty":
        raise NodeError(
            "FramePack draws its own noise", where="latents", hint="wire the empty latents instead"
        )
    return count
