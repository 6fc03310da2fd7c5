"""The gate: every metric tells every defect that it claims to see from clean clips, and says so honestly."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from graphflow_nodes.evaluation import assert_bench, case_label, defect_bench, defect_cases, defect_clip
from graphflow_nodes.evaluation.bench_values import Bench, Case
from graphflow_nodes.evaluation.clip import Clip
from graphflow_nodes.evaluation.defects import DEFECTS
from graphflow_nodes.evaluation.suite import METRICS, measured
from graphflow_nodes.evaluation.values import Measurement, Scores

from graphflow.errors import NodeError, ValueMismatch
from graphflow.testing import run_node

SCENES, FRAMES, SIDE = 5, 25, 80
CLAIMED = {defect: [name for name, metric in METRICS.items() if defect in metric.sees] for defect in DEFECTS}


@cache
def clean(seed: int) -> Clip:
    case = Case(defect="clean", strength=0.0, seed=seed, frames=FRAMES, side=SIDE)
    video = run_node(defect_clip, case)
    return Clip(video.frames.numpy(), video.fps)


def bench(defect: str, names: list[str]) -> Bench:
    """One defect at all strengths against the clean scenes, by some metrics."""
    cases = run_node(defect_cases, scenes=SCENES, defects=defect, frames=FRAMES, side=SIDE)
    clips = [
        clean(case.seed)
        if case.defect == "clean"
        else Clip((video := run_node(defect_clip, case)).frames.numpy(), video.fps)
        for case in cases
    ]
    return run_node(defect_bench, cases, [measured(clip, names) for clip in clips])


@pytest.mark.parametrize("defect", DEFECTS)
def test_every_metric_sees_what_it_claims(defect: str) -> None:
    found = bench(defect, CLAIMED[defect])
    assert run_node(assert_bench, found, least=0.95) >= 0.95
    assert {cell.metric for cell in found.cells if cell.claimed} == set(CLAIMED[defect])
    assert all(cell.low <= cell.auc <= cell.high for cell in found.cells)


def test_every_defect_is_claimed_and_every_claim_is_a_defect() -> None:
    assert all(CLAIMED.values())
    assert {defect for metric in METRICS.values() for defect in metric.sees} == set(DEFECTS)


def test_whole_frame_consistency_is_blind_to_a_vanished_object() -> None:
    """The reason for following objects; no such metric may claim what it cannot see."""
    found = bench("teleport", ["temporal_flickering", "appearance_consistency", "object_acceleration"])
    auc = {cell.metric: cell.auc for cell in found.cells}
    assert auc["object_acceleration"] >= 0.95
    assert abs(auc["temporal_flickering"] - 0.5) < 0.4
    assert abs(auc["appearance_consistency"] - 0.5) < 0.4
    assert not any(cell.claimed for cell in found.cells if cell.metric != "object_acceleration")


def test_a_metric_that_claims_what_it_cannot_see_fails_the_gate() -> None:
    cases = run_node(defect_cases, scenes=4, defects="grow", strengths="weakest")
    blind = [
        Scores(
            measurements=(Measurement(metric="luck", value=float(i % 2), direction="lower", sees=("grow",)),)
        )
        for i in range(len(cases))
    ]
    with pytest.raises(NodeError, match=r"luck grow 0\.5"):
        run_node(assert_bench, run_node(defect_bench, cases, blind))


def test_nothing_claimed_is_not_a_pass() -> None:
    with pytest.raises(NodeError, match="no metric claims"):
        run_node(assert_bench, bench("drift", ["sharpness"]))


def test_equal_cases_give_equal_clips_and_another_scene_another_clip() -> None:
    case = Case(defect="noise", strength=6.0, seed=1, frames=9, side=32)
    again, other = run_node(defect_clip, case), run_node(defect_clip, case.model_copy(update={"seed": 2}))
    assert run_node(defect_clip, case).frames.equal(again.frames)
    assert not other.frames.equal(again.frames)
    assert again.frames.shape == (9, 32, 32, 3)
    assert run_node(case_label, case) == "noise 6, scene 1"


def test_a_defect_changes_the_clip_of_the_same_scene() -> None:
    still = Case(defect="freeze", strength=1.0, seed=0, frames=9, side=32)
    frames = run_node(defect_clip, still).frames.numpy()
    assert (frames == frames[:1]).all()
    moving = run_node(defect_clip, still.model_copy(update={"defect": "clean"})).frames.numpy()
    assert np.array_equal(moving[0], frames[0]) and not np.array_equal(moving[-1], frames[-1])


def test_lists_that_do_not_match_and_unknown_defects_are_refused() -> None:
    cases = run_node(defect_cases, scenes=2, defects="cut")
    with pytest.raises(ValueMismatch, match="scores"):
        run_node(defect_bench, cases, [])
    with pytest.raises(NodeError, match="no defect 'wobble'"):
        run_node(defect_cases, defects="cut, wobble")
    with pytest.raises(NodeError, match="no clean clips"):
        run_node(defect_bench, cases[2:], [Scores()] * (len(cases) - 2))
