"""Where a picture has texture, and whether it has enough of it to tell a moving camera from an object."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

LEVEL = 16.0
"""Mean squared gradient (levels a pixel) around a place from which it has texture."""
WIDTH = 5
"""Pixels around a place that are looked at."""
CELLS = 4
"""A frame is divided into as many cells each way; those along its border count."""
FILLED = 0.1
"""Share of a cell's pixels that must have texture."""
SPREAD = 0.55
"""Share of the border's cells that must have texture. An object, also a large one, seldom reaches so much of
the border; without it the flow of an object would be taken for the camera's."""


def textured(planes: NDArray[Any]) -> NDArray[np.bool_]:
    """Where brightness (frames, height, width), 0..255, changes enough for flow to mean something."""
    found = []
    for plane in planes:
        across, down = cv2.Sobel(plane, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(plane, cv2.CV_32F, 0, 1) / 8
        found.append(cv2.blur(across**2 + down**2, (WIDTH, WIDTH)) > LEVEL)
    return np.stack(found)


def spread(known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The share of the border's cells that have texture, (frames,), of marks (frames, height, width)."""
    cells = np.stack(
        [
            np.stack(
                [cell.sum((1, 2)) / max(1, cell[0].size) for cell in np.array_split(band, CELLS, axis=2)],
                axis=1,
            )
            for band in np.array_split(known, CELLS, axis=1)
        ],
        axis=1,
    )
    inside = np.zeros((CELLS, CELLS), dtype=bool)
    inside[1:-1, 1:-1] = True
    return np.asarray((cells[:, ~inside] >= FILLED).mean(1))
