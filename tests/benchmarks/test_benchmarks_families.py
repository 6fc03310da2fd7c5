"""What the benchmark of the families compares is the same clip, whole, by two ways, for every family."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.families import CASES, grown, measure


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As the benchmark itself has it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_both_sides_make_the_same_clip(name: str, tmp_path: Path) -> None:
    small = replace(CASES[name], clip={})  # of the tests' own size
    plain, graph = measure(small, tmp_path / "model", rounds=1)
    assert plain > 0 and graph > 0


def test_the_models_are_larger_than_those_of_the_tests(tmp_path: Path) -> None:
    case = CASES["Wan 2.1"]
    grown(case, tmp_path / "large")
    case.save(tmp_path / "tiny")
    sizes = [
        (tmp_path / name / "transformer" / "diffusion_pytorch_model.safetensors").stat().st_size
        for name in ("tiny", "large")
    ]
    assert sizes[1] > 20 * sizes[0]
