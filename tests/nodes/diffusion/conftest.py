"""Tiny Wan models, saved once a session, and short ways to run the nodes on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.tiny_wan import VARIANTS, save_tiny_wan


@pytest.fixture(scope="session")
def tiny_wan(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny model by variant: `wan21`, `wan22` or `wan5b`."""
    root = tmp_path_factory.mktemp("tiny_wan")
    made: dict[str, Path] = {}

    def folder(variant: str) -> Path:
        assert variant in VARIANTS
        if variant not in made:
            made[variant] = save_tiny_wan(variant, root / variant)
        return made[variant]

    return folder
