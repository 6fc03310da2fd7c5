"""What evaluation nodes pass on: measurements of clips, tables of them, optical flow."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from graphflow.values import Tensor, Value

Direction = Literal["higher", "lower", "none"]
"""Which way is better; `none` describes and does not judge."""


class Measurement(Value):
    """One number that a metric gives for a clip, with what it takes to read it."""

    metric: str
    value: float
    direction: Direction = "none"
    unit: str = ""
    claims: str = ""
    """What the metric claims to see, in words."""
    sees: tuple[str, ...] = ()
    """Names of the defects that the metric must tell from a clean clip; the defect bench holds it to them."""
    curve: tuple[float, ...] = ()
    """The metric over time, evenly spread from the first frame to the last; empty if it has none."""
    frames: tuple[int, ...] = ()
    """Frames to look at, counted from 0."""


class Missing(Value):
    """A metric that could not be taken from a clip, and why."""

    metric: str
    reason: str


class Scores(Value):
    """The measurements of one clip, each metric at most once."""

    measurements: tuple[Measurement, ...] = ()
    missing: tuple[Missing, ...] = ()

    def named(self, metric: str) -> Measurement | None:
        """The measurement of that metric, or None."""
        return next((one for one in self.measurements if one.metric == metric), None)

    def joined(self, other: Scores) -> Scores:
        """Both, where a metric that both have is taken from `other`."""
        names = {one.metric for one in other.measurements}
        missing = names | {one.metric for one in other.missing}
        kept = tuple(one for one in self.measurements if one.metric not in names)
        return Scores(
            measurements=(*kept, *other.measurements),
            missing=(*(one for one in self.missing if one.metric not in missing), *other.missing),
        )


class ScoreRow(Value):
    """The scores of one clip: of which item (such as a prompt) and by which system (such as a model)."""

    item: str
    system: str = ""
    scores: Scores


class ScoreTable(Value):
    """Many clips measured."""

    rows: tuple[ScoreRow, ...]

    def systems(self) -> list[str]:
        """The systems, in the order in which they first appear."""
        return list(dict.fromkeys(row.system for row in self.rows))

    def metrics(self) -> list[Measurement]:
        """The first measurement of every metric that occurs, in order: its direction, unit and claims."""
        found: dict[str, Measurement] = {}
        for row in self.rows:
            for one in row.scores.measurements:
                found.setdefault(one.metric, one)
        return list(found.values())


class Flow(Value):
    """How pixels move, in pixels; all float32, (pairs, height, width, 2), x first.

    forward: from each frame to the next: what is at p is at p + flow afterwards. backward: from each frame to
    the one before it, without the first. wide_forward, wide_backward: the same over two frames, for frames
    0 and 2, 2 and 4, ...
    """

    forward: Tensor
    backward: Tensor
    wide_forward: Tensor
    wide_backward: Tensor
    width: Annotated[int, Field(ge=1)]
    height: Annotated[int, Field(ge=1)]
