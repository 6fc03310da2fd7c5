"""Trains the denoiser: several single-threaded processes that average their parameters."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import Parameter

from ..captions import caption, plain_caption
from ..render import Course, jitter
from ..world import BACKGROUNDS, COLORS, RGB, Scene, is_held_out, sample_scene
from .checkpoint import Progress, Trainee, append_log
from .codec import ChunkCodec, LatentLayers, draw_latent_layers, load
from .denoiser import Denoiser, build_denoiser, draw_lengths
from .optim import Ema, Muon, rate_factor

MUON_RATE, ADAM_RATE = 0.02, 2e-3
SYNC_EVERY = 4
"""Steps between two averagings of the processes' parameters."""
OBJECT_WEIGHT = 5.0
"""Loss weight of latents that hold a part of the object; background latents count 1."""
DROP_CAPTION = 0.1
"""Share of empty captions, for classifier-free guidance."""
KEEP_FIRST, KEEP_FIRST_LATE, LATE = 0.6, 0.1, 0.7
"""Share of batches whose first latent frame is clean, before and after the share `LATE` of the budget.

The early ones show objects that start anywhere and may leave the frame: then nothing but the words tells
where they go. Without them the model found the axis of a motion but not its sign, which it read from the
place where an object starts. Clean first frames also let the model start from an image.
"""
PLAIN, PLAIN_UNTIL = 0.5, 0.68
"""Share of plain captions until that share of the budget.

What a word for motion changes is the sign of a product (edge direction times motion), which no single word
shows on average; with nine phrases for each motion from the start none of them was learnt.
"""
FLAT = 0.72
"""Share of the budget at full learning rate."""
MOTION_WEIGHT, MOTION_WEIGHT_LATE = 8.0, 1.0
"""Extra loss weight of latent channels that change sign when time runs backwards, before and after `LATE`."""


@dataclass(frozen=True, slots=True)
class DenoiserRun:
    """Settings of a run; `work` holds the codec and receives checkpoint and log."""

    work: Path
    minutes: float
    workers: int = 2
    batch: int = 16
    clips: int = 5000
    seed: int = 0

    @property
    def checkpoint(self) -> Path:
        """Where the training state is kept."""
        return self.work / "denoiser.safetensors"


class ClipPool:
    """Drawn clips in latent space, recoloured and recaptioned each time they are used."""

    def __init__(self, codec: ChunkCodec, capacity: int, rng: random.Random, course: Course = "told") -> None:
        self._codec = codec
        self._rng = rng
        self._course = course
        self._scenes: list[Scene] = []
        self.motion_share = codec.motion_share[:, None, None, None]
        first = self._draw(16)
        shape = (capacity, *first.under.shape[1:])
        self._layers = LatentLayers(
            torch.empty(shape, dtype=torch.half),
            torch.empty(shape, dtype=torch.half),
            torch.empty(capacity, *first.coverage.shape[1:]),
        )
        self._keep(first)

    def __len__(self) -> int:
        return len(self._scenes)

    @property
    def capacity(self) -> int:
        """How many clips fit."""
        return len(self._layers.coverage)

    def grow(self, count: int = 16) -> None:
        """Draw new clips while there is room."""
        if len(self) + count <= self.capacity:
            self._keep(self._draw(count))

    def batch(self, size: int, plain: float = 0.0) -> tuple[Tensor, Tensor, list[str]]:
        """Latents [size, 24, n, h, w], coverage [size, 1, n, h, w], captions (a share of them plain)."""
        index = torch.tensor([self._rng.randrange(len(self)) for _ in range(size)])
        painted = [self.repaint(int(i)) for i in index]
        latents = self._layers.paint(self._codec, index, [p[1] for p in painted], [p[2] for p in painted])
        captions = [self._caption(scene, plain) for scene, _, _ in painted]
        return latents, self._layers.coverage[index], captions

    def repaint(self, index: int) -> tuple[Scene, RGB, RGB]:
        """A drawn scene in new words for its colours, never a held-out combination, and the colours."""
        drawn = self._scenes[index]
        while True:
            color, ground = self._rng.choice([*COLORS]), self._rng.choice([*BACKGROUNDS])
            scene = Scene(drawn.shape, color, ground, drawn.size, drawn.motion)
            if not is_held_out(scene):
                return scene, jitter(COLORS[color], self._rng), jitter(BACKGROUNDS[ground], self._rng)

    def _caption(self, scene: Scene, plain: float) -> str:
        if self._rng.random() < DROP_CAPTION:
            return ""
        return plain_caption(scene) if self._rng.random() < plain else caption(scene, self._rng, noise=True)

    def _draw(self, count: int) -> LatentLayers:
        scenes = [sample_scene(self._rng) for _ in range(count)]
        self._scenes += scenes
        return draw_latent_layers(self._codec, scenes, self._course)

    def _keep(self, new: LatentLayers) -> None:
        end = len(self._scenes)
        rows = slice(end - len(new.coverage), end)
        self._layers.under[rows] = new.under
        self._layers.over[rows] = new.over
        self._layers.coverage[rows] = new.coverage


