"""Trains the encoder of the shipped autoencoder further, also on what conditions look like.

A VACE condition is half grey, and a control video has colours of its own: clips that the encoder never saw.
Its target stays the linear code, so the decoder and all denoisers go on as they are.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .codec import COMPONENTS, ChunkCodec, load
from .conditions import Condition
from .painted import PaintedPool
from .stock import Stock
from .train_control import COURSES, TASKS, draw_condition
from .train_vae import ADAM_RATE, MUON_RATE, LayerPool
from .tune import Coder, Lesson, TuneRun, build_trainee, tune
from .vae import encode_clip

PLAIN = 0.4
"""Share of batches of ordinary clips, effects of the renderer included."""


@dataclass(frozen=True, slots=True)
class Teacher:
    """Draws clips and conditions, and measures the encoder on them."""

    coder: Coder
    codec: ChunkCodec
    plain: LayerPool
    pools: tuple[PaintedPool, ...]
    rng: random.Random
    batch: int

    def loss(self, _done: float) -> Tensor:
        """Mean square error of the latents of one batch."""
        clips = self.plain.clips(self.batch, 8) if self.rng.random() < PLAIN else self.parts()
        return (self.encode(clips) - self.codec.encode(clips)).square().mean()

    def encode(self, clips: Tensor) -> Tensor:
        """As `Coder.encode`, with gradients."""
        vae = self.coder.vae
        return encode_clip(vae, clips)[:, :COMPONENTS] / spread(vae)

    def parts(self) -> Tensor:
        """What a pipeline codes of a condition: the kept or the changing part."""
        painted = self.rng.choice(self.pools).batch(self.batch)
        task = self.rng.choices([*TASKS], [*TASKS.values()])[0]
        condition = draw_condition(task if task != "none" else "holes", painted, self.rng)
        kept, changing = split(condition)
        changes = task == "control" or (task == "holes" and self.rng.random() < 0.3)
        return changing if changes else kept

    def grow(self) -> None:
        """Draw more clips."""
        self.plain.grow(8)
        for pool in self.pools:
            pool.grow(8)


def split(condition: Condition) -> tuple[Tensor, Tensor]:
    """The kept and the changing part of a condition's video."""
    mask = (condition.mask > 0.5).float()
    return condition.video * (1 - mask), condition.video * mask


def spread(vae: Stock) -> Tensor:
    """What the latents of an autoencoder are divided by, [24, 1, 1, 1]."""
    return torch.tensor(vae.config.latents_std)[:, None, None, None]


@torch.no_grad()
def look(teacher: Teacher, fixed: Mapping[str, Tensor]) -> dict[str, float]:
    """Root mean square error of the latents by kind of clip."""
    return {
        name: float((teacher.encode(clips) - teacher.codec.encode(clips)).square().mean().sqrt())
        for name, clips in fixed.items()
    }


def probes(seed: int = 7) -> dict[str, Tensor]:
    """Clips on which progress is measured, the same in every session."""
    rng = random.Random(seed)
    painted = PaintedPool(16, rng, "wandering", 16).batch(8)
    return {
        "clips": painted.clips,
        "frames": split(draw_condition("frames", painted, rng))[0],
        "control": split(draw_condition("control", painted, rng))[1],
        "holes": split(draw_condition("holes", painted, rng))[0],
    }


def encoder_parts(vae: Stock) -> list[tuple[str, nn.Parameter]]:
    """The parameters that turn clips into latents."""
    return [(name, p) for name, p in vae.named_parameters() if name.startswith(("encoder.", "quant_conv."))]


def train(rank: int, run: TuneRun) -> None:
    """One of `run.workers` processes; goes on from a checkpoint if there is one."""
    torch.set_num_threads(1)
    codec, coder = load(run.work / "codec.safetensors"), Coder.open(run.folder)
    named = encoder_parts(coder.vae)
    for _, p in named:
        p.requires_grad_(True)
    outer = ("conv_in", "conv_out", "quant_conv")
    kernels = [
        p for name, p in named if p.ndim >= 4 and min(p.shape[:2]) > 1 and not any(o in name for o in outer)
    ]
    trainee = build_trainee(kernels, named, ADAM_RATE)
    fixed = probes()

    def teach(rng: random.Random) -> Lesson:
        plain = LayerPool(run.clips // 4, rng)
        plain.grow(64)
        pools = tuple(PaintedPool(run.clips // 4, rng, course) for course in COURSES)
        teacher = Teacher(coder, codec, plain, pools, rng, run.batch)
        return Lesson(teacher.loss, teacher.grow, lambda: look(teacher, fixed))

    tune(run, rank, trainee, (MUON_RATE, ADAM_RATE), teach)
