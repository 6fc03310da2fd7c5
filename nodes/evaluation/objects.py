"""Metrics of followed objects: do they stay whole, of one size, colour and shape, and move as things move?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .clip import Clip, Metric, Reading, Unmeasurable, curve_of
from .flight import Flight, flights_of
from .tracks import Track
from .vision import Array

LEAST = 4
"""Frames in which an object must be seen whole for its changes to be measured."""


def _at_border(track: Track, frame: int, clip: Clip) -> bool:
    """Whether the object may be entering or leaving there: its edge is within a step of the frame's."""
    if track.clipped[frame]:
        return True
    x, y = track.place[frame]
    height, width = clip.frames.shape[1:3]
    gap = min(x, y, width - x, height - y) - track.radius
    steps = np.linalg.norm(np.diff(track.place[track.seen], axis=0), axis=1)
    return bool(gap < 1 + 1.2 * (np.median(steps) if len(steps) else 0))


def _events(clip: Clip) -> list[int]:
    """Frames in which the number of objects changes although nothing enters, leaves or is hidden."""
    frames: list[int] = []
    for track in clip.tracks:
        if track.first > 0 and not _at_border(track, track.first, clip):
            frames.append(track.first)
        if track.last < len(clip) - 1 and not _at_border(track, track.last, clip):
            frames.append(track.last + 1)
        alive = track.seen[track.first : track.last + 1].astype(int)
        frames += [track.first + int(at) + 1 for at in np.flatnonzero(np.diff(alive) == -1)]
    return sorted(frames)


def _count(clip: Clip) -> Reading:
    present = np.sum([track.seen for track in clip.tracks], axis=0)
    events = _events(clip)
    return Reading(float(len(events)), curve_of(present), tuple(events))


def _permanence(clip: Clip) -> Reading:
    """The greatest share of the clip in which an object is missing that was there before."""
    shares, gone = [0.0], np.zeros(len(clip))
    for track in clip.tracks:
        away = ~track.seen
        away[: track.first] = False
        if _at_border(track, track.last, clip):
            away[track.last :] = False
        shares.append(float(away.mean()))
        gone += away
    frames = tuple(int(at) for at in np.flatnonzero(gone)[:1])
    return Reading(1 - max(shares), curve_of(gone), frames)


