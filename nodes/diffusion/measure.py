"""What a denoise costs: the same work by models that are treated in different ways, to be compared."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from graphflow.errors import ValueMismatch
from graphflow.node import Context, Unknown, node
from graphflow.values import Seed

from .activations import denoising
from .denoise import Guidance, Steps, denoise, foreseen
from .recipes import Denoiser, Scheduler
from .values import Condition, Latents, PromptEmbeds


class Cost(NamedTuple):
    """A denoised clip and what it took on this machine."""

    latents: Latents
    seconds: float
    """Of a step, the median; loading is not in it."""
    weights: float
    """MB (10^6 bytes) of the denoiser's weights as they are stored."""
    peak: float | None
    """MB of the device at the fullest moment; None on a CPU, where it is not measured."""
    text: str
    """The way and all of it in words."""


def _foreseen(
    denoiser: Denoiser | Unknown,
    scheduler: Scheduler | Unknown,
    prompt: PromptEmbeds | Unknown,
    latents: Latents | Unknown,
    condition: Condition | Unknown | None,
    steps: int | Unknown | None,
    guidance: float | Unknown | None,
) -> Mapping[str, Any] | None:
    rest = dict.fromkeys(("guide", "guidance_2", "start_step", "end_step"))
    found = foreseen(denoiser, scheduler, prompt, latents, condition, steps=steps, guidance=guidance, **rest)
    return found and {"latents": found["out"]}


@node("diffusion/measure_denoise", check=_foreseen, forecast=denoising, depends=(".denoise",))
def measure_denoise(
    denoiser: Denoiser,
    scheduler: Scheduler,
    prompt: PromptEmbeds,
    latents: Latents,
    ctx: Context,
    condition: Condition | None = None,
    *,
    way: str = "",
    seed: Seed = 0,
    steps: Steps | None = None,
    guidance: Guidance | None = None,
) -> Cost:
    """Denoise a clip, and say what it cost in time and memory, to compare ways to treat a model.

    way: what this way to treat the model is called. Ways with different names are measured apart, also where
        they are known to give the same bits, as all kinds of offload do.
    Other ports and settings are those of denoise. Nothing is kept for a resume: it would be measured too.
    Times are those of a machine that does nothing else; run it alone.
    """
    watch = _Watch(ctx)
    gauge = _gauge(ctx.device)
    found: Latents = denoise(
        denoiser, scheduler, prompt, latents, watch, condition, seed=seed, steps=steps, guidance=guidance
    )
    weights, peak = denoiser.memory_bytes() / 1e6, gauge()
    words = [f"{watch.seconds:.3f} s a step", f"{weights:.1f} MB of weights"]
    words += [] if peak is None else [f"{peak:.0f} MB at most"]
    return Cost(found, watch.seconds, weights, peak, f"{way}: " * bool(way) + ", ".join(words))


@node("diffusion/latents_distance")
def latents_distance(latents: Latents, reference: Latents) -> float:
    """How far two denoised clips are apart: root mean square of their difference, by that of the reference.

    To three digits. 0 is the same bits; two clips that have nothing in common are about 1.4 apart.
    Raises ValueMismatch for clips of different shapes.
    """
    ours, theirs = latents.samples, reference.samples
    if ours is None or theirs is None or ours.shape != theirs.shape:
        shapes = [None if samples is None else tuple(samples.shape) for samples in (ours, theirs)]
        raise ValueMismatch(
            f"latents of shapes {shapes[0]} and {shapes[1]} cannot be compared",
            where="reference",
            hint="wire two denoised clips of one model and one size",
        )
    apart, whole = (float(samples.double().square().mean()) for samples in (ours - theirs, theirs))
    return float(f"{(apart / whole if whole else apart) ** 0.5:.3g}")


class _Watch:
    """The context of a denoise, with a clock that is read after each step and without checkpoints."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._times: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ctx, name)

    def progress(self, done: int, total: int) -> None:
        self._times.append(time.perf_counter())
        self._ctx.progress(done, total)

    def restore(self) -> None:
        """Nothing was kept."""

    def checkpoint(self, state: object) -> None:
        """Nothing is kept."""

    @property
    def seconds(self) -> float:
        """Between two steps; 0 if there was only one."""
        return statistics.median(self._spans) if self._spans else 0.0

    @property
    def _spans(self) -> list[float]:
        return [after - before for before, after in zip(self._times, self._times[1:], strict=False)]


def _gauge(device: str) -> Callable[[], float | None]:
    """Watches the memory of the device from now on; calling what it gives tells the highest point, in MB."""
    import torch

    if torch.device(device).type != "cuda":
        return lambda: None
    torch.cuda.reset_peak_memory_stats(device)
    return lambda: torch.cuda.max_memory_allocated(device) / 1e6
