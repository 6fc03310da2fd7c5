"""What controls a clip beside its prompt: poses and boxes over time, in pixels from the top left."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from graphflow.values import Tensor, Value

Layout = Literal["coco17", "coco18"]
"""Which points a body has: COCO's 17, or OpenPose's 18, which are the same in another order and a neck."""

Side = Annotated[int, Field(ge=1, le=16_384)]
Fps = Annotated[float, Field(gt=0, le=1000)]
Frames = Annotated[int, Field(ge=1, le=100_000)]


class Pose(Value):
    """People as points, frame by frame. Every point is x, y and a confidence 0..1; 0 means it is not there.

    points: float32, (frames, people, points, 3); the order of the points is the layout's.
    hands: float32, (frames, people, 2, 21, 3), left hand first. face: float32, (frames, people, points, 3).
    Person k is the same person in every frame. width, height: of the frames the positions are for.
    """

    points: Tensor
    layout: Layout
    width: Side
    height: Side
    fps: Fps
    hands: Tensor | None = None
    face: Tensor | None = None


class Boxes(Value):
    """Rectangles, frame by frame; object k is the same one in every frame.

    corners: float32, (frames, objects, 4): left, top, right, bottom. A box without an area is not there.
    labels: one text an object.
    """

    corners: Tensor
    labels: tuple[str, ...]
    width: Side
    height: Side
    fps: Fps
