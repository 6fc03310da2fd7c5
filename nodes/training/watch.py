"""What is shown while a training goes on: the loss, and clips of prompts made with the weights so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from graphflow_nodes.diffusion.denoise import denoise
from graphflow_nodes.diffusion.preview import preview_clip
from graphflow_nodes.diffusion.recipes import Experts, Scheduler
from graphflow_nodes.diffusion.values import PromptEmbeds

from graphflow.node import Context, State
from graphflow.values import Recipe, Value

from .chart import draw
from .lesson import Lesson

LOSS_EVERY = 10
"""Steps between two pictures of the loss."""


@dataclass(frozen=True)
class Inside:
    """The context of a denoise inside a training: its model is open already, and it reports nothing."""

    outer: Context
    experts: Experts

    @property
    def device(self) -> str:
        return self.outer.device

    @property
    def provenance(self) -> dict[str, Any]:
        return {}

    def progress(self, done: int, total: int) -> None:
        self.outer.check()

    def check(self) -> None:
        self.outer.check()

    def notice(self, text: str) -> None:
        self.outer.notice(text)

    def preview(self, make: Callable[[], Value]) -> None:
        return None

    def checkpoint(self, make: Callable[[], State]) -> None:
        return None

    def restore(self) -> State | None:
        return None

    @contextmanager
    def use(self, recipe: Recipe) -> Iterator[Any]:
        yield self.experts

    def save(self, name: str, suffix: str, write: Callable[[Any], None]) -> Any:
        raise NotImplementedError("a denoise saves nothing")


@dataclass(frozen=True)
class Watch:
    """Makes previews when they are due; nothing is computed unless somebody looks."""

    ctx: Context
    lesson: Lesson
    """Clips are made by what it trains, as large as its first one, and with its seed."""
    scheduler: Scheduler | None
    prompts: Sequence[PromptEmbeds]
    every: int

    def __call__(self, step: int, losses: list[float]) -> None:
        if self.scheduler is not None and self.prompts and step % self.every == 0:
            place = step // self.every - 1
            self.ctx.preview(lambda: self.clip(self.prompts[place % len(self.prompts)]))
        elif step % LOSS_EVERY == 0:
            self.ctx.preview(lambda: draw(losses))

    def clip(self, prompt: PromptEmbeds) -> Value:
        """A clip of the prompt with the weights so far, in the colours of a preview."""
        import torch

        assert self.scheduler is not None
        lesson = self.lesson
        empty = lesson.examples[0].latents.model_copy(update={"samples": None, "stage": "empty"})
        inside: Any = Inside(self.ctx, lesson.experts)
        with torch.no_grad():
            made = denoise(lesson.denoiser, self.scheduler, prompt, empty, inside, seed=lesson.seed)
        shown: Value = preview_clip(made.samples, made, lesson.denoiser.preview)
        return shown
