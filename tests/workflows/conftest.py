"""A workspace in a temporary folder and tiny models for the templates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from graphflow.workspace import Workspace
from tests.support.tiny_wan import save_tiny_wan


@pytest.fixture(scope="module")
def one_expert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Wan 2.1 model."""
    return save_tiny_wan("wan21", tmp_path_factory.mktemp("models") / "wan21")


@pytest.fixture(scope="module")
def two_experts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Wan 2.2 model with two experts."""
    return save_tiny_wan("wan22", tmp_path_factory.mktemp("models") / "wan22")


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path / "data") as workspace:
        yield workspace
