"""What the store promises when processes are killed, disks fill up and others work in the same folder."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from graphflow import files
from graphflow.cache import disk
from graphflow.cache.disk import DiskStore, EntryInfo, StoreNotice
from graphflow.cache.memory import MemoryCache
from graphflow.cache.tiers import Cache
from graphflow.errors import StorageError

INFO = EntryInfo("test/make", 1, 1.0, 1.0)
KEY = "c0ffee00" * 8


def key(number: int) -> str:
    return f"{number:064x}"


def value(number: int) -> torch.Tensor:
    """What every process computes for `number`, of a size that differs from its neighbours'."""
    return torch.arange(number, number + 500 + 40 * (number % 5), dtype=torch.int32)


# Children have this prelude; argv[1] is the store's folder.
PRELUDE = """
import sys, time, torch
from pathlib import Path
from graphflow.cache.disk import DiskStore, EntryInfo
store = DiskStore(Path(sys.argv[1]))
INFO = EntryInfo("test/make", 1, 1.0, 1.0)
def key(number): return f"{number:064x}"
def value(number): return torch.arange(number, number + 500 + 40 * (number % 5), dtype=torch.int32)
"""


def child(root: Path, code: str, *, fault: str = "") -> subprocess.Popen[str]:
    env = os.environ | {"GRAPHFLOW_FAULT": fault, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + code, root],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, _ = process.communicate(timeout=60)
    return process.returncode, out


# --------------------------------------------------------------------------------- kill -9

STORE_POINTS = [name for name in files.FAULTPOINTS if name.startswith(("file.", "entry."))]

KILLED_IN_TURN = """
import os
# Forks one child a fault point from this warm process: each dies there.
for point in sys.argv[2:]:
    pid = os.fork()
    if pid == 0:
        os.environ["GRAPHFLOW_FAULT"] = point
        folder = DiskStore(Path(sys.argv[1], point))
        {write}
        os._exit(3)
    _, status = os.waitpid(pid, 0)
    print(point, os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0)
"""


def kill_at_every_point(root: Path, write: str) -> Iterator[DiskStore]:
    """A child dies at each point in turn while it runs `write` on a store of its own."""
    code = PRELUDE + KILLED_IN_TURN.replace("{write}", write)
    done = subprocess.run(
        [sys.executable, "-c", code, root, *STORE_POINTS],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.split("\n")[:-1] == [f"{point} {signal.SIGKILL}" for point in STORE_POINTS]
    for point in STORE_POINTS:
        yield DiskStore(root / point)


def leftovers(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if ".tmp" in path.name]


def test_killed_while_storing_the_entry_is_absent_or_whole(tmp_path: Path) -> None:
    outputs = {"out": value(3), "text": "a prompt"}
    seen = set()
    for store in kill_at_every_point(
        tmp_path, f"folder.write('{KEY}', {{'out': value(3), 'text': 'a prompt'}}, INFO)"
    ):
        found = store.read(KEY)
        seen.add(found is not None)
        assert found is None or (torch.equal(found["out"], outputs["out"]) and found["text"] == "a prompt")
        assert store.has(KEY) == (found is not None)
        assert store.verify(repair=False).bad == ()
        store.write(KEY, outputs, INFO)  # the next process goes on, and sweeps
        again = store.read(KEY)
        assert again is not None and torch.equal(again["out"], outputs["out"])
        assert leftovers(store.root) == [] and store.stats().quarantined == 0
    assert seen == {False, True}


def test_killed_while_replacing_a_checkpoint_the_old_one_or_the_new_one_stands(tmp_path: Path) -> None:
    for point in STORE_POINTS:
        DiskStore(tmp_path / point).write_checkpoint(KEY, {"step": 1, "latents": value(1)})
    steps = set()
    for store in kill_at_every_point(
        tmp_path, f"folder.write_checkpoint('{KEY}', {{'step': 2, 'latents': value(2)}})"
    ):
        found = store.read_checkpoint(KEY)
        assert found is not None and torch.equal(found["latents"], value(found["step"]))
        steps.add(found["step"])
        store.write_checkpoint(KEY, {"step": 3})
        assert store.read_checkpoint(KEY) == {"step": 3} and leftovers(store.root) == []
    assert steps == {1, 2}


@pytest.mark.parametrize("point", ["store.before_quarantine", "store.before_remove"])
def test_killed_while_clearing_up_a_bad_entry_is_still_never_used(tmp_path: Path, point: str) -> None:
    store = DiskStore(tmp_path)
    store.write(key(1), {"out": value(1)}, INFO)
    (path,) = tmp_path.rglob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-3])
    assert finish(child(tmp_path, "store.read(key(1)); store.gc(0)", fault=point))[0] == -signal.SIGKILL
    assert store.read(key(1)) is None
    store.gc(0)
    assert store.stats().entries == store.stats().quarantined == 0


