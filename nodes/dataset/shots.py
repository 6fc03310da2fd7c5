"""Where one shot ends and the next begins: three detectors that need no weights."""

from __future__ import annotations

from typing import Any

import cv2
import numpy
from numpy.typing import NDArray

from .frames import Floats, hsv, luma
from .hashing import bits, hamming
from .settings import Method

LOOK = 80
"""Pixels of the longer side that are looked at for changes of colour; more say the same."""
CONTENT = 27.0
"""Mean change of hue, saturation and value (each on 0..255) that PySceneDetect's content detector calls a
cut."""
ADAPTIVE_RATIO = 3.0
ADAPTIVE_FLOOR = 15.0
ADAPTIVE_WINDOW = 2
"""PySceneDetect's adaptive detector: a change three times that of the two frames on each side, and above a
floor."""
HASH_SIDE = 16
HASH = 0.395
"""Share of differing bits of a perceptual hash of 16 x 16 bits that PySceneDetect's hash detector calls a
cut."""


def changes(frames: NDArray[Any]) -> Floats:
    """How much each frame differs from the one before: mean change of hue, saturation and value, 0..255.

    frames: uint8 (frames, height, width, 3). The first entry is 0. Hue goes round: 359 is near 0, and it
    counts only as far as both pixels have a colour and are not black.
    """
    stride = max(1, max(frames.shape[1:3]) // LOOK)
    found = numpy.zeros(len(frames), dtype=numpy.float32)
    before = hsv(frames[0, ::stride, ::stride])
    vivid = _vividness(before)
    for place in range(1, len(frames)):
        now = hsv(frames[place, ::stride, ::stride])
        vivid_now = _vividness(now)
        apart = cv2.absdiff(now, before)
        turn = numpy.minimum(apart[..., 0], 360 - apart[..., 0])
        hue = (turn * numpy.minimum(vivid, vivid_now)).mean() * (255 / 180)
        _, saturation, value, _ = cv2.mean(apart)
        found[place] = (hue + 255 * (saturation + value)) / 3
        before, vivid = now, vivid_now
    return found


def _vividness(pixels: Floats) -> Floats:
    """How much the hue of each pixel means, 0..1: nothing where it is grey or black."""
    return numpy.asarray(numpy.minimum(1, 2 * pixels[..., 1] * pixels[..., 2]), dtype=numpy.float32)


def cuts(frames: NDArray[Any], method: Method = "content", shortest: int = 1) -> list[int]:
    """Numbers of the frames that begin a new shot, without 0; shots have at least `shortest` frames."""
    if method == "hash":
        codes = bits(luma(frames), HASH_SIDE)
        strong = hamming(codes[1:], codes[:-1]) / codes.shape[1] >= HASH
        found = [place + 1 for place in numpy.flatnonzero(strong).tolist()]
    else:
        found = of_changes(changes(frames), method)
    return _spaced(found, len(frames), shortest)


def of_changes(change: Floats, method: Method = "content") -> list[int]:
    """The cuts that `changes` tell of."""
    if method == "content":
        return [int(place) for place in numpy.flatnonzero(change >= CONTENT)]
    found = []
    for place in range(1, len(change)):
        low = max(1, place - ADAPTIVE_WINDOW)
        around = numpy.concatenate([change[low:place], change[place + 1 : place + 1 + ADAPTIVE_WINDOW]])
        usual = float(around.mean()) if len(around) else 0.0
        if change[place] >= ADAPTIVE_FLOOR and change[place] >= ADAPTIVE_RATIO * usual:
            found.append(place)
    return found


def _spaced(found: list[int], count: int, shortest: int) -> list[int]:
    """Cuts that leave `shortest` frames to each side of them; the later of two that are too near goes."""
    good: list[int] = []
    for place in found:
        if place - (good[-1] if good else 0) >= shortest and count - place >= shortest:
            good.append(place)
    return good
