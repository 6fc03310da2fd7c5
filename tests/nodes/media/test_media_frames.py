"""Frames in time."""

from __future__ import annotations

import pytest
import torch
from graphflow_nodes.media import (
    change_fps,
    concat_videos,
    images_to_video,
    pick_frame,
    pick_frames,
    ping_pong,
    reverse,
    trim,
    video_to_images,
)
from hypothesis import given
from hypothesis import strategies as st

from graphflow.errors import NodeError, ValueMismatch
from graphflow.testing import run_node
from graphflow.values import Image, Video


def numbered(count: int, fps: float = 10.0, height: int = 2, width: int = 3) -> Video:
    """Every pixel of frame i is i."""
    numbers = torch.arange(count).to(torch.uint8)[:, None, None, None]
    return Video(frames=numbers.expand(count, height, width, 3), fps=fps)


def numbers(video: Video) -> list[int]:
    return video.frames[:, 0, 0, 0].tolist()


def test_one_frame_does_not_keep_the_video_alive() -> None:
    video = numbered(5)
    image = run_node(pick_frame, video, index=-1)
    assert image.pixels[0, 0, 0] == 4
    assert image.pixels.untyped_storage().nbytes() == 2 * 3 * 3
    for index in (5, -6):
        with pytest.raises(NodeError, match=f"no frame {index} in a video of 5"):
            run_node(pick_frame, video, index=index)


def test_frames_are_spread_from_first_to_last() -> None:
    picked = run_node(pick_frames, numbered(9), count=3)
    assert [image.pixels[0, 0, 0].item() for image in picked] == [0, 4, 8]
    assert len(run_node(pick_frames, numbered(3), count=8)) == 3


def test_apart_and_together_again() -> None:
    video = numbered(4)
    images = run_node(video_to_images, video)
    again = run_node(images_to_video, images, fps=10.0)
    assert torch.equal(again.frames, video.frames) and again.fps == video.fps


def test_images_of_different_sizes_make_no_video() -> None:
    a, b = Image(pixels=numbered(1).frames[0]), Image(pixels=numbered(1, height=5).frames[0])
    with pytest.raises(ValueMismatch, match="image 1 is 3 x 5, image 0 is 3 x 2") as caught:
        run_node(images_to_video, [a, b])
    assert "resize" in caught.value.hint
    with pytest.raises(NodeError, match="no images"):
        run_node(images_to_video, [])


@given(st.integers(1, 9), st.integers(-10, 10))
def test_what_is_trimmed_before_and_after_a_place_makes_the_whole(count: int, at: int) -> None:
    kept = []
    for bounds in ({"stop": at}, {"start": at}):
        try:
            kept += numbers(run_node(trim, numbered(count), **bounds))
        except NodeError as error:
            assert "no frame" in error.message
    assert kept == list(range(count))


def test_videos_are_joined_in_order() -> None:
    joined = run_node(concat_videos, [numbered(2), numbered(3)])
    assert numbers(joined) == [0, 1, 0, 1, 2]
    with pytest.raises(ValueMismatch, match="video 1 has 5 fps, video 0 10"):
        run_node(concat_videos, [numbered(2), numbered(2, fps=5.0)])
    kept = run_node(concat_videos, [numbered(2), numbered(2, fps=5.0)], rate="first")
    assert kept.fps == 10 and numbers(kept) == [0, 1, 0, 1]
    with pytest.raises(ValueMismatch, match="3 x 4"):
        run_node(concat_videos, [numbered(2), numbered(2, height=4)])
    with pytest.raises(NodeError, match="no videos"):
        run_node(concat_videos, [])


def test_another_rate_by_leaving_out_repeating_or_speeding_up() -> None:
    video = numbered(6)
    assert numbers(run_node(change_fps, video, fps=5.0)) == [0, 2, 4]
    assert numbers(run_node(change_fps, video, fps=20.0))[:4] == [0, 0, 1, 1]
    faster = run_node(change_fps, video, fps=20.0, mode="retime")
    assert numbers(faster) == list(range(6)) and faster.fps == 20.0


@given(st.integers(1, 40), st.floats(1, 100), st.floats(1, 100))
def test_a_new_rate_keeps_the_length_and_the_order(count: int, old: float, new: float) -> None:
    changed = change_fps(numbered(count, fps=old), fps=new)
    assert abs(len(changed.frames) / new - count / old) <= 1 / new
    assert numbers(changed) == sorted(numbers(changed))


@given(st.integers(1, 9))
def test_turning_around(count: int) -> None:
    video = numbered(count)
    assert numbers(reverse(video)) == list(range(count))[::-1]
    assert torch.equal(reverse(reverse(video)).frames, video.frames)
    there_and_back = numbers(ping_pong(video))
    assert len(there_and_back) == max(1, 2 * count - 2)
    assert all(abs(a - b) <= 1 for a, b in zip(there_and_back, [*there_and_back[1:], 0], strict=True))
