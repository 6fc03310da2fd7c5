"""Clips made worse in one way, so that a pair differs in nothing else."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from graphflow.node import node
from graphflow.values import Video


@node("training/slow_motion")
def slow_motion(video: Video, *, factor: Annotated[float, Field(ge=1, le=100)] = 2.0) -> Video:
    """The beginning of a clip, so much slower; as many frames, each shown several times.

    It looks like the clip and moves less: the worse half of a pair for training/prefer.
    """
    places = [int(place / factor) for place in range(len(video.frames))]
    return Video(frames=video.frames[places].contiguous(), fps=video.fps)
