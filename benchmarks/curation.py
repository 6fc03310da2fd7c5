"""Clips a second of the curation nodes against a plain loop over the same libraries, and memory over many
clips.

    python -m benchmarks.curation
    python -m benchmarks.curation --clips 200 --many 10000

Both decode with PyAV to 160 pixels, cut by the same rule and measure the same columns. The plain loop keeps
nothing; the graph also hashes every file, keeps each result on disk, filters, finds copies and writes a
table. In turns, each in a process of its own with one thread for the libraries; the graph once with one lane
and once with two. The memory of a run is the most that its process held, less what it held before; results in
memory may take 4 MB, the others are on disk.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

LENGTH, RATE = 96, 24
"""Frames of a clip, and frames a second."""


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--clips", type=int, default=60)
    asked.add_argument("--many", type=int, default=10_000, help="clips that are cut to see the memory grow")
    asked.add_argument("--turns", type=int, default=3)
    asked.add_argument("--child", nargs=3, metavar=("WAY", "FOLDER", "DATA"))
    options = asked.parse_args()
    if options.child:
        way, folder, data = options.child
        print(json.dumps(WAYS[way](Path(folder), Path(data))))
        return
    with tempfile.TemporaryDirectory(prefix="graphflow-") as name:
        speed(Path(name), options.clips, options.turns)
        memory(Path(name), options.many)


def speed(place: Path, clips: int, turns: int) -> None:
    """Clips a second, the best of some turns."""
    make_clips(place / "clips", clips, 180, 320, LENGTH)
    best: dict[str, tuple[float, float]] = {}
    for turn in range(turns):
        for way in ("plain", "graph, one lane", "graph, two lanes"):
            took = child(way, place / "clips", place / f"data-{way}-{turn}")
            wall, cpu = best.get(way, (took["seconds"], took["cpu"]))
            best[way] = min(took["seconds"], wall), min(took["cpu"], cpu)
    took = child("graph, one lane", place / "clips", place / "data-graph, one lane-0")
    best["graph, run again"] = took["seconds"], took["cpu"]
    print(f"{clips} clips of {LENGTH} frames, 320 x 180, two shots each\n")
    print("| | clips/s | to plain | CPU ms a clip | to plain |")
    print("|---|---|---|---|---|")
    plain_wall, plain_cpu = best["plain"]
    for way, (wall, cpu) in best.items():
        rate, spent = f"{clips / wall:.1f} | {plain_wall / wall:.2f}x", f"{1e3 * cpu / clips:.1f}"
        print(f"| {way} | {rate} | {spent} | {plain_cpu / max(cpu, 1e-9):.2f}x |")


def memory(place: Path, many: int) -> None:
    """The most memory held, over a tenth of the clips and over all of them, and what one more clip takes.

    Of 20 files made, 17 are cut in two and 3 in one: about 37 clips.
    """
    print("\n| files | clips | MB | files/s |")
    print("|---|---|---|---|")
    grown, clips = {}, {}
    some, most = many * 20 // 370, many * 20 // 37
    for count in (some, most):
        folder = place / f"many-{count}" / "own"
        make_clips(folder, 20, 64, 64, 8)
        for number in range(20, count):
            os.link(folder / f"{number % 20:05}.mp4", folder / f"{number:05}.mp4")
        took = child("graph, one lane", folder, place / f"data-many-{count}")
        grown[count] = took["peak"] - took["before"]
        clips[count] = took["clips"]
        print(f"| {count} | {took['clips']:.0f} | {grown[count] / 1e6:.0f} | {count / took['seconds']:.0f} |")
    more = (grown[most] - grown[some]) / 1e3
    print(f"\n{more / 1e3:.0f} MB more", end="; ")
    print(f"a further clip takes {more / (clips[most] - clips[some]):.1f} kB", end=", ")
    print(f"a further file {more / (most - some):.1f} kB.")


def child(way: str, folder: Path, data: Path) -> dict[str, float]:
    """What a fresh process took."""
    command = [sys.executable, "-m", "benchmarks.curation", "--child", way, str(folder), str(data)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def make_clips(folder: Path, count: int, height: int, width: int, frames: int) -> None:
    """Videos of two shots each: a textured wall under a moving camera."""
    import numpy
    from graphflow_nodes.dataset.frames import box
    from graphflow_nodes.media.encode import H264, encode_video

    folder.mkdir(parents=True)
    for number in range(count):
        rng = numpy.random.default_rng(number)
        shots = []
        for _ in range(2):
            noise = rng.uniform(0, 255, (1, height + frames, width + frames)).astype(numpy.float32)
            wall = (box(noise, 3)[0] - 127) * 4 + 127
            tinted = (wall[..., None] * rng.uniform(0.4, 1, 3)).clip(0, 255).astype(numpy.uint8)
            shots += [tinted[i : i + height, i // 2 : i // 2 + width] for i in range(frames // 2)]
        path = folder / f"{number:05}.mp4"
        encode_video(path, H264, iter(shots), float(RATE), crf=20, text=str(number), sound=None)


# ---------------------------------------------------------------------------------- in a child


def plain(folder: Path, data: Path) -> dict[str, float]:
    """Decode, cut, measure: a loop that keeps nothing."""
    import av
    import numpy
    from av.video.reformatter import Interpolation
    from graphflow_nodes.dataset.shot_scores import SIDE, columns
    from graphflow_nodes.dataset.shots import changes, of_changes

    before, started, spent = peak(), time.perf_counter(), time.process_time()
    rows: list[Any] = []
    for path in sorted(folder.iterdir()):
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            scale = SIDE / max(stream.width, stream.height)
            width, height = (round(side * min(1, scale)) for side in (stream.width, stream.height))
            frames = numpy.stack(
                [
                    frame.reformat(width, height, "rgb24", interpolation=Interpolation.AREA).to_ndarray()
                    for frame in container.decode(stream)
                ]
            )
            fps = float(stream.average_rate or RATE)
        change = changes(frames)
        places = [0, *of_changes(change), len(frames)]
        for first, last in itertools.pairwise(places):
            within = change[first:last].copy()
            within[0] = 0
            rows.append(columns(frames[first:last], fps, "dis", within))
    assert len(rows) >= 2
    return told(started, spent, before)


def graph(folder: Path, data: Path, lanes: int) -> dict[str, float]:
    """The same through the nodes, with everything that a run keeps."""
    from graphflow_nodes import dataset, std

    from graphflow.api import Builder
    from graphflow.pool import Pool
    from graphflow.runners.inline import InlineRunner
    from graphflow.workspace import Workspace

    build = Builder("curation")
    files = build(dataset.list_files, folder=str(folder))
    shots = build(dataset.cut_shots, files, id="shots", shortest=0.1, crop_borders=False)
    moving = build(dataset.filter_items, shots, where="motion > 0.1", stage="motion")
    distinct = build(dataset.deduplicate, build(std.flatten, moving))
    build.output("shots", shots)
    build.output("table", build(dataset.save_table, distinct))
    warm()
    with Workspace(data, memory_bytes=4 << 20) as workspace:
        workspace.use_runner(InlineRunner(workspace.cache, Pool("cpu"), cpu_slots=lanes))
        checked = workspace.graph(build.document())
        before, started, spent = peak(), time.perf_counter(), time.process_time()
        result = workspace.run(checked, out_dir=data / "out")
        measured = told(started, spent, before)
        assert result.status == "finished", result.failures
        measured["clips"] = sum(len(found) for found in result.value("shots"))
    return measured


def told(started: float, spent: float, before: float) -> dict[str, float]:
    """What a run took, and the memory held at most before it and until now."""
    wall, cpu = time.perf_counter() - started, time.process_time() - spent
    return {"seconds": wall, "cpu": cpu, "before": before, "peak": peak()}


def warm() -> None:
    """Import what a first step would import, which a plain script has before its loop too."""
    import graphflow_nodes.dataset.shot_scores
    import graphflow_nodes.media.decode
    import pyarrow.parquet
    import torch

    torch.set_num_threads(1)
    pyarrow.table({"a": ["b"]})  # looks for pandas
    assert graphflow_nodes.dataset.shot_scores and graphflow_nodes.media.decode and pyarrow.parquet


def peak() -> float:
    """Bytes that this process held at most."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


WAYS = {
    "plain": plain,
    "graph, one lane": lambda folder, data: graph(folder, data, 1),
    "graph, two lanes": lambda folder, data: graph(folder, data, 2),
}

if __name__ == "__main__":
    main()
