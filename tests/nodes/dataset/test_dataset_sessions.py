"""Sessions of several turns, judges, and what to ask a video model for."""

from __future__ import annotations

from dataclasses import replace

import numpy
import pytest
import torch
from graphflow_nodes.dataset import (
    describe_pairs,
    edit_requests,
    filter_items,
    frame_pairs,
    judge_pairs,
    measure_pairs,
    rule_judge,
    sessions,
)
from graphflow_nodes.dataset.judge import Judge, PairJudge, Verdict
from graphflow_nodes.dataset.pairs import CLIP_BANDS, PAIR_BANDS
from graphflow_nodes.dataset.values import EditPair

from graphflow.errors import NodeError
from graphflow.testing import run_node
from tests.nodes.dataset.conftest import Frames, moving_scenes, toy_frames, video


def there_and_back(seed: int = 1) -> Frames:
    """An object that goes one way and comes back."""
    frames = toy_frames(moving_scenes(1, seed), 17)[0]
    return numpy.concatenate([frames, frames[-2::-1]])


def pairs_of(frames: Frames, **settings: object) -> list[EditPair]:
    clip = video(frames)
    pairs = run_node(frame_pairs, clip, strategy="every_k", every=8, **settings)
    return list(run_node(describe_pairs, clip, run_node(measure_pairs, clip, pairs)))


def test_a_session_joins_the_turns_of_a_clip() -> None:
    (session,) = run_node(sessions, pairs_of(there_and_back()))
    assert session.frames == [0, 8, 16, 24, 32] and len(session.images) == 5
    assert len(session.instructions) == len(session.edit_types) == 4 == session.scores["turns"]
    assert session.instructions[0] == session.instructions[1] != session.instructions[2]
    assert torch.equal(session.images[0].pixels, session.images[-1].pixels)
    assert session.captions[0] == session.captions[-1]


def test_a_refused_turn_ends_a_session() -> None:
    pairs = pairs_of(there_and_back())
    pairs[1] = run_node(filter_items, [pairs[1]], where="1 > 2")[0]
    (session,) = run_node(sessions, pairs)
    assert session.frames == [16, 24, 32]
    assert [s.frames for s in run_node(sessions, pairs, shortest=1)] == [[0, 8], [16, 24, 32]]


def test_long_sessions_are_divided() -> None:
    pairs = pairs_of(there_and_back())
    assert [s.frames for s in run_node(sessions, pairs, longest=2)] == [[0, 8, 16], [16, 24, 32]]
    with pytest.raises(NodeError, match="shortest"):
        run_node(sessions, pairs, shortest=3, longest=2)


def test_pairs_that_do_not_join_make_no_session() -> None:
    assert run_node(sessions, pairs_of(there_and_back())[::2]) == []


# ---------------------------------------------------------------------------------- judges


def test_the_rule_judge_tells_what_was_asked_from_what_was_not() -> None:
    pairs = []
    for frames in toy_frames(moving_scenes(12, 31)):
        clip = video(frames)
        pairs += run_node(describe_pairs, clip, run_node(frame_pairs, clip))
    good = run_node(judge_pairs, pairs, run_node(rule_judge))
    assert all(pair.scores["judge_followed"] == 100 and pair.scores["judge_kept"] >= 80 for pair in good)
    wrong = [pair.model_copy(update={"instruction": "make the red circle blue"}) for pair in pairs]
    assert all(p.scores["judge_followed"] == 0 for p in run_node(judge_pairs, wrong, run_node(rule_judge)))


def test_the_rule_judge_sees_that_something_else_changed() -> None:
    scene = moving_scenes(1, 31)[0]
    frames = toy_frames([scene])[0]
    brighter = (frames.astype(int) + 9 * (numpy.arange(9) > 4)[:, None, None, None]).clip(0, 255)
    clip = video(brighter.astype(numpy.uint8))
    pairs = run_node(describe_pairs, clip, run_node(frame_pairs, clip))
    (pair,) = run_node(judge_pairs, pairs, run_node(rule_judge))
    assert pair.scores["judge_kept"] < 30


class Fixed(PairJudge):
    """Always gives the same marks."""

    mark: float

    def open(self, device: str) -> Judge:
        return lambda before, after, instruction: Verdict(self.mark, 90.0, 80.0, "because")


def test_several_judges_mark_one_list_and_wrong_marks_are_refused() -> None:
    pairs = pairs_of(there_and_back())
    once = run_node(judge_pairs, pairs, Fixed(mark=50.0))
    twice = run_node(judge_pairs, once, Fixed(mark=60.0), prefix="second")
    assert {"judge_followed", "second_followed", "second_reason"} <= twice[0].scores.keys()
    with pytest.raises(NodeError, match="'judge_followed'"):
        run_node(judge_pairs, once, Fixed(mark=50.0))
    with pytest.raises(NodeError, match="Fixed"):
        run_node(judge_pairs, pairs, Fixed(mark=101.0))


# ---------------------------------------------------------------------------------- requests


def test_requests_say_the_same_to_an_editor_and_to_a_video_model() -> None:
    subjects = [f"the {word} ball" for word in ("red", "blue", "green", "white")] * 10
    asked = run_node(
        edit_requests, subjects, tasks=["move", "remove", "camera_zoom"], suffix="nothing else moves"
    )
    assert set(asked.edit_type) == {"move", "remove", "camera_zoom"}
    for subject, told, prompt, kind in zip(subjects, *asked, strict=True):
        assert prompt.endswith(", nothing else moves")
        if kind == "move":
            way = told.removeprefix(f"move {subject} ")
            assert prompt.startswith(f"{subject} moves {way}")
        assert subject in prompt
    assert (
        run_node(
            edit_requests, subjects, tasks=["move", "remove", "camera_zoom"], suffix="nothing else moves"
        )
        == asked
    )
    assert run_node(edit_requests, subjects, seed=1) != run_node(edit_requests, subjects, seed=2)
    with pytest.raises(NodeError, match="empty"):
        run_node(edit_requests, ["a", " "])


def test_the_default_filters_keep_every_turn_of_a_good_clip() -> None:
    scenes = [replace(scene, size="medium") for scene in moving_scenes(8, 41)]
    for frames in toy_frames(scenes, 17):
        pairs = run_node(filter_items, pairs_of(frames), where=PAIR_BANDS)
        assert not any(pair.rejected for pair in run_node(filter_items, pairs, where=CLIP_BANDS))
