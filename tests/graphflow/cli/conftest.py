"""A small pack and a workflow without torch, and a way to call the program as a person does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from graphflow.cli.main import invoke

PACK = '''
"""Nodes for the tests of the command line; none needs torch."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from graphflow.errors import MissingModel
from graphflow.node import Context, node
from graphflow.values import SavedFile, Seed


@node("desk/word")
def word(
    *,
    text: str = "hello",
    times: Annotated[int, Field(ge=1, le=9)] = 1,
    case: Literal["upper", "lower"] = "lower",
    loud: bool = False,
    weight: float | None = None,
    tags: list[str] | None = None,
    seed: Seed = 0,
) -> str:
    """A word, several times."""
    time.sleep(0.03)  # long enough to be worth the disk
    said = (text.upper() if case == "upper" else text) * times
    return said + ("!" if loud else "")


@node("desk/turned")
def turned(word: str) -> str:
    """The word from its end."""
    time.sleep(0.03)
    return word[::-1]


@node("desk/slow")
def slow(ctx: Context, *, seconds: float = 30.0, deaf: bool = False) -> str:
    """Waits, with cancel points unless it is deaf."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(seconds if deaf else 0.02)
        ctx.progress(0, 1)
    return "done"


@node("desk/hungry")
def hungry(*, megabytes: int = 1) -> str:
    """Takes memory."""
    return f"took {len(bytearray(megabytes * 10**6))}"


@node("desk/fail")
def fail(word: str) -> str:
    """Fails for words with an x, after a moment."""
    time.sleep(0.03)
    if "x" in word:
        raise ValueError(f"{word} holds an x")
    return word


@node("desk/model")
def model() -> str:
    """Wants a model that is not there."""
    raise MissingModel("model 'big/one' is not on this machine", hint="run 'hf download big/one'")


def stands(outputs: Mapping[str, Any]) -> bool:
    saved = outputs["out"]
    return Path(saved["path"] if isinstance(saved, dict) else saved.path).is_file()


@node("desk/save", cache=False, effect=stands)
def save(word: str, ctx: Context, *, name: str = "word") -> SavedFile:
    """Saves the word."""
    return ctx.save(name, ".txt", lambda path: path.write_text(word))
'''

WORKFLOW: dict[str, Any] = {
    "graphflow": 1,
    "name": "words",
    "description": "A word, turned and saved.",
    "parameters": {
        "text": {"to": "word.text", "description": "What to say."},
        "times": {"to": "word.times", "description": "How often."},
        "case": {"to": "word.case"},
        "loud": {"to": "word.loud"},
        "weight": {"to": "word.weight"},
        "tags": {"to": "word.tags"},
        "seed": {"to": "word.seed"},
        "file_name": {"to": "save.name", "default": "word"},
    },
    "nodes": {
        "word": {"type": "desk/word"},
        "turned": {"type": "desk/turned", "inputs": {"word": "word"}},
        "save": {"type": "desk/save", "inputs": {"word": "turned"}},
    },
    "outputs": {"file": "save"},
}


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the test pack."""
    folder = tmp_path_factory.mktemp("packs")
    (folder / "desk.py").write_text(PACK)
    return folder


@pytest.fixture
def place(tmp_path: Path, desk: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with the pack and a data folder set up."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAPHFLOW_PACKS", str(desk))
    monkeypatch.setenv("GRAPHFLOW_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GRAPHFLOW_DEVICE", "cpu")
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


Write = Callable[..., Path]


@pytest.fixture
def write(place: Path) -> Write:
    """Writes a workflow file; without arguments the usual one."""

    def make(name: str = "words.json", document: Mapping[str, Any] | None = None, **nodes: Any) -> Path:
        raw = dict(document or WORKFLOW)
        if nodes:
            raw = {"graphflow": 1, "nodes": nodes, "outputs": {"out": next(reversed(nodes))}}
        (place / name).write_text(json.dumps(raw))
        return place / name

    return make


Call = Callable[..., Answer]


@pytest.fixture
def call(place: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command line in this process."""

    def run(*arguments: str | Path) -> Answer:
        capsys.readouterr()
        code = invoke([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return run


@pytest.fixture
def program(place: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts the program in a process of its own."""

    def start(*arguments: str | Path) -> subprocess.Popen[str]:
        code = "from graphflow.cli.main import main; main()"
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
        )

    return start
