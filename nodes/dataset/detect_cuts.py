"""Cuts found by any model that is wired, such as TransNet; what they find goes into `dataset/cut_shots`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from pydantic import Field

from graphflow.errors import NodeError, StorageError
from graphflow.node import Context, node
from graphflow.values import Recipe, Video

from .cut import LONGEST_FILE, MOST_FRAMES, WINDOW
from .listing import VideoFile

Detect = Callable[[Video], list[int]]
"""An opened detector: small frames to the numbers of those that begin a new shot."""


class ShotDetector(Recipe):
    """Something that finds where shots begin. A pack of its own adds one: a subclass whose `open` gives a
    `Detect`."""


@node(
    "dataset/detect_cuts",
    depends=(".listing", ".cut", ".reading", "graphflow_nodes.media.windows", "graphflow_nodes.media.decode"),
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
    from .reading import windows

    found: list[float] = []
    try:
        seen = windows(Path(file.path), WINDOW, side, longest=LONGEST_FILE, most=MOST_FRAMES, check=ctx.check)
        with ctx.use(detector) as detect:
            for window in seen:
                rate, count = window.timeline.rate, len(window.frames)
                ctx.progress(int(window.begin), int(window.timeline.length) + 1)
                places = detect(Video(frames=window.frames, fps=rate))
                if not all(isinstance(place, int) and 0 <= place < count for place in places):
                    raise NodeError(
                        f"{type(detector).__name__} named frames outside 0 to {count - 1}",
                        hint="report this to the makers of the detector's pack",
                    )
                found += [window.begin + place / rate for place in places if place or window.begin]
    except StorageError:
        return []
    return sorted(found)
