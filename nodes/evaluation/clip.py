"""A clip under the magnifying glass: what several metrics need of it is computed once, when first asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from .classic_flow import grey, pair_flow
from .tracks import Track, find_tracks
from .values import Direction
from .vision import Array, lengths, luma, warped


class Unmeasurable(Exception):
    """A metric has nothing to say about this clip; the text says why."""


class Reading(NamedTuple):
    """What a metric says of one clip: its value, the same over time, frames to look at."""

    value: float
    curve: tuple[float, ...] = ()
    frames: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric, what it claims, and how it is computed from a clip."""

    name: str
    direction: Direction
    unit: str
    claims: str
    sees: tuple[str, ...]
    """Defects of the bench that it must tell from clean clips."""
    measure: Callable[[Clip], Reading]
    """Raises Unmeasurable where it has nothing to say."""


class Motion(NamedTuple):
    """Flow of a clip, float32 (pairs, height, width, 2); see `values.Flow`."""

    forward: Array
    backward: Array
    wide_forward: Array
    wide_backward: Array


class Clip:
    """One clip, uint8 (frames, height, width, 3), and what is known of it.

    motion: flow by another model than the built-in one. masks: where the objects are, uint8 (frames, height,
    width), if somebody knows.
    """

    def __init__(
        self, frames: Array, fps: float, motion: Motion | None = None, masks: Array | None = None
    ) -> None:
        self.frames = frames
        self.fps = fps
        self.masks = masks
        self._motion = motion

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def side(self) -> int:
        """The shorter side in pixels: the measure of all lengths."""
        return int(min(self.frames.shape[1:3]))

    @cached_property
    def grey(self) -> Array:
        """Brightness, uint8 (frames, height, width)."""
        return grey(self.frames)

    @cached_property
    def luma(self) -> Array:
        """Brightness, float32 (frames, height, width), 0..255."""
        return luma(self.frames)

    @cached_property
    def motion(self) -> Motion:
        """Flow by dense inverse search, unless another was given. Raises Unmeasurable for one frame."""
        if len(self) < 2:
            raise Unmeasurable("one frame has no motion")
        if self._motion is not None:
            return self._motion
        between, planes = pair_flow(), self.grey
        even = planes[::2]
        none = np.zeros((0, *planes.shape[1:], 2), np.float32)

        def along(first: Array, second: Array) -> Array:
            pairs = zip(first, second, strict=True)
            return np.stack([between(a, b) for a, b in pairs]) if len(first) else none

        return Motion(
            along(planes[:-1], planes[1:]),
            along(planes[1:], planes[:-1]),
            along(even[:-1], even[1:]),
            along(even[1:], even[:-1]),
        )

    @cached_property
    def matched(self) -> Array:
        """Where forward and backward flow agree, bool (pairs, height, width).

        |f + b'|^2 < 0.01 (|f|^2 + |b'|^2) + 0.5, with b' the backward flow where f points: Sundaram, Brox and
        Keutzer 2010.
        """
        forward, backward, *_ = self.motion
        back = np.stack([warped(b, f) for f, b in zip(forward, backward, strict=True)])
        gap = np.square(forward + back).sum(-1)
        room = np.square(forward).sum(-1) + np.square(back).sum(-1)
        return np.asarray(gap < 0.01 * room + 0.5)

    @cached_property
    def speeds(self) -> Array:
        """Length of the forward flow, pixels, (pairs, height, width)."""
        return lengths(self.motion.forward)

    @cached_property
    def tracks(self) -> list[Track]:
        """The objects, followed. Raises Unmeasurable if there is none."""
        tracks = find_tracks(self.frames, self.masks)
        if not tracks:
            raise Unmeasurable("no object stands out from the background")
        return tracks


def curve_of(values: Array) -> tuple[float, ...]:
    """A curve as a measurement stores it."""
    return tuple(round(float(value), 6) for value in values)


def worst_frames(values: Array, offset: int = 0, count: int = 1) -> tuple[int, ...]:
    """The places of the `count` greatest values, in order, each moved by `offset`."""
    order = np.argsort(-values, kind="stable")[:count]
    return tuple(int(place) + offset for place in np.sort(order))
