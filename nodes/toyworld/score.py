"""Reads a scene back from the pixels of a clip: colour, background, shape, motion and size.

Pure measurement, no learnt part: the object is what differs from the colour of its row at the frame's sides,
its shape is the template with the largest overlap, its motion the path of its centroid.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .render import distance
from .world import ATTRIBUTES, BACKGROUNDS, COLORS, RGB, SHAPES, SIZES, Scene

FOREGROUND = 0.2
"""Smallest colour difference (0..1, largest channel) that counts as object in the first look."""
FAINTEST = 0.12
"""The same bound once the object's own contrast is known, of which half must be reached."""
LEAST_PIXELS = 12
"""Objects with fewer pixels count as absent in a frame."""
TRAVEL = 0.1
"""Share of the frame's width an object must travel to count as moving."""
MOST_STRETCH = 1.15
"""Square root of the largest ratio of width and height at which a shape still counts as itself."""
SIZE_BORDER = (SIZES["medium"] + SIZES["large"]) / 2 / 64
"""Radius, as a share of the frame's width, from which an object is large."""

_LIGHT, _SHADE = 0.9, 0.93
"""Mean brightness that the renderer gives to backgrounds and objects."""
_TEMPLATE = 96


@dataclass(frozen=True, slots=True)
class Reading:
    """What a clip shows; empty words where nothing was found.

    `overlap` is the intersection over union of the object with its shape's template (0..1, about 0.95 for a
    clean object), `dx` and `dy` the travel in shares of the width, `radius` the size in the same unit.
    """

    shape: str
    color: str
    background: str
    size: str
    motion: str
    overlap: float = 0.0
    dx: float = 0.0
    dy: float = 0.0
    radius: float = 0.0


@dataclass(frozen=True, slots=True)
class Score:
    """Shares (0..1) of clips whose reading agrees with their scene, by attribute, and the readings."""

    rates: Mapping[str, float]
    readings: tuple[Reading, ...]


def read(clip: Tensor) -> Reading:
    """Read one clip: uint8 frames [T, H, W, 3], or floats [3, T, H, W] in -1..1."""
    video = _normalize(clip)
    rows = _rows(video)
    background = nearest(rows.mean(1) / _LIGHT, BACKGROUNDS)
    loose, mask = _masks(video, rows)
    if len(_seen(loose)) < 3:
        return Reading("", "", background, "", "")
    color = nearest(video[:, loose].median(1).values / _SHADE, COLORS)
    seen = _seen(mask)
    if len(seen) < 3:
        return Reading("", color, background, "", "")
    return _measure(mask, seen, color, background)


def read_picture(frame: Tensor) -> Reading:
    """Read one frame, uint8 [H, W, 3], as a clip that stands still; its motion says nothing."""
    return read(frame[None].expand(3, -1, -1, -1))


def places(clip: Tensor) -> Tensor:
    """Where the object's centre is in each frame, x and y in shares of the width, [T, 2]; not a number in
    frames without one. Clips as in `read`."""
    video = _normalize(clip)
    _, mask = _masks(video, _rows(video))
    x, y = _centers(mask)
    points = torch.stack([x, y], 1) / mask.shape[-1]
    points[mask.flatten(1).sum(1) <= LEAST_PIXELS] = torch.nan
    return points


def path_error(clip: Tensor, path: Tensor) -> float:
    """How far the object is from `path` [T, 2] (shares of the width), the mean over frames; a frame without
    an object counts as half a width."""
    away = (places(clip) - path).square().sum(1).sqrt()
    return float(torch.where(away.isnan(), 0.5, away).mean())


def psnr(frames: Tensor, given: Tensor) -> float:
    """Peak signal-to-noise ratio (dB, at most 99) of uint8 frames against frames of equal shape."""
    error = (frames.float() - given.float()).square().mean() / 255**2
    return min(99.0, float(-10 * torch.log10(error.clamp(min=1e-12))))


def score(clips: Sequence[Tensor] | Tensor, scenes: Sequence[Scene]) -> Score:
    """Read every clip and compare it with its scene."""
    readings = tuple(read(clip) for clip in clips)
    pairs = list(zip(readings, scenes, strict=True))
    rates = {
        name: sum(getattr(r, name) == getattr(s, name) for r, s in pairs) / max(1, len(pairs))
        for name in ATTRIBUTES
    }
    return Score(rates, readings)


def nearest(color: Tensor, table: Mapping[str, RGB]) -> str:
    """The name in `table` whose colour is nearest to `color` [3]."""
    return min(
        table, key=lambda name: float((torch.tensor(table[name], dtype=torch.float32) - color).square().sum())
    )


def _normalize(clip: Tensor) -> Tensor:
    """Any accepted clip as floats [3, T, H, W] in 0..1."""
    if clip.dtype == torch.uint8:
        return clip.permute(3, 0, 1, 2).float() / 255
    return ((clip.float() + 1) / 2).clamp(0, 1)


