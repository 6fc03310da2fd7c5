"""The disk cache against a plain synced file write, in one run: `python benchmarks/disk_cache.py [folder]`.

Prints one table. Times are the best of interleaved rounds, which a busy machine disturbs least.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from graphflow.cache import entryfile
from graphflow.cache.disk import DiskStore, EntryInfo
from graphflow.cache.memory import MemoryCache
from graphflow.files import write_all
from graphflow.sizes import nbytes

MB = 2**20
ROUNDS = 11
INFO = EntryInfo("benchmark/make", 1, 10.0, 1.0)


def key(number: int) -> str:
    return f"{number:064x}"


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def plain(path: Path, tensor: torch.Tensor) -> None:
    """What a careful program does at least: temporary file, one write, fsync, rename, fsync of the folder."""
    temporary = path.with_suffix(".tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT, 0o666)
    write_all(fd, memoryview(tensor.numpy()).cast("B"))
    os.fsync(fd)
    os.close(fd)
    os.replace(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def writing(folder: Path, size: int) -> list[str]:
    store, tensor = DiskStore(folder / "cache"), torch.randint(0, 255, (size,), dtype=torch.uint8)
    ours, theirs = [], []
    for number in range(ROUNDS):
        theirs.append(seconds(lambda: plain(folder / "plain", tensor)))
        ours.append(seconds(lambda: store.write(key(number), {"out": tensor}, INFO)))  # noqa: B023
        (folder / "plain").unlink()
        store.discard(key(number))
    a, b = min(ours), min(theirs)
    return [f"write {size // MB} MB, synced", f"{a * 1e3:.1f} ms", f"{b * 1e3:.1f} ms plain", f"{a / b:.2f}x"]


def small_writing(folder: Path) -> list[str]:
    store, tensor = DiskStore(folder / "small"), torch.zeros(1000, dtype=torch.uint8)
    store.write(key(0), {"out": tensor}, INFO)
    ours = [seconds(lambda n=n: store.write(key(n), {"out": tensor}, INFO)) for n in range(40)]  # type: ignore[misc]
    theirs = [seconds(lambda: plain(folder / "small" / "plain", tensor)) for _ in range(40)]
    a, b = min(ours), min(theirs)
    return ["write 1 kB, synced", f"{a * 1e3:.2f} ms", f"{b * 1e3:.2f} ms plain", f"{a / b:.2f}x"]


def reading(folder: Path) -> list[list[str]]:
    tensor = torch.randint(0, 255, (100 * MB,), dtype=torch.uint8)
    store = DiskStore(folder / "read")
    store.write(key(1), {"out": tensor}, INFO)
    path = folder / "read" / "entries" / "00" / f"{key(1)}.safetensors"

    def first() -> None:
        DiskStore(folder / "read").read(key(1))

    def again() -> None:
        store.read(key(1))

    def copying() -> None:
        path.read_bytes()

    def peek() -> None:
        store.peek(key(1))

    again()
    copied = min(seconds(copying) for _ in range(ROUNDS))
    rows = []
    for name, action in (
        ("first read in a process (checked)", first),
        ("later read (mapped)", again),
        ("peek", peek),
    ):
        took = min(seconds(action) for _ in range(ROUNDS))
        rows.append(
            [
                f"{name}, 100 MB",
                f"{took * 1e3:.2f} ms",
                f"{copied * 1e3:.1f} ms read()",
                f"{took / copied:.3f}x",
            ]
        )
    return rows


def memory_growth(folder: Path) -> list[str]:
    """Peak memory above the value itself while a child writes 1 GB."""
    here = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {here!r}); import disk_cache; disk_cache.grow(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, folder], check=True, capture_output=True, text=True)
    grown = int(done.stdout)
    return ["memory to write 1 GB", f"{grown / MB:.1f} MB", "1024 MB if copied", f"{grown / 2**30:.3f}x"]


def grow(folder: str) -> None:
    store = DiskStore(Path(folder) / "grow")
    store.write(key(0), {"out": torch.ones(16 * MB, dtype=torch.uint8)}, INFO)
    tensor = torch.ones(2**30, dtype=torch.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    store.write(key(1), {"out": tensor}, INFO)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)


def checking(folder: Path) -> list[str]:
    """Why the checksum is computed over reads, not over a mapping."""
    import mmap
    import zlib

    tensor = torch.randint(0, 255, (100 * MB,), dtype=torch.uint8)
    DiskStore(folder / "check").write(key(1), {"out": tensor}, INFO)
    path = folder / "check" / "entries" / "00" / f"{key(1)}.safetensors"
    head = entryfile.read_head(path)

    def mapped() -> None:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            zlib.crc32(view)

    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(seconds(lambda: entryfile.check_tensors(path, head)))
        theirs.append(seconds(mapped))
    a, b = min(ours), min(theirs)
    return ["check 100 MB, by reading", f"{a * 1e3:.1f} ms", f"{b * 1e3:.1f} ms mapped", f"{a / b:.2f}x"]


def in_memory() -> list[list[str]]:
    """Processor time a call, with as many entries as a graph of 10 000 nodes makes."""
    cache, outputs, keys = MemoryCache(2**30), {"out": 1}, [key(n) for n in range(10_000)]

    def put() -> None:
        for name in keys:
            cache.put(name, outputs, 64, 0.001)

    def get() -> None:
        for name in keys:
            cache.get(name)

    def size() -> None:
        for _ in keys:
            nbytes(outputs)

    rows = []
    for name, action in (("put", put), ("get", get), ("size of a small value", size)):
        spent = []
        for _ in range(ROUNDS):
            start = time.process_time()
            action()
            spent.append(time.process_time() - start)
        rows.append([f"memory tier, {name}", f"{min(spent) / len(keys) * 1e6:.2f} us", "", ""])
    return rows


def main(where: str | None) -> None:
    with tempfile.TemporaryDirectory(dir=where) as name:
        folder = Path(name)
        rows = [writing(folder, size * MB) for size in (16, 100, 400)]
        rows += [
            small_writing(folder),
            checking(folder),
            *reading(folder),
            memory_growth(folder),
            *in_memory(),
        ]
    for row in [["what", "graphflow", "beside", "ratio"], *rows]:
        print(f"{row[0]:<46}{row[1]:>12}{row[2]:>20}{row[3]:>9}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
