"""A model with two experts as two denoisers: one for the steps at high noise, one for those at low noise.

Denoised by one after the other a clip has the bits of one denoise by both. But each loads only its own half
of the weights, and what changes the second, such as a LoRA of its own, leaves the first one's work as it is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from graphflow.errors import NodeError
from graphflow.node import node

from .modifiers.lora import Expert
from .recipes import Denoiser
from .values import Latents


class TwoExperts(NamedTuple):
    """The two halves of a denoiser."""

    first: Denoiser
    second: Denoiser


@node("diffusion/split_experts", fold=True)
def split_experts(denoiser: Denoiser) -> TwoExperts:
    """Take a denoiser with two experts apart, to denoise with one after the other.

    first: runs from pure noise to where the model's second expert takes over, and stops there. second: goes
    on with the latents of the first. Each keeps what the denoiser was treated with and concerns it; LoRAs of
    the other are left out.
    Give both denoise nodes the same scheduler, prompt and `guidance`, which says for both whether there is
    any, and the second one `guidance_2`. Steps and seed are the first one's.
    Raises NodeError for a denoiser with one expert.
    """
    if len(denoiser.parts()) != 2:
        raise NodeError(
            f"model {denoiser.source.model!r} has no two experts to take apart"
            if denoiser.experts == 1
            else "this denoiser is one expert of two already",
            where="denoiser",
            hint="denoise with it as it is",
        )
    return TwoExperts(_half(denoiser, "first"), _half(denoiser, "second"))


def _half(denoiser: Denoiser, expert: Expert) -> Denoiser:
    half = denoiser.model_copy(update={"expert": expert})
    (part,) = half.parts()
    loras = tuple(lora for lora in half.loras if lora.acts_on(part))
    files = {name: file for name, file in half.files.items() if name == part}
    return half.model_copy(update={"loras": loras, "files": files})


def check_begun(denoiser: Denoiser, latents: Latents) -> None:
    """Refuse latents that the second expert alone cannot go on with. Raises NodeError."""
    if denoiser.expert != "second" or latents.stage == "stopped":
        return
    over = latents.stage == "done"
    raise NodeError(
        "the first expert has taken all steps" if over else "the second expert cannot begin a clip",
        where="latents",
        hint="choose more steps, or denoise with both experts in one node"
        if over
        else "wire the latents of a denoise by the first expert",
    )


def last_step(denoiser: Denoiser, scheduler: Any, start: int, end: int) -> int:
    """Where a denoise from step `start` to `end` stops: the first expert alone leaves the rest to the second.

    scheduler: live, with the timesteps of the whole denoise. Between the experts it is decided as in
    WanPipeline.__call__.
    Raises NodeError if there is nothing to do for this expert, or if steps of the other are not done.
    """
    border = denoiser.settings["boundary_ratio"] * scheduler.config.num_train_timesteps
    own = sum(1 for time in scheduler.timesteps if time >= border)
    if denoiser.expert == "second" and start < own:
        raise NodeError(
            f"the first expert takes {own} steps of this denoise, of which only {start} are done",
            where="latents",
            hint="let a denoise by the first expert run to its end",
        )
    if denoiser.expert == "first" and start >= own:
        raise NodeError(
            f"none of the steps from {start} on is the first expert's",
            where="denoiser",
            hint="choose more steps, or denoise with both experts in one node",
        )
    return min(end, own) if denoiser.expert == "first" else end
