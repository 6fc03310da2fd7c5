"""Objects followed through a clip: where each is, how large, of which colour and shape, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .assignment import assign
from .blobs import Blob, blobs_of, foregrounds, parted
from .vision import Array

LIMIT = 1.6
"""Cost from which a piece is another object rather than one seen before."""
SHORT = 2
"""Tracks of fewer frames are dust, unless the clip itself is as short."""
MOST = 16
"""Objects followed at once; the smaller ones are left out."""


@dataclass(frozen=True, slots=True)
class Track:
    """One object. Arrays have a row for each frame of the clip; rows where it was not seen are not numbers.

    place: pixels, (frames, 2). area: pixels. colour: 0..255, (frames, 3). shape: two Hu moments, (frames, 2).
    seen, clipped (it touched the frame's edge) and contact (it touched another object): bool.
    """

    place: Array
    area: Array
    colour: Array
    shape: Array
    seen: Array
    clipped: Array
    contact: Array

    @property
    def first(self) -> int:
        return int(np.flatnonzero(self.seen)[0])

    @property
    def last(self) -> int:
        return int(np.flatnonzero(self.seen)[-1])

    @property
    def whole(self) -> Array:
        """Where all of it was seen by itself, bool (frames,)."""
        return np.asarray(self.seen & ~self.clipped & ~self.contact)

    @property
    def radius(self) -> float:
        """Of a disc of its median area, pixels."""
        return float(np.sqrt(np.nanmedian(self.area) / np.pi))


@dataclass(slots=True)
class _Open:
    """A track that is being made: its blobs by frame, and the frames in which it touched another."""

    blobs: dict[int, Blob] = field(default_factory=dict)
    contacts: set[int] = field(default_factory=set)

    def add(self, frame: int, blob: Blob, contact: bool = False) -> None:
        self.blobs[frame] = blob
        if contact:
            self.contacts.add(frame)

    @property
    def latest(self) -> Blob:
        return self.blobs[max(self.blobs)]

    def expected(self, frame: int) -> tuple[float, float]:
        """Where it should be: straight on if it was seen in the last two frames, else where it was."""
        one, two = self.blobs.get(frame - 1), self.blobs.get(frame - 2)
        if one is not None and two is not None:
            return 2 * one.x - two.x, 2 * one.y - two.y
        return self.latest.x, self.latest.y


def find_tracks(frames: Array, masks: Array | None = None) -> list[Track]:
    """The objects of a clip, uint8 (frames, height, width, 3), in the order in which they appear.

    masks: where they are, uint8 (frames, height, width), 255 inside; else they are what differs from the
    colours along the frame's edges. Linked from frame to frame by place, colour and area so that the whole
    cost is least.
    """
    inside = foregrounds(frames) if masks is None else masks > 127
    open_: list[_Open] = []
    for number, frame in enumerate(frames):
        blobs = blobs_of(frame, inside[number])[:MOST]
        _link(open_, blobs, frame, number)
    least = min(SHORT, len(frames))
    return [_closed(track, len(frames)) for track in open_ if len(track.blobs) >= least]


def _link(open_: list[_Open], blobs: list[Blob], frame: Array, number: int) -> None:
    side = min(frame.shape[:2])
    blobs, waiting = _part_shared(open_, blobs, frame, number)
    if waiting and blobs:
        cost = np.array([[_cost(track, blob, number, side) for blob in blobs] for track in waiting])
        pairs = [(row, column) for row, column in assign(cost) if cost[row, column] < LIMIT]
    else:
        pairs = []
    for row, column in pairs:
        waiting[row].add(number, blobs[column])
    taken = {column for _, column in pairs}
    for column, blob in enumerate(blobs):
        if column not in taken and len(open_) < 4 * MOST:
            open_.append(_Open({number: blob}))


def _part_shared(
    open_: list[_Open], blobs: list[Blob], frame: Array, number: int
) -> tuple[list[Blob], list[_Open]]:
    """Part pieces that hold several tracks, and link those; gives what is left of both."""
    waiting = list(open_)
    left: list[Blob] = []
    for blob in blobs:
        inside = [track for track in waiting if number - 1 in track.blobs and _holds(blob, track, number)]
        together = sum(track.latest.area for track in inside)
        if len(inside) < 2 or blob.area < 0.55 * together:
            left.append(blob)
            continue
        colours = np.stack([track.latest.colour for track in inside]).astype(np.float32)
        places = np.array([track.expected(number) for track in inside])
        for track, part in zip(inside, parted(frame, blob, colours, places), strict=True):
            waiting.remove(track)
            if part is not None:
                track.add(number, part, contact=True)
    return left, waiting


def _holds(blob: Blob, track: _Open, number: int) -> bool:
    """Whether the track is expected inside this piece, or within a pixel or two of it."""
    x, y = (round(value) for value in track.expected(number))
    height, width = blob.pixels.shape
    near = blob.pixels[max(0, y - 2) : min(height, y + 3), max(0, x - 2) : min(width, x + 3)]
    return bool(near.any())


def _cost(track: _Open, blob: Blob, number: int, side: int) -> float:
    x, y = track.expected(number)
    last = track.latest
    far = np.hypot(blob.x - x, blob.y - y) / side
    colour = np.linalg.norm(blob.colour - last.colour) / 120
    growth = abs(np.log(blob.area / last.area))
    return float(3 * far + colour + 0.3 * growth)


def _closed(track: _Open, frames: int) -> Track:
    place, shape = np.full((frames, 2), np.nan), np.full((frames, 2), np.nan)
    area, colour = np.full(frames, np.nan), np.full((frames, 3), np.nan)
    seen, clipped, contact = (np.zeros(frames, bool) for _ in range(3))
    for number, blob in track.blobs.items():
        place[number], area[number] = (blob.x, blob.y), blob.area
        colour[number], shape[number] = blob.colour, blob.shape
        seen[number], clipped[number] = True, blob.clipped
        contact[number] = number in track.contacts
    return Track(place, area, colour, shape, seen, clipped, contact)
