"""`graphflow nodes`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graphflow.cli import exits


def test_the_list(call: Any) -> None:
    done = call("nodes")
    assert done.code == 0
    assert "desk/word" in done.out and "A word, several times." in done.out and "std/text" in done.out


def test_a_pattern_and_a_part_of_a_name(call: Any) -> None:
    for pattern in ("desk/*", "desk"):
        lines = call("nodes", pattern).out.splitlines()
        assert len(lines) == 8 and all(line.startswith(("node", "desk/")) for line in lines)


def test_everything_about_one(call: Any) -> None:
    out = call("nodes", "desk/word").out
    assert "desk/word  version 1" in out
    assert "times" in out and ">= 1, <= 9" in out and '"hello"' in out
    assert "'upper' | 'lower'" in out
    out = call("nodes", "desk/save").out
    assert "flags: effect" in out and "word  str" in out and "SavedFile" in out


def test_json(call: Any) -> None:
    found = call("nodes", "desk/turned", "--json").json
    assert found["nodes"][0]["ports"] == {"word": {"type": "str", "shape": "str", "required": True}}
    assert found["broken"] == []


def test_an_unknown_node(call: Any) -> None:
    done = call("nodes", "desk/wrod")
    assert done.code == exits.USAGE and "did you mean 'desk/word'?" in done.err


def test_a_broken_pack_is_shown_with_its_reason(call: Any, place: Path) -> None:
    (place / "mine").mkdir()
    (place / "mine" / "bad.py").write_text("import nothing_of_that_name")
    done = call("nodes", "--packs", "mine")
    assert done.code == 0 and "desk/word" in done.out
    assert "pack 'bad' did not load: ModuleNotFoundError" in done.err
    assert call("nodes", "--packs", "mine", "--json").json["broken"][0]["pack"] == "bad"