@dataclass(frozen=True, slots=True)
class Pools:
    """Clips whose objects stay in the frame, and clips whose objects may leave it."""

    bounded: ClipPool
    free: ClipPool


def draw_high_noise_levels(count: int) -> Tensor:
    """Noise levels [count] in 0.85..1, most of them near 1, where only words tell what will happen."""
    return 1 - 0.15 * torch.rand(count).square()


def draw_noise_levels(count: int) -> Tensor:
    """Noise levels [count] in 0..1: logit-normal, shifted by 2 or 6, one in ten uniform."""
    level = torch.sigmoid(torch.randn(count) * 1.1)
    shift = torch.where(torch.rand(count) < 0.5, 2.0, 6.0)
    level = shift * level / (1 + (shift - 1) * level)
    return torch.where(torch.rand(count) < 0.1, torch.rand(count), level)


def flow_loss(
    denoiser: Denoiser,
    pool: ClipPool,
    size: int,
    rng: random.Random,
    done: float,
    keep_first: bool = False,
) -> Tensor:
    """Weighted mean square error of the predicted velocity on a fresh batch (flow matching).

    `done` is the share of the budget spent, 0..1; `keep_first` gives the first latent frame without noise
    and asks for the others, from high noise while `done` is below `LATE`.
    """
    clean, coverage, captions = pool.batch(size, PLAIN if done < PLAIN_UNTIL else 0.0)
    levels = draw_high_noise_levels(size) if keep_first and done < LATE else draw_noise_levels(size)
    sigma = levels[:, None, None, None, None].expand(-1, 1, clean.shape[2], 1, 1).clone()
    times = levels * 1000
    motion_weight = MOTION_WEIGHT if done < LATE else MOTION_WEIGHT_LATE
    weight = (1 + (OBJECT_WEIGHT - 1) * coverage) * (1 + motion_weight * pool.motion_share)
    if keep_first:
        sigma[:, :, 0] = 0
        weight[:, :, 0] = 0
        tokens = clean.shape[3] // 2 * (clean.shape[4] // 2)
        times = (sigma[:, 0, :, 0, 0] * 1000).repeat_interleave(tokens, 1)
    noise = torch.randn_like(clean)
    noisy = (1 - sigma) * clean + sigma * noise
    predicted = denoiser.velocity(noisy, times, captions, draw_lengths(size, rng, done))
    return ((predicted - (noise - clean)).square() * weight).sum() / weight.sum()


