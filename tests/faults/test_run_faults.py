"""What a run promises when nodes misbehave, processes are killed, disks fill up and entries rot."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from graphflow import files
from graphflow.cache import disk
from graphflow.cache.disk import DiskStore
from graphflow.errors import MAX_MESSAGE, NodeError
from graphflow.events import CacheNotice, NodeFailed, NodeProgress
from graphflow.graph import Graph
from graphflow.result import Result
from graphflow.runners.process import ProcessRunner
from graphflow.values import Image
from tests.support.runs import PACKS, Shop, failed
from tests.support.threads import one_thread as one_thread

KINDS = ("inline", "process")


# ---------------------------------------------------------------------------- nodes that raise


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Shop]]:
    made = {kind: Shop(tmp_path_factory.mktemp(kind), kind) for kind in KINDS}
    yield made
    for shop in made.values():
        shop.workspace.close()


def faulty(shop: Shop, node: str, **settings: object) -> Graph:
    """A faulty node, and beside it one that works."""
    return shop.graph(
        {"out": "out", "fine": "fine"},
        x=("trial/numbers", {"values": [4]}),
        one=("trial/total", {}, {"items": "x"}),
        out=(f"faults/{node}", settings, {"x": "one"}),
        fine=("trial/double", {}, {"x": "one"}),
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("what", "code", "text"),
    [
        ("huge", "node", "ValueError: xxx"),
        ("unreadable", "node", "Unreadable: (its message could not be read)"),
        ("rude", "node", "Rude: not an Exception"),
        ("surrogate", "node", "ValueError: half a \\ud800 pair"),
        ("stop", "node", "StopIteration"),
        ("exit", "node", "SystemExit: 3"),
        ("interrupt", "node", "KeyboardInterrupt"),
        ("generator", "node", "GeneratorExit"),
        ("memory", "resource.memory", "MemoryError"),
        ("recursion", "node", "RecursionError: maximum recursion depth exceeded"),
    ],
)
def test_whatever_a_node_raises_fails_the_node_only(
    shops: dict[str, Shop], kind: str, what: str, code: str, text: str
) -> None:
    shop = shops[kind]
    result = shop.run(faulty(shop, "raises", what=what))
    assert (result.status, failed(result)) == ("failed", {"out": code})
    [event] = [e for e in shop.events if isinstance(e, NodeFailed)]
    assert event.message.startswith(text) and len(event.message) <= MAX_MESSAGE
    assert result.value("fine") == 8


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["function", "set", "module"])
def test_a_result_that_cannot_travel_fails_the_node(shops: dict[str, Shop], kind: str, what: str) -> None:
    shop = shops[kind]
    result = shop.run(faulty(shop, "returns", what=what))
    assert failed(result) == {"out": "node.output"}
    assert f"a {what} cannot travel" in result.failures[0].message
    assert result.value("fine") == 8


# --------------------------------------------------------------------------------------- kill -9

STEPS = 8
CHECKPOINT_POINTS = [n for n in files.FAULTPOINTS if n.startswith(("file.", "entry.", "checkpoint."))]
RESULT_POINTS = [
    n for n in files.FAULTPOINTS if n.startswith(("file.", "entry.")) or n == "store.before_remove"
]

KILLED_RUNS = """
    import os, sys
    from pathlib import Path
    import torch
    torch.set_num_threads(1)
    from tests.faults.test_run_faults import long_walk
    from tests.support.runs import Shop

    with Shop(Path(sys.argv[1], "warm"), "inline") as shop:
        long_walk(shop)  # imports what the children need
    for place in sys.argv[2:]:  # each in a copy of this warm process, which has no threads yet
        what, point = place.split("/")
        child = os.fork()
        if child == 0:
            shop = Shop(Path(sys.argv[1], place), "inline")

            def arm(event, run):
                if event.type == "node.progress" and event.done >= 3:
                    os.environ["GRAPHFLOW_FAULT"] = point

            shop.run(long_walk(shop), until=arm, checkpoint_seconds=0.0 if what == "checkpoint" else 1e9)
            os._exit(3)
        _, status = os.waitpid(child, 0)
        print(place, os.WTERMSIG(status) if os.WIFSIGNALED(status) else -1, flush=True)
