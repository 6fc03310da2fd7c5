"""Trains a LoRA: one node, live, resumable to the bit."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from graphflow_nodes.diffusion.recipes import Denoiser, Scheduler
from graphflow_nodes.diffusion.values import Latents, PromptEmbeds
from pydantic import Field

from graphflow.node import Context, node
from graphflow.values import Seed, Video

from .adapters import chosen, learning, lora_of, ranged
from .group import Work, check_share, gathered
from .lesson import Lesson, check_training, examples_of, foreseen
from .optimise import Training
from .values import Expert, LoRAWeights, Losses, TrainSettings
from .watch import Watch

PARTS = (
    ".adapters .batches .forward .group .lesson .noise .optimise .values graphflow_nodes.diffusion.recipes "
    "graphflow_nodes.diffusion.opening graphflow_nodes.diffusion.shell graphflow_nodes.diffusion.stand_ins"
)


class TrainedLoRA(NamedTuple):
    """A LoRA that no file holds yet, and the loss of every step."""

    lora: LoRAWeights
    losses: Losses


@node("training/train_lora", check=foreseen, depends=PARTS.split())
def train_lora(
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
    trigger: Annotated[str, Field(max_length=100)] = "",
    validate_every: Annotated[int, Field(ge=1)] = 50,
    processes: Annotated[int, Field(ge=1, le=64)] = 1,
) -> TrainedLoRA:
    """Train a LoRA of a denoiser on clips, by flow matching.

    latents, prompts: the clips and their captions, one for each; from encode_clip and encode_prompt. Clips of
        different sizes never stand in one batch.
    masks: where the loss counts more (white), one for each clip or none at all, by the settings' focus.
    prior_latents, prior_prompts: clips that must stay as they are, such as ones without the effect and
        without its trigger; without them an effect leaks into every prompt.
    scheduler, validation: prompts of which a clip is shown every `validate_every` steps while somebody looks.
    expert: of a model with two, which is trained, on its own noise levels. trigger: written into the file.
    processes: how many share the batches of a step, each on a GPU of its own; at most the settings'
        accumulate.
    The weights learn in float32 and compute in the denoiser's own numbers. Resumes from its last
    checkpoint, bit for bit. Raises ValueMismatch for clips of another model, NodeError for what cannot be
    trained.
    """
    check_training(denoiser, settings, expert)
    chosen_settings = ranged(denoiser, expert, settings)
    examples = examples_of(denoiser, settings, latents, prompts, masks, prior_latents, prior_prompts)
    work = Work(denoiser, chosen_settings, seed, expert, examples)
    check_share(chosen_settings, processes)
    with ctx.use(denoiser) as experts, gathered(ctx, processes, work) as group:
        module = chosen(experts, expert)
        lesson = Lesson(denoiser, experts, examples, chosen_settings, seed, ctx.device)
        watch = Watch(ctx, lesson, scheduler, validation or (), validate_every)
        with learning(module, chosen_settings, seed) as named:
            training = Training(
                ctx,
                chosen_settings,
                named,
                lambda at: lesson.loss(module, at),
                denoiser.dtype != "float32",
                watch,
                group=group,
            )
            losses = training.run()
            lora = lora_of(denoiser, expert, settings, named, trigger)
    return TrainedLoRA(lora, Losses(values=tuple(losses)))
