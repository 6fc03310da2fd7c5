"""Trains the text-to-video model further, so that it also starts from a given picture and draws single ones.

As in Wan 2.2 TI2V 5B the picture is the first latent frame, kept clean, and every token knows its own noise
level (`expand_timesteps` of the pipelines); the channels stay the same.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..captions import caption, motion_caption, plain_caption
from ..render import Course
from .codec import ChunkCodec, load
from .denoiser import Denoiser, draw_lengths
from .painted import Painted, PaintedPool
from .train_denoiser import ADAM_RATE, DROP_CAPTION, MUON_RATE, OBJECT_WEIGHT, draw_noise_levels
from .tune import Coder, Lesson, TuneRun, build_trainee, multiply_in_half, open_denoiser, tune

TASKS: Mapping[str, float] = {"text": 0.45, "image": 0.45, "still": 0.1}
"""Shares of batches: text to video, text and first frame to video, text to a single frame."""
COURSES: tuple[Course, Course] = ("told", "free")
FREE = 0.5
"""Share of batches with a first frame whose objects start anywhere and may leave the frame, so that nothing
but the words tells where they go."""
MOTION_ONLY = 0.3
"""Share of captions beside a first frame that tell the motion and nothing else."""
MOTION_WEIGHT = 1.0
"""Extra loss weight of latent channels that change sign when time runs backwards."""
LEVELS = (0.3, 0.6, 0.9, 0.98)
"""Noise levels at which progress is measured."""


@dataclass(frozen=True, slots=True)
class Teacher:
    """Draws batches for each task and measures the model on them."""

    denoiser: Denoiser
    codec: ChunkCodec
    coder: Coder
    bounded: PaintedPool
    free: PaintedPool
    rng: random.Random
    batch: int

    def loss(self, _done: float) -> Tensor:
        """Flow-matching loss of one batch of a random task."""
        task = self.rng.choices([*TASKS], [*TASKS.values()])[0]
        free = task == "image" and self.rng.random() < FREE
        painted = (self.free if free else self.bounded).batch(self.batch * (2 if task == "still" else 1))
        levels = draw_noise_levels(len(painted.scenes))
        return self.flow_loss(painted, self.captions(painted, task), levels, task)

    def captions(self, painted: Painted, task: str) -> list[str]:
        """Captions as people may write them for the task, some of them empty."""
        return [
            ""
            if self.rng.random() < DROP_CAPTION
            else motion_caption(scene, self.rng)
            if task == "image" and self.rng.random() < MOTION_ONLY
            else caption(scene, self.rng, noise=True, moving=task != "still" or self.rng.random() < 0.3)
            for scene in painted.scenes
        ]

    def flow_loss(self, painted: Painted, captions: list[str], levels: Tensor, task: str) -> Tensor:
        """Weighted mean square error of the predicted velocity at noise `levels` [B]."""
        clean, coverage = self.codec.encode(painted.clips), painted.coverage
        if task == "still":
            clean, coverage = clean[:, :, :1], coverage[:, :, :1]
        if task == "image":
            clean = torch.cat([self.coder.encode(painted.clips[:, :, :1]), clean[:, :, 1:]], 2)
        sigma = levels[:, None, None, None, None].expand(-1, 1, clean.shape[2], 1, 1).clone()
        weight = (1 + (OBJECT_WEIGHT - 1) * coverage) * (
            1 + MOTION_WEIGHT * self.codec.motion_share[:, None, None, None]
        )
        times = levels * 1000
        if task == "image":
            sigma[:, :, 0], weight[:, :, 0] = 0, 0
            tokens = clean.shape[3] // 2 * (clean.shape[4] // 2)
            times = (sigma[:, 0, :, 0, 0] * 1000).repeat_interleave(tokens, 1)
        noise = torch.randn_like(clean)
        noisy = (1 - sigma) * clean + sigma * noise
        lengths = draw_lengths(len(clean), self.rng, 1.0)
        predicted = self.denoiser.velocity(noisy, times, captions, lengths)
        return ((predicted - (noise - clean)).square() * weight).sum() / weight.sum()

    def grow(self) -> None:
        """Draw more clips."""
        self.bounded.grow()
        self.free.grow(8)


def probes(seed: int = 7) -> list[tuple[str, Painted]]:
    """Batches on which progress is measured, the same in every session: each task with its own."""
    rng = random.Random(seed)
    pools = [PaintedPool(64, rng, course) for course in COURSES]
    return [("text", pools[0].batch(32)), ("image", pools[1].batch(32)), ("still", pools[0].batch(32))]


@torch.no_grad()
def look(teacher: Teacher, fixed: Sequence[tuple[str, Painted]]) -> dict[str, float]:
    """Losses with plain captions by task and noise level."""
    result = {}
    with torch.random.fork_rng():
        torch.manual_seed(7)
        for task, painted in fixed:
            captions = [plain_caption(scene) for scene in painted.scenes]
            for level in LEVELS:
                levels = torch.full((len(captions),), level)
                result[f"{task} {level}"] = float(teacher.flow_loss(painted, captions, levels, task))
    return result


def train(rank: int, run: TuneRun) -> None:
    """One of `run.workers` processes; goes on from a checkpoint if there is one."""
    codec, denoiser = load(run.work / "codec.safetensors"), open_denoiser(run.folder)
    matrices, _ = denoiser.matrices_and_rest()
    trainee = build_trainee(matrices, denoiser.parameters(), ADAM_RATE)
    coder, fixed = Coder.open(run.folder, run.work / "encoder.safetensors"), probes()
    multiply_in_half(denoiser.transformer.blocks)

    def teach(rng: random.Random) -> Lesson:
        bounded, free = (PaintedPool(run.clips // 2, rng, course) for course in COURSES)
        teacher = Teacher(denoiser, codec, coder, bounded, free, rng, run.batch)
        return Lesson(teacher.loss, teacher.grow, lambda: look(teacher, fixed))

    tune(run, rank, trainee, (MUON_RATE, ADAM_RATE), teach)
