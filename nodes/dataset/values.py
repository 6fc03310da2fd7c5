"""What flows through the dataset nodes: stretches of video files, edit pairs, sessions, each with its scores.

Nothing is ever dropped on the way: what a node refuses keeps its place and says where and why, so that a
funnel can be drawn from the items alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.values import Image, Value

Score = bool | int | float | str | None
"""One cell of a score table."""

Crop = tuple[int, int, int, int]
"""Top, left, height and width in pixels of the file's frames."""


_NO_NAMES: frozenset[str] = frozenset()


class Row(Value):
    """Something of which there are thousands."""

    def model_post_init(self, context: Any, /) -> None:
        """Do not remember which fields were given: nobody asks, and it takes as much memory as the fields."""
        object.__setattr__(self, "__pydantic_fields_set__", _NO_NAMES)


class Item(Row):
    """What all rows of a dataset share."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,200}$")]
    """Unique; made from content, so that the same piece has the same id tomorrow. Files are named by it."""
    source: str
    """What it was cut from; pieces of one source never stand on both sides of a split."""
    scores: dict[str, Score] = Field(default_factory=dict)
    """The columns of its row; a node adds columns and never changes one."""
    passed: tuple[str, ...] = ()
    """The filters it passed, in order."""
    rejected: str = ""
    """The filter that refused it; empty if none did."""
    reason: str = ""
    split: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{0,50}$")] = ""
    """Such as `train`; empty until it is split."""

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        made = super().model_copy(deep=deep)
        made.__dict__.update(update or {})
        return made


class Clip(Item):
    """A stretch of a video file. Frames stay in the file and are decoded where they are needed."""

    path: str
    start: Annotated[float, Field(ge=0)]
    """Seconds."""
    end: Annotated[float, Field(ge=0)]
    fps: Annotated[float, Field(gt=0)]
    height: int
    width: int
    crop: Crop | None = None
    """The part without black borders; None is all of it."""
    caption: str = ""


class EditPair(Item):
    """Two frames of one clip and the instruction that leads from one to the other."""

    before: Image
    after: Image
    frame_before: int
    frame_after: int
    instruction: str = ""
    inverse: str = ""
    """The instruction that leads back."""
    edit_type: str = ""
    caption_before: str = ""
    caption_after: str = ""
    model: str = ""
    """What made the clip."""
    seed: int | None = None


class Session(Item):
    """Several frames of one clip in order, and the instruction of each turn between two of them."""

    images: list[Image]
    frames: list[int]
    instructions: list[str]
    edit_types: list[str]
    captions: list[str]


I = TypeVar("I", bound=Item)  # noqa: E741


def with_scores(item: I, scores: Mapping[str, Score]) -> I:
    """The item with more columns. Raises NodeError for a column that it has already."""
    taken = item.scores.keys() & scores.keys()
    if taken:
        raise NodeError(
            f"there is a column {min(taken)!r} already; columns are added, never changed",
            hint="give the node another prefix, or measure once",
        )
    return item.model_copy(update={"scores": {**item.scores, **{k: _cell(v) for k, v in scores.items()}}})


def _cell(value: Any) -> Score:
    """Floats rounded to seven digits: a table of figures, the same on every machine."""
    return float(f"{value:.7g}") if isinstance(value, float) else value


def refuse(item: I, stage: str, reason: str) -> I:
    """The item marked as refused; the first refusal stays."""
    return item if item.rejected else item.model_copy(update={"rejected": stage, "reason": reason})


def accept(item: I, stage: str) -> I:
    """The item marked as having passed a filter."""
    return item if item.rejected else item.model_copy(update={"passed": (*item.passed, stage)})


def kept(items: list[I]) -> list[I]:
    """Those that no filter refused."""
    return [item for item in items if not item.rejected]
