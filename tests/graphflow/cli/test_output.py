"""Words and tables for people, and how a run is told as it goes."""

from __future__ import annotations

import doctest
import io
import json
import re
from typing import Any

import pytest
from rich.console import Console

from graphflow import events, settings
from graphflow.cli import bars, options, output, progress
from graphflow.cli.bars import BarReporter
from graphflow.cli.models import listing
from graphflow.cli.progress import JsonReporter, PlainReporter
from graphflow.errors import DocumentError, Problem, StorageError


@pytest.mark.parametrize("module", [output, options, listing, progress, settings])
def test_examples_in_docstrings(module: Any) -> None:
    found = doctest.testmod(module)
    assert found.attempted and not found.failed


def test_of_very_many_problems_the_first_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    problems = [Problem("node.unknown", f"nodes.{'n' * 5000}{i}", "no such type") for i in range(60)]
    output.tell(DocumentError(problems, where="big.json"))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 51 and all(len(line) <= 2000 for line in lines)
    assert lines[-1] == "error: big.json: ... and 10 problems more"


def test_a_table_in_a_pipe_is_whole_and_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("a", "b"), [("1", "x" * 300), ("22", "")])
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["a   b", "1   " + "x" * 300, "22"]


def test_a_table_in_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    output.table(("name", "text"), [("[red]a[/]", "word " * 20)])
    out = capsys.readouterr().out
    lines = re.sub(r"\x1b\[[\d;]*m", "", out).splitlines()
    assert "[red]a[/]" in out and all(len(line) <= 60 for line in lines)


def test_an_error_with_place_code_and_hint(capsys: pytest.CaptureFixture[str]) -> None:
    output.tell(StorageError("disk full", where="/x", hint="free some", code="storage.full"))
    assert capsys.readouterr().err == "error: /x: disk full [storage.full]\n  free some\n"


def said(event_type: type[Any], **fields: Any) -> events.Event:
    event: events.Event = event_type(run="r", **fields)
    return event


RUN = [
    said(events.RunStarted, steps=4, cached=1),
    said(events.NodeCached, node="load"),
    said(events.NodeStarted, node="denoise"),
    said(events.NodeProgress, node="denoise", done=1, total=4, eta=3.0),
    said(events.NodeFinished, node="denoise", seconds=4.0, bytes=2000, stored="both"),
    *(said(events.NodeStarted, node="save", item=(i,)) for i in range(3)),
    *(
        said(events.NodeFinished, node="save", item=(i,), seconds=0.1, bytes=9, stored="disk")
        for i in range(2)
    ),
    *(said(events.NodeNotice, node="save", item=(i,), message="8 x 7 became 8 x 6") for i in range(2)),
    said(events.NodeFailed, node="save", item=(2,), code="node", message="no [bold]luck", hint="try again"),
    said(events.CacheNotice, kind="full", message="results stay in memory"),
]


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = PlainReporter()
    with reporter:
        for event in RUN:
            reporter(event)
    found = capsys.readouterr()
    assert found.out.splitlines() == [
        "4 to run, 1 in the cache",
        "cached    load",
        "started   denoise",
        "finished  denoise  4.0 s  2.0 kB",
        "finished  save[0]  100 ms",
    ]
    assert "failed    save[2]: no [bold]luck [node]\n          try again" in found.err
    assert "notice    results stay in memory" in found.err
    assert found.err.count("notice    save: 8 x 7 became 8 x 6\n") == 1  # for all items
    assert len(reporter.events) == len(RUN) - 1  # progress is not kept


def test_a_failure_names_the_input_that_it_is_about(capsys: pytest.CaptureFixture[str]) -> None:
    PlainReporter()(
        said(
            events.NodeFailed, node="decode", item=(), port="latents", code="value", message="of another VAE"
        )
    )
    assert capsys.readouterr().err.startswith("failed    decode.latents: of another VAE [value]")


def test_thousands_of_cached_nodes_are_not_all_named(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = PlainReporter()
    for i in range(1000):
        reporter(said(events.NodeCached, node=f"n{i}"))
    assert len(capsys.readouterr().out.splitlines()) == progress.MAX_CACHED + 1


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = JsonReporter()
    for event in RUN:
        reporter(event)
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["type"] for row in found] == [event.type for event in RUN]


def test_bars(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    screen = io.StringIO()
    real = bars._progress

    def on_screen() -> Any:
        made = real()
        made.live.console = Console(file=screen, force_terminal=True, width=100)
        return made

    monkeypatch.setattr(bars, "_progress", on_screen)
    reporter = BarReporter()
    with reporter:
        for event in RUN:
            reporter(event)
    text = screen.getvalue()
    assert "denoise" in text and "4.0 s" in text and "failed" in text
    assert "cached  load" in capsys.readouterr().out


def test_a_run_that_is_all_cached_draws_no_bars(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = BarReporter()
    with reporter:
        reporter(RUN[1])
    assert reporter._progress is None