"""


def long_walk(shop: Shop) -> Graph:
    return shop.graph(
        {"out": "walk"},
        x=("trial/numbers", {"values": [77]}),
        one=("trial/total", {}, {"items": "x"}),
        walk=("trial/walk", {"steps": STEPS, "pause": 0.015}, {"x": "one"}),
    )


def program(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def killed_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run dies at each point in turn, each in a data folder: `checkpoint/POINT`, `result/POINT`."""
    root = tmp_path_factory.mktemp("killed")
    places = [f"checkpoint/{point}" for point in CHECKPOINT_POINTS]
    places += [f"result/{point}" for point in RESULT_POINTS[:-1]]
    with program(KILLED_RUNS, root, *places) as process:
        said, _ = process.communicate(timeout=180)
    assert said.split("\n")[:-1] == [f"{place} {signal.SIGKILL}" for place in places]
    return root


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The walk without any disturbance."""
    with Shop(tmp_path_factory.mktemp("straight"), "inline") as shop:
        picture = shop.run(long_walk(shop)).value("out")
        assert isinstance(picture, Image)
        return picture


def resumed(folder: Path, straight: Image) -> list[int]:
    """Run again where a run was killed; gives the steps of the walk that were done again."""
    with Shop(folder, "inline") as shop:
        result = shop.run(long_walk(shop), checkpoint_seconds=0.0)
        assert result.status == "finished", result.failures
        assert torch.equal(result.value("out").pixels, straight.pixels)
        store = shop.workspace.store
        assert store.verify(repair=False).bad == () and store.stats().quarantined == 0
        assert store.stats().checkpoints == 0
        assert [path for path in folder.rglob("*") if ".tmp" in path.name] == []
        assert shop.run(long_walk(shop)).computed == 0
        return [event.done for event in shop.events if isinstance(event, NodeProgress)]


@pytest.mark.slow
def test_killed_at_every_point_of_a_checkpoint_a_run_resumes_bit_for_bit(
    killed_runs: Path, straight: Image
) -> None:
    for point in CHECKPOINT_POINTS:
        folder = killed_runs / "checkpoint" / point
        state = DiskStore(folder / "cache").read_checkpoint(walk_key(folder))
        assert state is not None and 2 <= state["step"] <= STEPS, point
        again = resumed(folder, straight)
        assert min(again, default=STEPS + 1) > state["step"], "it went on where the checkpoint was made"


def walk_key(folder: Path) -> str:
    [path] = (folder / "cache" / "checkpoints").glob("*.safetensors")
    return path.name.partition(".")[0]


@pytest.mark.slow
def test_killed_at_every_point_of_storing_a_result_the_next_run_has_it_or_makes_it(
    killed_runs: Path, straight: Image
) -> None:
    for point in RESULT_POINTS[:-1]:
        resumed(killed_runs / "result" / point, straight)


@pytest.mark.slow
def test_a_worker_killed_after_a_checkpoint_resumes_there(
    tmp_path: Path, straight: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHFLOW_FAULT", "checkpoint.after_write")
    with Shop(tmp_path) as shop:
        result = shop.run(long_walk(shop), checkpoint_seconds=0.1)
        assert failed(result) == {"walk": "worker.killed"}
        monkeypatch.delenv("GRAPHFLOW_FAULT")
        result = shop.run(long_walk(shop), checkpoint_seconds=0.1)
        assert torch.equal(result.value("out").pixels, straight.pixels)
        assert min(e.done for e in shop.events if isinstance(e, NodeProgress)) > 1


# ------------------------------------------------------------------------------- two processes

TOGETHER = """
    import sys
    from pathlib import Path
    from tests.support.runs import Shop

    shop = Shop(Path(sys.argv[1]), sys.argv[2])
    print("ready", flush=True)
    sys.stdin.readline()
    result = shop.run(
        shop.graph(
            {"out": "out", "sum": "sum"},
            x=("trial/numbers", {"values": [1, 2, 3, 4]}),
            engine=("faults/engine",),
            out=("faults/train", {"log": sys.argv[3]}, {"x": "x", "engine": "engine"}),
            sum=("trial/total", {}, {"items": "out"}),
        )
    )
    print(result.status, result.value("sum"), result.value("out"))
    shop.workspace.close()
