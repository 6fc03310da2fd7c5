"""`graphflow validate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graphflow.cli import exits
from graphflow.templates import templates


def test_sound_files_and_templates(call: Any, write: Any) -> None:
    write()
    done = call("validate", "words.json", *templates())
    assert done.code == 0, done
    assert done.out.splitlines()[0] == "words.json: ok"


def test_every_problem_with_path_code_and_hint(call: Any, write: Any) -> None:
    write()
    write(
        "bad.json",
        a={"type": "desk/wrod"},
        b={"type": "desk/turned"},
        c={"type": "desk/word", "params": {"time": 1}},
    )
    done = call("validate", "words.json", "bad.json")
    assert done.code == exits.USAGE
    assert "bad.json: 3 problems" in done.err
    assert "nodes.a.type: no node type 'desk/wrod' (did you mean 'desk/word'?) [node.unknown]" in done.err
    assert "[port.missing]" in done.err and "did you mean 'times'?" in done.err
    assert done.out == "words.json: ok\n"


def test_json(call: Any, write: Any) -> None:
    write("bad.json", a={"type": "desk/wrod"})
    found = call("validate", "bad.json", "--json").json
    assert found["bad.json"][0]["code"] == "node.unknown"
    assert found["bad.json"][0]["path"] == "nodes.a.type"


def test_files_that_are_no_workflows(call: Any, place: Path) -> None:
    (place / "broken.json").write_text("{")
    (place / "list.json").write_text("[]")
    (place / "binary.json").write_bytes(b"\xff\xfe\0")
    (place / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for name, code in (
        ("broken.json", "json.syntax"),
        ("list.json", "document.type"),
        ("binary.json", "json"),
        ("photo.png", "workflow.missing"),
        ("absent.json", "workflow.missing"),
    ):
        done = call("validate", name)
        assert done.code == exits.USAGE
        assert code in done.err and "Traceback" not in done.err, done