KILLED_AT_RANDOM = """
import os, random, signal
for turn in range(12):
    pid = os.fork()
    while pid == 0:
        number = random.randrange(50)
        store.write(key(number), {"out": value(number)}, INFO)
    time.sleep(random.Random(turn).uniform(0.001, 0.06))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
"""


def test_killed_at_random_times_nothing_is_torn(tmp_path: Path) -> None:
    assert finish(child(tmp_path, KILLED_AT_RANDOM))[0] == 0
    store = DiskStore(tmp_path)
    assert store.verify().bad == () and leftovers(tmp_path) == []
    for entry in list(store.entries()):
        found = store.read(entry.key)
        assert found is not None and torch.equal(found["out"], value(int(entry.key, 16)))


# -------------------------------------------------------------------------------- disk full


def test_full_at_every_write_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The n-th write fails, for every n: an error with a code, the old state, and nothing left behind."""
    store = DiskStore(tmp_path)
    store.write(key(1), {"out": value(1)}, INFO)
    store.write_checkpoint(KEY, {"step": 1})
    outputs = {str(n): value(n) for n in range(4)}
    real, state = os.write, {"left": 0}

    def failing(fd: int, data: bytes) -> int:
        if state["left"] == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        state["left"] -= 1
        return real(fd, data)

    monkeypatch.setattr(files.os, "write", failing)
    for n in range(100):
        state["left"] = n
        try:
            store.write(KEY, outputs, INFO)
        except StorageError as error:
            assert error.error_code == "storage.full" and error.hint and not store.has(KEY)
        else:
            break
        state["left"] = n
        with pytest.raises(StorageError):
            store.write_checkpoint(KEY, outputs)
        assert store.read_checkpoint(KEY) == {"step": 1}
        assert leftovers(tmp_path) == [] and store.verify().bad == ()
    assert n >= 7  # the head, four tensors, the header, the checksum
    assert store.has(KEY) and store.has(key(1))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "graphflow-test", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("may not mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_on_a_really_full_disk_the_run_goes_on_in_memory(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "MIN_FREE_BYTES", -(2**40))  # so that the disk itself says no
    notices: list[StoreNotice] = []
    cache = Cache(MemoryCache(2**30), DiskStore(small_disk / "cache"), notify=notices.append)
    places = [
        cache.put(key(n), {"out": torch.full((2**18,), n)}, EntryInfo("test/make", 1, 99.0, 1.0))
        for n in range(6)
    ]
    assert places == ["both"] + ["memory"] * 5
    assert [n.kind for n in notices] == ["full"]
    assert all(cache.get(key(n)) is not None for n in range(6))
    assert leftovers(small_disk) == []
    with pytest.raises(StorageError) as caught:
        files.write_atomic(small_disk / "result.mp4", bytes(5 * 2**20))
    assert caught.value.error_code == "storage.full" and not (small_disk / "result.mp4").exists()
    assert cache.disk is not None
    cache.disk.gc(0)
    assert cache.put(key(7), {"out": value(7)}, EntryInfo("test/make", 1, 99.0, 1.0)) == "both"


def test_little_free_space_is_seen_before_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "MIN_FREE_BYTES", 2**62)
    with pytest.raises(StorageError, match=r"does not fit: .* are free, .* stay so") as caught:
        DiskStore(tmp_path / "cache").write(KEY, {"out": value(1)}, INFO)
    assert caught.value.error_code == "storage.full" and list(tmp_path.rglob("*.*")) == []


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_folder_that_may_only_be_read_serves_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    DiskStore(tmp_path).write(key(1), {"out": value(1)}, INFO)
    notices: list[StoreNotice] = []

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    real_open = os.open

    def read_only(path: str, flags: int, *rest: int) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            refuse()
        return real_open(path, flags, *rest)

    for name in ("utime", "replace", "unlink", "mkdir"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr(os, "open", read_only)
    cache = Cache(MemoryCache(2**20), DiskStore(tmp_path, notify=notices.append), notify=notices.append)
    found = cache.get(key(1))
    assert found is not None and torch.equal(found["out"], value(1))
    with cache.lease(key(2)):
        assert cache.put(key(2), {"out": 2}, INFO) == "memory"
    assert cache.disk is not None
    with pytest.raises(StorageError) as caught:
        cache.disk.write_checkpoint(key(2), {"step": 1})
    assert caught.value.error_code == "storage.denied"
    assert [n.kind for n in notices] == ["full"]


# ---------------------------------------------------------------------------- two processes

CROWD = """
import random
chance = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
store = DiskStore(Path(sys.argv[1]), limit_bytes=30_000)
hits = 0
for round in range(20):
    for number in chance.sample(range(12), 12):
        found = store.read(key(number))
        if found is None:
            store.write(key(number), {"out": value(number)}, EntryInfo("a/b", 1, chance.random(), 1.0))
        else:
            assert torch.equal(found["out"], value(number))
            hits += 1
    store.peek(key(round % 12))
    if round % 5 == 0:
        store.gc(15_000)
        assert store.verify().bad == ()
