"""Clips brought to buckets."""

from __future__ import annotations

import pytest
import torch
from graphflow_nodes.dataset.values import Clip
from graphflow_nodes.training import bucket_clips, bucket_size, fit_bucket
from graphflow_nodes.training.buckets import Bucket, buckets_of, chosen

from graphflow.errors import NodeError
from graphflow.testing import run_node
from graphflow.values import Video


def clip(frames: int, height: int, width: int) -> Video:
    """Every frame has one grey level, its number times ten."""
    levels = (torch.arange(frames) * 10).byte()[:, None, None, None]
    return Video(frames=levels.expand(frames, height, width, 3).contiguous(), fps=8.0)


def test_the_bucket_is_the_nearest_in_shape_and_then_the_longest() -> None:
    buckets = buckets_of(["49x480x832", "81x480x832", "49x832x480", "17x512x512"])
    assert chosen(200, 1080, 1920, buckets) == Bucket(81, 480, 832)
    assert chosen(60, 1080, 1920, buckets) == Bucket(49, 480, 832)
    assert chosen(60, 1920, 1080, buckets) == Bucket(49, 832, 480)
    assert chosen(20, 1080, 1920, buckets) == Bucket(17, 512, 512)
    assert chosen(16, 1080, 1920, buckets) is None


def test_a_clip_is_scaled_to_cover_its_bucket_and_cut() -> None:
    wide = torch.zeros(5, 40, 80, 3, dtype=torch.uint8)
    wide[:, :, 40:] = 200
    fitted = {
        crop: run_node(fit_bucket, Video(frames=wide, fps=8.0), buckets=["5x20x20"], crop=crop).frames
        for crop in (0.0, 0.5, 1.0)
    }
    assert all(frames.shape == (5, 20, 20, 3) and frames.dtype == torch.uint8 for frames in fitted.values())
    assert int(fitted[0.0][:, :, :-1].max()) < 5 and int(fitted[1.0][:, :, 1:].min()) > 195
    assert int(fitted[0.5][0, 0, 0, 0]) < 5 and int(fitted[0.5][0, 0, -1, 0]) > 195


@pytest.mark.parametrize(
    ("take", "first", "last"), [("start", 0, 4), ("middle", 3, 7), ("end", 6, 10), ("spread", 0, 10)]
)
def test_which_frames_are_taken(take: str, first: int, last: int) -> None:
    frames = run_node(fit_bucket, clip(11, 16, 16), buckets=["5x16x16"], take=take).frames
    assert [int(frame[0, 0, 0]) for frame in (frames[0], frames[-1])] == [first * 10, last * 10]
    assert len(frames) == 5


@pytest.mark.parametrize(
    ("buckets", "text"),
    [
        (["5x16"], "is no bucket"),
        (["0x16x16"], "is no bucket"),
        ([], "there is no bucket"),
        (["9x8x8"], "fewer"),
    ],
)
def test_what_cannot_be_done_is_told(buckets: list[str], text: str) -> None:
    with pytest.raises(NodeError, match=text):
        run_node(fit_bucket, clip(5, 16, 16), buckets=buckets)


def cut(seconds: float, fps: float, height: int = 480, width: int = 832) -> Clip:
    """A clip of a file that nobody opens."""
    return Clip(
        id="a", source="s", path="a.mp4", start=1.0, end=1.0 + seconds, fps=fps, height=height, width=width
    )


def test_clips_are_told_their_bucket_and_too_short_ones_are_refused() -> None:
    buckets = ["49x480x832", "17x512x512"]
    clips = [cut(49 / 16, 16), cut(48 / 16, 16), cut(4, 8, 512, 512), cut(2, 8)]
    found = run_node(bucket_clips, clips, buckets=buckets)
    assert [one.scores.get("bucket") for one in found] == ["49x480x832", "17x512x512", "17x512x512", None]
    assert found[0].passed == ("bucket",) and found[3].rejected == "bucket"
    assert found[3].reason == "shorter than every bucket: 16 frames"
    assert run_node(bucket_clips, found[3:], buckets=buckets) == found[3:]


def test_the_rate_at_which_clips_are_loaded_decides_how_many_frames_there_are() -> None:
    (slow,) = run_node(bucket_clips, [cut(2, 30)], buckets=["49x480x832"], fps=16.0)
    (fast,) = run_node(bucket_clips, [cut(2, 30)], buckets=["49x480x832"])
    assert slow.rejected == "bucket" and fast.scores["bucket"] == "49x480x832"


def test_the_first_bucket_is_the_size_to_try_at() -> None:
    assert run_node(bucket_size, buckets=["49x480x832", "17x512x512"]) == Bucket(49, 480, 832)
    with pytest.raises(NodeError, match="no bucket"):
        run_node(bucket_size, buckets=[])
