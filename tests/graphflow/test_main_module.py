"""The program as it is started: `graphflow` and `python -m graphflow`."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

from graphflow.__main__ import main
from graphflow.cli import exits


class Interrupted(ModuleType):
    """A module that is still loading when Ctrl-C comes."""

    def __getattr__(self, name: str) -> object:
        raise KeyboardInterrupt


def test_an_interrupt_while_it_loads_is_told_in_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "graphflow.cli.main", Interrupted("graphflow.cli.main"))
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == exits.CANCELLED
    assert capsys.readouterr().err == "cancelled\n"


def test_python_can_be_asked_for_it_by_name() -> None:
    asked = [sys.executable, "-m", "graphflow", "--version"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.split()[0]) == (0, "graphflow")
