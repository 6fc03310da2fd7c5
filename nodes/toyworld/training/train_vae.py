"""Trains the autoencoder by regression on the fixed latent space, beside the denoiser.

The encoder learns clip -> latent and the decoder latent -> clip, independently of each other. Half of the
decoder's latents carry noise, so that it also cleans the slightly wrong latents a denoiser makes.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import Parameter

from ..render import CREAM, Layers, draw_layers, jitter, render
from ..world import BACKGROUNDS, COLORS, EFFECTS, sample_scene, sample_scenes
from .checkpoint import Progress, Trainee, append_log
from .codec import COMPONENTS, SPACE, ChunkCodec, load
from .optim import Ema, Muon, rate_factor
from .stock import Stock
from .vae import LOG_VARIANCE, build_vae, decode_clip, encode_clip

MUON_RATE, ADAM_RATE = 0.02, 2e-3
NOISE = 0.2
"""Largest spread of the noise on the decoder's latents."""
SLICED, FADING = 0.08, 0.04
"""Shares of clips with these effects: the denoiser does not know them, but later training may."""
CROP_UNTIL = 0.6
"""Share of the budget spent on 32 x 32 crops around the object; the rest sees whole frames."""
ENCODER_EVERY = 3
"""One encoder step in so many decoder steps: its task is nearly linear."""


@dataclass(frozen=True, slots=True)
class VaeRun:
    """Settings of a run; `work` holds the codec and receives checkpoint and log."""

    work: Path
    minutes: float
    crops: int = 8
    clips: int = 1200
    seed: int = 0
    muon_rate: float = MUON_RATE

    @property
    def checkpoint(self) -> Path:
        """Where the training state is kept."""
        return self.work / "vae.safetensors"


