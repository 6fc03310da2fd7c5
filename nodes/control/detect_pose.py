"""Poses found in a video: the interface for detectors, and one that reads drawn skeletons back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import Alike, Context, Origin, node
from graphflow.values import Recipe, Tensor, Video

from .frames import frames_of
from .layouts import COLORS, COUNTS
from .values import Layout, Pose

Tolerance = Annotated[int, Field(ge=0, le=42)]
"""In each channel, 0..255; two joints' colours are 85 apart."""

Detect = Callable[[Tensor], Tensor]
"""An opened detector: one frame, uint8 (height, width, 3), to float32 (people, points, 3), pixels."""


class PoseDetector(Recipe):
    """Something that finds people. A pack of its own adds one: a subclass whose `open` gives a `Detect`.

    layout: the order of its points. Persons should keep their place from frame to frame.
    """

    layout: ClassVar[Layout] = "coco17"


class DrawnPoseDetector(PoseDetector):
    """Reads the skeleton of one person back from a video in OpenPose's colours, such as a control video.

    Nothing is learned: a joint is the middle of the pixels that have its colour.
    """

    layout: ClassVar[Layout] = "coco18"
    tolerance: Tolerance = 24

    def origins(self) -> tuple[Origin, ...]:
        return ()  # no weights: results owe nothing to anybody

    def open(self, device: str) -> Detect:
        return lambda frame: _read_drawn(frame, self.tolerance)


@node("control/drawn_pose_detector", fold=True)
def drawn_pose_detector(*, tolerance: Tolerance = 24) -> DrawnPoseDetector:
    """A detector for videos that show one skeleton in OpenPose's colours, as `control/draw_pose` makes them.

    It is not made for photographs. tolerance: how far a colour may be off in each channel, for videos that
    were compressed.
    """
    return DrawnPoseDetector(tolerance=tolerance)


@node("control/detect_pose", check=Alike("video"), depends=(".frames", ".layouts", ".values"))
def detect_pose(video: Video, detector: PoseDetector, ctx: Context) -> Pose:
    """The people of a video as points, by any detector that is wired.

    Raises NodeError if the detector gives something else than it promises.
    """
    import torch

    frames = frames_of(video, "video")
    points = COUNTS[detector.layout]
    found: list[Tensor] = []
    with ctx.use(detector) as detect:
        for number, frame in enumerate(frames):
            ctx.progress(number, len(frames))
            found.append(_checked(detect(frame), points, type(detector).__name__))
    people = max(1, *(len(one) for one in found))
    together = torch.zeros(len(found), people, points, 3, dtype=torch.float32)
    for place, one in zip(together, found, strict=True):
        place[: len(one)] = one
    height, width = frames.shape[1:3]
    return Pose(points=together, layout=detector.layout, width=width, height=height, fps=video.fps)


def _checked(found: Any, points: int, name: str) -> Tensor:
    import torch

    good = isinstance(found, torch.Tensor) and found.ndim == 3 and tuple(found.shape[1:]) == (points, 3)
    if not good or not found.isfinite().all():
        raise NodeError(
            f"{name} gave {tuple(getattr(found, 'shape', ()))}, not finite (people, {points}, 3)",
            hint="report this to the makers of the detector's pack",
        )
    return found.detach().float().cpu()  # type: ignore[no-any-return]


def _read_drawn(frame: Tensor, tolerance: int) -> Tensor:
    """The middle of each joint's colour; its confidence is the share that is left of the largest joint."""
    import torch

    pixels = frame.to(torch.int16)
    found = torch.zeros(1, len(COLORS), 3, dtype=torch.float32)
    sizes = torch.zeros(len(COLORS), dtype=torch.float32)
    for index, color in enumerate(COLORS):
        away = (pixels - torch.tensor(color, dtype=torch.int16)).abs().amax(-1)
        rows, columns = (away <= tolerance).nonzero(as_tuple=True)
        if len(rows):
            sizes[index] = len(rows)
            found[0, index, 0], found[0, index, 1] = columns.float().median(), rows.float().median()
    if sizes.max() > 0:
        found[0, :, 2] = sizes / sizes.max()
    return found
