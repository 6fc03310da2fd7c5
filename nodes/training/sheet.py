"""One picture to judge an effect by: base, effect, and the prompt without the trigger, for every prompt."""

from __future__ import annotations

from typing import Annotated

from graphflow_nodes.media.sheet import contact_sheet
from pydantic import Field

from graphflow.errors import ValueMismatch
from graphflow.node import node
from graphflow.values import Image, Video


@node("training/compare_sheet", depends=("graphflow_nodes.media.sheet",))
def compare_sheet(
    rows: list[Video],
    others: list[Video],
    labels: list[str],
    thirds: list[Video] | None = None,
    *,
    names: list[str] | None = None,
    frames: Annotated[int, Field(ge=1, le=64)] = 7,
    cell: Annotated[int, Field(ge=16, le=1024)] = 96,
) -> Image:
    """Clips of one prompt by several ways below each other, prompt by prompt.

    rows, others, thirds: one list for each way, aligned; labels: the prompts. names: of the ways.
    Raises ValueMismatch if the lists differ in length.
    """
    ways = [rows, others, *([thirds] if thirds is not None else [])]
    called = names or [f"way {i + 1}" for i in range(len(ways))]
    if any(len(way) != len(labels) for way in ways) or len(called) != len(ways):
        raise ValueMismatch(
            f"there are {len(labels)} labels, ways of {', '.join(str(len(way)) for way in ways)} clips and "
            f"{len(called)} names",
            hint="give one clip of each way for each label, and one name for each way",
        )
    clips = [way[i] for i in range(len(labels)) for way in ways]
    titles = [f"{name}: {label}" for label in labels for name in called]
    sheet: Image = contact_sheet(clips, titles, frames=frames, columns=None, cell=cell, captions=True)
    return sheet
