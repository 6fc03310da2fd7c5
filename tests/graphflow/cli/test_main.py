"""The border of the program: usage errors, faults of its own, pipes that close."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from graphflow import __version__
from graphflow.cli import exits, main
from graphflow.errors import DocumentError, MissingModel, NodeError, Problem, ResourceError, StorageError

COMMANDS = ("run", "explain", "validate", "nodes", "models", "templates", "new", "schema", "cache", "doctor")


def test_version(call: Any) -> None:
    done = call("--version")
    assert done.code == 0 and done.out == f"graphflow {__version__}\n"


def test_help_names_every_command_and_exit_code(call: Any) -> None:
    done = call("--help")
    for name in COMMANDS:
        assert name in done.out
    assert "130 cancelled" in done.out


@pytest.mark.parametrize("arguments", [["paint"], ["run"], ["cache", "burn"], ["nodes", "--colour"]])
def test_wrong_usage_is_told_without_a_traceback(call: Any, arguments: list[str]) -> None:
    done = call(*arguments)
    assert done.code == exits.USAGE
    assert done.err.startswith("error: ") and "--help" in done.err and "Traceback" not in done.err
    assert done.out == ""


def test_wrong_usage_names_the_help_of_its_command(call: Any) -> None:
    """Also of an option that lacks its value, found before the command is known."""
    done = call("run", "text_to_video", "--prompt")
    assert "`graphflow run text_to_video --help`" in done.err
    assert "`graphflow cache gc --help`" in call("cache", "gc", "--size").err


def test_a_fault_of_its_own_is_one_line_and_a_report(
    call: Any, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("a wheel came off")

    monkeypatch.setattr(main, "application", lambda: lambda **_: broken())
    done = call("run", "x", "--data-dir", "here")
    assert done.code == exits.INTERNAL
    assert len(done.err.splitlines()) == 1 and "a wheel came off" not in done.err
    report = next(place.glob("here/reports/*.txt"))
    assert str(report.name) in done.err
    text = report.read_text()
    assert "a wheel came off" in text and "Traceback" in text and "graphflow run x" in text


def test_a_report_goes_elsewhere_if_it_must(call: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise RuntimeError("a wheel came off")

    (place / "here").write_text("a file")
    monkeypatch.setattr(main, "application", lambda: broken)
    call("run", "--data-dir=here")
    assert [*place.glob("data/reports/*.txt")]


def test_an_interrupt_outside_a_run(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "application", lambda: interrupted)
    done = call("nodes")
    assert done.code == exits.CANCELLED and done.err == "cancelled\n"


def test_a_reader_that_has_seen_enough(place: Path) -> None:
    code = "from graphflow.cli.main import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "schema", "--all"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(os.environ),
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 0
    assert err == b""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DocumentError([Problem("x", "", "m")]), exits.USAGE),
        (StorageError("m", code="workflow.missing"), exits.USAGE),
        (StorageError("m"), exits.STORAGE),
        (MissingModel("m"), exits.RESOURCE),
        (ResourceError("m"), exits.RESOURCE),
        (NodeError("m"), exits.FAILED),
        (NodeError("m", code="storage.full"), exits.STORAGE),
    ],
)
def test_exit_codes(error: Any, code: int) -> None:
    assert exits.code_of(error) == code


def test_the_documentation_lists_every_exit_code() -> None:
    text = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()
    codes = {value for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)}
    for code in codes:
        assert f"| {code} |" in text, code
