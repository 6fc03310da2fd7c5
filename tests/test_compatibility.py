"""The committed table of what works with what is what happens."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def compatibility() -> Iterator[Any]:
    """docs/compatibility.py as a module."""
    spec = importlib.util.spec_from_file_location("docs_compatibility", DOCS / "compatibility.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_nothing_in_the_table_fails(compatibility: Any) -> None:
    assert "| fails" not in compatibility.PAGE.read_text()


def test_the_column_of_wan(compatibility: Any) -> None:
    """Offload keeps every bit, all else works; without tracing, which takes long."""
    _, _, table = compatibility.PAGE.read_text().partition("## Families")
    rows = [line.split(" | ") for line in table.partition("## Two")[0].splitlines() if line.startswith("| ")]
    told = {row[0].strip("| "): row[1] for row in rows}
    trial = compatibility.measure(["wan"], pairs=False, without=("compile",))
    for (_, name), result in trial.single.items():
        assert told[name] == result, name


@pytest.mark.slow
def test_the_whole_table(compatibility: Any) -> None:
    assert compatibility.PAGE.read_text() == compatibility.page(compatibility.measure())
