"""A clip with known shapes, and a mask that moves over it."""

from __future__ import annotations

import pytest
import torch

from graphflow.values import Video


@pytest.fixture
def clip() -> Video:
    """A red square that moves right over blue, with a green strip below: 5 frames of 48 x 32, 8 fps."""
    frames = torch.zeros(5, 32, 48, 3, dtype=torch.uint8)
    frames[...] = torch.tensor([20, 20, 200], dtype=torch.uint8)
    frames[:, 26:] = torch.tensor([0, 255, 0], dtype=torch.uint8)
    for i in range(5):
        frames[i, 8:20, 4 + 4 * i : 16 + 4 * i] = torch.tensor([230, 30, 30], dtype=torch.uint8)
    return Video(frames=frames, fps=8.0)


@pytest.fixture
def mask() -> Video:
    """White on the square of `clip`."""
    frames = torch.zeros(5, 32, 48, 3, dtype=torch.uint8)
    for i in range(5):
        frames[i, 8:20, 4 + 4 * i : 16 + 4 * i] = 255
    return Video(frames=frames, fps=8.0)
