"""The command that documents the run, and its two quick stages."""

from pathlib import Path

import pytest
from graphflow_nodes.toyworld.training.__main__ import main


def test_help_names_every_stage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert all(stage in text for stage in ("codec", "denoiser", "vae", "export", "score"))


def test_unknown_stage_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["bake", "--work", str(tmp_path)])
    assert stop.value.code == 2
