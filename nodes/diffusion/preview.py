"""Latents to small colour frames, cheaply: one linear map from channels to red, green and blue."""

from __future__ import annotations

from typing import Any

from graphflow.values import Video

from .values import Latents

Matrix = tuple[tuple[float, ...], ...]
"""One row (red, green, blue) for each latent channel, and a last row of constants; colours are 0..1."""


def preview_clip(samples: Any, latents: Latents, matrix: Matrix) -> Video:
    """A clip as small as the latents: one pixel a latent cell, one frame a latent frame.

    samples: (1, channels, frames, height, width). matrix: the model's own; without one that fits, the three
    strongest directions of the latents themselves stand for the colours. Never fails on odd numbers: a
    preview must not end a run.
    """
    import torch

    cells = samples[0].detach().float().cpu().permute(1, 2, 3, 0).nan_to_num()
    if len(matrix) == cells.shape[-1] + 1:
        table = torch.tensor(matrix)
        colours = cells @ table[:-1] + table[-1]
    else:
        colours = _principal(cells)
    frames = (colours.clamp(0, 1) * 255).round().to(torch.uint8)
    return Video(frames=frames, fps=latents.fps / latents.geometry.temporal)


def _principal(cells: Any) -> Any:
    """The three strongest directions, scaled so that most values fall into 0..1."""
    import torch

    flat = cells.reshape(-1, cells.shape[-1])
    centred = flat - flat.mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred)
    strongest = vectors[:, values.argsort(descending=True)[:3]]
    strongest = strongest * torch.where(strongest.sum(0) < 0, -1.0, 1.0)  # eigenvectors come without a sign
    colours = centred @ strongest
    scale = 2 * colours.std(0, keepdim=True).clamp_min(1e-6)
    return (colours / (2 * scale) + 0.5).reshape(*cells.shape[:-1], -1)


def fit_preview(samples: Any, frames: Any) -> Matrix:
    """The map that best turns latents into the frames they decode to, by least squares.

    samples: (clips, channels, latent frames, height, width); frames: (clips, 3, frames, pixel height,
    pixel width) in 0..1. Frames and pixels of one cell are averaged.
    """
    import torch

    small = torch.nn.functional.adaptive_avg_pool3d(frames.float(), samples.shape[2:])
    inputs = samples.float().movedim(1, -1).reshape(-1, samples.shape[1])
    inputs = torch.cat([inputs, torch.ones(len(inputs), 1)], 1)
    table = torch.linalg.lstsq(inputs, small.movedim(1, -1).reshape(-1, 3)).solution
    return tuple(tuple(round(float(value), 6) for value in row) for row in table)
