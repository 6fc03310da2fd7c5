"""The memory tier: a budget that holds, and an order of eviction that can be told in advance."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from graphflow.cache.memory import MemoryCache

KEYS = st.sampled_from("abcdefgh")


def test_get_gives_what_was_put() -> None:
    cache = MemoryCache(100)
    assert cache.get("a") is None
    assert cache.put("a", {"out": 1}, 10, 1.0)
    assert cache.get("a") == {"out": 1}
    assert "a" in cache and len(cache) == 1 and cache.used == 10


def test_putting_again_replaces() -> None:
    cache = MemoryCache(100)
    cache.put("a", 1, 60, 1.0)
    cache.put("a", 2, 70, 1.0)
    assert cache.get("a") == 2 and cache.used == 70


def test_the_cheapest_second_per_byte_goes_first() -> None:
    cache = MemoryCache(100)
    cache.put("dear", 0, 50, 10.0)
    cache.put("cheap", 0, 50, 1.0)
    cache.put("middle", 0, 50, 5.0)
    assert "dear" in cache and "middle" in cache and "cheap" not in cache


def test_among_equals_the_least_recently_used_goes_first() -> None:
    cache = MemoryCache(30)
    for key in "abc":
        cache.put(key, 0, 10, 1.0)
    cache.get("a")
    cache.put("d", 0, 10, 1.0)
    assert "b" not in cache and all(key in cache for key in "acd")


def test_a_dear_entry_that_nobody_uses_goes_in_the_end() -> None:
    cache = MemoryCache(20)
    cache.put("old", 0, 10, 5.0)
    rounds = 0
    while "old" in cache:
        cache.put(f"n{rounds}", 0, 10, 1.0)
        rounds += 1
    assert 2 < rounds < 20


def test_a_dear_entry_in_use_outlives_any_number_of_cheap_ones() -> None:
    cache = MemoryCache(20)
    cache.put("used", 0, 10, 5.0)
    for number in range(1000):
        cache.get("used")
        cache.put(f"n{number}", 0, 10, 1.0)
    assert "used" in cache


def test_a_cheap_giant_does_not_drive_out_dear_entries() -> None:
    cache = MemoryCache(100)
    for key in "abcde":
        cache.put(key, 0, 10, 10.0)
    assert not cache.put("giant", 0, 100, 0.001)
    assert len(cache) == 5


def test_larger_than_the_budget_is_not_kept_and_drives_nothing_out() -> None:
    cache = MemoryCache(100)
    cache.put("a", 0, 10, 0.0)
    assert not cache.put("big", 0, 101, 1e9)
    assert "a" in cache


def test_pinned_entries_stay_over_the_budget_until_unpinned() -> None:
    cache = MemoryCache(100)
    cache.pin("a"), cache.pin("a"), cache.pin("b")
    assert cache.put("a", 0, 80, 0.0) and cache.put("b", 0, 200, 1.0)
    assert cache.used == 280
    assert cache.overflow() == ["a", "b"]  # least worthy first, as many as needed
    cache.unpin("b")
    assert "b" not in cache and cache.used == 80
    cache.unpin("a"), cache.unpin("a")
    cache.put("c", 0, 90, 1.0)
    assert "a" not in cache


def test_overflow_makes_a_little_room_too_so_that_not_every_value_needs_a_look_at_all() -> None:
    cache = MemoryCache(160)
    for number in range(41):
        cache.pin(f"{number:02}")
        cache.put(f"{number:02}", 0, 4, float(number))
    assert cache.overflow() == ["00", "01", "02", "03"]  # the one that is too much, and a sixteenth
    for key in cache.overflow():
        cache.discard(key)
    assert cache.overflow() == []
    assert cache.pinned("00")


def test_a_negative_budget_is_refused() -> None:
    with pytest.raises(ValueError):
        MemoryCache(-1)


def test_threads_leave_the_count_right() -> None:
    cache = MemoryCache(500)

    def work(offset: int) -> None:
        for number in range(2000):
            key = str((number * 7 + offset) % 100)
            cache.pin(key)
            cache.put(key, key, number % 40, number % 3)
            found = cache.get(key)
            assert found is None or found == key
            cache.unpin(key)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.used <= 500
    for number in range(100):
        cache.discard(str(number))
    assert cache.used == 0 and len(cache) == 0


def test_records_of_removed_entries_do_not_pile_up() -> None:
    cache = MemoryCache(10)
    for number in range(5000):
        cache.put(str(number), 0, 1, 1.0)
        cache.discard(str(number - 2))
    assert len(cache._queue) < 200


class AgainstModel(RuleBasedStateMachine):
    """The cache against GreedyDual-Size written the slow way."""

    BUDGET = 100

    def __init__(self) -> None:
        super().__init__()
        self.cache = MemoryCache(self.BUDGET)
        self.model: dict[str, list[Any]] = {}
        self.pins: dict[str, int] = {}
        self.age, self.clock = 0.0, 0

    def _rank(self, density: float) -> tuple[float, int]:
        self.clock += 1
        return (self.age + density, self.clock)

    def _evict(self) -> None:
        while sum(e[0] for e in self.model.values()) > self.BUDGET:
            free = [k for k in self.model if not self.pins.get(k)]
            if not free:
                return
            victim = min(free, key=lambda k: self.model[k][2])
            self.age = self.model.pop(victim)[2][0]

    @rule(key=KEYS, size=st.integers(0, 120), seconds=st.sampled_from([0.0, 0.1, 1.0, 7.0]))
    def put(self, key: str, size: int, seconds: float) -> None:
        held = self.cache.put(key, (key, size), size, seconds)
        self.model.pop(key, None)
        if size <= self.BUDGET or self.pins.get(key):
            density = seconds / max(size, 1)
            self.model[key] = [size, density, self._rank(density)]
            self._evict()
        assert held == (key in self.model)

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        expected = (key, self.model[key][0]) if key in self.model else None
        assert self.cache.get(key) == expected
        if key in self.model:
            self.model[key][2] = self._rank(self.model[key][1])

    @rule(key=KEYS)
    def discard(self, key: str) -> None:
        self.cache.discard(key)
        self.model.pop(key, None)

    @rule(key=KEYS)
    def pin(self, key: str) -> None:
        self.cache.pin(key)
        self.pins[key] = self.pins.get(key, 0) + 1

    @rule(key=KEYS)
    def unpin(self, key: str) -> None:
        self.cache.unpin(key)
        self.pins[key] = max(0, self.pins.get(key, 0) - 1)
        self._evict()

    @invariant()
    def same(self) -> None:
        assert {k for k in "abcdefgh" if k in self.cache} == set(self.model)
        assert self.cache.used == sum(e[0] for e in self.model.values())
        pinned = sum(e[0] for k, e in self.model.items() if self.pins.get(k))
        assert self.cache.used <= max(self.BUDGET, pinned)
        left = self.cache.used - sum(self.model[k][0] for k in self.cache.overflow())
        assert left <= self.BUDGET


TestAgainstModel = AgainstModel.TestCase
TestAgainstModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
