"""Clips whose truth is known: scenes of the toy world, and textures that a camera moves over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from graphflow_nodes.dataset.frames import box
from graphflow_nodes.media.encode import H264, encode_video
from graphflow_nodes.toyworld.render import render, to_uint8
from graphflow_nodes.toyworld.world import Scene, sample_scenes
from numpy.typing import NDArray

from graphflow.values import Video

Frames = NDArray[numpy.uint8]
Save = Callable[..., Path]


def toy_frames(scenes: Sequence[Scene], frames: int = 9, side: int = 64) -> Frames:
    """Frames of scenes, uint8 (scenes, frames, side, side, 3)."""
    return to_uint8(render(scenes, frames, side)).numpy()


def moving_scenes(count: int, seed: int) -> list[Scene]:
    """`count` scenes whose object moves."""
    return [scene for scene in sample_scenes(2 * count + 10, seed) if scene.motion != "still"][:count]


def video(frames: Frames, fps: float = 8.0) -> Video:
    return Video(frames=torch.from_numpy(numpy.ascontiguousarray(frames)), fps=fps)


def camera_over_texture(
    shifts: Sequence[tuple[float, float]], height: int = 64, width: int = 96, seed: int = 0
) -> Frames:
    """What a camera sees of one textured wall at each place, (x, y) in pixels."""
    rng = numpy.random.default_rng(seed)
    wall = box(rng.uniform(0, 255, (1, 420, 620)).astype(numpy.float32), 2)[0]
    wall = ((wall - wall.mean()) * 4 + 128).clip(0, 255)
    corners = [(120 + int(y), 150 + int(x)) for x, y in shifts]
    seen = [wall[top : top + height, left : left + width] for top, left in corners]
    return numpy.repeat(numpy.stack(seen)[..., None], 3, axis=-1).astype(numpy.uint8)


@pytest.fixture
def save_clip(tmp_path: Path) -> Save:
    """Encodes frames as an mp4 in a folder of the test's own; gives the file."""

    def save(name: str, frames: Any, fps: float = 8.0, crf: int = 12, text: str = "") -> Path:
        path = tmp_path / "clips" / name
        path.parent.mkdir(exist_ok=True)
        encode_video(path, H264, iter(frames), fps, crf=crf, text=text or name, sound=None)
        return path

    return save
