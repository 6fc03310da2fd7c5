"""How good single frames are: sharpness, compression blocks, exposure, borders, overlaid text."""

from __future__ import annotations

from typing import Any

import numpy
from numpy.typing import NDArray

from .frames import Floats, laplacian
from .values import Crop, Score

BLACK = 24
"""Brightest a border may be, 0..255: limited-range video has black at 16."""
SMALLEST = 0.3
"""Share of the frame that must be left between borders; less is a thing in the dark."""
NOISE = 0.02
"""Share of a line that may be bright by noise."""
FILLED = 0.5
"""Share of a line that is bright where a picture begins."""
STEADY = 6.0
"""Grey levels that an overlaid letter may change by over a clip."""
STRONG = 40.0
"""Grey levels across the edge of a letter."""
DENSE = 0.25
"""Share of a cell's pixels that are strong, steady edges where there is text."""


def picture_scores(grey: Floats) -> dict[str, Score]:
    """Columns about single frames (frames, height, width), 0..255.

    `sharpness`: mean absolute Laplacian, grey levels. `blockiness`: how much stronger steps at the lines of
    an 8 x 8 grid are than between them, 0 is none (after Z. Wang et al., 2002). `exposure`: mean brightness
    0..1; `clipped`: share of pixels that are black or white; `contrast`: standard deviation, grey levels.
    `flicker`: mean absolute change of the mean brightness from frame to frame, grey levels.
    """
    means = grey.mean(axis=(1, 2))
    return {
        "sharpness": float(numpy.abs(laplacian(grey)).mean()) if min(grey.shape[1:]) > 2 else 0.0,
        "exposure": float(means.mean() / 255),
        "clipped": float(((grey <= 2) | (grey >= 253)).mean()),
        "contrast": float(grey.std(axis=(1, 2)).mean()),
        "flicker": float(numpy.abs(numpy.diff(means)).mean()) if len(means) > 1 else 0.0,
    }


def blockiness(grey: Floats, grid: int = 8) -> float:
    """How visible the grid of a codec is, 0 is not at all. grey: frames at the file's own size."""
    across = numpy.abs(numpy.diff(grey, axis=-1)).mean(axis=tuple(range(grey.ndim - 1)))
    along = numpy.abs(numpy.diff(grey, axis=-2)).mean(axis=(*range(grey.ndim - 2), grey.ndim - 1))
    return float(max(0.0, (_on_grid(across, grid) + _on_grid(along, grid)) / 2))


def _on_grid(steps: Floats, grid: int) -> float:
    """Mean step at the lines of the grid against the mean elsewhere, less 1."""
    if len(steps) < 2 * grid:
        return 0.0
    lines = (numpy.arange(len(steps)) + 1) % grid == 0
    return float(steps[lines].mean() / max(0.25, float(steps[~lines].mean()))) - 1


def active_area(grey: Floats) -> Crop | None:
    """The part of the frames (frames, height, width) that is not a black border; None if that is all.

    A row or column belongs to a border if no frame ever has anything bright in it, except for one pixel in
    fifty (noise). A border ends at a picture: the first lines inside it are bright along half of their
    length most of the time, or else it is a thing before a dark background, which has no border.
    """
    bright = grey > BLACK
    ever = bright.any(axis=0)
    rows, columns = (ever.mean(axis=axis) > NOISE for axis in (1, 0))
    if not rows.any() or not columns.any():
        return None
    top, bottom = int(rows.argmax()), len(rows) - int(rows[::-1].argmax())
    left, right = int(columns.argmax()), len(columns) - int(columns[::-1].argmax())
    for _ in range(2):  # a border that is none on one side changes what lies along the other
        if not _ends_at_a_picture(bright[:, top:bottom, left:right]):
            top, bottom = 0, len(rows)
        if not _ends_at_a_picture(bright[:, top:bottom, left:right].swapaxes(1, 2)):
            left, right = 0, len(columns)
    share = (bottom - top) * (right - left) / ever.size
    return None if share == 1 or share < SMALLEST else (top, left, bottom - top, right - left)


def _ends_at_a_picture(inside: NDArray[numpy.bool_]) -> bool:
    """Whether the first and last rows are bright along enough of their length, most of the time."""
    edges = (inside[:, :3], inside[:, -3:])
    return all(float(numpy.median(edge.mean(axis=2), axis=0).max()) > FILLED for edge in edges)


def overlay_share(grey: Floats) -> float:
    """Share of the picture that looks like text or a mark laid over a clip, 0..1.

    Letters are dense, strong edges that stay while the picture moves behind them. Cells of 8 x 8 pixels with
    a strong edge at a quarter of their pixels in every one of the frames count. In a clip that stands still
    everything stays, so there it finds texture too; read it beside `motion`.
    """
    if len(grey) < 2:
        return 0.0
    down, right = numpy.gradient(grey, axis=(-2, -1))
    strong = (numpy.hypot(down, right) > STRONG / 2).all(axis=0)
    steady = numpy.ptp(grey, axis=0) < STEADY * 4
    marks: NDArray[Any] = strong & steady
    height, width = (side // 8 * 8 for side in marks.shape)
    if not height or not width:
        return 0.0
    cells = marks[:height, :width].reshape(height // 8, 8, width // 8, 8).mean(axis=(1, 3))
    return float((cells > DENSE).mean())
