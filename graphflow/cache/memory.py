"""Results kept in memory, within a budget of bytes; the cheapest to compute again go first."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from threading import Lock
from typing import Any

Rank = tuple[float, int]
"""Smallest goes first: (worth, when last used). The second part is a counter, there is no clock."""


@dataclass(slots=True)
class _Entry:
    value: Any
    size: int
    density: float
    """Seconds of computing per byte held."""
    worth: float
    used: int
    """Place in the order of last use."""

    @property
    def rank(self) -> Rank:
        return self.worth, self.used


class MemoryCache:
    """Values by key, evicted by GreedyDual-Size: lowest `age + seconds / bytes` first.

    `age` rises to the rank of each entry that goes, so an entry that is not used falls behind the newcomers
    however dear it once was. Equal ranks go least recently used first. A newcomer competes as all others
    do: one that is worth less than everything held does not stay. Pinned entries are never evicted, and may
    take the cache over its budget; `overflow` then says which to move elsewhere.

    Safe for threads. get and put of a small value cost about a microsecond; eviction O(log n).
    Source: Cao and Irani, Cost-Aware WWW Proxy Caching Algorithms, USITS 1997.
    """

    def __init__(self, budget_bytes: int, *, dropped: Callable[[str], None] | None = None) -> None:
        """dropped: told each key that is evicted; called under the lock, so it must not call back."""
        if budget_bytes < 0:
            raise ValueError(f"a budget of {budget_bytes} bytes")
        self.budget = budget_bytes
        self._dropped = dropped
        self._entries: dict[str, _Entry] = {}
        self._queue: list[tuple[Rank, str]] = []
        """Heap for eviction: empty until needed, then every unpinned entry is in it, perhaps under an older
        rank; also records of entries that are gone."""
        self._pins: dict[str, int] = {}
        self._age = 0.0
        self._used = 0
        self._clock = count()
        self._lock = Lock()

    @property
    def used(self) -> int:
        """Bytes held now."""
        return self._used

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def get(self, key: str) -> Any | None:
        """The value, or None; counts as a use."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            entry.worth, entry.used = self._age + entry.density, next(self._clock)
            return entry.value

    def put(self, key: str, value: Any, size: int, seconds: float) -> bool:
        """Keep `value`, which holds `size` bytes and took `seconds`; True if it is held afterwards."""
        with self._lock:
            self._remove(key)
            if size > self.budget and key not in self._pins:
                return False  # before it drives everything else out
            density = seconds / max(size, 1)
            entry = _Entry(value, size, density, self._age + density, next(self._clock))
            self._entries[key] = entry
            self._used += size
            if self._queue:
                self._enqueue(key, entry)
            if self._used > self.budget:
                self._evict()
            return key in self._entries

    def discard(self, key: str) -> None:
        """Forget `key`, pinned or not; its pins stand for a value put later."""
        with self._lock:
            self._remove(key)

    def pin(self, key: str) -> None:
        """Never evict `key` until `unpin`; pins add up, and may come before the value."""
        with self._lock:
            self._pins[key] = self._pins.get(key, 0) + 1

    def unpin(self, key: str) -> None:
        """Take back one pin; the last one lets `key` be evicted."""
        with self._lock:
            left = self._pins.get(key, 0) - 1
            if left > 0:
                self._pins[key] = left
                return
            self._pins.pop(key, None)
            if self._queue and (entry := self._entries.get(key)) is not None:
                self._enqueue(key, entry)
            if self._used > self.budget:
                self._evict()

    def pinned(self, key: str) -> bool:
        """Whether `key` is pinned now."""
        return key in self._pins

    def overflow(self) -> list[str]:
        """Pinned keys to move elsewhere, worth least first, so that the rest fits the budget.

        A sixteenth of it becomes free as well: otherwise each value that follows would look at all pins.
        """
        if self._used <= self.budget:
            return []
        with self._lock:
            excess = self._used - self.budget + self.budget // 16
            held = [(e.rank, key, e.size) for key in self._pins if (e := self._entries.get(key)) is not None]
            chosen = []
            for _, key, size in sorted(held):
                if excess <= 0:
                    break
                chosen.append(key)
                excess -= size
            return chosen

    def _remove(self, key: str) -> None:
        """The queue's record stays behind and is skipped when it comes up."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._used -= entry.size

    def _enqueue(self, key: str, entry: _Entry) -> None:
        heapq.heappush(self._queue, (entry.rank, key))
        if len(self._queue) > 2 * len(self._entries) + 64:  # mostly records of entries that are gone
            self._fill_queue()

    def _fill_queue(self) -> None:
        self._queue = [(e.rank, k) for k, e in self._entries.items() if k not in self._pins]
        heapq.heapify(self._queue)

    def _evict(self) -> None:
        """Remove entries in order of rank until the budget holds or only pinned ones are left."""
        if not self._queue:
            self._fill_queue()
        while self._used > self.budget and self._queue:
            rank, key = heapq.heappop(self._queue)
            entry = self._entries.get(key)
            if entry is None or key in self._pins or rank > entry.rank:
                continue  # gone, or put back by `unpin`, or a record of an earlier entry
            if rank < entry.rank:  # used since it was queued
                heapq.heappush(self._queue, (entry.rank, key))
                continue
            self._remove(key)
            self._age = rank[0]
            if self._dropped is not None:
                self._dropped(key)
