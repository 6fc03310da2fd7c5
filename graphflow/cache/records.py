"""What the store tells: notices, listings, counts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

HALF_LIFE = 24 * 3600.0
"""Seconds unused after which an entry counts half: one twice as dear per byte outlives another by a day."""


@dataclass(frozen=True, slots=True)
class EntryInfo:
    """Who made an entry and what it cost."""

    node: str
    """Node id, such as `diffusion/decode`."""
    version: int
    """The node's version."""
    seconds: float
    """Measured cost of computing it."""
    created: float
    """When, in seconds since 1970, UTC."""
    notices: tuple[str, ...] = ()
    """What its node told people."""


@dataclass(frozen=True, slots=True)
class StoreNotice:
    """Something happened in the store that people may want to know; nothing failed."""

    kind: Literal["quarantined", "unreadable", "full", "unstorable"]
    key: str
    message: str
    hint: str = ""


Notify = Callable[[StoreNotice], None]


def ignore(notice: StoreNotice) -> None:
    """Where notices go that nobody asked for."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored file, as a listing shows it."""

    key: str
    size: int
    """Bytes."""
    used: float
    """When last used, in seconds since 1970."""
    info: EntryInfo

    def worth(self, now: float) -> float:
        """log2 of the seconds saved per byte, less one for each half-life unused; the lowest goes first."""
        density = max(self.info.seconds, 1e-6) / max(self.size, 1)
        return math.log2(density) - max(now - self.used, 0.0) / HALF_LIFE


@dataclass(frozen=True, slots=True)
class Loaded:
    """An entry read back: its outputs by name, and what it cost."""

    outputs: dict[str, Any]
    info: EntryInfo


@dataclass(frozen=True, slots=True)
class Stats:
    """What the store holds, in files and bytes."""

    entries: int
    entry_bytes: int
    checkpoints: int
    checkpoint_bytes: int
    quarantined: int
    quarantined_bytes: int
    limit_bytes: int | None


@dataclass(frozen=True, slots=True)
class Verified:
    """What `verify` found: files checked, keys of the bad ones, orphaned temporary files removed."""

    checked: int
    bad: tuple[str, ...]
    swept: int


@dataclass(frozen=True, slots=True)
class Freed:
    """What `gc` removed."""

    files: int
    bytes: int
