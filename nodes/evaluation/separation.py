"""How well values tell two groups of clips apart: the area under the ROC curve, with an interval."""

from __future__ import annotations

import numpy as np

from .values import Direction

ROUNDS = 1000
LEVEL = 0.95


def separated(
    clean: list[tuple[int, float]], found: list[tuple[int, float]], direction: Direction
) -> tuple[float, float, float]:
    """AUC of (scene, value) pairs and its interval: the chance that a value of `found` is the worse one.

    Equal values count half. The interval draws scenes with replacement, with all of their clips, since clips
    of one scene resemble each other.
    """
    a, b = np.array([value for _, value in clean]), np.array([value for _, value in found])
    wins = (b[None] > a[:, None]) + 0.5 * (b[None] == a[:, None])
    if direction == "higher" or (direction == "none" and wins.mean() < 0.5):
        wins = 1 - wins
    scenes = sorted({scene for scene, _ in clean} | {scene for scene, _ in found})
    of_clean = np.array([[scene == s for s in scenes] for scene, _ in clean], float)
    of_found = np.array([[scene == s for s in scenes] for scene, _ in found], float)
    sums = of_clean.T @ wins @ of_found
    counts = np.outer(of_clean.sum(0), of_found.sum(0))
    drawn = np.random.default_rng(0).multinomial(len(scenes), np.full(len(scenes), 1 / len(scenes)), ROUNDS)
    top = np.einsum("ri,ij,rj->r", drawn, sums, drawn)
    bottom = np.einsum("ri,ij,rj->r", drawn, counts, drawn)
    aucs = (top / np.maximum(bottom, 1e-12))[bottom > 0]
    low, high = np.quantile(aucs, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(wins.mean()), float(low), float(high)
