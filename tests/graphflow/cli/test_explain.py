"""`graphflow explain`, against the runs that it explains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graphflow.cli import exits


def told(call: Any, *arguments: str) -> dict[str, Any]:
    done = call("explain", "words.json", "--json", *arguments)
    assert done.code == 0, done
    return {story["node"]: story for story in done.json}


def test_before_and_after_the_first_run(call: Any, write: Any, place: Path) -> None:
    write()
    assert told(call)["word"]["reasons"] == ["first run"]
    assert [path.name for path in place.iterdir()] == ["words.json"]  # looking leaves no trace
    call("run", "words.json")
    assert {story["state"] for story in told(call).values()} == {"cached"}


def test_which_setting_changed(call: Any, write: Any) -> None:
    write()
    call("run", "words.json", "--text", "one")
    changed = told(call, "--text", "two", "--times", "2")
    assert changed["word"]["reasons"] == ['text: "one" -> "two"', "times: 1 -> 2"]
    assert changed["turned"]["reasons"] == ["word from word changed"]
    out = call("explain", "words.json", "--text", "two").out
    assert 'text: "one" -> "two"' in out and "3 steps to run, 0 in the cache" in out


def test_a_deleted_file_and_an_evicted_result(call: Any, write: Any, place: Path) -> None:
    write()
    call("run", "words.json")
    next(place.glob("output/*.txt")).unlink()
    gone = told(call)
    assert gone["save"]["reasons"] == ["its file is gone or was changed"]
    assert gone["turned"]["state"] == "cached"
    call("cache", "gc", "--size", "0")
    assert told(call)["word"]["reasons"] == ["its result was evicted from the cache"]


def test_another_output_folder_or_device(call: Any, write: Any, place: Path) -> None:
    write()
    call("run", "words.json")
    assert "output folder changed" in told(call, "--out", "other")["save"]["reasons"][0]
    assert "device changed: cpu -> cuda" in told(call, "--device", "cuda:0")["word"]["reasons"]


def test_a_device_that_is_not_there_is_no_fault(call: Any, write: Any) -> None:
    write()
    assert call("run", "words.json", "--device", "cuda:77").code == 0  # no node needs it


def test_code_that_changed(call: Any, write: Any, place: Path, desk: Path) -> None:
    write()
    pack = place / "mine"
    pack.mkdir()
    source = (desk / "desk.py").read_text().replace("desk/", "mine/")
    (pack / "mine.py").write_text(source)
    document = (place / "words.json").read_text().replace("desk/", "mine/")
    (place / "words.json").write_text(document)
    call("run", "words.json", "--packs", "mine")
    (pack / "mine.py").write_text(source + "\n# improved\n")
    assert told(call, "--packs", "mine")["turned"]["reasons"][0] == "its code changed"


def test_only(call: Any, write: Any) -> None:
    write()
    assert told(call, "--only", "turned")["save"]["state"] == "not needed"
    assert call("explain", "words.json", "--only", "no").code == exits.USAGE


def test_a_failed_run_is_remembered_too(call: Any, write: Any) -> None:
    write(
        word={"type": "desk/word", "params": {"text": "x"}},
        bad={"type": "desk/fail", "inputs": {"word": "word"}},
    )
    call("run", "words.json")
    found = told(call)
    assert found["word"]["state"] == "cached"
    assert found["bad"]["reasons"] == ["did not finish last time"]
