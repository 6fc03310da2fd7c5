"""What the benchmark of the families compares is the same clip, whole, by two ways."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.families import CASES, grown, measure
from tests.support.threads import one_thread as one_thread

SOME = ("Wan 2.2, two experts", "Wan VACE", "LTX-2", "SkyReels-V2")
"""Experts, a condition, sound, a pipeline of its own. That frames are equal is each family's own test."""


@pytest.mark.slow
@pytest.mark.parametrize("name", SOME)
def test_both_sides_make_the_same_clip(name: str, tmp_path: Path) -> None:
    small = replace(CASES[name], clip={})  # of the tests' own size
    found = measure(small, tmp_path / "model", rounds=1)
    assert found.models > 0 and found.plain > 0 and found.other > 0


def test_the_models_are_larger_than_those_of_the_tests(tmp_path: Path) -> None:
    case = CASES["Wan 2.1"]
    grown(case, tmp_path / "large")
    case.save(tmp_path / "tiny")
    sizes = [
        (tmp_path / name / "transformer" / "diffusion_pytorch_model.safetensors").stat().st_size
        for name in ("tiny", "large")
    ]
    assert sizes[1] > 20 * sizes[0]
