"""How much noise a clip gets and how much that counts: everything is decided by the seed and the step alone.

So a training that is taken up again draws what it would have drawn.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

from .values import TrainSettings

TOKENS = (1024, 4096)
MEANS = (0.95, 2.05)
"""`shifted_logit_normal`: the mean of the logit rises from the first to the second over these numbers of
tokens, as in Lightricks' trainer of LTX-Video."""
MODE_SCALE = 1.29
"""Of Stable Diffusion 3 (Esser et al. 2024)."""
TRIES = 64
"""Candidates for each level that must lie in a range."""


def generator(*words: int | str) -> Any:
    """A CPU generator of its own for whatever the words name, such as a seed and a step."""
    import torch

    digest = hashlib.sha256(":".join(map(str, words)).encode()).digest()
    return torch.Generator("cpu").manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def draw_levels(settings: TrainSettings, count: int, tokens: int, source: Any) -> Any:
    """Noise levels [count], float32, in lowest..highest, 1 is noise alone. tokens: of one clip in latent
    space.

    Levels outside the range are drawn again; if that finds none, one is drawn evenly from the range.
    """
    import torch

    low, high = settings.lowest, settings.highest
    if (low, high) == (0.0, 1.0):
        return _levels(settings, count, tokens, source)
    many = _levels(settings, count * TRIES, tokens, source).view(count, TRIES)
    even = low + (high - low) * torch.rand(count, generator=source, dtype=torch.float32)
    fits = (many >= low) & (many <= high)
    first = many.gather(1, fits.int().argmax(1, keepdim=True))[:, 0]
    return torch.where(fits.any(1), first, even)


def _levels(settings: TrainSettings, count: int, tokens: int, source: Any) -> Any:
    """As diffusers' training scripts draw them, in float32 whatever torch's default is."""
    import torch

    numbers = {"generator": source, "dtype": torch.float32}
    if settings.sampling in ("logit_normal", "shifted_logit_normal"):
        mean = settings.logit_mean
        if settings.sampling == "shifted_logit_normal":
            slope = (MEANS[1] - MEANS[0]) / (TOKENS[1] - TOKENS[0])
            mean = MEANS[0] + slope * (tokens - TOKENS[0])
        levels = torch.sigmoid(mean + settings.logit_std * torch.randn(count, **numbers))
    else:
        levels = torch.rand(count, **numbers)
        if settings.sampling == "mode":
            levels = 1 - levels - MODE_SCALE * (torch.cos(math.pi * levels / 2).square() - 1 + levels)
    return settings.shift * levels / (1 + (settings.shift - 1) * levels)


def weights_of(settings: TrainSettings, levels: Any) -> Any:
    """How much each noise level counts, [count]."""
    from diffusers.training_utils import compute_loss_weighting_for_sd3

    return compute_loss_weighting_for_sd3(settings.weighting, levels.clamp(min=1e-3))


def rate_at(settings: TrainSettings, step: int) -> float:
    """The learning rate of a step, counted from 0."""
    if step < settings.warmup:
        return settings.rate * (step + 1) / settings.warmup
    done = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    falling = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}
    return settings.rate * falling[settings.schedule]
