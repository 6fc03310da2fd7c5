"""`graphflow cache`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graphflow.cache.disk import DiskStore
from graphflow.cli import exits


@pytest.fixture
def ran(call: Any, write: Any, place: Path) -> Path:
    """The store after a run."""
    write()
    assert call("run", "words.json").code == 0
    return place / "data" / "cache"


def test_stats(call: Any, ran: Path) -> None:
    out = call("cache", "stats").out
    assert "results      3," in out and "desk/turned" in out
    found = call("cache", "stats", "--json").json
    assert found["entries"] == 3 and found["folder"] == str(ran)
    assert {row["node"] for row in found["nodes"]} == {"desk/word", "desk/turned", "desk/save"}


@pytest.mark.parametrize("command", ["stats", "verify", "gc", "checkpoints"])
def test_a_file_is_no_data_folder(call: Any, place: Path, command: str) -> None:
    (place / "occupied").write_text("mine")
    done = call("cache", command, "--data-dir", "occupied")
    assert done.code == exits.STORAGE and "occupied: this is a file" in done.err


def test_an_empty_or_absent_folder(call: Any, place: Path) -> None:
    assert "results      0" in call("cache", "stats", "--data-dir", "nowhere").out
    assert call("cache", "verify", "--data-dir", "nowhere").code == 0
    assert not (place / "nowhere").exists()


def test_verify_finds_and_sets_aside_a_bad_entry(call: Any, ran: Path) -> None:
    done = call("cache", "verify")
    assert done.code == 0 and "3 files checked, 0 bad" in done.out
    entry = next(ran.glob("entries/*/*.safetensors"))
    entry.write_bytes(entry.read_bytes()[:-1] + b"\xff" if entry.stat().st_size else b"x")
    entry.write_bytes(entry.read_bytes()[: entry.stat().st_size // 2])
    assert call("cache", "verify", "--no-repair").code == exits.STORAGE
    done = call("cache", "verify")
    assert done.code == exits.STORAGE and entry.stem in done.err
    assert "2 files checked, 0 bad" in call("cache", "verify").out
    assert call("run", "words.json").code == 0


def test_gc(call: Any, ran: Path) -> None:
    assert "0 files removed" in call("cache", "gc").out
    assert "3 files removed" in call("cache", "gc", "--size", "0").out
    assert call("cache", "stats", "--json").json["entries"] == 0
    assert call("cache", "gc", "--size", "much").code == exits.USAGE


def test_checkpoints(call: Any, place: Path) -> None:
    assert "no checkpoints" in call("cache", "checkpoints").out
    store = DiskStore(place / "data" / "cache")
    keys = ["a" * 64, "ab" * 32]
    for key in keys:
        store.write_checkpoint(key, {"step": 3})
    found = call("cache", "checkpoints", "--json").json
    assert {row["key"] for row in found} == set(keys)
    assert "ago" in call("cache", "checkpoints").out
    assert call("cache", "checkpoints", "--remove", "a").code == exits.USAGE
    assert call("cache", "checkpoints", "--remove", "aaa").code == 0
    assert call("cache", "checkpoints", "--remove", "all").code == 0
    assert "no checkpoints" in call("cache", "checkpoints").out


def test_a_size_that_is_none_is_refused(call: Any) -> None:
    done = call("cache", "gc", "--size", "-1")
    assert done.code == exits.USAGE and "--size" in done.err
