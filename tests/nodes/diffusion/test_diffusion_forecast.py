"""The forecast of a run's memory against what its process really takes, node by node."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.memory_forecast import Shape, build, forecast_bytes, measured_bytes

SHAPE = Shape(text_width=384, text_layers=4, heads=4, layers=5, inner=2048, vae_width=32)
SIZE = {"width": 128, "height": 128, "frames": 5, "steps": 1}


@pytest.mark.slow
def test_within_fifteen_percent_of_the_measured_peak(tmp_path: Path) -> None:
    """A Wan model of some 160 MB in float32 on the CPU, in a process of its own."""
    folder = build(tmp_path / "model", SHAPE)
    told = forecast_bytes(folder, tmp_path / "a", SIZE)
    found = measured_bytes(folder, tmp_path / "b", SIZE)
    assert max(told.values()) == pytest.approx(max(found.values()), rel=0.15)
