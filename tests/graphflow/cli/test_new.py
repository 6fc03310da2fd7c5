"""`graphflow new`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from graphflow.cli import exits


def test_a_new_workflow_runs(call: Any, place: Path) -> None:
    assert call("new", "mine").code == 0
    done = call("run", "mine.json", "--text", "hey")
    assert done.code == 0 and "text = hey" in done.out


def test_from_a_template(call: Any, place: Path) -> None:
    assert call("new", "mine.json", "--from", "text_to_video").code == 0
    assert call("validate", "mine.json").code == 0
    assert '"name": "mine"' in (place / "mine.json").read_text()


@pytest.mark.parametrize("arguments", [["mine"], ["mine", "--from", "text_to_video"]])
def test_nothing_is_overwritten(call: Any, place: Path, arguments: list[str]) -> None:
    (place / "mine.json").write_text("precious")
    done = call("new", *arguments)
    assert done.code == exits.STORAGE and "already" in done.err
    assert (place / "mine.json").read_text() == "precious"


def test_a_new_pack_loads_and_its_test_passes(call: Any, place: Path) -> None:
    assert call("new", "--pack", "shapes").code == 0
    done = call("nodes", "shapes", "--packs", "packs", "--json")
    assert [node["id"] for node in done.json["nodes"]] == ["shapes/invert", "shapes/shout"]
    assert done.json["broken"] == []
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "packs"]
    result = subprocess.run(tests, capture_output=True, text=True, cwd=place, timeout=120)
    assert result.returncode == 0, result.stdout
    assert call("new", "--pack", "shapes").code == exits.STORAGE


@pytest.mark.parametrize("name", ["", " ", ".json", "folder/"])
def test_a_file_needs_a_name(call: Any, place: Path, name: str) -> None:
    done = call("new", name)
    assert done.code == exits.USAGE and "cannot name a workflow" in done.err
    assert not [*place.rglob("*.json")]


def test_the_command_it_names_can_be_pasted(call: Any, place: Path) -> None:
    assert "`graphflow run 'my clips.json'`" in call("new", "my clips").out


@pytest.mark.parametrize("name", ["Shapes", "my-pack", "../up", "a/b", ""])
def test_names_that_cannot_be_packs(call: Any, place: Path, name: str) -> None:
    done = call("new", "--pack", name)
    assert done.code == exits.USAGE
    assert not (place / "packs").exists()