class LayerPool:
    """Drawn clips (uncoloured, half precision), painted anew each time."""

    def __init__(self, capacity: int, rng: random.Random) -> None:
        self._capacity = capacity
        self._rng = rng
        self._items: list[Layers] = []

    def __len__(self) -> int:
        return len(self._items)

    def grow(self, count: int = 8) -> None:
        """Draw new clips; beyond the capacity the oldest are replaced."""
        effects = self._rng.choices(EFFECTS, (1 - SLICED - FADING, SLICED, FADING), k=count)
        new = draw_layers([sample_scene(self._rng, effect) for effect in effects])
        planes = (new.under.half(), new.over.half(), new.filling.half())
        self._items += [Layers(*parts) for parts in zip(*planes, strict=True)]
        del self._items[: max(0, len(self) - self._capacity)]

    def clips(self, count: int, side: int) -> Tensor:
        """Painted clips [count, 3, T, 8 side, 8 side] in -1..1, cut around the object on latent borders."""
        return torch.stack([self._clip(self._rng.choice(self._items), side) for _ in range(count)])

    def _clip(self, layers: Layers, side: int) -> Tensor:
        rows, columns = self._window(layers.coverage, side)
        under, over, filling = (
            plane[:, rows, columns].float() for plane in (layers.under, layers.over, layers.filling)
        )
        fore, back = (
            torch.tensor(jitter(self._rng.choice([*table.values()]), self._rng))[:, None, None, None]
            for table in (COLORS, BACKGROUNDS)
        )
        cream = torch.tensor(CREAM)[:, None, None, None]
        return (back * under + fore * over + cream * filling) * 2 - 1

    def _window(self, coverage: Tensor, side: int) -> tuple[slice, slice]:
        """A random window of `side` latents that holds a random covered pixel."""
        covered = coverage.nonzero()
        _, y, x = covered[self._rng.randrange(len(covered))].tolist()
        top, left = (self._start(int(v) // SPACE, side, coverage.shape[-1] // SPACE) for v in (y, x))
        return slice(top * SPACE, (top + side) * SPACE), slice(left * SPACE, (left + side) * SPACE)

    def _start(self, cell: int, side: int, cells: int) -> int:
        return self._rng.randint(max(0, cell - side + 1), min(cell, cells - side))


def decoder_loss(vae: Stock, codec: ChunkCodec, clips: Tensor) -> Tensor:
    """Absolute plus squared error of clips decoded from their (half of the time noisy) latents."""
    latents = codec.encode(clips)
    spread = torch.rand(len(clips)) * NOISE * (torch.rand(len(clips)) < 0.5)
    noisy = latents + torch.randn_like(latents) * spread[:, None, None, None, None]
    error = decode_clip(vae, noisy) - clips
    return error.abs().mean() + 2 * error.square().mean()


def encoder_loss(vae: Stock, codec: ChunkCodec, clips: Tensor) -> Tensor:
    """Squared error of the mean half of the moments, and of the log-variance half against its constant."""
    moments = encode_clip(vae, clips)
    mean, spread = moments[:, :COMPONENTS], moments[:, COMPONENTS:]
    return (mean - codec.encode(clips)).square().mean() + 0.01 * (spread - LOG_VARIANCE).square().mean()


@torch.no_grad()
def measure(vae: Stock, codec: ChunkCodec, clips: Tensor) -> dict[str, float]:
    """Signal-to-noise ratios (peak, dB) of decoder, encoder + decoder, and the linear codec."""
    latents = codec.encode(clips)
    coded = encode_clip(vae, clips)[:, :COMPONENTS]
    return {
        "decoder_db": _psnr(decode_clip(vae, latents), clips),
        "noisy_db": _psnr(decode_clip(vae, latents + 0.15 * torch.randn_like(latents)), clips),
        "both_db": _psnr(decode_clip(vae, coded), clips),
        "linear_db": _psnr(codec.decode(latents), clips),
        "latent_error": round(float((coded - latents).square().mean().sqrt()), 4),
    }


def build_trainee(run: VaeRun) -> tuple[Stock, Trainee]:
    """The autoencoder of the embedded model with its optimisers: Muon for kernels of hidden layers."""
    torch.manual_seed(run.seed)
    vae = build_vae()
    kernels, rest = split_kernels(vae)
    adam = torch.optim.AdamW(rest, lr=ADAM_RATE, betas=(0.9, 0.98), weight_decay=0.0)
    named = [(name, p) for name, p in vae.named_parameters()]
    return vae, Trainee(named, Muon(kernels, run.muon_rate), adam, Ema([p for _, p in named]))


def split_kernels(vae: Stock) -> tuple[list[Parameter], list[Parameter]]:
    """Kernels between hidden layers (for Muon) and all other parameters (for AdamW)."""
    kernels: list[Parameter] = []
    rest: list[Parameter] = []
    for name, p in vae.named_parameters():
        outer = "conv_in" in name or "conv_out" in name or "quant_conv" in name
        (rest if outer or p.ndim < 4 or min(p.shape[:2]) == 1 else kernels).append(p)
    return kernels, rest


def train(run: VaeRun) -> None:
    """Train until the budget is spent; continues from a checkpoint if there is one."""
    torch.set_num_threads(1)
    codec = load(run.work / "codec.safetensors")
    vae, trainee = build_trainee(run)
    progress = Progress(run.minutes * 60)
    if run.checkpoint.exists():
        trainee.load(run.checkpoint, progress)
    rng = random.Random(run.seed + progress.step)
    torch.manual_seed(1 + progress.step)
    pool = LayerPool(run.clips, rng)
    pool.grow(64)
    check = render(sample_scenes(16, 4711))
    noted = saved = progress.spent
    for loss, last in _steps(run, vae, codec, pool, trainee, progress):
        if last or progress.spent > noted + 60:
            noted = progress.spent
            trainee.ema.swap()
            append_log(run.work / "vae.log", _record(progress, loss) | measure(vae, codec, check))
            trainee.ema.swap()
        if last or progress.spent > saved + 120:
            saved = progress.spent
            trainee.save(run.checkpoint, progress)


def _steps(
    run: VaeRun,
    vae: Stock,
    codec: ChunkCodec,
    pool: LayerPool,
    trainee: Trainee,
    progress: Progress,
) -> Iterator[tuple[float, bool]]:
    """Train, yielding the running decoder loss after each step, and whether it is the last; there is one."""
    running, last = 0.0, False
    while not last:
        factor = rate_factor(progress.step, progress.done)
        trainee.muon.rate = run.muon_rate * factor
        for group in trainee.adam.param_groups:
            group["lr"] = ADAM_RATE * factor
        whole = progress.done >= CROP_UNTIL
        clips = pool.clips(run.crops // 4, SPACE) if whole else pool.clips(run.crops, SPACE // 2)
        loss = decoder_loss(vae, codec, clips)
        total = loss + encoder_loss(vae, codec, clips) if progress.step % ENCODER_EVERY == 0 else loss
        for _, p in trainee.named:
            p.grad = None
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trainee.adam.param_groups[0]["params"], 1.0)
        trainee.muon.step()
        trainee.adam.step()
        trainee.ema.update(0.01 if progress.step > 300 else 0.1)
        progress.step += 1
        if progress.step % 4 == 0:
            pool.grow()
        running = loss.item() if running == 0 else 0.98 * running + 0.02 * loss.item()
        last = progress.done >= 1
        yield running, last


def _record(progress: Progress, loss: float) -> dict[str, object]:
    factor = round(rate_factor(progress.step, progress.done), 3)
    minutes = round(progress.spent / 60, 2)
    return {"model": "vae", "minutes": minutes, "step": progress.step, "loss": round(loss, 4), "rate": factor}


def _psnr(clips: Tensor, target: Tensor) -> float:
    """dB of clips in -1..1, the mean over clips."""
    errors = (clips.clamp(-1, 1) - target).square().flatten(1).mean(1)
    return round(float((-10 * torch.log10(errors / 4)).mean()), 2)