"""


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_on_one_folder_compute_each_device_step_once(tmp_path: Path, kind: str) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", textwrap.dedent(TOGETHER), tmp_path / "data", kind, log]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    programs = [subprocess.Popen(command, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    for one in programs:
        assert one.stdout.readline() == "ready\n"
    said = []
    for one in programs:
        one.stdin.write("go\n")
        one.stdin.flush()
    for one in programs:
        said.append(one.communicate(timeout=60)[0])
    assert said == ["finished 14 [2, 3, 4, 5]\n"] * 2
    assert sorted(log.read_text().split()) == ["1", "2", "3", "4"]


# ----------------------------------------------------------------------------------- disk full


def pictures(shop: Shop) -> Graph:
    return shop.graph(
        {"notes": "note", "mean": "mean", "drawn": "drawn", "noise": "noise"},
        x=("trial/numbers", {"values": [11, 12, 13]}),
        noise=("trial/noise", {}, {"x": "x"}),
        pen=("trial/pen", {"value": 5}),
        drawn=("trial/draw", {}, {"image": "noise", "model": "pen"}),
        mean=("trial/mean", {}, {"images": "drawn"}),
        note=("trial/note", {}, {"x": "x"}),
    )


@pytest.fixture(params=["simulated", "mounted"])
def full_disk(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A folder on a disk that has room for a few small files, not for a cache."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if request.param == "simulated":
        monkeypatch.setattr(disk, "MIN_FREE_BYTES", 2**60)
        yield folder
        return
    mounted = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mounted, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_with_a_full_disk_a_run_goes_on_without_caching_and_says_so(full_disk: Path) -> None:
    with Shop(full_disk, "inline") as shop:
        result = shop.run(pictures(shop))
        assert result.status == "finished", result.failures
        notices = [e for e in shop.events if isinstance(e, CacheNotice)]
        assert [e.kind for e in notices] == ["full"] and "results stay in memory" in notices[0].message
        assert len(result.value("drawn")) == 3
        assert shop.workspace.store.stats().entries == 0
        assert shop.run(pictures(shop)).computed == 0, "memory serves the next run"


@pytest.mark.slow
def test_a_worker_tells_of_its_full_disk_too(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], capture_output=True
    ).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        with Shop(folder) as shop:
            result = shop.run(pictures(shop))
            assert [e.kind for e in shop.events if isinstance(e, CacheNotice)] == ["full"]
            assert (result.status, len(result.value("drawn"))) == ("finished", 3)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_file_that_cannot_be_written_fails_clearly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Shop(tmp_path, "inline") as shop:
        sync = files._sync_file

        def full(path: Path) -> None:
            if "note" in str(path.parent) or path.parent.name == "out":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            sync(path)

        monkeypatch.setattr(files, "_sync_file", full)
        result = shop.run(pictures(shop))
        assert failed(result) == {f"note.{i}": "storage.full" for i in range(3)}
        assert "the disk is full" in result.failures[0].message and result.failures[0].hint
        assert list((tmp_path / "out").glob("*")) == [], "nothing half-written"
        assert len(result.value("drawn")) == 3


# --------------------------------------------------------------------------------- bad entries


def values_of(result: Result) -> list[torch.Tensor]:
    found = [picture.pixels for name in ("noise", "drawn") for picture in result.value(name)]
    return [*found, torch.tensor(result.value("mean"))]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[torch.Tensor], Shop]:
    """A cache that holds a whole run, and what the run made."""
    folder = tmp_path_factory.mktemp("stored")
    with Shop(folder, "inline") as shop:
        result = shop.run(pictures(shop))
        return folder, [tensor.clone() for tensor in values_of(result)], shop


def damage(path: Path, how: str, seed: int, other: Path) -> None:
    data = bytearray(path.read_bytes())
    match how:
        case "flip":
            place = seed * 7919 % (len(data) * 8)
            data[place // 8] ^= 1 << place % 8
        case "cut":
            del data[seed * 7919 % len(data) :]
        case "swap":
            data = bytearray(other.read_bytes())
        case "empty":
            data.clear()
        case "longer":
            data += b"\0"
    path.write_bytes(data)


DAMAGES = [
    *(("flip", seed) for seed in range(24)),
    *(("cut", seed) for seed in range(8)),
    ("swap", 1),
    ("empty", 1),
    ("longer", 1),
]


def test_rotten_entries_in_the_middle_are_made_again(
    stored: tuple[Path, list[torch.Tensor], Shop], tmp_path: Path
) -> None:
    folder, want, _ = stored
    for number, (how, seed) in enumerate(DAMAGES):
        root = tmp_path / str(number)
        shutil.copytree(folder, root)
        with Shop(root, "inline") as shop:
            graph = pictures(shop)
            planned = shop.workspace.prepare(graph).plan()
            keys = {name: [ref.key for ref in planned.outputs[name].items] for name in ("noise", "drawn")}  # type: ignore[union-attr]
            [mean] = [key for key, step in planned.steps.items() if step.node == "mean"]
            entries = {path.name.partition(".")[0]: path for path in root.rglob("entries/*/*")}
            victim, below = keys["noise"][seed % 3], keys["drawn"][seed % 3]
            damage(entries[victim], how, seed, entries[keys["noise"][(seed + 1) % 3]])
            for key in (below, mean):
                entries[key].unlink()
            result = shop.run(graph)
            assert result.status == "finished", (how, seed, result.failures)
            made = {name for name in shop.said("node.finished") if not name.startswith("note")}
            assert made == {f"noise.{seed % 3}", f"drawn.{seed % 3}", "mean"}, (how, seed)
            assert "quarantined" in {notice.kind for notice in shop.workspace.notices}, (how, seed)
            assert all(itertools.starmap(torch.equal, zip(values_of(result), want, strict=True)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_rotten_output_is_told_and_made_again_by_the_next_run(
    stored: tuple[Path, list[torch.Tensor], Shop], tmp_path: Path, kind: str
) -> None:
    folder, want, _ = stored
    root = tmp_path / "data"
    shutil.copytree(folder, root)
    with Shop(root, kind) as shop:
        first = shop.workspace.prepare(pictures(shop)).plan().outputs["drawn"]
        [path] = root.rglob(f"entries/*/{first.items[0].key}*")  # type: ignore[union-attr]
        damage(path, "cut", 11, path)
        with pytest.raises(NodeError) as caught:
            values_of(shop.run(pictures(shop)))
        assert (caught.value.error_code, caught.value.hint) == ("cache.lost", "run the workflow again")
        again = shop.run(pictures(shop))
        assert again.computed == 1
        assert all(itertools.starmap(torch.equal, zip(values_of(again), want, strict=True)))


def test_the_runner_of_these_tests_is_the_one_meant(shops: dict[str, Shop]) -> None:
    assert isinstance(shops["process"].workspace.runner, ProcessRunner) and PACKS.is_dir()
