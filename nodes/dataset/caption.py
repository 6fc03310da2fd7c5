"""Captions of clips: a template filled from the columns, what happens told from two frames, or any model."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from graphflow.errors import NodeError, StorageError
from graphflow.node import Context, Origin, node
from graphflow.values import Image, Recipe, Tensor, Video

from .filter import row_of
from .values import Clip, refuse

if TYPE_CHECKING:
    from numpy.typing import NDArray

Caption = Callable[[Video], str]
"""An opened captioner: a few frames of a clip, evenly spread, to text."""

SIDE = 320
FRAMES = 16
"""Frames of a clip that a captioner sees."""

_PARTS = (".values", ".filter", ".reading", ".describe", ".differ", ".objects", ".frames")


class ClipCaptioner(Recipe):
    """Something that tells what a clip shows, such as a vision-language model.

    A pack of its own adds one: a subclass whose `open` gives a `Caption`.
    """


class ChangeCaptioner(ClipCaptioner):
    """Tells what stands out from the background, and what becomes of it. No weights, so no names of
    things."""

    events: bool = True

    def origins(self) -> tuple[Origin, ...]:
        return ()  # no weights: results owe nothing to anybody

    def open(self, device: str) -> Caption:
        return lambda video: change_caption(video.frames.numpy(), self.events)


@node("dataset/change_captioner", fold=True)
def change_captioner(*, events: bool = True) -> ChangeCaptioner:
    """A captioner without weights: "a red circle on the left on a black background; it moves to the
    right". events: tell also what becomes of the first frame, which an effect's own words may do better."""
    return ChangeCaptioner(events=events)


@node("dataset/caption_template", depends=(".values", ".filter"))
def caption_template(
    clips: list[Clip], *, template: Annotated[str, Field(min_length=1, max_length=2000)] = "{caption}"
) -> list[Clip]:
    """Write captions from a template: `{column}` is a column, `{caption}` the caption so far, `{{` a brace.

    A trigger word stands in front of all captions with `TRIGGER {caption}`. Underscores of cells become
    spaces. Raises NodeError for a column that is not there.
    """
    found = []
    for clip in clips:
        if clip.rejected:
            found.append(clip)
            continue
        text = _filled(template, row_of(clip))
        found.append(clip.model_copy(update={"caption": " ".join(text.split())}))
    return found


@node("dataset/caption_clips", depends=_PARTS)
def caption_clips(
    clips: list[Clip], captioner: ClipCaptioner, ctx: Context, *, keep: bool = False
) -> list[Clip]:
    """Write captions by any captioner that is wired, from 16 frames of each clip that no filter has refused.

    keep: leave clips alone that have a caption, such as from a text file beside them.
    A file that cannot be read any more is refused with the reason. Raises NodeError if the captioner gives
    something else than text.
    """
    found = []
    with ctx.use(captioner) as tell:
        for place, clip in enumerate(clips):
            ctx.progress(place, len(clips))
            if clip.rejected or (keep and clip.caption):
                found.append(clip)
                continue
            try:
                frames = frames_of_clip(clip, SIDE)
            except StorageError as error:
                found.append(refuse(clip, "read", error.message))
                continue
            stride = max(1, -(-len(frames) // FRAMES))
            text = tell(Video(frames=frames[::stride], fps=clip.fps / stride))
            if not isinstance(text, str):
                raise NodeError(
                    f"{type(captioner).__name__} gave a {type(text).__name__}, not text",
                    hint="report this to the makers of the captioner's pack",
                )
            found.append(clip.model_copy(update={"caption": text.strip()}))
    return found


def frames_of_clip(clip: Clip, side: int | None = None, fps: float | None = None) -> Tensor:
    """The frames of a clip from its file, without borders: uint8 (frames, height, width, 3).

    side: longer side in pixels, before borders are cut off. Raises StorageError if it cannot be read.
    """
    from .reading import Cut, decode_video

    frames: Tensor = decode_video(
        Path(clip.path), Cut(clip.start, clip.end, fps, side, 100_000), lambda done, total: None
    )[0]
    if clip.crop is None:
        return frames
    down, right = frames.shape[1] / clip.height, frames.shape[2] / clip.width
    top, left, height, width = clip.crop
    rows = slice(round(top * down), max(round(top * down) + 1, round((top + height) * down)))
    columns = slice(round(left * right), max(round(left * right) + 1, round((left + width) * right)))
    inside: Tensor = frames[:, rows, columns].contiguous()
    return inside


def middle_frame(clip: Clip, side: int | None = None) -> Image:
    """The frame in the middle of a clip. Raises StorageError if it cannot be read."""
    middle = (clip.start + clip.end) / 2
    one = clip.model_copy(update={"start": middle, "end": min(clip.end, middle + 1.5 / clip.fps)})
    return Image(pixels=frames_of_clip(one, side)[0].clone())


def change_caption(frames: NDArray[Any], events: bool = True) -> str:
    """What stands out in the first of the frames and, with `events`, what became of it in the last."""
    from .differ import caption, difference, told_as_event
    from .objects import ground_of, things_of

    ground = ground_of(frames)
    first, last = things_of(frames[0], ground), things_of(frames[-1], ground)
    changes = difference(first, last)
    still = caption(first, ground)
    if not events or len(first) > 6 or len(changes) > 3:
        return still
    return "; ".join([still, *(told_as_event(change) for change in changes)])


def _filled(template: str, row: dict[str, Any]) -> str:
    def cell(match: re.Match[str]) -> str:
        if match.group() in ("{{", "}}"):
            return match.group()[0]
        name = match.group(1)
        if name not in row:
            hint = f"there are: {', '.join(sorted(row))}"
            raise NodeError(f"there is no column {name!r}", where="template", hint=hint)
        value = row[name]
        return (
            f"{value:.3g}"
            if isinstance(value, float)
            else ""
            if value is None
            else str(value).replace("_", " ")
        )

    return re.sub(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}", cell, template)
