"""Frames in space, for images and videos alike: resize, crop, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import UNKNOWN, Sketch, Unknown, node
from graphflow.values import Image, Tensor, Video

from .tensors import array_of, frames_of, scaled, tensor_of

P = TypeVar("P", Image, Video)

Side = Annotated[int, Field(ge=1, le=16_384)]

_PARTS = (".tensors",)


def _resized_to(
    media: Any, width: int | Unknown | None, height: int | Unknown | None
) -> Mapping[str, Any] | None:
    asked: list[Any] = [width, height]
    if not isinstance(media, Sketch) or UNKNOWN in asked:
        return None
    rows, columns = _target(media.height, media.width, *asked)
    return {"out": replace(media, width=columns, height=rows)}


@node("media/resize", check=_resized_to, depends=_PARTS)
def resize(
    media: P,
    *,
    width: Side | None = None,
    height: Side | None = None,
    fit: Literal["stretch", "cover"] = "stretch",
    scaling: Literal["lanczos", "nearest", "area"] = "lanczos",
) -> P:
    """An image or video at another size, in pixels; a missing width or height keeps the proportions.

    fit: `cover` keeps the proportions and cuts off what is too much on both sides.
    scaling: `lanczos` for pictures, `nearest` for sharp pixels, `area` to make much smaller.
    """
    frames = frames_of(media)
    rows, columns = frames.shape[1:3]
    target = _target(rows, columns, width, height)
    kept = _centre(frames, target) if fit == "cover" else frames
    return _with_frames(media, _resized(kept, *target, scaling))


def _cropped(
    media: Any,
    left: int | Unknown,
    top: int | Unknown,
    width: int | Unknown | None,
    height: int | Unknown | None,
) -> Mapping[str, Any] | None:
    asked: list[Any] = [left, top, width, height]
    if not isinstance(media, Sketch) or UNKNOWN in asked:
        return None
    across, down = asked[2] or media.width - asked[0], asked[3] or media.height - asked[1]
    return {"out": replace(media, width=across, height=down)}


@node("media/crop", check=_cropped, depends=_PARTS)
def crop(
    media: P,
    *,
    left: Annotated[int, Field(ge=0)] = 0,
    top: Annotated[int, Field(ge=0)] = 0,
    width: Side | None = None,
    height: Side | None = None,
) -> P:
    """A rectangle of an image or video, in pixels; a missing width or height reaches to the edge.

    Raises NodeError if it does not lie inside the frames.
    """
    frames = frames_of(media)
    rows, columns = frames.shape[1:3]
    right = columns if width is None else left + width
    bottom = rows if height is None else top + height
    if not (left < right <= columns and top < bottom <= rows):
        raise NodeError(
            f"{left}..{right} x {top}..{bottom} is not inside {columns} x {rows}",
            hint="choose a smaller rectangle",
        )
    return _with_frames(media, frames[:, top:bottom, left:right].clone())


@node("media/side_by_side", depends=_PARTS)
def side_by_side(
    items: list[P],
    *,
    direction: Literal["right", "down"] = "right",
    gap: Annotated[int, Field(ge=0, le=1024)] = 0,
) -> P:
    """Several images or several videos on one, to compare them; `gap` black pixels between.

    Smaller ones are filled up with black; a shorter video holds its last frame.
    Raises NodeError if there are none, ValueMismatch for videos with different rates or mixed kinds.
    """
    import torch

    if not items:
        raise NodeError("there is nothing to show", hint="wire at least one image or video")
    if len({type(item) for item in items}) > 1:
        raise ValueMismatch("images and videos cannot stand side by side", hint="wire one kind")
    if len({item.fps for item in items if isinstance(item, Video)}) > 1:
        raise ValueMismatch("the videos have different rates", hint="use media/change_fps first")
    parts = [frames_of(item) for item in items]
    along, across = (2, 1) if direction == "right" else (1, 2)
    shape = [0, 0, 0, 3]
    shape[0] = max(len(part) for part in parts)
    shape[along] = sum(part.shape[along] for part in parts) + gap * (len(parts) - 1)
    shape[across] = max(part.shape[across] for part in parts)
    canvas = torch.zeros(shape, dtype=torch.uint8)
    at = 0
    for part in parts:
        place = canvas.narrow(along, at, part.shape[along]).narrow(across, 0, part.shape[across])
        place[: len(part)] = part
        place[len(part) :] = part[-1]
        at += part.shape[along] + gap
    return _with_frames(items[0], canvas)


def _with_frames(media: P, frames: Tensor) -> P:
    changed = {"pixels": frames[0]} if isinstance(media, Image) else {"frames": frames}
    return media.model_copy(update=changed)


def _target(rows: int, columns: int, width: int | None, height: int | None) -> tuple[int, int]:
    """The new height and width. Raises NodeError if neither is asked for."""
    if width is None and height is None:
        raise NodeError("neither width nor height is set", hint="set one or both")
    if width is None:
        assert height is not None
        return height, max(1, round(columns * height / rows))
    return height or max(1, round(rows * width / columns)), width


def _centre(frames: Tensor, target: tuple[int, int]) -> Tensor:
    """The largest middle part with the proportions of `target`."""
    rows, columns = frames.shape[1:3]
    height = min(rows, max(1, round(columns * target[0] / target[1])))
    width = min(columns, max(1, round(rows * target[1] / target[0])))
    top, left = (rows - height) // 2, (columns - width) // 2
    return frames[:, top : top + height, left : left + width]


def _resized(frames: Tensor, height: int, width: int, scaling: str) -> Tensor:
    import torch

    result = torch.empty((len(frames), height, width, 3), dtype=torch.uint8)
    for place, frame in zip(result, frames, strict=True):
        array: Any = scaled(array_of(frame), width, height, scaling)
        place.copy_(tensor_of(array))
    return result
