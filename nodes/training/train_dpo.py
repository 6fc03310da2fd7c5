"""Trains a LoRA on preferences: of two clips of one prompt, more of the one and less of the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from graphflow_nodes.diffusion.recipes import Denoiser, Scheduler
from graphflow_nodes.diffusion.values import Latents, PromptEmbeds
from pydantic import Field

from graphflow.node import Context, node
from graphflow.values import Seed

from .adapters import chosen, learning, lora_of, ranged
from .group import Work, check_share, gathered
from .lesson import Lesson, check_training, examples_of, foreseen
from .noise import generator
from .optimise import Training
from .train_lora import PARTS, TrainedLoRA
from .values import Expert, Losses, TrainSettings
from .watch import Watch

BETA = 2000.0
"""How closely to stay with the base model; 2000 to 5000 in the paper, for errors averaged over a clip."""


@node("training/dpo_lora", check=foreseen, depends=(*PARTS.split(), ".train_lora"))
def dpo_lora(
    denoiser: Denoiser,
    preferred: list[Latents],
    rejected: list[Latents],
    prompts: list[PromptEmbeds],
    settings: TrainSettings,
    ctx: Context,
    scheduler: Scheduler | None = None,
    validation: list[PromptEmbeds] | None = None,
    *,
    seed: Seed = 0,
    expert: Expert = "only",
    beta: Annotated[float, Field(gt=0, le=1e6)] = BETA,
    anchor: Annotated[float, Field(ge=0, le=1000)] = 0.0,
    validate_every: Annotated[int, Field(ge=1)] = 50,
    processes: Annotated[int, Field(ge=1, le=64)] = 1,
) -> TrainedLoRA:
    """Train a LoRA by direct preference: preferred clips become likelier than rejected ones of the same
    prompt.

    preferred, rejected, prompts: aligned; pair i is of prompt i, and of one size. Both clips of a pair
        meet the same noise, and the base model is the reference (Wallace et al. 2023, on the velocity of
        flow matching).
    beta: large keeps close to the base model. anchor: how much it counts if preferred clips too become less
        likely than in the base model, which the method else allows and which spoils pictures (Pal et al.
        2024).
    settings: `batch` counts pairs; focus and prior play no part. processes: as in train_lora.
    The others are as in train_lora. Resumes from its last checkpoint, bit for bit.
    Raises ValueMismatch for lists that are not aligned or clips of another model, NodeError for what
    cannot be trained.
    """
    check_training(denoiser, settings, expert)
    chosen_settings = ranged(denoiser, expert, settings)
    pairs = {"twins": True, "batch": 2 * settings.batch, "first_frame": 0.0}
    paired = chosen_settings.model_copy(update=pairs)
    examples = examples_of(denoiser, paired, preferred, prompts, None, rejected, prompts)
    work = Work(denoiser, paired, seed, expert, examples, (beta, anchor))
    check_share(paired, processes)
    with ctx.use(denoiser) as experts, gathered(ctx, processes, work) as group:
        module = chosen(experts, expert)
        lesson = Lesson(denoiser, experts, examples, paired, seed, ctx.device)
        watch = Watch(ctx, lesson, scheduler, validation or (), validate_every)
        with learning(module, paired, seed) as named:
            training = Training(
                ctx,
                paired,
                named,
                loss_of(work, lesson, module),
                denoiser.dtype != "float32",
                watch,
                group=group,
            )
            losses = training.run()
            lora = lora_of(denoiser, expert, settings, named)
    return TrainedLoRA(lora, Losses(values=tuple(losses)))


def loss_of(work: Work, lesson: Lesson, module: Any) -> Callable[[int], Any]:
    """The loss on a batch, by its number: of preferences if there are any, else of the clips."""
    if work.preference is None:
        return lambda at: lesson.loss(module, at)
    return Preferring(lesson, module, *work.preference)


@dataclass(frozen=True)
class Preferring:
    """The loss of preferences on a batch, by its number. A LoRA that changes nothing has a loss of log 2."""

    lesson: Lesson
    module: Any
    beta: float
    anchor: float = 0.0

    def __call__(self, at: int) -> Any:
        import torch

        places = self.lesson.batch(at)
        clips = [self.lesson.examples[place].latents.samples for place in places]
        clean = torch.cat([one for one in clips if one is not None]).to(self.lesson.device)
        levels, noise = self.lesson.drawn(clean, generator("noise", self.lesson.seed, at))
        given = (self.module, places, clean, noise, levels)
        self.module.disable_adapters()
        try:
            with torch.no_grad():
                base = self.lesson.error(*given).flatten(1).mean(1)
        finally:
            self.module.enable_adapters()
        away = self.lesson.error(*given).flatten(1).mean(1) - base
        better, worse = away.chunk(2)
        margin = better - worse + self.anchor * better.clamp(min=0)
        return -torch.nn.functional.logsigmoid(-self.beta / 2 * margin).mean()
