"""Tiny models for modular pipelines, saved once and opened once a dtype."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.tiny_modular import ModularBench, save_tiny_modular


@pytest.fixture(scope="session")
def modular_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of the tiny model for a pipeline, such as `helios`."""
    root = tmp_path_factory.mktemp("tiny_modular")
    return functools.cache(lambda pipeline: save_tiny_modular(pipeline, root / pipeline))


@pytest.fixture(scope="session")
def modular_bench(modular_folder: Callable[[str], Path]) -> Callable[..., ModularBench]:
    """`modular_bench("helios", "bfloat16")`: both ways to run a pipeline, made once."""

    @functools.cache
    def make(pipeline: str, dtype: str = "float32") -> ModularBench:
        return ModularBench(pipeline, modular_folder(pipeline), dtype)

    return make
