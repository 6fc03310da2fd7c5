"""Cuts found by any model that is wired, such as TransNet; what they find goes into `dataset/cut_shots`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from pydantic import Field

from graphflow.errors import NodeError, StorageError
from graphflow.node import Context, node
from graphflow.values import Recipe, Video

from .listing import VideoFile

Detect = Callable[[Video], list[int]]
"""An opened detector: small frames to the numbers of those that begin a new shot."""

WINDOW = 60.0
"""Seconds of a file that a detector sees at a time."""


class ShotDetector(Recipe):
    """Something that finds where shots begin. A pack of its own adds one: a subclass whose `open` gives a
    `Detect`."""


@node(
    "dataset/detect_cuts",
    depends=(".listing", ".reading", "graphflow_nodes.media.decode"),
)
def detect_cuts(
    file: VideoFile,
    detector: ShotDetector,
    ctx: Context,
    *,
    side: Annotated[int, Field(ge=16, le=1024)] = 160,
) -> list[float]:
    """Seconds of a file at which shots begin, by any detector that is wired; for `cuts` of
    `dataset/cut_shots`.

    side: longer side of the frames that it sees, a minute at a time. A file that cannot be read gives none:
    `dataset/cut_shots` refuses it with the reason.
    Raises NodeError if the detector names frames that are not there.
    """
    from .reading import Cut, decode_video, timeline_of

    path = Path(file.path)
    found: list[float] = []
    try:
        timeline = timeline_of(path)
        begin = 0.0
        with ctx.use(detector) as detect:
            while begin < timeline.length - 0.5 / timeline.rate:
                ctx.progress(int(begin), int(timeline.length) + 1)
                cut = Cut(begin, begin + WINDOW, None, side, 100_000)
                frames, fps = decode_video(path, cut, lambda done, total: ctx.check(), timeline)
                places = detect(Video(frames=frames, fps=fps))
                if not all(isinstance(place, int) and 0 <= place < len(frames) for place in places):
                    raise NodeError(
                        f"{type(detector).__name__} named frames outside 0 to {len(frames) - 1}",
                        hint="report this to the makers of the detector's pack",
                    )
                found += [begin + place / fps for place in places if place or begin]
                begin += WINDOW
    except StorageError:
        return []
    return sorted(found)
