"""The disk tier: bits come back exactly or not at all, whatever happens to the files."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field
from safetensors import safe_open

from graphflow.cache import disk, entryfile
from graphflow.cache.disk import DiskStore, EntryInfo, StoreNotice
from graphflow.errors import StorageError
from graphflow.values import Audio, CodecError, Image, Mask, SavedFile, TensorRef, Value, Video

INFO = EntryInfo("test/make", 3, 1.25, 1e9 + 0.125)
KEY = "0123456789abcdef" * 4


def key(number: int) -> str:
    return f"{number:064x}"


def bits(tensor: torch.Tensor) -> tuple[torch.dtype, tuple[int, ...], bytes]:
    flat = torch.empty(tensor.shape, dtype=tensor.dtype).copy_(tensor.detach()).reshape(-1)
    return tensor.dtype, tuple(tensor.shape), bytes(flat.view(torch.uint8).tolist()) if flat.numel() else b""


def same(a: Any, b: Any) -> bool:
    """Equal in type, structure and every bit of every tensor (NaN equals itself)."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and bits(a) == bits(b)
    if type(a) is not type(b):
        return False
    if isinstance(a, Value):
        return all(same(getattr(a, n), getattr(b, n)) for n in type(a).model_fields)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    return bool(a == b) and str(a) == str(b)


class Nested(Value):
    name: str
    parts: tuple[Image, ...]
    share: Annotated[float, Field(ge=0)]


def entry_path(store: DiskStore, key: str) -> Path:
    return store.root / "entries" / key[:2] / f"{key}.safetensors"


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Syncing is tested with the faults; here it would only take time."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)


@pytest.fixture
def notices() -> list[StoreNotice]:
    return []


@pytest.fixture
def store(tmp_path: Path, notices: list[StoreNotice]) -> DiskStore:
    return DiskStore(tmp_path / "cache", notify=notices.append)


# ------------------------------------------------------------------------------- round trips


