"""What the editor takes from the server's code is committed as that code makes it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "editor" / "generate.py"


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("editor_generate", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_files_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stdout


def test_a_stale_file_is_named_and_left_alone_by_the_check(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = tmp_path / "protocol.ts"
    stale.write_text("// old")
    monkeypatch.setattr(script, "ROOT", tmp_path)
    monkeypatch.setattr(script, "PROTOCOL_FILE", stale)
    monkeypatch.setattr(script, "FITS_FILE", tmp_path / "fits.json")
    assert script.main(["--check"]) == 1
    assert "protocol.ts, fits.json" in capsys.readouterr().out and stale.read_text() == "// old"
    assert script.main([]) == 0 and script.main(["--check"]) == 0


@pytest.mark.parametrize(
    ("schema", "wanted"),
    [
        (True, "unknown"),
        ({}, "unknown"),
        ({"$ref": "#/$defs/RunInfo"}, "RunInfo"),
        ({"const": "hello"}, '"hello"'),
        ({"enum": ["a", "b"]}, '"a" | "b"'),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "number | null"),
        ({"type": "string", "format": "binary"}, "Uint8Array"),
        ({"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, "(string | null)[]"),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, "Record<string, boolean>"),
    ],
)
def test_json_schema_becomes_typescript(script: ModuleType, schema: Any, wanted: str) -> None:
    assert script.type_text(schema) == wanted


def test_every_message_has_its_tag_and_answers_have_all_they_may_have(script: ModuleType) -> None:
    text = script.text()
    submit = text.partition("export interface Submit {")[2].partition("}")[0]
    assert 'type: "submit";' in submit and "priority?: number;" in submit
    finished = text.partition("export interface NodeFinished {")[2].partition("}")[0]
    assert "key: string;" in finished and 'type: "node.finished";' in finished
    assert "data: Uint8Array;" in text
