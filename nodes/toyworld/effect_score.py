"""How strongly an effect befell the object of a clip, read from pixels. Pure measurement, nothing learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from graphflow.node import node
from graphflow.values import Video

if TYPE_CHECKING:
    from torch import Tensor

FOREGROUND = 0.2
"""Least difference (0..1, any channel) of an object's pixel from the background of its row."""
LEAST_PIXELS = 12
"""Objects with fewer pixels count as absent."""


@node("toyworld/effect_strength", depends=(".effects",))
def effect_strength(video: Video, *, effect: Literal["cakeify", "dissolve"] = "cakeify") -> float:
    """How strongly an effect befalls the object of a toy world clip, 0..1; 0 is not at all.

    cakeify: the share of the object that shows cake in the last third of the clip and showed none in the
    first.
    dissolve: how much of the object is gone from its largest piece in the last third.
    A clip of at least three frames; one whose first frames show no object scores 0.
    """
    return cake_strength(video.frames) if effect == "cakeify" else dissolve_strength(video.frames)


def cake_strength(clip: Tensor) -> float:
    """clip: uint8 frames (frames, height, width, 3). A pixel of the object shows cake if its colour is
    nearer to a cake's than to the object's own in the first frames and to the background."""
    import torch

    from .effects import LAYERS

    frames, rows, objects = _parted(clip)
    third = max(1, len(frames) // 3)
    if not bool(objects[:third].any()):
        return 0.0
    palette = torch.tensor([*LAYERS.values()], dtype=torch.float32)
    paint = frames[:third][objects[:third]].median(0).values
    known = torch.cat([palette, paint[None], rows])

    def share(part: slice) -> float:
        seen = frames[part][objects[part]]
        return float((torch.cdist(seen, known).argmin(1) < len(palette)).float().mean()) if len(seen) else 0.0

    return max(0.0, share(slice(-third, None)) - share(slice(0, third)))


def dissolve_strength(clip: Tensor) -> float:
    """clip: uint8 frames (frames, height, width, 3)."""
    import cv2

    _, _, objects = _parted(clip)
    third = max(1, len(objects) // 3)
    sizes = []
    for mask in objects.byte().numpy():
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
        sizes.append(float(stats[1:, cv2.CC_STAT_AREA].max()) if len(stats) > 1 else 0.0)
    before = max(sizes[:third])
    return 0.0 if before < LEAST_PIXELS else max(0.0, 1 - sum(sizes[-third:]) / third / before)


def _parted(clip: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Frames in 0..1, the background's colour by row (height, 3), and where an object is."""
    import torch

    frames = clip.float() / 255
    sides = torch.cat([frames[:, :, :2], frames[:, :, -2:]], 2)
    rows = sides.median(2).values.median(0).values
    return frames, rows, (frames - rows[None, :, None]).abs().amax(-1) > FOREGROUND
