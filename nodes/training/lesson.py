"""What a training learns from: clips in latent space with prompts, and the flow-matching loss on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from graphflow_nodes.diffusion.families import family
from graphflow_nodes.diffusion.recipes import Denoiser, Experts
from graphflow_nodes.diffusion.values import Latents, PromptEmbeds

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import Unknown
from graphflow.values import Video

from .adapters import check_expert
from .batches import batch_at
from .forward import Said, check_first_frame, check_trainable, recorded, velocity
from .noise import draw_levels, generator, weights_of
from .values import Expert, TrainSettings


@dataclass(frozen=True)
class Example:
    """One clip to learn from. focus: where the loss counts more, 0..1, (frames, height, width) of latents."""

    latents: Latents
    prompt: PromptEmbeds
    focus: Any = None
    weight: float = 1.0


@dataclass
class Lesson:
    """Clips and the loss of a denoiser on them, by batch number."""

    denoiser: Denoiser
    experts: Experts
    examples: Sequence[Example]
    settings: TrainSettings
    seed: int
    device: str
    _said: dict[int, Said] = field(default_factory=dict)

    def loss(self, module: Any, at: int) -> Any:
        """The mean weighted square error of the predicted velocity on batch number `at` (flow matching)."""
        import torch

        places = self.batch(at)
        examples = [self.examples[place] for place in places]
        clean = torch.cat([one.latents.samples for one in examples]).to(self.device)
        source = generator("noise", self.seed, at)
        levels, noise = self.drawn(clean, source)
        weight = torch.ones(len(clean), 1, *clean.shape[2:], device=self.device, dtype=torch.float32)
        for row, one in enumerate(examples):
            weight[row] *= one.weight
            if one.focus is not None:
                weight[row, 0] *= 1 + (self.settings.focus - 1) * one.focus.to(self.device)
        weight = weight * weights_of(self.settings, levels.amax(1))[:, None, None, None, None]
        weight = weight * (levels > 0)[:, None, :, None, None]
        error = self.error(module, places, clean, noise, levels)
        packed = family(self.denoiser.family).pack(weight.expand_as(clean))
        return (error * packed).sum() / packed.sum().clamp(min=1e-6)

    def batch(self, at: int) -> list[int]:
        """The places of the examples in batch number `at`; with twins each clip and then each one's twin."""
        shapes, size = [one.latents.samples.shape for one in self.examples], self.settings.batch
        if not self.settings.twins:
            return batch_at(shapes, size, at, self.seed)
        half = len(shapes) // 2
        places = batch_at(shapes[:half], size // 2, at, self.seed)
        return places + [place + half for place in places]

    def drawn(self, clean: Any, source: Any) -> tuple[Any, Any]:
        """Noise levels (batch, frames) and noise of the clips' shape, the same for twins. A given first
        frame has level 0."""
        import torch

        twins = 2 if self.settings.twins else 1
        count, (frames, height, width) = len(clean) // twins, clean.shape[2:]
        levels = draw_levels(self.settings, count, frames * height * width, source)
        levels = levels[:, None].repeat(1, frames)
        given = torch.rand(count, generator=source, dtype=torch.float32) < self.settings.first_frame
        if frames > 1:
            levels[given, 0] = 0
        noise = torch.randn(count, *clean.shape[1:], generator=source, dtype=torch.float32)
        return levels.repeat(twins, 1).to(self.device), noise.repeat(twins, 1, 1, 1, 1).to(self.device)

    def error(self, module: Any, places: Sequence[int], clean: Any, noise: Any, levels: Any) -> Any:
        """The square error of the velocity, in the packed shape."""
        part = levels[:, None, :, None, None]
        noisy = (1 - part) * clean + part * noise
        said = [self.said(place) for place in places]
        predicted = velocity(module, self.denoiser, said, noisy, levels)
        target = family(self.denoiser.family).pack(noise - clean)
        return (predicted.float() - target).square()

    def said(self, place: int) -> Said:
        """What the pipeline passes to the denoiser for the prompt of that example; asked once."""
        if place not in self._said:
            one = self.examples[place]
            self._said[place] = recorded(self.denoiser, self.experts, one.latents, one.prompt, self.device)
        return self._said[place]


def check_training(denoiser: Denoiser, settings: TrainSettings, expert: Expert) -> None:
    """Raises NodeError for what cannot be trained at all, whatever the clips are."""
    check_expert(denoiser, expert)
    check_trainable(denoiser)
    if settings.first_frame:
        check_first_frame(denoiser)


def foreseen(
    denoiser: Denoiser | Unknown, settings: TrainSettings | Unknown, expert: Expert | Unknown
) -> None:
    """The same while planning, as far as it is known."""
    if isinstance(denoiser, Denoiser) and isinstance(settings, TrainSettings) and isinstance(expert, str):
        check_training(denoiser, settings, expert)


def examples_of(
    denoiser: Denoiser,
    settings: TrainSettings,
    latents: Sequence[Latents],
    prompts: Sequence[PromptEmbeds],
    masks: Sequence[Video] | None,
    prior_latents: Sequence[Latents] | None,
    prior_prompts: Sequence[PromptEmbeds] | None,
) -> list[Example]:
    """Clips to learn and clips that must stay as they are.

    Raises NodeError if there is none, ValueMismatch if lists are not aligned or are of another model.
    """
    if not latents:
        raise NodeError("there is nothing to learn from", where="latents", hint="wire at least one clip")
    _aligned("latents", latents, "prompts", prompts)
    masks = masks or None
    if masks is not None:
        _aligned("latents", latents, "masks", masks)
    _aligned("prior_latents", prior_latents or (), "prior_prompts", prior_prompts or ())
    if settings.twins:
        _check_twins(settings, latents, prior_latents or ())
    learnt = [
        Example(one, prompt, None if masks is None else focus_of(masks[i], one))
        for i, (one, prompt) in enumerate(zip(latents, prompts, strict=True))
    ]
    kept = [
        Example(one, prompt, weight=settings.prior)
        for one, prompt in zip(prior_latents or (), prior_prompts or (), strict=True)
    ]
    for one in (*learnt, *kept):
        _check_example(denoiser, one)
    return learnt + kept


def _check_twins(settings: TrainSettings, latents: Sequence[Latents], prior: Sequence[Latents]) -> None:
    """Raises NodeError unless clips come in pairs of equal shape and batches are even."""
    if settings.batch % 2:
        raise NodeError(
            f"twins cannot be put into batches of {settings.batch}",
            where="settings",
            hint="use an even batch",
        )
    shapes = [[(one.width, one.height, one.frames) for one in several] for several in (latents, prior)]
    if shapes[0] != shapes[1]:
        raise NodeError(
            "not every clip has a twin of its size among those that must stay as they are",
            where="prior_latents",
            hint="wire one for each clip, in the same order, or set twins to false",
        )


def _aligned(name: str, first: Sequence[Any], other: str, second: Sequence[Any]) -> None:
    if len(first) != len(second):
        raise ValueMismatch(
            f"{len(first)} {name} and {len(second)} {other}", where=other, hint="give one for each clip"
        )


def _check_example(denoiser: Denoiser, one: Example) -> None:
    wrong = next((part for part in (one.latents, one.prompt) if part.family != denoiser.family), None)
    if wrong is not None:
        raise ValueMismatch(
            f"the denoiser is of family {denoiser.family!r}, what it is to learn from of {wrong.family!r}",
            hint="encode clips and prompts with the same model",
        )
    if one.latents.samples is None or one.latents.stage != "done":
        raise ValueMismatch("these latents hold no clip", where="latents", hint="wire training/encode_clip")


def focus_of(mask: Video, latents: Latents) -> Any:
    """A mask, white inside, as shares of latent cells: (frames, height, width), 0..1."""
    import torch

    temporal, shape = latents.geometry.temporal, latents.samples.shape[2:]
    inside: Any = mask.frames[..., 0].float() / 255
    if len(inside) != latents.frames:
        raise ValueMismatch(
            f"a mask has {len(inside)} frames and its clip {latents.frames}",
            where="masks",
            hint="wire its own",
        )
    later = inside[1:].unflatten(0, (-1, temporal)).amax(1) if latents.frames > 1 else inside[1:]
    return torch.nn.functional.adaptive_avg_pool2d(torch.cat([inside[:1], later]), shape[1:])