print(hits, store.stats().quarantined)
"""


def test_two_processes_write_read_and_evict_in_one_folder(tmp_path: Path) -> None:
    both = [child(tmp_path, CROWD) for _ in range(2)]
    results = [finish(process) for process in both]
    assert [code for code, _ in results] == [0, 0]
    assert all(int(out.split()[0]) > 0 and int(out.split()[1]) == 0 for _, out in results)
    store = DiskStore(tmp_path)
    assert store.verify().bad == () and leftovers(tmp_path) == []
    assert store.stats().entry_bytes <= 30_000 * 1.2


COMPUTE = """
print("ready", flush=True); sys.stdin.readline()
for number in range(10):
    with store.lease(key(number)):
        if store.read(key(number)) is None:
            print("computed", number)
            store.write(key(number), {"out": value(number)}, INFO)
"""


def test_two_processes_compute_each_key_once(tmp_path: Path) -> None:
    both = [child(tmp_path, COMPUTE) for _ in range(2)]
    for process in both:
        assert process.stdout
        process.stdout.readline()
    for process in both:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    lines = [line for process in both for line in finish(process)[1].splitlines()]
    assert sorted(lines) == sorted(f"computed {number}" for number in range(10))


def test_a_dead_holder_frees_its_lease(tmp_path: Path) -> None:
    holder = child(
        tmp_path,
        f"lease = store.lease('{KEY}'); lease.__enter__(); print('held', flush=True); time.sleep(60)",
    )
    assert holder.stdout
    holder.stdout.readline()
    waits: list[int] = []

    def waiting() -> None:
        waits.append(1)
        holder.kill()

    with DiskStore(tmp_path).lease(KEY, waiting) as at_once:
        assert not at_once and waits
    holder.communicate()
