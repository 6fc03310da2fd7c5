"""How long the metrics without weights take for one clip, all together and each by itself.

    python benchmarks/evaluation.py
    python benchmarks/evaluation.py --frames 33 --side 160

The bound is 1.5 s for a clip of 33 frames of 160 pixels on one core. Beside it, as the yardstick of this
machine: the optical flow that the metrics need, by the bare OpenCV calls. CPU time of one process with
one thread, the best of several rounds, in turns.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import time
from collections.abc import Callable
from typing import Any

import cv2
import torch
from graphflow_nodes.evaluation import measure
from graphflow_nodes.evaluation.clip import Clip, Unmeasurable
from graphflow_nodes.evaluation.defects import FPS, defect_clip
from graphflow_nodes.evaluation.suite import METRICS

from graphflow.testing import run_node
from graphflow.values import Video

BOUND = 1.5
"""Seconds."""


def cpu_seconds(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def bare_flow(frames: Any) -> None:
    """What any program would pay for the same flow: both directions, adjacent and every other frame."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    planes = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    for a, b in [*itertools.pairwise(planes), *itertools.pairwise(planes[::2])]:
        search.calc(a, b, None)
        search.calc(b, a, None)


def alone(metric: str, shared: Clip) -> float:
    """Seconds that a metric adds once flow and tracks are there."""

    def work() -> None:
        with contextlib.suppress(Unmeasurable):
            METRICS[metric].measure(shared)

    return cpu_seconds(work)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=33)
    parser.add_argument("--side", type=int, default=160)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    clips = [defect_clip("clean", 0.0, seed, given.frames, given.side) for seed in range(5)]
    videos = [Video(frames=torch.from_numpy(frames), fps=FPS) for frames in clips]
    whole, flow = [], []
    for _ in range(given.rounds):
        for video, frames in zip(videos, clips, strict=True):
            flow.append(cpu_seconds(lambda frames=frames: bare_flow(frames)))
            whole.append(cpu_seconds(lambda video=video: run_node(measure, video)))
    best = sorted(whole)[: max(1, len(whole) // given.rounds)]
    suite, bare = sum(best) / len(best), min(flow)
    print(f"| {given.frames} frames of {given.side} pixels | s a clip |")
    print("|---|---|")
    print(f"| all {len(METRICS)} metrics | {suite:.2f} |")
    print(f"| bare optical flow of OpenCV | {bare:.2f} |")
    print(f"| ratio | {suite / bare:.2f} |")
    shared = Clip(clips[3], FPS)
    for name in METRICS:
        alone(name, shared)  # flow and tracks are computed once
    print("\n| metric, when flow and tracks are there | ms |")
    print("|---|---|")
    for name in sorted(METRICS, key=lambda name: -alone(name, shared)):
        print(f"| {name} | {1000 * alone(name, shared):.1f} |")
    verdict = "within" if suite <= BOUND else "over"
    if (given.frames, given.side) == (33, 160):
        print(f"\n{verdict} the bound of {BOUND} s")


if __name__ == "__main__":
    main()