def train(rank: int, run: DenoiserRun) -> None:
    """One of `run.workers` processes; goes on from a checkpoint if there is one."""
    torch.set_num_threads(1)
    meeting = f"file://{(run.work / 'meeting').absolute()}"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=run.workers)
    codec = load(run.work / "codec.safetensors")
    example, _, _ = ClipPool(codec, 16, random.Random(run.seed)).batch(8)
    denoiser = build_denoiser(run.seed, example)
    trainee, progress = build_trainee(denoiser), Progress(run.minutes * 60)
    if run.checkpoint.exists():
        trainee.load(run.checkpoint, progress)
    torch.manual_seed(1 + rank + 1000 * progress.step)
    rng = random.Random(f"{run.seed} {rank} {progress.step}")
    pools = Pools(ClipPool(codec, run.clips, rng), ClipPool(codec, min(1024, run.clips), rng, "free"))
    for _ in range(min(1024, run.clips) // 16 - 1):
        pools.bounded.grow()
        pools.free.grow()
    _loop(rank, run, denoiser, pools, trainee, progress, rng)
    dist.barrier()
    dist.destroy_process_group()


def build_trainee(denoiser: Denoiser) -> Trainee:
    """The denoiser's parameters with their optimisers and average."""
    matrices, rest = denoiser.matrices_and_rest()
    adam = torch.optim.AdamW(rest, lr=ADAM_RATE, betas=(0.9, 0.98), weight_decay=0.0)
    named = denoiser.parameters()
    return Trainee(named, Muon(matrices, MUON_RATE), adam, Ema([p for _, p in named]))


def _loop(
    rank: int,
    run: DenoiserRun,
    denoiser: Denoiser,
    pools: Pools,
    trainee: Trainee,
    progress: Progress,
    rng: random.Random,
) -> None:
    running, saved, noted = 0.0, progress.spent, progress.spent
    finished = False
    while not finished:
        loss = train_step(denoiser, pools, trainee, run.batch, rng, progress)
        progress.step += 1
        running = loss if running == 0 else 0.99 * running + 0.01 * loss
        if progress.step % 6 == 0:
            pools.bounded.grow()
        if progress.step % SYNC_EVERY == 0:
            average([p for _, p in trainee.named])
            trainee.ema.update(0.02 if progress.step > 400 else 0.2)
        if progress.step % 20 == 0:
            finished = any_true(progress.done >= 1)
            if rank == 0 and (progress.spent > noted + 60 or finished):
                noted = progress.spent
                append_log(run.work / "denoiser.log", _record(run, progress, running, len(pools.bounded)))
            if rank == 0 and (progress.spent > saved + 120 or finished):
                saved = progress.spent
                trainee.save(run.checkpoint, progress)


def train_step(
    denoiser: Denoiser, pools: Pools, trainee: Trainee, size: int, rng: random.Random, progress: Progress
) -> float:
    """One optimiser step of this process; returns the loss."""
    factor = rate_factor(progress.step, progress.done, FLAT)
    trainee.muon.rate = MUON_RATE * factor
    for group in trainee.adam.param_groups:
        group["lr"] = ADAM_RATE * factor
    for _, p in trainee.named:
        p.grad = None
    early = progress.done < LATE
    keep_first = rng.random() < (KEEP_FIRST if early else KEEP_FIRST_LATE)
    pool = pools.free if keep_first and early else pools.bounded
    loss = flow_loss(denoiser, pool, size, rng, progress.done, keep_first)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(trainee.adam.param_groups[0]["params"], 1.0)
    trainee.muon.step()
    trainee.adam.step()
    return loss.item()


@torch.no_grad()
def average(parameters: Sequence[Parameter]) -> None:
    """Give every process the mean of all processes' parameters."""
    flat = torch.cat([p.flatten() for p in parameters])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for p, part in zip(parameters, torch.split(flat, [p.numel() for p in parameters]), strict=True):
        p.copy_(part.view_as(p))


def any_true(condition: bool) -> bool:
    """Whether the condition holds in any process."""
    flag = torch.tensor([float(condition)])
    dist.all_reduce(flag, op=dist.ReduceOp.MAX)
    return flag.item() > 0


def _record(run: DenoiserRun, progress: Progress, loss: float, clips: int) -> dict[str, object]:
    return {
        "model": "denoiser",
        "minutes": round(progress.spent / 60, 2),
        "step": progress.step,
        "samples": progress.step * run.batch * run.workers,
        "loss": round(loss, 4),
        "rate": round(rate_factor(progress.step, progress.done, FLAT), 3),
        "drawn_clips": clips * run.workers,
    }
