"""Statistics of paired comparisons: bootstrap intervals, the sign test, Holm's correction, effect sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .vision import Array

LEVEL = 0.95
ROUNDS = 10_000


class Interval(NamedTuple):
    """A value and the interval that covers it with the level of confidence."""

    value: float
    low: float
    high: float


def bootstrap_mean(
    values: Sequence[float], *, level: float = LEVEL, rounds: int = ROUNDS, seed: int = 0
) -> Interval:
    """The mean of paired differences and its percentile interval (Efron and Tibshirani 1993).

    Raises ValueError without values.
    """
    data = np.asarray(values, float)
    if not data.size:
        raise ValueError("there are no values")
    rng = np.random.default_rng(seed)
    means = np.concatenate(
        [
            data[rng.integers(0, len(data), (min(1000, rounds - at), len(data)))].mean(1)
            for at in range(0, rounds, 1000)
        ]
    )
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(data.mean()), float(low), float(high))


def sign_test(wins: int, losses: int) -> float:
    """Two-sided p-value that wins and losses are equally likely; ties are left out beforehand."""
    trials = wins + losses
    if not trials:
        return 1.0
    tail = sum(math.comb(trials, k) for k in range(min(wins, losses) + 1))
    return min(1.0, float(2 * tail / 2**trials))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for there being several (Holm 1979), in the same order.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected


def cohens_d(differences: Sequence[float]) -> float:
    """Mean of paired differences in their standard deviations (Cohen's d_z).

    0 where there is no difference; infinite differences are cut at 100, where they do not vary at all.
    """
    data = np.asarray(differences, float)
    mean = float(data.mean()) if data.size else 0.0
    if mean == 0:
        return 0.0
    spread = float(data.std(ddof=1)) if data.size > 1 else 0.0
    return math.copysign(100.0, mean) if spread <= abs(mean) / 100 else mean / spread


def cliffs_delta(first: Sequence[float], second: Sequence[float]) -> float:
    """Share of pairs in which the first is greater, less the share in which the second is; -1..1."""
    a, b = np.asarray(first, float)[:, None], np.asarray(second, float)[None]
    return float((a > b).mean() - (a < b).mean())


def strengths(wins: Array) -> Array:
    """Bradley-Terry strengths, natural logarithms with mean 0, (players,).

    wins: (players, players), how often the row beat the column; a tie is half a win for both. Found by
    Hunter's (2004) iteration; half a win is added to every pair that met, which keeps strengths finite where
    one player never lost.
    """
    met = (wins + wins.T) > 0
    counted = wins + 0.5 * met
    games = counted + counted.T
    strength = np.ones(len(wins))
    total = counted.sum(1)
    for _ in range(10_000):
        share = games / (strength[:, None] + strength[None])
        np.fill_diagonal(share, 0)
        bottom = share.sum(1)
        new = np.where(bottom > 0, total / np.maximum(bottom, 1e-300), strength)
        new = new / np.exp(np.log(new).mean())
        if np.abs(np.log(new / strength)).max() < 1e-9:
            strength = new
            break
        strength = new
    return np.asarray(np.log(strength))


def krippendorff_alpha(ratings: Array) -> float:
    """Agreement of raters on names (Krippendorff 2011, nominal): 1 is full, 0 as by chance, less is worse.

    ratings: integers, (raters, items); negative where a rater did not rate. 1 if nothing can be compared.
    """
    values = np.unique(ratings[ratings >= 0])
    counts = np.stack([(ratings == value).sum(0) for value in values]) if len(values) else np.zeros((1, 1))
    raters = counts.sum(0)
    counts, raters = counts[:, raters > 1].astype(float), raters[raters > 1].astype(float)
    if not raters.size:
        return 1.0
    pairs = (counts[:, None] * counts[None]).astype(float)
    same = np.einsum("vvi->vi", pairs)
    same -= counts
    observed = 1 - (same.sum(0) / (raters - 1)).sum() / raters.sum()
    totals = counts.sum(1)
    expected = 1 - (totals * (totals - 1)).sum() / (raters.sum() * (raters.sum() - 1))
    return 1.0 if expected == 0 else float(1 - observed / expected)
