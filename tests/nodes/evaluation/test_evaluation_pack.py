"""The pack as a whole: every node can be found, every clip measured."""

from __future__ import annotations

import importlib
import math
import pkgutil

import graphflow_nodes.evaluation as pack
import pytest
import torch
from graphflow_nodes.evaluation import measure
from graphflow_nodes.evaluation.measure import NAMES
from graphflow_nodes.evaluation.suite import METRICS
from pydantic import ValidationError

from graphflow.node import spec_of
from graphflow.testing import run_node
from graphflow.values import Video


def test_no_module_hides_a_node_of_the_same_name() -> None:
    for module in pkgutil.iter_modules(pack.__path__):
        importlib.import_module(f"{pack.__name__}.{module.name}")
    hidden = [name for name in pack.__all__ if spec_of(getattr(pack, name)) is None]
    assert not hidden


def test_a_metric_that_is_not_there_is_refused_with_the_settings() -> None:
    assert tuple(METRICS) == NAMES
    with pytest.raises(ValidationError, match="no metric 'flickr'; there are temporal_flickering"):
        run_node(measure, Video(frames=torch.zeros(2, 8, 8, 3, dtype=torch.uint8), fps=8.0), metrics="flickr")


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 2, 2), (3, 16, 40), (5, 7, 9), (4, 64, 20), (9, 24, 24)])
@pytest.mark.parametrize("kind", ["noise", "black", "jump"])
def test_every_clip_is_measured_or_the_reason_is_said(shape: tuple[int, int, int], kind: str) -> None:
    frames = torch.zeros(*shape, 3, dtype=torch.uint8)
    if kind == "noise":
        frames = torch.randint(
            0, 256, (*shape, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
        )
    elif kind == "jump":
        for t in range(shape[0]):
            frames[t, : shape[1] // 2, (3 * t) % shape[2] :] = 255
    found = run_node(measure, Video(frames=frames, fps=8.0))
    named = {one.metric for one in found.measurements} | {one.metric for one in found.missing}
    assert named == set(METRICS)
    assert all(math.isfinite(one.value) for one in found.measurements)
    assert all(math.isfinite(value) for one in found.measurements for value in one.curve)
    assert all(0 <= frame < shape[0] for one in found.measurements for frame in one.frames)
