"""Both tiers as one: what goes where, and that a full disk stops nobody."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphflow.cache.disk import DiskStore, StoreNotice
from graphflow.cache.memory import MemoryCache
from graphflow.cache.records import EntryInfo
from graphflow.cache.tiers import DISK_SECONDS, WORTH, Cache, worth_the_disk
from graphflow.errors import StorageError
from graphflow.values import CodecError, TensorRef


def key(number: int) -> str:
    return f"{number:064x}"


def info(seconds: float) -> EntryInfo:
    return EntryInfo("test/make", 1, seconds, 1.0)


@pytest.fixture
def notices() -> list[StoreNotice]:
    return []


def cache_at(root: Path, notices: list[StoreNotice], budget: int = 10**6) -> Cache:
    return Cache(MemoryCache(budget), DiskStore(root, notify=notices.append), notify=notices.append)


def test_cheap_results_stay_in_memory_and_dear_ones_go_to_disk(
    tmp_path: Path, notices: list[StoreNotice]
) -> None:
    cache = cache_at(tmp_path, notices)
    assert cache.put(key(1), {"out": 1}, info(0.002)) == "memory"
    assert cache.put(key(2), {"out": 2}, info(2.0)) == "both"
    assert cache.put(key(3), {"out": 3}, info(0.0), keep=True) == "both"
    later = cache_at(tmp_path, notices)
    assert [later.has(key(n)) for n in (1, 2, 3)] == [False, True, True]
    assert later.get(key(2)) == {"out": 2} and key(2) in later.memory
    assert later.get(key(1)) is None


@given(st.floats(0, 1e6), st.integers(0, 2**40))
def test_worth_grows_with_seconds_and_falls_with_bytes(seconds: float, size: int) -> None:
    if worth_the_disk(seconds, size):
        assert worth_the_disk(seconds + 1, size) and worth_the_disk(seconds, size // 2)
        assert seconds > WORTH * DISK_SECONDS


def test_worth_examples() -> None:
    assert not worth_the_disk(0.002, 10_000_000)  # a blend
    assert worth_the_disk(1.0, 100_000_000)  # a decoded clip
    assert worth_the_disk(60.0, 2_000_000)  # a latent
    assert not worth_the_disk(0.5, 1_000_000_000)  # raw frames, loaded from a file


def test_without_a_disk_all_stays_in_memory(notices: list[StoreNotice]) -> None:
    cache = Cache(MemoryCache(10**6), notify=notices.append)
    assert cache.put(key(1), {"out": 1}, info(100.0), keep=True) == "memory"
    assert (
        cache.has(key(1))
        and not cache.has(key(2))
        and cache.peek(key(2)) is None
        and cache.get(key(2)) is None
    )
    assert not cache.write_checkpoint(key(1), {"step": 1}) and cache.read_checkpoint(key(1)) is None
    cache.drop_checkpoint(key(1)), cache.pin(key(1)), cache.unpin(key(1)), cache.discard(key(1))
    with cache.lease(key(1)) as at_once:
        assert at_once
    assert not cache.has(key(1)) and notices == []


def test_peek_prefers_memory_and_does_not_promote(tmp_path: Path, notices: list[StoreNotice]) -> None:
    outputs = {"out": torch.zeros(3)}
    cache = cache_at(tmp_path, notices)
    cache.put(key(1), outputs, info(1.0))
    held = cache.peek(key(1))
    assert held is not None and held["out"] is outputs["out"]
    later = cache_at(tmp_path, notices)
    assert later.peek(key(1)) == {"out": TensorRef("0", (3,))} and key(1) not in later.memory


def test_the_caller_may_change_its_own_dict(tmp_path: Path, notices: list[StoreNotice]) -> None:
    cache, outputs = cache_at(tmp_path, notices), {"out": 1}
    cache.put(key(1), outputs, info(0.0))
    outputs["out"] = 2
    assert cache.get(key(1)) == {"out": 1}


def test_discard_forgets_both(tmp_path: Path, notices: list[StoreNotice]) -> None:
    cache = cache_at(tmp_path, notices)
    cache.put(key(1), {"out": 1}, info(1.0))
    cache.discard(key(1))
    assert not cache.has(key(1)) and cache.get(key(1)) is None


def test_too_large_for_both_is_nowhere(tmp_path: Path, notices: list[StoreNotice]) -> None:
    cache = cache_at(tmp_path, notices, budget=100)
    assert cache.put(key(1), {"out": torch.zeros(100)}, info(0.0)) == "none"
    assert cache.put(key(2), {"out": torch.zeros(100)}, info(1.0)) == "disk"


def test_pinned_values_spill_when_memory_is_too_small(tmp_path: Path, notices: list[StoreNotice]) -> None:
    cache = cache_at(tmp_path, notices, budget=10_000)
    for number in range(10):
        cache.pin(key(number))
        assert cache.put(key(number), {"out": torch.full((1000,), number)}, info(0.0)) in ("memory", "disk")
        assert cache.memory.used <= 10_000
    for number in range(10):
        found = cache.get(key(number))
        assert found is not None and torch.equal(found["out"], torch.full((1000,), number))
        assert cache.memory.used <= 10_000
    assert cache.disk is not None and cache.disk.stats().entries >= 8
    cache.disk.gc(0)
    assert cache.disk.stats().entries >= 8  # pinned
    for number in range(10):
        cache.unpin(key(number))
    cache.disk.gc(0)
    assert cache.disk.stats().entries == 0


def test_a_pinned_value_that_is_read_stays_on_disk_alone_when_memory_is_full(
    tmp_path: Path, notices: list[StoreNotice], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list of thousands is gathered in time that grows with its length: reading one looks at no other."""
    cache, count = cache_at(tmp_path, notices, budget=10_000), 20
    for number in range(count):
        cache.pin(key(number))
        cache.put(key(number), {"out": "x" * 100}, info(0.0))
    held = [number for number in range(count) if key(number) in cache.memory]
    assert 0 < len(held) < count
    monkeypatch.setattr(cache.memory, "overflow", None)
    assert all(cache.get(key(number)) == {"out": "x" * 100} for number in range(count))
    assert set(held) <= {number for number in range(count) if key(number) in cache.memory}
    assert cache.memory.used <= 10_000


