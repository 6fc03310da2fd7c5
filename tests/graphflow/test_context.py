"""What a node's context hands on: previews."""

from __future__ import annotations

import io

import pytest
import torch
from PIL import Image as Pillow

from graphflow.context import PREVIEW_SIZE, picture_of
from graphflow.values import Image, Value, Video


@pytest.mark.parametrize("count", [1, 5])
def test_a_preview_is_a_small_webp_that_moves_as_the_clip_does(count: int) -> None:
    height, width = PREVIEW_SIZE, 2 * PREVIEW_SIZE
    frames = torch.stack([torch.full((height, width, 3), 50 * i, dtype=torch.uint8) for i in range(count)])
    media_type, data = picture_of(Video(frames=frames, fps=8.0))
    found = Pillow.open(io.BytesIO(data))
    assert media_type == "image/webp" and len(data) < 4_000
    assert found.size == (PREVIEW_SIZE, PREVIEW_SIZE // 2)
    assert getattr(found, "n_frames", 1) == count
    if count > 1:
        seen = []
        for i in range(count):
            found.seek(i)
            seen.append(found.convert("RGB").getpixel((3, 3))[0])
        assert seen == pytest.approx([50 * i for i in range(count)], abs=6)
        assert found.info["duration"] == 125


def test_an_image_is_one_frame_and_nothing_else_is_a_preview() -> None:
    _, data = picture_of(Image(pixels=torch.zeros(6, 8, 3, dtype=torch.uint8)))
    assert Pillow.open(io.BytesIO(data)).size == (8, 6)
    with pytest.raises(TypeError, match="not Value"):
        picture_of(Value())
