"""What must start at once does not load what it does not need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REFUSE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused!r}:
            raise ImportError(f"{{name}} must not be imported here")

sys.meta_path.insert(0, Refuse())
from graphflow.cli.main import invoke
code = invoke({arguments!r})
sys.stdout.flush()
sys.exit(code)
"""

HEAVY = ("torch", "diffusers", "transformers", "accelerate", "peft", "av", "numpy", "networkx")


def _without(refused: tuple[str, ...], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", REFUSE.format(refused=refused, arguments=arguments)],
        capture_output=True,
        text=True,
        env=dict(os.environ),
        timeout=60,
    )


def test_help_loads_neither_the_engine_nor_torch(place: Path) -> None:
    done = _without((*HEAVY, "pydantic", "platformdirs", "msgpack"), "--help")
    assert done.returncode == 0, done.stderr
    assert "Commands" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("validate", "words.json", "text_to_video"),
        ("explain", "words.json"),
        ("nodes",),
        ("templates",),
        ("schema", "--all"),
        ("models",),
        ("cache", "stats"),
        ("run", "text_to_video", "--help"),
    ],
)
def test_looking_never_loads_torch(write: Any, arguments: tuple[str, ...]) -> None:
    write()
    done = _without(HEAVY, *arguments)
    assert done.returncode == 0, done.stderr
    assert "must not be imported" not in done.stderr


def test_a_cached_run_never_loads_torch(call: Any, write: Any, place: Path) -> None:
    write()
    assert call("run", "words.json").code == 0
    done = _without(HEAVY, "run", "words.json")
    assert done.returncode == 0, done.stderr
    assert "0 computed" in done.stdout


def test_a_cached_video_never_loads_torch(call: Any, write: Any, place: Path) -> None:
    from PIL import Image

    pictures = place / "pictures"
    pictures.mkdir()
    for i in range(4):
        Image.new("RGB", (16, 16), (60 * i, 0, 0)).save(pictures / f"{i}.png")
    write(
        load={"type": "media/load_frames", "params": {"path": str(pictures)}},
        save={"type": "media/save_video", "inputs": {"video": "load"}},
    )
    first = call("run", "words.json")
    assert first.code == 0, first
    sheet = next(place.glob("output/*.sheet.png"))
    stamp = sheet.stat().st_mtime_ns
    done = _without(HEAVY, "run", "words.json")
    assert done.returncode == 0, done.stderr
    assert "0 computed" in done.stdout and sheet.name in done.stdout
    assert sheet.stat().st_mtime_ns == stamp
    sheet.unlink()
    assert call("run", "words.json").code == 0
    assert sheet.is_file()
