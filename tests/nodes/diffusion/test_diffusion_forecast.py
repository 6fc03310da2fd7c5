"""The forecast of a run's memory against what its process really takes, node by node."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.memory_forecast import Shape, build, forecast_bytes, measured_bytes

SHAPE = Shape(text_width=512, text_layers=4, heads=5, layers=6, inner=2560, vae_width=32)
SIZE = {"width": 256, "height": 192, "frames": 9, "steps": 1}


@pytest.mark.slow
def test_within_fifteen_percent_of_the_measured_peak(tmp_path: Path) -> None:
    """A Wan model of some 250 MB in float32 on the CPU, in a process of its own."""
    folder = build(tmp_path / "model", SHAPE)
    told = forecast_bytes(folder, tmp_path / "a", SIZE)
    found = measured_bytes(folder, tmp_path / "b", SIZE)
    assert max(told.values()) == pytest.approx(max(found.values()), rel=0.15)
