"""What decodes a file may have been taken over by it: a child that crashes or lies costs the node only."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from graphflow_nodes.media import decode, hearing, images, load_audio, load_image, load_video, save_video

from graphflow.errors import StorageError
from graphflow.testing import LocalContext, run_node
from graphflow.values import Video

CHILD = """
import os, struct
from graphflow_nodes.media import decode

TIMELINE = {"unit": 0.1, "rate": 10.0, "height": 32, "width": 48, "timed": True, "promised": 0, "turns": 0}

def moments(*found):
    return struct.pack(f"<{len(found)}q", *found)

"""


@pytest.fixture
def clip(tmp_path: Path) -> str:
    frames = torch.zeros(4, 32, 48, 3, dtype=torch.uint8)
    saved = run_node(
        save_video, Video(frames=frames, fps=10.0), context=LocalContext(out_dir=tmp_path), name="clip"
    )
    return str(saved.path)


def taken_over(
    module: ModuleType, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Let the functions of the child be these."""
    (tmp_path / f"{name}.py").write_text(CHILD + code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(module, "__name__", name)
    monkeypatch.delitem(sys.modules, name, raising=False)


def telling(change: str) -> str:
    return f"def shown(fields, data):\n    yield {{**TIMELINE, {change}}}, moments(0, 1)\n"


def hearing_of(change: str, size: int = 8) -> str:
    told = f"{{'rate': 8000, 'channels': 1, 'done': [0, 1], {change}}}"
    return f"def heard(fields, data):\n    yield {told}, bytes({size})\n"


GOOD_SHOWN = "def shown(fields, data):\n    yield TIMELINE, moments(0, 1, 2, 3)\n    yield "

VIDEO, PICTURE, SOUND = (load_video, decode), (load_image, images), (load_audio, hearing)

LIES: dict[str, tuple[tuple[Any, ModuleType], str]] = {
    "crash": (VIDEO, "def shown(fields, data):\n    os.abort()\n    yield\n"),
    "nothing": (VIDEO, "def shown(fields, data):\n    return\n    yield\n"),
    "no_moments": (VIDEO, "def shown(fields, data):\n    yield TIMELINE, b''\n"),
    "odd_moments": (VIDEO, "def shown(fields, data):\n    yield TIMELINE, b'123456789'\n"),
    "huge_frames": (VIDEO, telling("'height': 2**40")),
    "negative": (VIDEO, telling("'width': -4")),
    "text": (VIDEO, telling("'width': 'x'")),
    "endless": (VIDEO, telling("'width': float('inf')")),
    "no_rate": (VIDEO, telling("'rate': 0.0")),
    "not_a_number": (VIDEO, telling("'unit': float('nan')")),
    "wrong_size": (VIDEO, GOOD_SHOWN + "{'moment': 1}, bytes(10)\n"),
    "not_asked_for": (VIDEO, GOOD_SHOWN + "{'moment': 77}, bytes(32 * 48 * 3)\n"),
    "dies_between": (VIDEO, GOOD_SHOWN + "{'moment': 0}, bytes(32 * 48 * 3)\n    os.abort()\n"),
    "picture_size": (
        PICTURE,
        "def seen(fields, data):\n    yield {'height': 2**20, 'width': 2**20}, bytes(12)\n",
    ),
    "picture_crash": (PICTURE, "def seen(fields, data):\n    os.abort()\n    yield\n"),
    "sound_rate": (SOUND, hearing_of("'rate': 10**9")),
    "sound_channels": (SOUND, hearing_of("'channels': -3")),
    "sound_odd": (SOUND, hearing_of("'channels': 2", size=7)),
    "sound_done": (SOUND, hearing_of("'done': []")),
    "sound_changes": (SOUND, hearing_of("") + hearing_of("'channels': 2").partition("\n")[2]),
    "no_sound": (SOUND, "def heard(fields, data):\n    return\n    yield\n"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_child_that_crashes_or_lies_is_an_error_that_names_the_file(
    name: str, clip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (node, module), code = LIES[name]
    taken_over(module, code, tmp_path, monkeypatch, f"lab_{name}")
    with pytest.raises(StorageError) as caught:
        run_node(node, path=clip)
    assert caught.value.where == clip and caught.value.hint


def test_frames_that_a_child_gave_before_it_crashed_are_not_taken_for_the_whole(
    clip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = GOOD_SHOWN + "{'moment': 0}, bytes(32 * 48 * 3)\n"
    taken_over(decode, code, tmp_path, monkeypatch, "lab_short")
    with pytest.raises(StorageError, match="missing"):
        run_node(load_video, path=clip)
    assert len(run_node(load_video, path=clip, incomplete="keep").frames) == 1
