"""Clips of any size and length to those of a few buckets, so that batches have one shape."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

from graphflow_nodes.dataset.values import Clip, accept, refuse, with_scores
from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import node
from graphflow.values import Video

Take = Literal["start", "middle", "end", "spread"]
"""Which frames of a longer clip: from its start, middle or end, or spread over all of it."""

_BUCKET = re.compile(r"(\d{1,5})x(\d{1,5})x(\d{1,5})")


class Bucket(NamedTuple):
    """A shape of clips: frames, height and width in pixels."""

    frames: int
    height: int
    width: int


def buckets_of(texts: Sequence[str]) -> list[Bucket]:
    """Buckets written as `49x480x832`. Raises NodeError for anything else, or for none."""
    found = []
    for text in texts:
        parts = _BUCKET.fullmatch(text.strip())
        if parts is None or not all(map(int, parts.groups())):
            raise NodeError(
                f"{text!r} is no bucket", where="buckets", hint="write frames x height x width, as 49x480x832"
            )
        found.append(Bucket(*map(int, parts.groups())))
    if not found:
        raise NodeError("there is no bucket", where="buckets", hint="give at least one, as 49x480x832")
    return found


def chosen(frames: int, height: int, width: int, buckets: Sequence[Bucket]) -> Bucket | None:
    """The bucket nearest in shape, of those the one with most frames; None if the clip is shorter than all.

    >>> chosen(81, 720, 1280, [Bucket(49, 480, 832), Bucket(81, 480, 832), Bucket(49, 512, 512)])
    Bucket(frames=81, height=480, width=832)
    """
    fitting = [one for one in buckets if one.frames <= frames]
    shape = math.log(width / height)
    return min(
        fitting,
        key=lambda one: (round(abs(math.log(one.width / one.height) - shape), 6), -one.frames),
        default=None,
    )


@node("training/bucket_size", fold=True)
def bucket_size(*, buckets: list[str]) -> Bucket:
    """The frames, height and width of the first bucket: the size at which what was learnt is tried.

    Raises NodeError for anything that is no bucket.
    """
    return buckets_of(buckets)[0]


@node("training/bucket_clips", depends=("graphflow_nodes.dataset.values",))
def bucket_clips(
    clips: list[Clip],
    *,
    buckets: list[str],
    fps: Annotated[float, Field(gt=0, le=1000)] | None = None,
) -> list[Clip]:
    """Say to which bucket each clip will come, in the column `bucket`, and refuse those shorter than all.

    buckets: such as 49x480x832, frames x height x width. fps: at which the clips will be loaded; empty is
    their own. Raises NodeError for anything that is no bucket.
    """
    wanted, found = buckets_of(buckets), []
    for clip in clips:
        if clip.rejected:
            found.append(clip)
            continue
        frames = round((clip.end - clip.start) * (fps or clip.fps))
        bucket = chosen(frames, clip.height, clip.width, wanted)
        if bucket is None:
            found.append(refuse(clip, "bucket", f"shorter than every bucket: {frames} frames"))
        else:
            found.append(accept(with_scores(clip, {"bucket": "x".join(map(str, bucket))}), "bucket"))
    return found


@node("training/fit_bucket")
def fit_bucket(
    video: Video,
    *,
    buckets: list[str],
    take: Take = "start",
    crop: Annotated[float, Field(ge=0, le=1)] = 0.5,
) -> Video:
    """Bring a clip to the bucket nearest to its shape: scaled until it covers it, then cut.

    buckets: such as 49x480x832, frames x height x width. take: which frames of a longer clip; `spread` makes
    it faster. crop: where the cut is, 0 left or top, 0.5 centre, 1 right or bottom.
    Returns uint8 frames of the bucket's shape. Raises NodeError for a clip shorter than every bucket.
    """
    import torch

    frames, height, width, _ = video.frames.shape
    bucket = chosen(frames, height, width, buckets_of(buckets))
    if bucket is None:
        raise NodeError(
            f"the clip has {frames} frames, fewer than every bucket",
            where="video",
            hint="leave it out, or add a shorter bucket",
        )
    picked = video.frames[_taken(frames, bucket.frames, take)]
    if (height, width) != bucket[1:]:
        factor = max(bucket.height / height, bucket.width / width)
        size = [max(bucket.height, round(height * factor)), max(bucket.width, round(width * factor))]
        whole = picked.permute(0, 3, 1, 2).float()
        scaled = torch.nn.functional.interpolate(whole, size, mode="bilinear", antialias=True)
        top, left = (round((large - small) * crop) for large, small in zip(size, bucket[1:], strict=True))
        cut = scaled[:, :, top : top + bucket.height, left : left + bucket.width]
        picked = cut.round().clamp(0, 255).byte().permute(0, 2, 3, 1)
    return Video(frames=picked.contiguous(), fps=video.fps)


def _taken(frames: int, wanted: int, take: Take) -> list[int]:
    """Which frames, in order."""
    if take == "spread":
        return [round(i * (frames - 1) / max(1, wanted - 1)) for i in range(wanted)]
    start = {"start": 0, "middle": (frames - wanted) // 2, "end": frames - wanted}[take]
    return list(range(start, start + wanted))
