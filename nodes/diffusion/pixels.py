"""Pictures and clips as pipelines take them, and at the size of the clip that is to be made."""

from __future__ import annotations

from typing import Any, Literal

from graphflow.errors import NodeError
from graphflow.values import Image, Video

from .values import Blank

Fit = Literal["cover", "pad", "stretch"]
"""How a picture comes to another shape: what is too much cut off, black bars added, or pulled."""


def pil(content: Image | Blank | None) -> Any:
    """A Pillow picture; black for a blank; None for none."""
    from PIL import Image as Pillow

    if content is None:
        return None
    if isinstance(content, Blank):
        return Pillow.new("RGB", (content.width, content.height))
    return Pillow.fromarray(content.pixels.cpu().contiguous().numpy())


def pils(content: Video | Blank | None) -> list[Any] | None:
    """A Pillow picture for each frame; black for a blank; None for none."""
    from PIL import Image as Pillow

    if content is None:
        return None
    if isinstance(content, Blank):
        return [Pillow.new("RGB", (content.width, content.height))] * content.frames
    return [Pillow.fromarray(frame.cpu().contiguous().numpy()) for frame in content.frames]


def fitted_image(image: Image, width: int, height: int, fit: Fit) -> Image:
    """The picture at another size, in pixels, by Lanczos. Raises NodeError for pixels of a wrong shape."""
    return Image(pixels=_fitted(image.pixels, width, height, fit))


def fitted_video(video: Video, width: int, height: int, frames: int, fit: Fit, where: str) -> Video:
    """The first `frames` frames at another size, in pixels. Raises NodeError if there are too few."""
    import torch

    if len(video.frames) < frames:
        raise NodeError(
            f"the {where} has {len(video.frames)} frames, the clip {frames}",
            where=where,
            hint="make shorter latents, or give a longer video",
        )
    if tuple(video.frames.shape[1:3]) == (height, width):
        return Video(frames=video.frames[:frames], fps=video.fps)
    result = torch.empty((frames, height, width, 3), dtype=torch.uint8)
    for place, frame in zip(result, video.frames[:frames], strict=True):
        place.copy_(_fitted(frame, width, height, fit))
    return Video(frames=result, fps=video.fps)


def _fitted(pixels: Any, width: int, height: int, fit: Fit) -> Any:
    import numpy
    import torch
    from PIL import Image as Pillow
    from PIL import ImageOps

    if pixels.dtype != torch.uint8 or pixels.ndim != 3 or pixels.shape[-1] != 3 or not pixels.numel():
        raise NodeError(f"a picture is uint8 (height, width, 3), not {pixels.dtype} {tuple(pixels.shape)}")
    if tuple(pixels.shape[:2]) == (height, width):
        return pixels
    whole, size = Pillow.fromarray(pixels.cpu().contiguous().numpy()), (width, height)
    lanczos = Pillow.Resampling.LANCZOS
    if fit == "cover":
        whole = ImageOps.fit(whole, size, lanczos)
    elif fit == "pad":
        whole = ImageOps.pad(whole, size, lanczos)
    else:
        whole = whole.resize(size, lanczos)
    return torch.from_numpy(numpy.asarray(whole).copy())
