"""What of a run's outputs is told to those who do not hold its values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graphflow import workflow
from graphflow.node import Context, node
from graphflow.outputs import MAX_INTEGER, files_in, is_plain, plain, results_of, told
from graphflow.refs import Out
from graphflow.values import SavedFile, Video
from graphflow.workspace import Workspace
from tests.support.engine import REGISTRY, raw

FILE = SavedFile(path="/out/clip.mp4", size=3, digest="abc", media_type="video/mp4")


@node("here/note", cache=False, effect=lambda outputs: True)
def note(x: int, ctx: Context) -> SavedFile:
    """Writes a number."""
    return ctx.save("note", ".txt", lambda path: path.write_text(str(x)))


class Untouched:
    """A result of which nothing may be read."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked for")


@pytest.mark.parametrize("hint", [Video, list[Video], Video | None])
def test_what_is_neither_plain_nor_a_file_is_not_read(hint: Any) -> None:
    """A clip is large, and a run that finds everything in the cache needs no torch."""
    result: Any = Untouched()
    assert told(result, Out("a" * 64, "out"), hint) is None


def test_numbers_texts_and_lists_of_them_are_plain() -> None:
    assert all(map(is_plain, [1, 0.5, "a", True, [1, ["b"]], (2, 3), []]))
    assert not any(map(is_plain, [None, FILE, [FILE], {"a": 1}]))


def test_a_plain_value_is_what_every_browser_reads() -> None:
    assert plain([1, (2.5, "ü")]) == [1, [2.5, "ü"]]
    assert plain(MAX_INTEGER + 1) == str(MAX_INTEGER + 1)
    assert plain(float("nan")) == "nan"
    assert plain("x" * 50, limit=10) == '"xxxxxxxxx ...'


def test_files_are_found_in_lists_of_lists() -> None:
    assert list(files_in([FILE, [FILE, 3], (FILE,)])) == [FILE] * 3


def test_outputs_and_what_effects_saved(tmp_path: Path) -> None:
    document = workflow.from_raw(
        raw({"n": "n"}, n="num", d=("double", {}, {"x": "n"}), w=("here/note", {}, {"x": "d"}))
    )
    with Workspace(tmp_path / "data", registry=REGISTRY.with_nodes([note]), device="cpu") as workspace:
        graph = workspace.graph(document)
        found = results_of(graph, workspace.run(graph, out_dir=tmp_path), tmp_path)
    assert found["outputs"] == {"n": {"value": 0}}
    (file,) = found["files"]
    assert file["name"].startswith("note-") and file["size"] > 0