def test_pins_add_up_over_both_tiers(tmp_path: Path, notices: list[StoreNotice]) -> None:
    cache = cache_at(tmp_path, notices)
    cache.put(key(1), {"out": 1}, info(1.0))
    cache.pin(key(1)), cache.pin(key(1)), cache.unpin(key(1))
    assert cache.disk is not None
    cache.disk.gc(0)
    assert cache.disk.has(key(1))


def test_a_full_disk_is_one_notice_until_it_recovers(
    tmp_path: Path, notices: list[StoreNotice], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = cache_at(tmp_path, notices)
    assert cache.disk is not None

    def full(*_: object) -> int:
        raise StorageError("the disk is full", code="storage.full", hint="free some space")

    for episode in (1, 2):
        with monkeypatch.context() as patch:
            patch.setattr(cache.disk, "write", full)
            patch.setattr(cache.disk, "write_checkpoint", full)
            for number in range(5):
                assert cache.put(key(10 * episode + number), {"out": number}, info(9.0)) == "memory"
            assert not cache.write_checkpoint(key(1), {"step": 1})
        assert [n.kind for n in notices] == ["full"] * episode
        assert "memory" in notices[-1].message and notices[-1].hint
        assert cache.put(key(episode), {"out": 1}, info(9.0)) == "both"


def test_pinned_values_stay_in_memory_when_the_disk_is_full(
    tmp_path: Path, notices: list[StoreNotice], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = cache_at(tmp_path, notices, budget=100)
    monkeypatch.setattr("graphflow.cache.disk.MIN_FREE_BYTES", 2**62)
    for number in range(3):
        cache.pin(key(number))
        assert cache.put(key(number), {"out": torch.zeros(100)}, info(0.0)) == "memory"
    assert all(cache.get(key(n)) is not None for n in range(3))
    assert [n.kind for n in notices] == ["full"]


def test_what_cannot_be_stored_stays_in_memory(tmp_path: Path, notices: list[StoreNotice]) -> None:
    cache = cache_at(tmp_path, notices)
    value = torch.zeros(1, dtype=torch.complex128)
    assert cache.put(key(1), {"out": value}, info(9.0)) == "memory"
    assert [n.kind for n in notices] == ["unstorable"]
    assert cache.put(key(2), {"out": 1}, info(9.0)) == "both"


def test_what_cannot_travel_is_refused(tmp_path: Path, notices: list[StoreNotice]) -> None:
    cache = cache_at(tmp_path, notices)
    with pytest.raises(CodecError):
        cache.put(key(1), {"out": object()}, info(9.0))
    assert not cache.has(key(1))


def test_a_broken_entry_is_a_miss_and_can_be_put_again(tmp_path: Path, notices: list[StoreNotice]) -> None:
    cache_at(tmp_path, notices).put(key(1), {"out": 1}, info(9.0))
    (path,) = tmp_path.rglob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    cache = cache_at(tmp_path, notices)
    assert cache.has(key(1)) and cache.get(key(1)) is None and not cache.has(key(1))
    assert cache.put(key(1), {"out": 1}, info(9.0)) == "both"
    assert cache_at(tmp_path, notices).get(key(1)) == {"out": 1}


def test_checkpoints_and_leases_pass_through(tmp_path: Path, notices: list[StoreNotice]) -> None:
    cache = cache_at(tmp_path, notices)
    with cache.lease(key(1)) as at_once:
        assert at_once
    assert cache.write_checkpoint(key(1), {"step": 4})
    assert cache_at(tmp_path, notices).read_checkpoint(key(1)) == {"step": 4}
    cache.drop_checkpoint(key(1))
    assert cache.read_checkpoint(key(1)) is None


def test_the_table_of_places_is_whole() -> None:
    from graphflow.cache.tiers import _PLACES

    assert set(_PLACES) == set(itertools.product((True, False), repeat=2))