def _rows(video: Tensor) -> Tensor:
    """Colour of each row at the frame's sides, [3, H], of a video [3, T, H, W]."""
    rows: Tensor = torch.cat([video[..., :2], video[..., -2:]], -1).median(-1).values.median(1).values
    return rows


def _masks(video: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Where the object is, [T, H, W]: at a fixed contrast, and at half of the object's own."""
    difference = (video - rows[:, None, :, None]).abs().amax(0)
    loose = difference > FOREGROUND
    contrast = float(difference[loose].median()) if bool(loose.any()) else 0.0
    return loose, difference > max(FAINTEST, contrast / 2)


def _seen(mask: Tensor) -> Tensor:
    """Indices of the frames in which a mask [T, H, W] has enough pixels."""
    return (mask.flatten(1).sum(1) > LEAST_PIXELS).nonzero().flatten()


def _centers(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Centroids of a mask [T, H, W], x and y in pixels."""
    axis = torch.arange(mask.shape[-1]) + 0.5
    areas = mask.flatten(1).sum(1).float().clamp(min=1)
    return (mask * axis).flatten(1).sum(1) / areas, (mask * axis[:, None]).flatten(1).sum(1) / areas


def _measure(mask: Tensor, seen: Tensor, color: str, background: str) -> Reading:
    """Shape, size and motion of an object mask [T, H, W] on the frames where it was seen."""
    width = mask.shape[-1]
    areas = mask.flatten(1).sum(1).float().clamp(min=1)
    cx, cy = _centers(mask)
    looks = seen[torch.linspace(0, len(seen) - 1, 3, dtype=torch.float32).round().long()]
    overlaps = {
        shape: sum(_overlap(shape, mask[t], float(cx[t]), float(cy[t])) for t in looks) / len(looks)
        for shape in SHAPES
    }
    shape = max(overlaps, key=lambda name: overlaps[name])
    radius = float((areas[seen].median() / _unit_area(shape)).sqrt()) / width
    first, last = seen[:2], seen[-2:]
    dx = float(cx[last].mean() - cx[first].mean()) / width
    dy = float(cy[last].mean() - cy[first].mean()) / width
    size = "large" if radius > SIZE_BORDER else "medium"
    return Reading(shape, color, background, size, _motion(dx, dy), overlaps[shape], dx, dy, radius)


def _motion(dx: float, dy: float) -> str:
    if max(abs(dx), abs(dy)) < TRAVEL:
        return "still"
    if abs(dx) > abs(dy):
        return "right" if dx > 0 else "left"
    return "down" if dy > 0 else "up"


def _overlap(shape: str, mask: Tensor, cx: float, cy: float) -> float:
    """Intersection over union of a mask [H, W] with the template of equal centroid and spread.

    The template may be up to a third wider than high or higher than wide: an oblong box is still a box.
    """
    width, height = _spread(mask, cx, cy)
    unit_width, unit_height = _unit_spread(shape)
    rx, ry = width / unit_width, height / unit_height
    stretch = min(MOST_STRETCH, max(1 / MOST_STRETCH, (rx / ry) ** 0.5))
    radius = (rx * ry) ** 0.5
    axis = torch.arange(mask.shape[-1]) + 0.5
    x = ((axis - cx) / (radius * stretch)).expand(mask.shape)
    y = ((axis[: mask.shape[0], None] - cy) / (radius / stretch)).expand(mask.shape)
    template = distance(shape, x, y) < 0
    return float((template & mask).sum() / (template | mask).sum())


def _spread(mask: Tensor, cx: float, cy: float) -> tuple[float, float]:
    """Standard deviations of a mask's pixels along x and y, in pixels, never zero."""
    axis = torch.arange(mask.shape[-1]) + 0.5
    area = mask.sum()
    x = float((mask * (axis - cx).square()).sum() / area)
    y = float((mask * (axis[: mask.shape[0], None] - cy).square()).sum() / area)
    return max(x, 0.1) ** 0.5, max(y, 0.1) ** 0.5


def _unit_spread(shape: str) -> tuple[float, float]:
    """`_spread` of a shape of radius one."""
    step = 4 / _TEMPLATE
    width, height = _spread(_unit_mask(shape), _TEMPLATE / 2, _TEMPLATE / 2)
    return width * step, height * step


def _unit_area(shape: str) -> float:
    """Area of a shape of radius one."""
    return float(_unit_mask(shape).sum()) * (4 / _TEMPLATE) ** 2


def _unit_mask(shape: str) -> Tensor:
    """A shape of radius one on a grid over -2..2."""
    axis = (torch.arange(_TEMPLATE) + 0.5) / _TEMPLATE * 4 - 2
    return distance(shape, axis.expand(_TEMPLATE, -1), axis[:, None].expand(-1, _TEMPLATE)) < 0
