"""Small help with uint8 frames: what media nodes share, a frame at a time."""

from __future__ import annotations

from typing import Any, Literal

from graphflow.errors import NodeError
from graphflow.values import Image, Tensor, Video

Scaling = Literal["nearest", "lanczos"]


def array_of(pixels: Tensor) -> Any:
    """uint8 (height, width, 3) pixels as a contiguous numpy array, without a copy where possible."""
    return pixels.detach().cpu().contiguous().numpy()


def tensor_of(array: Any) -> Tensor:
    """A numpy uint8 array as a tensor, without a copy where possible (a read-only array is copied)."""
    import numpy
    import torch

    whole = numpy.ascontiguousarray(array)
    return torch.from_numpy(whole if whole.flags.writeable else whole.copy())


def check_picture(pixels: Tensor, what: str = "the image") -> None:
    """Raise NodeError unless pixels are uint8, (height, width, 3), and not empty."""
    import torch

    if pixels.dtype != torch.uint8 or pixels.ndim != 3 or pixels.shape[-1] != 3 or not pixels.numel():
        raise NodeError(
            f"{what} is {pixels.dtype} {tuple(pixels.shape)}, not uint8 (height, width, 3)",
            hint="decode latents into frames first",
        )


def check_video(video: Video) -> None:
    """Raise NodeError unless frames are uint8, (frames, height, width, 3), with at least one frame."""
    if video.frames.ndim != 4 or not len(video.frames):
        raise NodeError(
            f"the video has shape {tuple(video.frames.shape)}, not (frames, height, width, 3)",
            hint="a video needs at least one frame",
        )
    check_picture(video.frames[0], "the video's first frame")


def scaled(array: Any, width: int, height: int, scaling: str) -> Any:
    """A uint8 (height, width, 3) array at another size, by Pillow."""
    import numpy
    from PIL import Image as Pillow

    if array.shape[:2] == (height, width):
        return array
    methods = {
        "nearest": Pillow.Resampling.NEAREST,
        "lanczos": Pillow.Resampling.LANCZOS,
        "area": Pillow.Resampling.BOX,
    }
    return numpy.asarray(Pillow.fromarray(array).resize((width, height), methods[scaling]))


def padded(array: Any, multiple: int) -> Any:
    """An array whose height and width are multiples, its last row and column repeated."""
    import numpy

    height, width = array.shape[:2]
    below, right = -height % multiple, -width % multiple
    return numpy.pad(array, ((0, below), (0, right), (0, 0)), mode="edge") if below or right else array


def frames_of(media: Image | Video) -> Tensor:
    """All frames, (frames, height, width, 3); an image is one frame. Raises NodeError for wrong shapes."""
    if isinstance(media, Image):
        check_picture(media.pixels)
        return media.pixels.unsqueeze(0)
    check_video(media)
    return media.frames
