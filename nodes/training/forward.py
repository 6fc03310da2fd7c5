"""One call of a denoiser for training, with the arguments that the family's own pipeline gives it.

The unmodified pipeline is run up to its first call of the transformer and what it passes is written down:
embeddings, masks, places of tokens, scales. Training then puts its own noisy latents and noise levels in
place of the pipeline's. So no family's rules are written a second time.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from graphflow_nodes.diffusion.families import Begin, Call, family
from graphflow_nodes.diffusion.recipes import Denoiser, Experts, Scheduler
from graphflow_nodes.diffusion.shell import shell
from graphflow_nodes.diffusion.stand_ins import Halt, VAEStandIn
from graphflow_nodes.diffusion.values import Latents, PromptEmbeds

from graphflow.errors import NodeError

TASK = "text_to_video"
FIRST_FRAME = ("ltx",)
"""Families whose denoiser takes a noise level for every token, beside Wan models that say so themselves."""


@dataclass(frozen=True)
class Said:
    """What a pipeline passes to its transformer for one prompt and one size."""

    arguments: dict[str, Any]
    scale: float
    """The timestep of noise level 1."""


def recorded(
    denoiser: Denoiser, experts: Experts, latents: Latents, prompt: PromptEmbeds, device: str
) -> Said:
    """Run the pipeline up to its first call of a transformer. latents: their size counts, not their samples.

    Raises NodeError for a family that makes no clip from text alone.
    """
    import torch

    rules = family(denoiser.family)
    check_trainable(denoiser)
    task, solver = rules.tasks[TASK], next(iter(rules.solvers.values()))
    scheduler = Scheduler(class_name=solver.class_name, config=dict(solver.config)).build()
    call = Call(
        latents.model_copy(update={"samples": None, "stage": "empty", "sampler": None}),
        2,
        guidance=1.0,
        guidance_2=None,
        two=denoiser.experts == 2,
        native=denoiser.native,
        folder=denoiser.folder,
    )
    embeds, members = rules.prompt({k: v.to(device) for k, v in prompt.tensors.items()}, call)
    parts = {
        "vae": VAEStandIn(latents.vae, latents.geometry),
        "scheduler": scheduler,
        **experts.named(),
        **members,
    }
    pipe = shell(rules, parts, task=TASK, **denoiser.settings)
    source = torch.Generator("cpu").manual_seed(0)
    task.adjust(pipe, call, Begin(source))
    said: dict[str, Any] = {}

    def stop(module: Any, args: Any, kwargs: Any) -> None:
        said.update(kwargs)
        raise Halt

    hooks = [module.register_forward_pre_hook(stop, with_kwargs=True) for module in experts.live()]
    try:
        with suppress(Halt), torch.no_grad():
            pipe(**task.arguments(call), **embeds, generator=source, output_type="latent")
    finally:
        for hook in hooks:
            hook.remove()
    level = float(pipe.scheduler.sigmas[0])
    said = {k: v.detach() if isinstance(v, torch.Tensor) else v for k, v in said.items()}
    return Said(said, float(said["timestep"].float().max()) / level)


def check_trainable(denoiser: Denoiser) -> None:
    """Raises NodeError for models whose clips have sound or that make none from text alone."""
    rules = family(denoiser.family)
    by_text = TASK in rules.tasks and TASK in denoiser.tasks and not rules.tasks[TASK].by_token
    if not by_text or denoiser.native.sound is not None:
        raise NodeError(
            f"model {denoiser.source.model!r} cannot be trained here",
            where="denoiser",
            hint="choose a text to video model without sound",
        )


def check_first_frame(denoiser: Denoiser) -> None:
    """Raises NodeError unless single frames can be given a noise level of their own."""
    if not (denoiser.settings.get("expand_timesteps") or denoiser.family in FIRST_FRAME):
        raise NodeError(
            f"model {denoiser.source.model!r} cannot be given a first frame while it trains",
            where="settings",
            hint="set first_frame to 0; Wan 2.2 5B and LTX-Video can",
        )


def velocity(module: Any, denoiser: Denoiser, said: Sequence[Said], noisy: Any, levels: Any) -> Any:
    """What the denoiser says of noisy clips: noise less clip, in the packed shape of the family.

    said: one for each clip. noisy: (batch, channels, frames, height, width). levels: (batch, frames), the
    noise level of each latent frame.
    """
    import torch

    pack = family(denoiser.family).pack
    arguments = joined([one.arguments for one in said])
    given, hidden = arguments["hidden_states"], pack(noisy)
    along = 1 if hidden.ndim == 5 else 2
    if given.shape[along] > hidden.shape[along]:  # a condition stands behind the channels that are denoised
        hidden = torch.cat(
            [hidden, given.narrow(along, hidden.shape[along], given.shape[along] - hidden.shape[along])],
            along,
        )
    arguments["hidden_states"] = hidden.to(given.dtype)
    if module.dtype == torch.float32:  # a copy that learns: the recipe's own numbers may have been others
        halves = (torch.bfloat16, torch.float16)
        floats = {k: v.float() for k, v in arguments.items() if getattr(v, "dtype", None) in halves}
        arguments.update(floats)
    arguments["timestep"] = _timesteps(arguments["timestep"], levels, said[0].scale, noisy.shape)
    return module(**{**arguments, "return_dict": False})[0]


def _timesteps(given: Any, levels: Any, scale: float, shape: Any) -> Any:
    """In the shape in which the pipeline gave them, or one for every token if frames differ."""
    times = levels * scale
    if given.ndim == 1 and bool((levels == levels[:, :1]).all()):
        return times[:, 0].to(given.dtype)
    tokens = given.shape[1] // shape[2] if given.ndim == 2 else shape[3] * shape[4]
    return times.repeat_interleave(tokens, 1).to(given.dtype)


def joined(arguments: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The arguments of several clips as those of one batch; what has no batch dimension is shared."""
    import torch

    first = arguments[0]
    if len(arguments) == 1:
        return dict(first)
    return {
        name: torch.cat([one[name] for one in arguments])
        if isinstance(value, torch.Tensor) and value.ndim and len(value) == 1
        else value
        for name, value in first.items()
    }
