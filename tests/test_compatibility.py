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


def test_the_page_shows_what_was_found(compatibility: Any) -> None:
    found = compatibility.Findings.read()
    assert compatibility.PAGE.read_text("utf-8") == compatibility.page(found)
    assert compatibility.FOUND.read_text("utf-8") == found.as_json()
    tried = {(family, name) for family in compatibility.FAMILIES for name in compatibility.TREATMENTS}
    assert tried <= found.single.keys()


def test_nothing_in_the_table_fails(compatibility: Any) -> None:
    found = compatibility.Findings.read()
    assert not [key for key, result in (found.single | found.pairs).items() if result.startswith("fails")]


def test_the_column_of_wan(compatibility: Any) -> None:
    """Offload keeps every bit, all else works; without tracing, which takes long."""
    told = compatibility.Findings.read()
    trial = compatibility.measure(["wan"], pairs=None, without=("compile",))
    for key, result in trial.single.items():
        assert told.single[key] == result, key


@pytest.mark.slow
def test_some_columns_and_some_of_their_pairs(compatibility: Any) -> None:
    """All of it takes many minutes: `python docs/compatibility.py` writes the page anew."""
    told, some = compatibility.Findings.read(), ["wan, two experts", "vace", "ltx", "skyreels"]
    trial = compatibility.measure(some, pairs=compatibility.one_family_each, without=("compile",))
    assert len(trial.pairs) > 10
    for key, result in (trial.single | trial.pairs).items():
        assert (told.single | told.pairs)[key] == result, key
