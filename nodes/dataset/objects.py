"""Objects before a background: where they are, what colour and shape they have. No weights, so no names of
things.

It works where an object stands out from what is behind it: a plain or smoothly lit background, or a camera
that stands still. Elsewhere it finds nothing or pieces, and whoever asks says `unclear`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy
from numpy.typing import NDArray

from .frames import Floats, peak

STANDS_OUT = 26.0
"""Grey levels of the largest channel that part an object from the background."""
PLAIN = 12.0
PLAIN_SHARE = 0.5
"""A background is plain if a smooth surface comes this near to so much of every frame."""
SMALLEST = 0.002
"""Share of the frame; less is noise."""
MOST_OBJECTS = 12
LOOKED_AT = 2000
"""Pixels that a smooth background is fitted to."""
MOST_FRAMES = 15
"""Frames that a background is made from."""


@dataclass(frozen=True)
class Thing:
    """One object of one frame. Places and lengths in shares of the frame's width and height."""

    x: float
    y: float
    area: float
    """Share of the frame."""
    mass: float
    """Sum of how far its pixels stand out, in frames of full white."""
    rgb: tuple[float, float, float]
    """Typical colour, 0..255."""
    colour: str
    shape: str
    """circle, square, triangle, or object if it is none of them or cut off by the frame's edge."""
    whole: bool
    """Not cut off by the frame's edge."""

    @property
    def contrast(self) -> float:
        """How far it stands out, grey levels."""
        return 255 * self.mass / self.area

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.colour} {self.shape}"


