"""Trains shipped weights further: single-threaded processes that average their parameters, resumable."""

import multiprocessing
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import Parameter

from .checkpoint import Progress, Trainee, append_log, load_average
from .denoiser import Denoiser, PaddedContext
from .optim import Ema, Muon, rate_factor
from .stock import AutoencoderKLWan, PreTrainedTokenizerFast, Stock, UMT5EncoderModel, WanTransformer3DModel
from .train_denoiser import any_true, average
from .vae import encode_clip

LOOK_EVERY, SAVE_EVERY = 120, 120
"""Seconds between two lines in the log, and between two checkpoints."""
SYNC_EVERY = 6
"""Steps between two averagings of the processes' parameters."""


@dataclass(frozen=True, slots=True)
class TuneRun:
    """Settings of a run that goes on from the model in `folder`.

    `work` holds the codec and receives checkpoint and log, both called `name`; `rate` is the highest learning
    rate as a share of the one that training from nothing uses, held until the share `flat` of the budget.
    """

    name: str
    work: Path
    folder: Path
    minutes: float
    rate: float
    flat: float = 0.4
    batch: int = 16
    clips: int = 4000
    seed: int = 0
    workers: int = 1

    @property
    def checkpoint(self) -> Path:
        """Where the training state is kept."""
        return self.work / f"{self.name}.safetensors"

    @property
    def log(self) -> Path:
        """Where progress is noted, a JSON line at a time."""
        return self.work / f"{self.name}.log"


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a run trains on: `loss(done)` of a fresh batch when `done` (0..1) of the budget is spent, `grow`
    to draw more clips, and `look`, figures of the averaged weights on clips that training does not see."""

    loss: Callable[[float], Tensor]
    grow: Callable[[], None]
    look: Callable[[], Mapping[str, float]]


def open_denoiser(folder: Path) -> Denoiser:
    """The denoiser of a shipped model, ready to be trained."""
    denoiser = Denoiser(
        WanTransformer3DModel.from_pretrained(folder / "transformer"),
        UMT5EncoderModel.from_pretrained(folder / "text_encoder"),
        PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer"),
        PaddedContext(),
    )
    for block in denoiser.transformer.blocks:
        block.attn2.set_processor(denoiser.context)
    return denoiser


class HalfLinear(nn.Linear):
    """A linear layer that multiplies in bfloat16 (twice as fast on CPUs that know it) and adds in float32."""

    def forward(self, x: Tensor) -> Tensor:
        """As `nn.Linear`, to three digits."""
        bias = None if self.bias is None else self.bias.bfloat16()
        return nn.functional.linear(x.bfloat16(), self.weight.bfloat16(), bias).float()


def multiply_in_half(blocks: nn.Module) -> None:
    """Let the linear layers in `blocks` compute as `HalfLinear` from now on."""
    for module in blocks.modules():
        if type(module) is nn.Linear:
            module.__class__ = HalfLinear


@dataclass(frozen=True, slots=True)
class Coder:
    """The frozen autoencoder of a shipped model."""

    vae: Stock

    @classmethod
    def open(cls, folder: Path, encoder: Path | None = None) -> "Coder":
        """The autoencoder in `folder`, with the encoder of a checkpoint where there is one."""
        vae = AutoencoderKLWan.from_pretrained(folder / "vae").requires_grad_(False).eval()
        if encoder is not None and encoder.exists():
            vae.load_state_dict(load_average(encoder, ""), strict=False)
        return cls(vae)

    @torch.no_grad()
    def encode(self, clips: Tensor) -> Tensor:
        """Normalised latents [B, 24, 1+n, h, w] of clips [B, 3, 1+4n, 8h, 8w] in -1..1, as pipelines make."""
        spread = torch.tensor(self.vae.config.latents_std)[:, None, None, None]
        return encode_clip(self.vae, clips)[:, : len(spread)] / spread


def build_trainee(
    matrices: Sequence[Parameter], named: Sequence[tuple[str, Parameter]], rate: float
) -> Trainee:
    """Parameters with their optimisers and average: Muon for `matrices`, AdamW for the rest."""
    chosen = {id(p) for p in matrices}
    rest = [p for _, p in named if id(p) not in chosen]
    adam = torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.98), weight_decay=0.0)
    return Trainee(named, Muon(matrices, rate), adam, Ema([p for _, p in named]))


def tune(
    run: TuneRun,
    rank: int,
    trainee: Trainee,
    rates: tuple[float, float],
    teach: Callable[[random.Random], Lesson],
) -> None:
    """Train until the budget is spent as process `rank` of `run.workers`; goes on from a checkpoint.

    `rates` are the full learning rates of Muon and AdamW; `teach` makes the lesson from the source of chance.
    """
    torch.set_num_threads(1)
    meeting = f"file://{(run.work / f'{run.name}.meeting').absolute()}"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=run.workers)
    progress = Progress(run.minutes * 60)
    if run.checkpoint.exists():
        trainee.load(run.checkpoint, progress)
    torch.manual_seed(1 + run.seed + rank + 1000 * progress.step)
    lesson = teach(random.Random(f"{run.seed} {rank} {progress.step}"))
    average([p for _, p in trainee.named])
    _loop(run, rank, trainee, rates, lesson, progress)
    dist.barrier()
    dist.destroy_process_group()


def _loop(
    run: TuneRun,
    rank: int,
    trainee: Trainee,
    rates: tuple[float, float],
    lesson: Lesson,
    progress: Progress,
) -> None:
    running, noted, saved, finished = 0.0, progress.spent, progress.spent, False
    while not finished:
        factor = run.rate * rate_factor(progress.step, progress.done, run.flat, floor=0.02)
        loss = _step(trainee, lesson.loss(progress.done), (rates[0] * factor, rates[1] * factor))
        progress.step += 1
        running = loss if running == 0 else 0.99 * running + 0.01 * loss
        if progress.step % SYNC_EVERY:
            continue
        average([p for _, p in trainee.named])
        trainee.ema.update(0.03 if progress.step > 400 else 0.3)
        lesson.grow()
        finished = any_true(progress.done >= 1)
        if rank == 0 and (finished or progress.spent > noted + LOOK_EVERY):
            noted = progress.spent
            append_log(run.log, _record(run, progress, running, factor) | _look(trainee, lesson))
        if rank == 0 and (finished or progress.spent > saved + SAVE_EVERY):
            saved = progress.spent
            trainee.save(run.checkpoint, progress)


def start(run: TuneRun, train: Callable[[int, TuneRun], None]) -> None:
    """Run `train(rank, run)` in as many processes as `run` has workers. Raises SystemExit if one fails."""
    (run.work / f"{run.name}.meeting").unlink(missing_ok=True)
    if run.workers == 1:
        return train(0, run)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=train, args=(rank, run)) for rank in range(run.workers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise SystemExit("a process failed; start again to go on from the last checkpoint")


def _step(trainee: Trainee, loss: Tensor, rates: tuple[float, float]) -> float:
    trainee.muon.rate = rates[0]
    for group in trainee.adam.param_groups:
        group["lr"] = rates[1]
    for _, p in trainee.named:
        p.grad = None
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(trainee.adam.param_groups[0]["params"], 1.0)
    trainee.muon.step()
    trainee.adam.step()
    return loss.item()


@torch.no_grad()
def _look(trainee: Trainee, lesson: Lesson) -> dict[str, object]:
    trainee.ema.swap()
    figures = lesson.look()
    trainee.ema.swap()
    return {name: round(value, 4) for name, value in figures.items()}


def _record(run: TuneRun, progress: Progress, loss: float, factor: float) -> dict[str, object]:
    return {
        "model": run.name,
        "minutes": round(progress.spent / 60, 2),
        "step": progress.step,
        "batch": run.batch * run.workers,
        "loss": round(loss, 4),
        "rate": round(factor, 3),
    }
