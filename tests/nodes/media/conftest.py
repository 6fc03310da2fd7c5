"""A small clip with a known content, and a context that saves into the test's folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from graphflow.testing import LocalContext
from graphflow.values import Video


@pytest.fixture
def clip() -> Video:
    """A red box that moves right over blue, 12 frames of 64 x 48, 8 fps."""
    frames = torch.zeros(12, 48, 64, 3, dtype=torch.uint8)
    frames[...] = torch.tensor([20, 20, 200], dtype=torch.uint8)
    for i in range(12):
        frames[i, 12:36, 2 * i : 2 * i + 24] = torch.tensor([230, 30, 30], dtype=torch.uint8)
    return Video(frames=frames, fps=8.0)


@pytest.fixture
def ctx(tmp_path: Path) -> LocalContext:
    """Saves into `tmp_path` with a provenance that has all kinds of JSON in it."""
    context = LocalContext(out_dir=tmp_path)
    params = {"prompt": 'ein "rötlicher" Ball \u2603 \x00 \ud83d', "n": [1, 2.5, None]}
    context.provenance = {
        "graphflow": "0.1",
        "key": "ab" * 32,
        "workflow": {"nodes": {"a": {"params": params}}},
    }
    return context
