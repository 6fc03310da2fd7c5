"""Frames in space."""

from __future__ import annotations

import pytest
import torch
from graphflow_nodes.media import crop, resize, side_by_side

from graphflow.errors import NodeError, ValueMismatch
from graphflow.testing import run_node
from graphflow.values import Image, Video


def grey(value: int, height: int, width: int) -> Image:
    return Image(pixels=torch.full((height, width, 3), value, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        ({"width": 8}, (4, 8)),
        ({"height": 24}, (24, 48)),
        ({"width": 10, "height": 10}, (10, 10)),
        ({"width": 10, "height": 10, "fit": "cover"}, (10, 10)),
        ({"width": 1}, (1, 1)),
    ],
)
@pytest.mark.parametrize("scaling", ["lanczos", "nearest", "area"])
def test_sizes(settings: dict[str, object], shape: tuple[int, int], scaling: str) -> None:
    resized = run_node(resize, grey(9, 16, 32), scaling=scaling, **settings)
    assert resized.pixels.shape == (*shape, 3) and (resized.pixels == 9).all()


def test_a_video_stays_a_video_and_keeps_its_rate(clip: Video) -> None:
    resized = run_node(resize, clip, width=32, scaling="nearest")
    assert isinstance(resized, Video) and resized.fps == clip.fps
    assert torch.equal(resized.frames, clip.frames[:, 1::2, 1::2])


def test_cover_cuts_both_sides() -> None:
    pixels = torch.zeros(4, 8, 3, dtype=torch.uint8)
    pixels[:, 2:6] = 200
    covered = run_node(resize, Image(pixels=pixels), width=4, height=4, fit="cover")
    assert (covered.pixels == 200).all()


def test_no_size_is_an_error() -> None:
    with pytest.raises(NodeError, match="neither width nor height"):
        run_node(resize, grey(0, 4, 4))


def test_a_crop_is_the_rectangle(clip: Video) -> None:
    part = run_node(crop, clip, left=10, top=5, width=20, height=30)
    assert torch.equal(part.frames, clip.frames[:, 5:35, 10:30])
    assert torch.equal(run_node(crop, clip, left=10).frames, clip.frames[:, :, 10:])
    for outside in ({"left": 64}, {"width": 65}, {"top": 20, "height": 29}):
        with pytest.raises(NodeError, match="not inside 64 x 48"):
            run_node(crop, clip, **outside)


def test_images_side_by_side_with_a_gap() -> None:
    shown = run_node(side_by_side, [grey(10, 4, 3), grey(20, 2, 5)], gap=2).pixels[..., 0]
    assert shown.shape == (4, 10)
    assert (shown[:, :3] == 10).all() and (shown[:2, 5:] == 20).all()
    assert not shown[:, 3:5].any() and not shown[2:, 5:].any()
    below = run_node(side_by_side, [grey(10, 4, 3), grey(20, 2, 5)], direction="down").pixels
    assert below.shape == (6, 5, 3)


def test_a_shorter_video_holds_its_last_frame(clip: Video) -> None:
    short = Video(frames=clip.frames[:3], fps=clip.fps)
    shown = run_node(side_by_side, [clip, short])
    assert shown.frames.shape == (12, 48, 128, 3)
    assert torch.equal(shown.frames[11, :, 64:], clip.frames[2])
    assert torch.equal(shown.frames[:, :, :64], clip.frames)


def test_what_does_not_fit_together_is_refused(clip: Video) -> None:
    with pytest.raises(ValueMismatch, match="different rates"):
        run_node(side_by_side, [clip, Video(frames=clip.frames, fps=9.0)])
    with pytest.raises(ValueMismatch, match="images and videos"):
        run_node(side_by_side, [clip, grey(0, 4, 4)])
    with pytest.raises(NodeError, match="nothing to show"):
        run_node(side_by_side, [])
