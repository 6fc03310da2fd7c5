"""What a model is to keep and what to make: a video with grey where it is free, and a mask beside it.

White in the mask is made anew, black is kept; what is to be made is filled with middle grey, as VACE was
trained ("inpainting", "outpainting", "several images to video").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import UNKNOWN, Alike, Sketch, Unknown, node
from graphflow.values import Image, Mask, Tensor, Video

from .frames import GRAY, as_frames, check_same, frames_of, marks_of
from .values import Fps, Frames

Margin = Annotated[int, Field(ge=0, le=8192)]

_PARTS = (".frames", ".values")


class ControlInput(NamedTuple):
    """A control video and its mask, of one size and length."""

    video: Video
    mask: Video


def _foreseen(found: Sketch) -> Mapping[str, Any]:
    return {"video": found, "mask": found}


@node("control/inpaint", check=Alike("video", "video", "mask"), depends=_PARTS)
def inpaint(video: Video, mask: Video | Mask) -> ControlInput:
    """Let a model make anew what is inside the mask and keep the rest.

    A mark over half counts as inside. Raises ValueMismatch if mask and video differ in size or length.
    """
    frames, marks = frames_of(video, "video"), marks_of(mask)
    check_same("mask", frames, marks)
    inside = (marks > 127).expand(len(frames), -1, -1)
    return _control(frames.clone(), inside, video.fps)


def _outpainted(
    video: Any, left: int | Unknown, top: int | Unknown, right: int | Unknown, bottom: int | Unknown
) -> Mapping[str, Any] | None:
    margins: list[Any] = [left, top, right, bottom]
    if not isinstance(video, Sketch) or UNKNOWN in margins:
        return None
    width, height = video.width + margins[0] + margins[2], video.height + margins[1] + margins[3]
    return _foreseen(replace(video, width=width, height=height))


@node("control/outpaint", check=_outpainted, depends=_PARTS)
def outpaint(
    video: Video,
    *,
    left: Margin = 0,
    top: Margin = 0,
    right: Margin = 0,
    bottom: Margin = 0,
    overlap: Margin = 0,
) -> ControlInput:
    """Let a model paint beyond the frame: the video on a larger canvas, whose margins are made anew.

    left, top, right, bottom: new pixels on each side. overlap: so many pixels of the video at each new side
    are made anew too, which hides the seam.
    Raises NodeError if there is no margin, or the overlap leaves nothing of the video.
    """
    import torch

    frames = frames_of(video)
    count, height, width, _ = frames.shape
    if not (left or top or right or bottom):
        raise NodeError("no side has a margin", hint="set left, top, right or bottom")
    shape = (count, top + height + bottom, left + width + right)
    canvas = torch.full((*shape, 3), GRAY, dtype=torch.uint8)
    canvas[:, top : top + height, left : left + width] = frames
    kept = [
        top + (overlap if top else 0),
        top + height - (overlap if bottom else 0),
        left + (overlap if left else 0),
        left + width - (overlap if right else 0),
    ]
    if kept[0] >= kept[1] or kept[2] >= kept[3]:
        raise NodeError(f"an overlap of {overlap} pixels leaves nothing of the video", hint="lower overlap")
    free = torch.ones(shape, dtype=torch.bool)
    free[:, kept[0] : kept[1], kept[2] : kept[3]] = False
    return _control(canvas, free, video.fps)


def _placed(images: Any, frames: int | Unknown, fps: float | Unknown) -> Mapping[str, Any] | None:
    """As large as the first image, like all of them."""
    first = images[0] if isinstance(images, list) and images else None
    if not isinstance(first, Sketch) or isinstance(frames, Unknown) or isinstance(fps, Unknown):
        return None
    return _foreseen(replace(first, frames=frames, fps=fps))


@node("control/place_images", check=_placed, depends=_PARTS)
def place_images(
    images: list[Image], *, indexes: str = "0", frames: Frames = 81, fps: Fps = 16.0
) -> ControlInput:
    """Several images to a video: each image is one frame of it, a model makes the others.

    indexes: the frame of each image, such as `0, 40, -1`; -1 is the last.
    Raises NodeError if there is not one index for each image, one is outside the video or used twice,
    ValueMismatch if the images differ in size.
    """
    import torch

    if not images:
        raise NodeError("there are no images", hint="wire at least one image")
    places = _places(indexes, len(images), frames)
    pictures = [frames_of(image)[0] for image in images]
    for number, picture in enumerate(pictures):
        if picture.shape != pictures[0].shape:
            raise ValueMismatch(
                f"image {number} is {picture.shape[1]} x {picture.shape[0]}, image 0 "
                f"{pictures[0].shape[1]} x {pictures[0].shape[0]}",
                hint="use media/resize first",
            )
    canvas = torch.full((frames, *pictures[0].shape), GRAY, dtype=torch.uint8)
    free = torch.ones(canvas.shape[:3], dtype=torch.bool)
    for place, picture in zip(places, pictures, strict=True):
        canvas[place] = picture
        free[place] = False
    return _control(canvas, free, fps)


def _extended(video: Any, before: int | Unknown, after: int | Unknown) -> Mapping[str, Any] | None:
    if not isinstance(video, Sketch) or isinstance(before, Unknown) or isinstance(after, Unknown):
        return None
    return _foreseen(replace(video, frames=before + (video.frames or 0) + after))


@node("control/extend", check=_extended, depends=_PARTS)
def extend(
    video: Video,
    *,
    before: Annotated[int, Field(ge=0, le=100_000)] = 0,
    after: Annotated[int, Field(ge=0, le=100_000)] = 0,
) -> ControlInput:
    """Let a model make frames before and after a video.

    Raises NodeError if no frames are asked for.
    """
    import torch

    frames = frames_of(video)
    if not before + after:
        raise NodeError("no new frames are asked for", hint="set before or after")
    canvas = torch.full((before + len(frames) + after, *frames.shape[1:]), GRAY, dtype=torch.uint8)
    free = torch.ones(canvas.shape[:3], dtype=torch.bool)
    canvas[before : before + len(frames)] = frames
    free[before : before + len(frames)] = False
    return _control(canvas, free, video.fps)


@node("control/composite", check=Alike("inside"), depends=_PARTS)
def composite(inside: Video, outside: Video, mask: Video | Mask) -> Video:
    """One video inside the mask, another outside; a soft mask mixes them.

    After inpainting it puts the original back where it was to be kept, exactly.
    Raises ValueMismatch if the videos or the mask differ in size or length.
    """
    import torch

    new, old, marks = frames_of(inside, "inside"), frames_of(outside, "outside"), marks_of(mask)
    if new.shape != old.shape:
        raise ValueMismatch(
            f"inside has shape {tuple(new.shape)}, outside {tuple(old.shape)}",
            hint="use media/resize or media/trim first",
        )
    check_same("mask", new, marks)
    result = torch.empty_like(new)
    for place, a, b, m in zip(result, new, old, marks.expand(len(new), -1, -1), strict=True):
        share = m.to(torch.int32).unsqueeze(-1)
        place.copy_((a.to(torch.int32) * share + b.to(torch.int32) * (255 - share) + 127) // 255)
    return Video(frames=result, fps=inside.fps)


def _control(canvas: Tensor, free: Tensor, fps: float) -> ControlInput:
    """`canvas` with grey where it is free, and the mask; the canvas must be one's own."""
    import torch

    canvas[free] = GRAY
    return ControlInput(
        Video(frames=canvas, fps=fps), Video(frames=as_frames(free.to(torch.uint8) * 255), fps=fps)
    )


def _places(indexes: str, images: int, frames: int) -> list[int]:
    words = [word for word in re.split(r"[,\s]+", indexes) if word]
    if len(words) != images:
        raise NodeError(
            f"{images} images have {len(words)} indexes", hint="give one frame number for each image"
        )
    places = []
    for word in words:
        number = int(word) if re.fullmatch(r"-?\d{1,9}", word, re.ASCII) else None
        if number is None or not -frames <= number < frames:
            raise NodeError(
                f"{word[:20]!r} is no frame of {frames}", hint="frames are counted from 0; -1 is the last"
            )
        places.append(number % frames)
    if len(set(places)) < len(places):
        raise NodeError("two images have the same frame", hint="give each image a frame of its own")
    return places
