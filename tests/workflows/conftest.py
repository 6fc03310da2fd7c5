"""A workspace in a temporary folder and tiny models for the templates."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from graphflow.workspace import Workspace
from tests.support.tiny_wan import save_tiny_wan


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny random model by variant, made once."""
    folder = tmp_path_factory.mktemp("models")
    return functools.cache(lambda variant: save_tiny_wan(variant, folder / variant))


@pytest.fixture(scope="module")
def one_expert(tiny: Callable[[str], Path]) -> Path:
    """A tiny random Wan 2.1 model."""
    return tiny("wan21")


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path / "data") as workspace:
        yield workspace