@dataclass(frozen=True)
class Ground:
    """What is behind the objects: a picture, float (height, width, 3), and whether it is a smooth surface."""

    pixels: Floats
    plain: bool

    @property
    def colour(self) -> str:
        """The name of its typical colour, as if it were lit fully."""
        middle = numpy.median(self.pixels[: max(1, len(self.pixels) // 3)].reshape(-1, 3), axis=0)
        return colour_name(middle)


def ground_of(frames: NDArray[Any]) -> Ground:
    """The background of frames of one shot, uint8 (frames, height, width, 3).

    A smooth surface, if one fits most of every frame: then a single frame is enough, and what never moves is
    an object all the same. Else the median over time.
    """
    few = frames[numpy.unique(numpy.linspace(0, len(frames) - 1, MOST_FRAMES).round().astype(int))]
    surface = _surface(few[:: max(1, len(few) // 3)])
    near = peak(numpy.abs(few.astype(numpy.float32) - surface)) < PLAIN
    if near.mean(axis=(1, 2)).min() > PLAIN_SHARE:
        return Ground(surface, True)
    return Ground(numpy.median(few, axis=0).astype(numpy.float32), False)


def _surface(frames: NDArray[Any]) -> Floats:
    """Colours as quadratic functions of the place, fitted to what most pixels agree on."""
    count, height, width = frames.shape[:3]
    y, x = numpy.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    terms = numpy.stack([numpy.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).reshape(-1, 6)
    places = numpy.arange(0, count * height * width, max(1, count * height * width // LOOKED_AT))
    rows = terms[places % (height * width)]
    wanted = frames.reshape(-1, 3)[places].astype(numpy.float64)
    rest = peak(numpy.abs(wanted - _most_common(wanted)))
    for limit in (60.0, 40.0, 24.0, 16.0, 12.0, 12.0):
        use = rest < limit
        if use.sum() < 60:
            break
        few = rows[use]
        fit = numpy.linalg.solve(few.T @ few + 1e-6 * numpy.eye(6), few.T @ wanted[use])
        rest = peak(numpy.abs(wanted - rows @ fit))
    else:
        smooth = (terms @ fit).reshape(height, width, 3).clip(0, 255)
        return numpy.asarray(smooth, dtype=numpy.float32)
    return numpy.asarray(numpy.broadcast_to(_most_common(wanted), (height, width, 3)), dtype=numpy.float32)


def _most_common(colours: NDArray[Any]) -> NDArray[Any]:
    """The mean of the most frequent colours, in cells of 64 levels."""
    cells = (colours // 64).astype(int) @ (1, 8, 64)
    best = numpy.bincount(cells).argmax()
    return numpy.asarray(colours[cells == best].mean(axis=0))


def things_of(frame: NDArray[Any], ground: Ground) -> list[Thing]:
    """The objects of one frame, largest first. frame: uint8 (height, width, 3)."""
    away = peak(numpy.abs(frame.astype(numpy.float32) - ground.pixels))
    mask = (away > STANDS_OUT).astype(numpy.uint8)
    count, labels, stats, centres = cv2.connectedComponentsWithStats(mask, connectivity=8)
    found = []
    size = mask.size
    for label in range(1, count):
        area = int(stats[label, cv2.CC_STAT_AREA])
        if area < max(6, SMALLEST * size):
            continue
        inside = labels == label
        found.append(_thing(frame, away, inside, stats[label], centres[label], area))
    return sorted(found, key=lambda thing: -thing.area)[:MOST_OBJECTS]


def mass_of(frames: NDArray[Any], ground: Ground) -> Floats:
    """How much stands out of the background in each frame, in frames of full white: it fades and grows
    slowly."""
    away = peak(numpy.abs(frames.astype(numpy.float32) - ground.pixels))
    away[away < STANDS_OUT / 3] = 0
    return numpy.asarray(away.mean(axis=(1, 2)) / 255, dtype=numpy.float32)


def _thing(
    frame: NDArray[Any],
    away: Floats,
    inside: NDArray[Any],
    stats: NDArray[Any],
    centre: NDArray[Any],
    area: int,
) -> Thing:
    height, width = inside.shape
    left, top, wide, high = (int(v) for v in stats[:4])
    whole = left > 0 and top > 0 and left + wide < width and top + high < height
    core = cv2.erode(inside.astype(numpy.uint8), numpy.ones((3, 3), numpy.uint8)).astype(bool)
    colours = frame[core if core.any() else inside]
    rgb = numpy.median(colours, axis=0)
    return Thing(
        x=float((centre[0] + 0.5) / width),
        y=float((centre[1] + 0.5) / height),
        area=area / inside.size,
        mass=float(away[inside].sum() / (255 * inside.size)),
        rgb=(float(rgb[0]), float(rgb[1]), float(rgb[2])),
        colour=colour_name(rgb),
        shape=_shape(inside[top : top + high, left : left + wide], area) if whole else "object",
        whole=whole,
    )


def _shape(inside: NDArray[Any], area: int) -> str:
    """By how much of its box it fills: a square all, a circle pi / 4, a triangle half of it."""
    high, wide = inside.shape
    if not 0.75 < wide / high < 1.34 or area < 20:
        return "object"
    fill = area / (high * wide)
    if fill > 0.92:
        return "square"
    if fill > 0.68:
        return "circle"
    return "triangle" if fill > 0.4 and _narrows(inside) else "object"


def _narrows(inside: NDArray[Any]) -> bool:
    """Whether its rows or columns get steadily longer towards one side."""
    for counts in (inside.sum(axis=1), inside.sum(axis=0)):
        third = max(1, len(counts) // 3)
        first, last = counts[:third].mean(), counts[-third:].mean()
        if max(first, last) > 2.2 * max(0.5, min(first, last)):
            return True
    return False


def colour_name(rgb: NDArray[Any]) -> str:
    """The plainest name of a colour, 0..255: one of the eleven that English has a single word for."""
    red, green, blue = (float(v) / 255 for v in rgb)
    value, low = max(red, green, blue), min(red, green, blue)
    saturation = (value - low) / value if value else 0.0
    if value < 0.15:
        return "black"
    if saturation < 0.2:
        return "white" if value > 0.72 else "gray"
    span = value - low
    if value == red:
        hue = 60 * ((green - blue) / span % 6)
    elif value == green:
        hue = 60 * ((blue - red) / span + 2)
    else:
        hue = 60 * ((red - green) / span + 4)
    if hue < 15 or hue >= 320:
        return "pink" if saturation < 0.5 and value > 0.6 else "red"
    if hue < 42:
        return "brown" if value < 0.62 else "orange"
    if hue < 70:
        return "yellow"
    if hue < 170:
        return "green"
    return "blue" if hue < 258 else "purple"
