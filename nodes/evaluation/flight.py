"""The motion of one object between contacts: free flights under one acceleration, and breaks of it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from .tracks import Track
from .vision import Array

LEAST_FRAMES = 6
"""Frames seen whole, below which nothing is said of a motion."""
LEAST_SEGMENT = 3


@dataclass(frozen=True, slots=True)
class Flight:
    """One object's motion; arrays have a row for each frame, not numbers where nothing can be said.

    gravity: the one acceleration that all its free flights share, pixels a frame^2, (2,).
    jumps: length of the acceleration beyond that, where the object touches nothing, pixels a frame^2.
    misses: distance from the fitted free flights, pixels. contacts: first frames after a contact.
    energy_gain: greatest growth of energy at a bounce, as a share of the greatest energy of motion.
    """

    gravity: Array
    jumps: Array
    misses: Array
    contacts: tuple[int, ...]
    energy_gain: float


def flights_of(tracks: list[Track], side: int) -> list[Flight]:
    """The motion of every object that is seen whole for long enough. side: of the frame, pixels."""
    found = []
    for number, track in enumerate(tracks):
        if track.whole.sum() >= LEAST_FRAMES:
            found.append(_flight(track, _near_others(track, tracks[:number] + tracks[number + 1 :]), side))
    return found


def _near_others(track: Track, others: list[Track]) -> Array:
    """Frames in which it touches another object or may have since the frame before; bool (frames,)."""
    near = track.contact.copy()
    for other in others:
        gap = np.linalg.norm(track.place - other.place, axis=1) - track.radius - other.radius
        speed = np.abs(np.diff(gap, prepend=np.nan))
        with np.errstate(invalid="ignore"):
            near |= gap < np.nan_to_num(speed) + 0.15 * track.radius
    return np.asarray(near)


def _flight(track: Track, near: Array, side: int) -> Flight:
    place = np.where((track.seen & ~track.clipped)[:, None], track.place, np.nan)
    contacts = _contacts(place, near, side)
    gravity, segments, misses = _fit(place, contacts)
    jumps = np.full(len(place), np.nan)
    bends = place[2:] - 2 * place[1:-1] + place[:-2]
    usual = _middle(bends)
    jumps[1:-1] = np.linalg.norm(bends - usual, axis=1)
    for at in contacts:  # the frame before a contact and the one after both bend
        jumps[max(0, at - 2) : at + 2] = np.nan
    jumps[near] = np.nan
    return Flight(gravity, jumps, misses, contacts, _gain(segments, gravity, near, side))


def _contacts(place: Array, near: Array, side: int) -> tuple[int, ...]:
    """First frames after a bounce: the speed along one axis turns for good, or another object was near.

    A jump to another place and on, as before, is no contact.
    """
    steps = _without_leaps(np.diff(place, axis=0), side)
    found: list[int] = [int(at) for at in np.flatnonzero(near[1:] & ~near[:-1]) + 1]
    found += [int(at) for at in np.flatnonzero(~near[1:] & near[:-1]) + 1]
    floor = 0.004 * side
    bends = np.diff(steps, axis=0)
    usual = _middle(np.abs(bends))
    for at in range(2, len(steps) - 1):
        before, after = steps[at - 2 : at - 1].mean(0), steps[at + 1 : at + 2].mean(0)
        bend = np.abs(after - before)
        turned = (before * after < 0) & (np.minimum(np.abs(before), np.abs(after)) > floor)
        if (turned & (bend > 6 * usual + floor)).any():
            found.append(_turning(bends, at) + 1)
    found += _unclear_ends(steps, floor)
    return tuple(_merged(found))


def _without_leaps(steps: Array, side: int) -> Array:
    """Steps in which a step to elsewhere and on as before is replaced by the mean of its neighbours."""
    clean = steps.copy()
    for at in range(1, len(steps) - 1):
        before, after = clean[at - 1], steps[at + 1]
        away = np.linalg.norm(steps[at] - (before + after) / 2)
        if away > np.linalg.norm(after - before) + 0.01 * side:
            clean[at] = (before + after) / 2
    return clean


def _unclear_ends(steps: Array, floor: float) -> list[int]:
    """The first or last frame, if the speed changes there: too late to tell a contact from a jump."""
    bends = np.diff(steps, axis=0)
    away = np.abs(bends - _middle(bends))
    usual = 6 * _middle(away) + floor
    ends = ((1, 0), (len(steps), len(bends) - 1))
    return [frame for frame, at in ends if (away[at] > usual).any()]


def _turning(bends: Array, at: int) -> int:
    """The step within which the motion turns, near step `at`: the one that bends most on its two sides."""
    away = np.nan_to_num(np.linalg.norm(bends - _middle(bends), axis=1))
    near = range(max(1, at - 1), min(len(bends) - 1, at + 1) + 1)
    return max(near, key=lambda step: float(away[step - 1] + away[step]))


def _middle(rows: Array) -> Array:
    """The median row of those that are numbers; zeros if none is."""
    known = rows[np.isfinite(rows).all(1)]
    return np.asarray(np.median(known, axis=0) if len(known) else np.zeros(rows.shape[1]))


def _merged(places: list[int]) -> list[int]:
    """Neighbouring places are one."""
    kept: list[int] = []
    for place in sorted(set(places)):
        if not kept or place > kept[-1] + 1:
            kept.append(place)
    return kept


@dataclass(frozen=True, slots=True)
class _Segment:
    """A free flight: frames first..last, and place and velocity at frame `first`."""

    first: int
    last: int
    place: Array
    velocity: Array


def _fit(place: Array, contacts: tuple[int, ...]) -> tuple[Array, list[_Segment], Array]:
    """One acceleration for all flights, a place and a velocity for each, by least squares."""
    borders = [0, *contacts, len(place)]
    known = np.isfinite(place[:, 0])
    parts = [np.flatnonzero(known[a:b]) + a for a, b in itertools.pairwise(borders)]
    parts = [part for part in parts if len(part) >= LEAST_SEGMENT]
    misses = np.full(len(place), np.nan)
    if not parts:
        return np.zeros(2), [], misses
    rows = sum(len(part) for part in parts)
    basis, at = np.zeros((rows, 2 * len(parts) + 1)), 0
    for number, part in enumerate(parts):
        time = part - part[0]
        block = slice(at, at + len(part))
        basis[block, 2 * number], basis[block, 2 * number + 1] = 1, time
        basis[block, -1] = time**2 / 2
        at += len(part)
    target = place[np.concatenate(parts)]
    found, *_ = np.linalg.lstsq(basis, target, rcond=None)
    misses[np.concatenate(parts)] = np.linalg.norm(target - basis @ found, axis=1)
    segments = [
        _Segment(int(part[0]), int(part[-1]), found[2 * n], found[2 * n + 1]) for n, part in enumerate(parts)
    ]
    return found[-1], segments, misses


def _gain(segments: list[_Segment], gravity: Array, near: Array, side: int) -> float:
    """Energy that a bounce adds; contacts with other objects may, so they are left out."""
    if np.linalg.norm(gravity) < 0.0005 * side:
        return 0.0
    energies = [0.5 * one.velocity @ one.velocity - gravity @ one.place for one in segments]
    ends = [one.velocity + gravity * (one.last - one.first) for one in segments]
    motion = [
        max(one.velocity @ one.velocity, end @ end) / 2 for one, end in zip(segments, ends, strict=True)
    ]
    gains = [0.0]
    for number in range(len(segments) - 1):
        if not near[segments[number].last : segments[number + 1].first + 1].any():
            gains.append((energies[number + 1] - energies[number]) / max(max(motion), 1e-9))
    return float(max(gains))
