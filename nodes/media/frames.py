"""Frames in time: pick, take apart, put together, cut, join, change the rate, turn around."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import Alike, Sketch, Unknown, node
from graphflow.values import Image, Video

from .sheet import spread
from .tensors import check_picture, check_video

Fps = Annotated[float, Field(gt=0, le=1000)]

_PARTS = (".tensors",)


def _picked(video: Any) -> Mapping[str, Any] | None:
    return {"out": Sketch(video.width, video.height)} if isinstance(video, Sketch) else None


@node("media/pick_frame", check=_picked, depends=_PARTS)
def pick_frame(video: Video, *, index: int = 0) -> Image:
    """One frame; 0 is the first, -1 the last. Raises NodeError if there is no such frame."""
    check_video(video)
    count = len(video.frames)
    if not -count <= index < count:
        raise NodeError(f"there is no frame {index} in a video of {count}", hint="frames are counted from 0")
    return Image(pixels=video.frames[index].clone())  # a copy: one frame must not keep the whole video alive


@node("media/pick_frames", depends=(*_PARTS, ".sheet"))
def pick_frames(video: Video, *, count: Annotated[int, Field(ge=1)] = 8) -> list[Image]:
    """`count` frames, spread evenly from first to last; all of them if the video has fewer."""
    check_video(video)
    return [Image(pixels=video.frames[i].clone()) for i in spread(len(video.frames), count)]


@node("media/video_to_images", depends=_PARTS)
def video_to_images(video: Video) -> list[Image]:
    """Every frame as an image of its own, in order. Nothing is copied."""
    check_video(video)
    return [Image(pixels=frame) for frame in video.frames]


def _put_together(images: Any, fps: float | Unknown) -> Mapping[str, Any] | None:
    """As large as the first image, like all of them."""
    first = images[0] if isinstance(images, list) and images else None
    if not isinstance(first, Sketch) or isinstance(fps, Unknown):
        return None
    return {"out": replace(first, frames=len(images), fps=fps)}


@node("media/images_to_video", check=_put_together, depends=_PARTS)
def images_to_video(images: list[Image], *, fps: Fps = 16.0) -> Video:
    """A video of images of one size, in order.

    Raises NodeError if there are none, ValueMismatch if their sizes differ.
    """
    import torch

    if not images:
        raise NodeError("there are no images", hint="wire at least one image")
    for image in images:
        check_picture(image.pixels)
    _check_equal("image", [tuple(image.pixels.shape[1::-1]) for image in images])
    return Video(frames=torch.stack([image.pixels for image in images]), fps=fps)


def _trimmed(video: Any, start: int | Unknown, stop: int | Unknown | None) -> Mapping[str, Any] | None:
    if not isinstance(video, Sketch) or isinstance(start, Unknown) or isinstance(stop, Unknown):
        return None
    return {"out": replace(video, frames=len(range(video.frames or 0)[start:stop]))}


@node("media/trim", check=_trimmed, depends=_PARTS)
def trim(video: Video, *, start: int = 0, stop: int | None = None) -> Video:
    """The frames from number `start` to before `stop`; negative numbers count from the end.

    Raises NodeError if no frame is left.
    """
    check_video(video)
    frames = video.frames[start:stop]
    if not len(frames):
        raise NodeError(
            f"no frame of {len(video.frames)} lies from {start} to {stop}", hint="frames are counted from 0"
        )
    return Video(frames=frames.clone(), fps=video.fps)


def _joined(videos: Any) -> Mapping[str, Any] | None:
    """As large and as fast as the first video."""
    if not isinstance(videos, list) or not videos or not all(isinstance(one, Sketch) for one in videos):
        return None
    return {"out": replace(videos[0], frames=sum(one.frames or 0 for one in videos))}


@node("media/concat_videos", check=_joined, depends=_PARTS)
def concat_videos(videos: list[Video], *, rate: Literal["equal", "first"] = "equal") -> Video:
    """One video after the other.

    rate: `equal` refuses videos with other rates than the first; `first` shows all frames at its rate.
    Raises NodeError if there are none, ValueMismatch if their sizes or rates differ.
    """
    import torch

    if not videos:
        raise NodeError("there are no videos", hint="wire at least one video")
    for video in videos:
        check_video(video)
    _check_equal("video", [tuple(video.frames.shape[2:0:-1]) for video in videos])
    if rate == "equal":
        _check_rates(videos)
    return Video(frames=torch.cat([video.frames for video in videos]), fps=videos[0].fps)


def _paced(video: Any, fps: float | Unknown, mode: str | Unknown) -> Mapping[str, Any] | None:
    if not isinstance(video, Sketch) or isinstance(fps, Unknown) or isinstance(mode, Unknown):
        return None
    count = video.frames or 0
    frames = count if mode == "retime" else _resampled(count, video.fps, fps)
    return {"out": replace(video, frames=frames, fps=fps)}


def _resampled(frames: int, rate: float, fps: float) -> int:
    """How many frames a clip has at another rate."""
    return max(1, round(frames * fps / rate))


@node("media/change_fps", check=_paced, depends=_PARTS)
def change_fps(video: Video, *, fps: Fps = 16.0, mode: Literal["resample", "retime"] = "resample") -> Video:
    """Another number of frames a second.

    resample: the motion keeps its speed; frames are left out or repeated (each moment shows the frame of
    that moment). retime: the frames stay, the motion gets faster or slower.
    """
    check_video(video)
    if mode == "retime":
        return Video(frames=video.frames, fps=fps)
    count = _resampled(len(video.frames), video.fps, fps)
    last = len(video.frames) - 1
    picked = [min(last, int(k * video.fps / fps + 1e-6)) for k in range(count)]
    return Video(frames=video.frames[picked], fps=fps)


@node("media/reverse", check=Alike("video"), depends=_PARTS)
def reverse(video: Video) -> Video:
    """The frames from last to first."""
    check_video(video)
    return Video(frames=video.frames.flip(0), fps=video.fps)


def _there_and_back(video: Any) -> Mapping[str, Any] | None:
    if not isinstance(video, Sketch):
        return None
    count = video.frames or 0
    return {"out": replace(video, frames=count + max(0, count - 2))}


@node("media/ping_pong", check=_there_and_back, depends=_PARTS)
def ping_pong(video: Video) -> Video:
    """Forwards, then backwards, so that it repeats without a jump; both ends are shown once."""
    import torch

    check_video(video)
    back = video.frames[1:-1].flip(0)
    return Video(frames=torch.cat([video.frames, back]), fps=video.fps)


def _check_rates(videos: list[Video]) -> None:
    for i, video in enumerate(videos):
        if abs(video.fps - videos[0].fps) > 1e-3:
            raise ValueMismatch(
                f"video {i} has {video.fps:g} fps, video 0 {videos[0].fps:g}",
                hint="use media/change_fps first",
            )


def _check_equal(what: str, sizes: list[tuple[int, ...]]) -> None:
    for i, size in enumerate(sizes):
        if size != sizes[0]:
            raise ValueMismatch(
                f"{what} {i} is {size[0]} x {size[1]}, {what} 0 is {sizes[0][0]} x {sizes[0][1]}",
                hint="use media/resize first",
            )
