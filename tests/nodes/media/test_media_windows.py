"""A long video a stretch at a time: the same frames as at once, and nothing of a damaged one is made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes.media import load_video, save_video
from graphflow_nodes.media.windows import Window, windows

from graphflow.errors import Cancelled, StorageError
from graphflow.testing import LocalContext, run_node
from graphflow.values import Video


@pytest.fixture
def clip(ctx: LocalContext) -> Path:
    """Three and a half seconds of noise."""
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (35, 32, 64, 3), dtype=torch.uint8, generator=generator)
    return Path(run_node(save_video, Video(frames=frames, fps=10.0), context=ctx, format="webm").path)


def stretches(path: Path, seconds: float = 1.0, **other: Any) -> list[Window]:
    wish = {"longest": 60.0, "most": 100, "check": lambda: None, **other}
    return [*windows(path, seconds, 32, **wish)]


def test_together_they_are_the_whole_video(clip: Path) -> None:
    found = stretches(clip)
    assert [window.begin for window in found] == [0, 1, 2]
    assert [len(window.frames) for window in found] == [10, 10, 15], "the last is longer, not one of its own"
    whole = run_node(load_video, path=str(clip), max_side=32).frames
    assert torch.equal(torch.cat([window.frames for window in found]), whole)
    assert found[0].timeline.rate == 10 and len(found[0].timeline.moments) == 35
    assert len(stretches(clip, seconds=60)) == 1


def test_what_comes_before_the_damage_is_whole(clip: Path) -> None:
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size * 2 // 3])
    found = []
    with pytest.raises(StorageError, match="damaged"):
        for window in windows(clip, 1.0, 32, longest=60, most=100, check=lambda: None):
            found.append(len(window.frames))
    assert found and set(found) == {10}


@pytest.mark.parametrize(("limit", "text"), [({"longest": 3.0}, "hours"), ({"most": 9}, "limit of 9")])
def test_limits(clip: Path, limit: dict[str, Any], text: str) -> None:
    with pytest.raises(StorageError, match=text) as caught:
        stretches(clip, **limit)
    assert caught.value.where == str(clip) and caught.value.hint


def test_it_can_be_cancelled(clip: Path) -> None:
    def check() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        stretches(clip, check=check)
