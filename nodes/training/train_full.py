"""Trains all weights of a transformer, or all of some layers: on a copy, so that nothing else sees it."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from graphflow_nodes.diffusion.recipes import Denoiser, Experts, Scheduler
from graphflow_nodes.diffusion.values import Latents, PromptEmbeds
from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import Context, node
from graphflow.values import Seed, Video

from .adapters import EXPERTS, checkpointed, ranged
from .lesson import Lesson, check_training, examples_of, foreseen
from .optimise import Training
from .train_lora import PARTS
from .values import Expert, Losses, ModelWeights, TrainSettings
from .watch import Watch


class TrainedModel(NamedTuple):
    """All weights of the transformer, changed or not, and the loss of every step."""

    weights: ModelWeights
    losses: Losses


@node("training/train_full", check=foreseen, depends=PARTS.split())
def train_full(
    denoiser: Denoiser,
    latents: list[Latents],
    prompts: list[PromptEmbeds],
    settings: TrainSettings,
    ctx: Context,
    masks: list[Video] | None = None,
    prior_latents: list[Latents] | None = None,
    prior_prompts: list[PromptEmbeds] | None = None,
    scheduler: Scheduler | None = None,
    validation: list[PromptEmbeds] | None = None,
    *,
    seed: Seed = 0,
    expert: Expert = "only",
    layers: list[str] | None = None,
    validate_every: Annotated[int, Field(ge=1)] = 50,
) -> TrainedModel:
    """Train the weights of a denoiser themselves on clips, by flow matching.

    layers: ends of the names of the layers that learn, such as `to_q` or `ffn.net.2`; empty is all of them.
    The others are as in train_lora. The model is copied, so it needs its memory twice, and the optimiser's.
    Weights learn in float32 whatever the model's numbers, and are given in float32; a GPU computes in
    bfloat16 if the model does.
    Resumes from its last checkpoint, bit for bit. Raises NodeError if no layer has such a name, or for
    LoRAs on the denoiser, ValueMismatch for clips of another model.
    """
    check_training(denoiser, settings, expert)
    if denoiser.loras:
        raise NodeError(
            "the weights of a denoiser with LoRAs cannot be trained",
            where="denoiser",
            hint="leave out the LoRAs",
        )
    chosen_settings = ranged(denoiser, expert, settings)
    examples = examples_of(denoiser, settings, latents, prompts, masks, prior_latents, prior_prompts)
    with ctx.use(denoiser) as shared:
        experts, module = copied(shared, expert)
        named = opened(module, layers or [])
        lesson = Lesson(denoiser, experts, examples, chosen_settings, seed, ctx.device)
        watch = Watch(ctx, lesson, scheduler, validation or (), validate_every)
        with checkpointed(module, chosen_settings.checkpointing):
            training = Training(
                ctx,
                chosen_settings,
                named,
                lambda at: lesson.loss(module, at),
                denoiser.dtype != "float32" and ctx.device != "cpu",  # where it gains nothing
                watch,
            )
            losses = training.run()
    weights = ModelWeights(
        family=denoiser.family,
        base=denoiser.source.model,
        base_identity=denoiser.source.identity,
        expert=expert,
        tensors={n: t.detach().cpu().clone().contiguous() for n, t in module.state_dict().items()},
        steps=settings.steps,
    )
    return TrainedModel(weights, Losses(values=tuple(losses)))


def copied(experts: Experts, expert: Expert) -> tuple[Experts, Any]:
    """The experts with a copy in place of the chosen one, and that copy, in float32."""
    import copy

    parts = experts.live()
    parts[EXPERTS[expert]] = copy.deepcopy(parts[EXPERTS[expert]]).float()
    return Experts(*parts), parts[EXPERTS[expert]]


def opened(module: Any, layers: list[str]) -> list[tuple[str, Any]]:
    """The parameters that learn, by name. Raises NodeError if there are none."""
    named = [
        (name, one)
        for name, one in module.named_parameters()
        if not layers or name.rpartition(".")[0].endswith(tuple(layers))
    ]
    if not named:
        raise NodeError(
            f"no layer's name ends with any of {', '.join(layers)}",
            where="layers",
            hint="such as to_q, to_k, to_v and to_out.0, or leave it empty for all",
        )
    for _, one in named:
        one.requires_grad_(True)
    return named