def tensor_of(dtype: torch.dtype, shape: tuple[int, ...], seed: int) -> torch.Tensor:
    """Any bit pattern, NaN and denormals too; bools are 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    if dtype == torch.bool:
        return torch.randint(0, 2, shape, generator=generator).bool()
    raw = torch.randint(0, 256, (*shape, dtype.itemsize), generator=generator, dtype=torch.uint8)
    return raw.view(dtype).reshape(shape) if raw.numel() else torch.empty(shape, dtype=dtype)


def arranged(tensor: torch.Tensor, how: int) -> torch.Tensor:
    """The same tensor in other layouts: transposed, strided, reversed dimensions, expanded, a view."""
    if tensor.ndim == 0 or how == 0:
        return tensor
    if how == 1:
        return tensor.mT if tensor.ndim > 1 else tensor[::2]
    if how == 2:
        return tensor.permute(*reversed(range(tensor.ndim)))
    if how == 3:
        return tensor.unsqueeze(0).expand(2, *tensor.shape)
    return tensor[1:]


DTYPES = [getattr(torch, name) for name in entryfile._DTYPES]
TENSORS = st.builds(
    lambda dtype, shape, seed, how: arranged(tensor_of(dtype, tuple(shape), seed), how),
    st.sampled_from(DTYPES),
    st.lists(st.integers(0, 4), max_size=4),
    st.integers(0, 2**20),
    st.integers(0, 4),
)
PLAIN = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9) | st.binary()
)
FRAMES = st.builds(
    lambda n, h, w, seed: tensor_of(torch.uint8, (n, h, w, 3), seed),
    *[st.integers(0, 3)] * 3,
    st.integers(0, 99),
)
VALUES = st.one_of(
    st.builds(Video, frames=FRAMES, fps=st.floats(1, 100)),
    st.builds(Image, pixels=TENSORS),
    st.builds(Mask, pixels=TENSORS),
    st.builds(Audio, samples=TENSORS, rate=st.integers(1, 48000)),
    st.builds(SavedFile, path=st.text(), size=st.integers(0, 2**60), digest=st.text()),
    st.builds(
        Nested,
        name=st.text(),
        parts=st.lists(st.builds(Image, pixels=TENSORS), max_size=2).map(tuple),
        share=st.floats(0, 1),
    ),
)
ANYTHING = st.recursive(
    PLAIN | TENSORS | VALUES,
    lambda c: st.lists(c, max_size=3) | st.tuples(c, c) | st.dictionaries(st.text(max_size=5), c, max_size=3),
    max_leaves=6,
)
OUTPUTS = st.dictionaries(st.text(max_size=8), ANYTHING, max_size=3)


@settings(max_examples=100, deadline=None)
@given(outputs=OUTPUTS)
def test_every_value_comes_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, outputs: dict[str, Any]
) -> None:
    store = DiskStore(tmp_path_factory.mktemp("cache"))
    size = store.write(KEY, outputs, INFO)
    assert entry_path(store, KEY).stat().st_size == size
    found = store.load(KEY)
    assert found is not None and same(found.outputs, outputs) and found.info == INFO
    assert store.peek(KEY) is not None
    store.write_checkpoint(KEY, outputs)
    assert same(store.read_checkpoint(KEY), outputs)


def test_what_the_node_told_is_kept_and_read_from_the_head(store: DiskStore) -> None:
    told = replace(INFO, notices=("832 x 470 becomes 832 x 464", 'a "quote" and 名'))
    store.write(KEY, {"out": torch.zeros(3)}, told)
    assert store.info(KEY) == told and [entry.info for entry in store.entries()] == [told]
    assert store.info("0" * 64) is None


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (2, 3, 5)], ids=str)
def test_every_type_and_shape(store: DiskStore, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    value = {"out": tensor_of(dtype, shape, 1)}
    store.write(KEY, value, INFO)
    assert same(store.read(KEY), value)


@pytest.mark.parametrize(
    "make",
    [
        lambda t: t,
        lambda t: t.permute(3, 1, 2, 0),
        lambda t: t[:, ::2],
        lambda t: t[:1].permute(0, 3, 1, 2),
        lambda t: t[0].expand(4, *t.shape[1:]),
        lambda t: t.requires_grad_(),
        lambda t: torch.view_as_complex(t.reshape(-1, 2)).conj(),
        lambda t: torch.view_as_complex(t.reshape(-1, 2)).conj().imag,
    ],
)
def test_large_tensors_in_any_layout_go_in_pieces(
    store: DiskStore, monkeypatch: pytest.MonkeyPatch, make: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    monkeypatch.setattr(entryfile, "PIECE_BYTES", 1000)
    monkeypatch.setattr(entryfile, "THREAD_FROM_BYTES", 1000)
    value = {"out": make(torch.randn(4, 10, 12, 6)), "small": torch.tensor(1, dtype=torch.bfloat16)}
    store.write(KEY, value, INFO)
    assert same(store.read(KEY), value)


def test_an_entry_is_a_genuine_safetensors_file_with_aligned_tensors(store: DiskStore) -> None:
    outputs = {"a": torch.ones(3, dtype=torch.uint8), "b": torch.ones(5, dtype=torch.float64), "c": "text"}
    store.write(KEY, outputs, INFO)
    with safe_open(entry_path(store, KEY), "pt") as file:
        assert set(file.keys()) == {"0", "1", "header"}
        assert file.metadata()["key"] == KEY and file.metadata()["node"] == "test/make"
        assert torch.equal(file.get_tensor("1"), outputs["b"])
    found = store.read(KEY)
    assert found is not None and found["b"].data_ptr() % 8 == 0


def test_tensors_are_mapped_and_writing_into_one_leaves_the_file_alone(store: DiskStore) -> None:
    store.write(KEY, {"out": torch.zeros(1000)}, INFO)
    found = store.read(KEY)
    assert found is not None
    found["out"] += 1
    again = store.read(KEY)
    assert again is not None and not again["out"].any()
    store.discard(KEY)
    assert found["out"].sum() == 1000  # still mapped after the file is gone


def test_peek_reads_a_header_without_torch(store: DiskStore) -> None:
    store.write(KEY, {"out": Video(frames=torch.zeros(9, 8, 8, 3, dtype=torch.uint8), fps=8.0), "n": 5}, INFO)
    code = (
        "import sys; from pathlib import Path; from graphflow.cache.disk import DiskStore\n"
        f"store = DiskStore(Path(sys.argv[1])); found = store.peek({KEY!r})\n"
        "assert found['n'] == 5, found\n"
        "assert list(store.entries())[0].info.node == 'test/make' and store.verify().bad == ()\n"
        f"store.write({key(1)!r}, {{'text': 'x'}}, list(store.entries())[0].info)\n"
        f"assert store.read({key(1)!r}) == {{'text': 'x'}}\n"
        "assert not {'torch', 'numpy', 'safetensors'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code, store.root], check=True)


def test_peek_gives_references_in_place_of_tensors(store: DiskStore) -> None:
    store.write(KEY, {"out": torch.zeros(3), "n": (1, [2])}, INFO)
    assert store.peek(KEY) == {"out": TensorRef("0", (3,)), "n": (1, [2])}
    assert store.peek(key(1)) is None


# ----------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    "bad", ["", "a", "../" + "a" * 61, "A" * 64, "g" * 64, "a" * 63, "a" * 65, "a" * 64 + "\n"]
)
def test_only_keys_are_keys(store: DiskStore, bad: str) -> None:
    for call in (
        store.has,
        store.read,
        store.peek,
        store.discard,
        store.read_checkpoint,
        store.drop_checkpoint,
    ):
        with pytest.raises(ValueError, match="not a key"):
            call(bad)
    with pytest.raises(ValueError, match="not a key"):
        store.write(bad, {}, INFO)
    with pytest.raises(ValueError, match="not a key"), store.lease(bad):
        pass


@pytest.mark.parametrize(
    "tensor",
    [torch.zeros(2, dtype=torch.complex128), torch.zeros(2, 2).to_sparse(), torch.zeros(2, device="meta")],
    ids=["complex128", "sparse", "meta"],
)
def test_what_the_format_cannot_hold_is_refused_and_leaves_nothing(
    store: DiskStore, tensor: torch.Tensor
) -> None:
    with pytest.raises(StorageError) as caught:
        store.write(KEY, {"out": tensor}, INFO)
    assert caught.value.error_code == "storage.type"
    assert not store.has(KEY) and store.stats().entries == 0


def test_what_cannot_travel_is_refused(store: DiskStore) -> None:
    with pytest.raises(CodecError):
        store.write(KEY, {"out": object()}, INFO)


def test_too_many_tensors_or_too_large_a_header_is_refused(
    store: DiskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entryfile, "MAX_TENSORS", 3)
    store.write(KEY, {"out": [torch.zeros(1)] * 3}, INFO)
    assert store.read(KEY) is not None
    with pytest.raises(StorageError, match="4 tensors"):
        store.write(KEY, {"out": [torch.zeros(1)] * 4}, INFO)
    monkeypatch.setattr(entryfile, "MAX_HEADER_BYTES", 2000)
    with pytest.raises(StorageError) as caught:
        store.write(KEY, {"out": "x" * 3000}, INFO)
    assert caught.value.error_code == "storage.limit"


# -------------------------------------------------------------------------------------- rot


def _mutations(whole: bytes, other: bytes, seed: int) -> list[tuple[str, bytes]]:
    """500 ways in which an entry can be wrong."""
    chance = random.Random(seed)
    data_start = 8 + int.from_bytes(whole[:8], "little")

    def flipped(*positions: int) -> bytes:
        changed = bytearray(whole)
        for position in positions:
            changed[position] ^= 1 << chance.randrange(8)
        return bytes(changed)

    cases = [(f"flip head {i}", flipped(i)) for i in chance.sample(range(data_start), 200)]
    cases += [(f"flip data {i}", flipped(i)) for i in chance.sample(range(data_start, len(whole)), 120)]
    cases += [("flips", flipped(*chance.sample(range(len(whole)), 5))) for _ in range(50)]
    cases += [
        (f"cut {n}", whole[:n]) for n in [0, 1, 7, 8, 9, data_start, *chance.sample(range(len(whole)), 44)]
    ]
    cases += [("padded", whole + bytes(chance.randrange(1, 100))) for _ in range(10)]
    cases += [("zeros", bytes(len(whole))), ("other's bytes", other), ("noise", chance.randbytes(len(whole)))]
    lengths = [
        0,
        1,
        2**25,
        2**26,
        2**31,
        2**32,
        2**53,
        2**63,
        2**64 - 1,
        len(whole),
        len(whole) - 8,
        data_start,
    ]
    cases += [(f"length {n}", n.to_bytes(8, "little") + whole[8:]) for n in lengths]
    cases += [(f"deep {c!r}", (100_000).to_bytes(8, "little") + c * 100_000) for c in (b"[", b'{"a":')[:1]]
    while len(cases) < 500:  # splices: a run of bytes copied over another place
        a, b, n = chance.randrange(len(whole)), chance.randrange(len(whole)), chance.randrange(1, 64)
        spliced = whole[:b] + whole[a : a + n] + whole[b + n :]
        if spliced != whole:
            cases.append(("splice", spliced))
    return cases


def test_500_broken_entries_are_misses_and_set_aside(store: DiskStore, notices: list[StoreNotice]) -> None:
    outputs = {
        "out": torch.randn(6, 7),
        "b": torch.arange(5, dtype=torch.bfloat16),
        "text": "a prompt",
        "n": [1, 2.5],
    }
    store.write(KEY, outputs, INFO)
    store.write(key(7), {"out": torch.randn(6, 7)}, INFO)
    path = entry_path(store, KEY)
    whole, other = path.read_bytes(), entry_path(store, key(7)).read_bytes()
    cases = _mutations(whole, other, seed=1)
    refs = {"out": TensorRef("0", (6, 7)), "b": TensorRef("1", (5,))}
    assert len(cases) == 500
    for number, (name, broken) in enumerate(cases):
        path.write_bytes(broken)
        fresh = DiskStore(store.root, notify=notices.append)
        if number % 2:
            peeked = fresh.peek(KEY)  # proves the header only, so flipped tensor bits may pass
            assert peeked is None or same(peeked, {**outputs, **refs}), name
        assert fresh.read(KEY) is None, name
        assert not fresh.has(KEY), name
        assert notices.pop().kind == "quarantined" and not notices, name
        fresh.write(KEY, outputs, INFO)
        assert path.read_bytes() == whole and same(fresh.read(KEY), outputs)
    assert store.stats().quarantined == disk.QUARANTINE_FILES
    assert store.has(key(7))


def test_entries_with_swapped_files_are_both_misses(store: DiskStore, notices: list[StoreNotice]) -> None:
    a, b = key(1), key(2)
    store.write(a, {"out": 1}, INFO), store.write(b, {"out": 2}, INFO)
    first, second = entry_path(store, a), entry_path(store, b)
    first.rename(store.root / "x"), second.rename(first), (store.root / "x").rename(second)
    assert store.read(a) is None and store.peek(b) is None
    assert [n.kind for n in notices] == ["quarantined"] * 2


def test_a_checkpoint_is_not_a_result(store: DiskStore) -> None:
    store.write_checkpoint(KEY, {"out": 1})
    path = entry_path(store, KEY)
    path.parent.mkdir(parents=True)
    (store.root / "checkpoints" / path.name).rename(path)
    assert store.read(KEY) is None


def test_a_file_that_changes_after_it_was_proved_is_proved_again(store: DiskStore) -> None:
    store.write(KEY, {"out": torch.zeros(100)}, INFO)
    assert store.read(KEY) is not None
    path = entry_path(store, KEY)
    changed = bytearray(path.read_bytes())
    changed[-200] ^= 1
    path.write_bytes(changed)
    assert store.read(KEY) is None


def test_an_unknown_value_type_is_a_miss_but_not_rot(store: DiskStore, notices: list[StoreNotice]) -> None:
    class Passing(Value):
        n: int

    name = Passing.type_name()
    store.write(KEY, {"out": Passing(n=1)}, INFO)
    path = entry_path(store, KEY)
    Passing.type_name = classmethod(lambda cls: "gone")  # type: ignore[method-assign, assignment]
    assert store.read(KEY) is None and not store.has(KEY) and path.exists()
    assert [n.kind for n in notices] == ["unreadable"] and name.split(".")[-1] in notices[0].message
    store.write(KEY, {"out": 1}, INFO)
    assert store.has(KEY) and store.read(KEY) == {"out": 1}


def test_a_newer_format_is_left_alone(
    store: DiskStore, notices: list[StoreNotice], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(entryfile, "FORMAT", "2")
        store.write(KEY, {"out": 1}, INFO)
    assert store.read(KEY) is None and not store.has(KEY)
    assert entry_path(store, KEY).exists() and store.verify().bad == ()
    assert [n.kind for n in notices] == ["unreadable"]


@pytest.mark.parametrize(
    ("error", "kept"),
    [(PermissionError(13, "no"), True), (OSError(24, "many"), True), (OSError(5, "EIO"), False)],
)
def test_only_a_failing_disk_counts_as_rot(
    store: DiskStore, notices: list[StoreNotice], monkeypatch: pytest.MonkeyPatch, error: OSError, kept: bool
) -> None:
    store.write(KEY, {"out": 1}, INFO)

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(entryfile, "_exactly", fail)
        assert store.read(KEY) is None
    assert entry_path(store, KEY).exists() == kept
    assert [n.kind for n in notices] == ["unreadable" if kept else "quarantined"]


def test_verify_finds_every_bad_file_and_repairs_when_asked(store: DiskStore) -> None:
    for number in range(6):
        store.write(key(number), {"out": torch.full((50,), number)}, INFO)
    store.write_checkpoint(key(9), {"step": 1})
    for number in (1, 4):
        path = entry_path(store, key(number))
        changed = bytearray(path.read_bytes())
        changed[-150 if number == 1 else 100] ^= 4
        path.write_bytes(changed)
    (store.root / "graphflow-0123456789abcdef.tmp").touch()
    seen = store.verify(repair=False)
    assert seen.checked == 7 and set(seen.bad) == {key(1), key(4)} and store.stats().quarantined == 0
    assert store.verify().swept == 1
    assert store.verify().bad == () and store.stats().quarantined == 2 and not store.has(key(1))


def test_a_file_that_vanishes_while_it_is_read_is_a_miss(
    store: DiskStore, notices: list[StoreNotice], monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(KEY, {"out": torch.zeros(10)}, INFO)
    real = entryfile.check_tensors

    def check_and_evict(path: str, head: entryfile.Head) -> None:
        real(path, head)
        os.unlink(path)

    monkeypatch.setattr(entryfile, "check_tensors", check_and_evict)
    assert store.read(KEY) is None and notices == []


def test_no_memory_to_map_a_file_says_nothing_about_the_file(
    store: DiskStore, notices: list[StoreNotice], monkeypatch: pytest.MonkeyPatch
) -> None:
    import safetensors

    store.write(KEY, {"out": torch.zeros(10)}, INFO)

    def fail(*_: object) -> None:
        raise RuntimeError("unable to mmap 40 bytes: Cannot allocate memory (12)")

    with monkeypatch.context() as patch:
        patch.setattr(safetensors, "safe_open", fail)
        assert store.read(KEY) is None
    assert [n.kind for n in notices] == ["unreadable"] and store.read(KEY) is not None


# ---------------------------------------------------------------------------------- eviction


def filled(store: DiskStore, costs: dict[int, float], used: dict[int, float] | None = None) -> int:
    """Entries of equal size, by number: seconds each took; gives the size of one."""
    size = 0
    for number, seconds in costs.items():
        size = store.write(key(number), {"out": torch.zeros(1000)}, EntryInfo("test/make", 3, seconds, 1.0))
        when = time.time() - (used or {}).get(number, 0.0)
        os.utime(entry_path(store, key(number)), (when, when))
    return size


def test_gc_keeps_the_dearest_per_byte(store: DiskStore) -> None:
    size = filled(store, {1: 1.0, 2: 100.0, 3: 10.0, 4: 0.01})
    freed = store.gc(2 * size + 10)
    assert freed.files == 2 and freed.bytes == pytest.approx(2 * size, abs=50)
    assert [store.has(key(n)) for n in (1, 2, 3, 4)] == [False, True, True, False]
    assert store.gc(0).files == 2 and store.stats().entries == 0


def test_gc_halves_the_worth_of_a_day_unused(store: DiskStore) -> None:
    size = filled(store, {1: 3.0, 2: 1.0}, used={1: 2 * 86400.0})
    store.gc(size + 10)
    assert not store.has(key(1)) and store.has(key(2))


def test_reading_counts_as_use(store: DiskStore) -> None:
    size = filled(store, {1: 1.0, 2: 1.1}, used={1: 86400.0, 2: 43200.0})
    list(store.entries()), store.peek(key(2))  # looking is not using
    assert DiskStore(store.root).read(key(1)) is not None
    store.gc(size + 10)
    assert store.has(key(1)) and not store.has(key(2))


@settings(max_examples=25, deadline=None)
@given(
    costs=st.dictionaries(st.integers(0, 30), st.floats(0, 1e4), min_size=1, max_size=10),
    keep=st.integers(0, 10),
    held=st.sets(st.integers(0, 30)),
)
def test_gc_law(
    tmp_path_factory: pytest.TempPathFactory, costs: dict[int, float], keep: int, held: set[int]
) -> None:
    """Under the limit afterwards (but for what is held), and nothing kept is worth less than what went."""
    store = DiskStore(tmp_path_factory.mktemp("cache"))
    filled(store, costs)
    for number in held:
        store.hold(key(number))
    before = {entry.key: entry for entry in store.entries()}
    limit = keep * 4400
    store.gc(limit)
    after = {entry.key for entry in store.entries()}
    protected = {key(n) for n in held} & set(before)
    assert protected <= after
    assert sum(before[k].size for k in after) <= limit or after == protected
    now = time.time()
    gone = [before[k].worth(now) for k in set(before) - after]
    left = [before[k].worth(now) for k in after - protected]
    assert not gone or not left or max(gone) <= min(left) + 1e-6


def test_a_limit_is_kept_while_writing_and_what_was_just_written_stays(tmp_path: Path) -> None:
    store = DiskStore(tmp_path, limit_bytes=50_000)
    for number in range(60):
        filled(store, {number: 1.0 + number % 7})
        assert store.has(key(number))
        assert store.stats().entry_bytes <= 50_000 * 1.1
    assert store.stats().entry_bytes > 50_000 * 0.7
    with pytest.raises(StorageError, match="larger than the cache's limit"):
        store.write(KEY, {"out": torch.zeros(20_000)}, INFO)


def test_gc_also_removes_what_nobody_needs(store: DiskStore) -> None:
    store.write(key(1), {"out": 1}, INFO)
    store.write_checkpoint(key(1), {"step": 1}), store.write_checkpoint(key(2), {"step": 2})
    entry_path(store, key(3)).parent.mkdir(exist_ok=True)
    entry_path(store, key(3)).write_bytes(b"rot")
    assert store.read(key(3)) is None
    store.gc(10**9)
    assert [c.key for c in store.checkpoints()] == [key(2)]
    assert store.stats().quarantined == 0 and store.has(key(1))


# -------------------------------------------------------------------------------- checkpoints


def test_a_checkpoint_is_replaced_read_listed_and_dropped(store: DiskStore) -> None:
    assert store.read_checkpoint(KEY) is None and store.checkpoints() == []
    for step in (1, 2):
        store.write_checkpoint(KEY, {"step": step, "latents": torch.full((4,), float(step))})
    assert same(store.read_checkpoint(KEY), {"step": 2, "latents": torch.full((4,), 2.0)})
    assert [c.key for c in store.checkpoints()] == [KEY]
    assert not store.has(KEY)
    store.drop_checkpoint(KEY), store.drop_checkpoint(KEY)
    assert store.read_checkpoint(KEY) is None


def test_a_broken_checkpoint_is_no_checkpoint(store: DiskStore, notices: list[StoreNotice]) -> None:
    store.write_checkpoint(KEY, {"step": 1})
    path = store.root / "checkpoints" / f"{KEY}.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert store.read_checkpoint(KEY) is None
    assert [n.kind for n in notices] == ["quarantined"] and store.checkpoints() == []


# ------------------------------------------------------------------------------------- leases


def test_one_thread_computes_and_the_others_find_the_entry(store: DiskStore) -> None:
    computed: list[bool] = []

    def work() -> None:
        mine = DiskStore(store.root)
        with mine.lease(KEY):
            if mine.read(KEY) is None:
                computed.append(True)
                mine.write(KEY, {"out": 1}, INFO)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert computed == [True]


def test_leases_on_different_keys_do_not_wait(store: DiskStore) -> None:
    with store.lease(key(1)) as first, store.lease(key(2)) as second:
        assert first and second


# ------------------------------------------------------------------------------------- memory


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["t", "t.permute(1, 2, 0)"])
def test_a_large_value_is_written_without_a_second_copy(store: DiskStore, layout: str) -> None:
    code = (
        "import sys, threading, torch; from pathlib import Path\n"
        "from graphflow.cache.disk import DiskStore, EntryInfo\n"
        "def rss(field):\n"
        "    lines = Path('/proc/self/status').read_text().splitlines()\n"
        "    return next(int(x.split()[1]) for x in lines if x.startswith(field)) * 1024\n"
        f"t = torch.ones(128, 512, 1024, dtype=torch.float16)[:, :, :]; t = {layout}\n"
        "store = DiskStore(Path(sys.argv[1])); info = EntryInfo('a/b', 1, 1.0, 1.0)\n"
        "store.write('0' * 64, {'warm': torch.ones(9_000_000).view(3000, 3000).T}, info)\n"
        "before = rss('VmHWM')\n"
        "store.write('a' * 64, {'out': t}, info)\n"
        "print(rss('VmHWM') - before)\n"
    )
    if not Path("/proc/self/status").exists():
        pytest.skip("needs /proc")
    done = subprocess.run(
        [sys.executable, "-c", code, store.root], check=True, capture_output=True, text=True
    )
    assert int(done.stdout) < 60 * 2**20  # of 128 MB


def test_the_json_head_can_be_read_by_hand(store: DiskStore) -> None:
    store.write(KEY, {"out": torch.zeros(3)}, INFO)
    raw = entry_path(store, KEY).read_bytes()
    document = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    assert document["__metadata__"]["graphflow"] == entryfile.FORMAT
    assert document["0"] == {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}