def _ends(values: Array, track: Track) -> tuple[Array, Array]:
    """Medians over the first and the last quarter of the frames in which the object is seen whole."""
    whole = np.flatnonzero(track.whole)
    quarter = max(1, len(whole) // 6)
    return np.median(values[whole[:quarter]], axis=0), np.median(values[whole[-quarter:]], axis=0)


def _steady(clip: Clip) -> list[Track]:
    """Objects seen whole long enough. Raises Unmeasurable if there is none."""
    found = [track for track in clip.tracks if track.whole.sum() >= LEAST]
    if not found:
        raise Unmeasurable("no object is seen whole for long enough")
    return found


def _worst(found: list[tuple[float, Array]]) -> Reading:
    """The reading of the object that is worst; curves of others are left out."""
    value, curve = max(found, key=lambda one: one[0])
    filled = np.nan_to_num(curve)
    return Reading(value, curve_of(filled), (int(filled.argmax()),))


def _area_drift(clip: Clip) -> Reading:
    def drift(track: Track) -> tuple[float, Array]:
        first, last = _ends(track.area, track)
        sizes = np.abs(np.log(np.where(track.whole, track.area, np.nan) / first))
        return float(abs(np.log(last / first))), sizes

    return _worst([drift(track) for track in _steady(clip)])


def _colour_drift(clip: Clip) -> Reading:
    def drift(track: Track) -> tuple[float, Array]:
        first, last = _ends(track.colour, track)
        away = np.linalg.norm(track.colour - first, axis=1)
        return float(np.linalg.norm(last - first)), np.where(track.whole, away, np.nan)

    return _worst([drift(track) for track in _steady(clip)])


def _shape_jump(clip: Clip) -> Reading:
    """Greatest change of area and of the first two Hu moments between frames, against what is usual."""

    def jumps(track: Track) -> tuple[float, Array]:
        looks = np.column_stack(
            [np.log(track.area), np.log(track.shape[:, 0]), 2 * np.sqrt(track.shape[:, 1])]
        )
        looks[~track.whole] = np.nan
        steps = np.linalg.norm(np.diff(looks, axis=0), axis=1)
        if np.isnan(steps).all():
            return 0.0, np.zeros(len(clip))
        over = (steps - np.nanmedian(steps)).clip(0)
        return float(np.nanmax(over)), np.concatenate([[0.0], over])

    return _worst([jumps(track) for track in _steady(clip)])


def _overlap(clip: Clip) -> Reading:
    """How much of an object is missing while it touches another, at most."""
    lost = np.zeros(len(clip))
    for track in clip.tracks:
        usual = np.median(track.area[track.whole]) if track.whole.any() else np.nanmedian(track.area)
        hidden = np.where(track.contact & ~track.clipped, 1 - track.area / usual, 0.0)
        lost = np.maximum(lost, np.nan_to_num(hidden))
        missing = ~track.seen
        missing[: track.first], missing[track.last :] = False, False
        beside = np.concatenate([track.contact[1:], [False]]) | np.concatenate([[False], track.contact[:-1]])
        lost = np.maximum(lost, (missing & beside).astype(float))
    return Reading(float(lost.max()), curve_of(lost), (int(lost.argmax()),))


def _of_flights(measure: Callable[[Flight, Clip], tuple[float, Array]]) -> Callable[[Clip], Reading]:
    def read(clip: Clip) -> Reading:
        flights = flights_of(clip.tracks, clip.side)
        if not flights:
            raise Unmeasurable("no object is seen whole in enough frames to follow its motion")
        return _worst([measure(flight, clip) for flight in flights])

    return read


def _acceleration(flight: Flight, clip: Clip) -> tuple[float, Array]:
    jumps = 100 * flight.jumps / clip.side
    return float(np.nanmax(jumps, initial=0)), jumps


def _ballistic(flight: Flight, clip: Clip) -> tuple[float, Array]:
    away = 100 * flight.misses / clip.side
    return float(np.sqrt(np.nanmean(np.square(away)))), away


def _energy(flight: Flight, clip: Clip) -> tuple[float, Array]:
    return flight.energy_gain, np.zeros(len(clip))


METRICS = (
    Metric(
        "object_count",
        "lower",
        "events",
        "objects that appear, vanish or divide inside the frame",
        ("vanish", "split"),
        _count,
    ),
    Metric(
        "object_permanence",
        "higher",
        "share of frames",
        "objects that are gone although they did not leave the frame",
        ("vanish",),
        _permanence,
    ),
    Metric(
        "object_area",
        "lower",
        "log ratio",
        "objects that grow or shrink from the first frames to the last; so does one that comes nearer",
        ("grow",),
        _area_drift,
    ),
    Metric(
        "object_colour",
        "lower",
        "levels of 255",
        "objects that change their colour from the first frames to the last",
        ("morph",),
        _colour_drift,
    ),
    Metric(
        "object_shape",
        "lower",
        "log ratio",
        "objects whose outline changes at once, as when a part is lost; a proxy for deformity",
        ("part_loss",),
        _shape_jump,
    ),
    Metric(
        "object_overlap",
        "lower",
        "share of area",
        "solid objects that enter each other, in scenes seen from the side where none passes behind another",
        ("penetration",),
        _overlap,
    ),
    Metric(
        "object_acceleration",
        "lower",
        "% of the short side a frame^2",
        "objects that jump or change speed at once, where they touch nothing",
        ("teleport", "speed_jump"),
        _of_flights(_acceleration),
    ),
    Metric(
        "object_ballistic",
        "lower",
        "% of the short side",
        "free objects that do not move with one constant acceleration between two contacts",
        ("floaty", "teleport", "speed_jump"),
        _of_flights(_ballistic),
    ),
    Metric(
        "object_energy",
        "lower",
        "share",
        "objects that bounce off with more energy than they came with; 0 without gravity or bounces",
        ("energy_gain",),
        _of_flights(_energy),
    ),
)
