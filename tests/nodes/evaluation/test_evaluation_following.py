"""Layout kept and paths followed, on clips of which both are known."""

from __future__ import annotations

import pytest
import torch
from graphflow_nodes.control import box_path, draw_boxes, draw_pose, walker
from graphflow_nodes.evaluation import follow, join, metric_value, seams, structure
from graphflow_nodes.evaluation.values import Scores
from graphflow_nodes.toyworld import clip

from graphflow.errors import NodeError, ValueMismatch
from graphflow.testing import run_node
from graphflow.values import Video


def value(scores: Scores, metric: str) -> float:
    return float(run_node(metric_value, scores, metric=metric))


def toy(**scene: object) -> Video:
    video: Video = run_node(clip, **scene).video
    return video


def boxes(path: str) -> Video:
    drawn: Video = run_node(
        draw_boxes, run_node(box_path, frames=13, width=64, height=64, path=path, fps=8.0)
    )
    return drawn


def moved(video: Video, down: int) -> Video:
    """Every frame, rolled downwards by that many pixels."""
    return Video(frames=video.frames.roll(down, dims=1), fps=video.fps)


def test_another_colour_keeps_the_layout_and_another_place_or_motion_does_not() -> None:
    source = toy(color="yellow", motion="right")
    assert value(run_node(structure, source, source), "structure") == pytest.approx(1)
    assert value(run_node(structure, toy(color="blue", motion="right"), source), "structure") > 0.95
    assert value(run_node(structure, toy(color="yellow", motion="left"), source), "structure") < 0.6
    assert value(run_node(structure, moved(source, 20), source), "structure") < 0.2


def test_frames_without_edges_are_like_each_other_alone() -> None:
    plain = Video(frames=torch.full((13, 64, 64, 3), 90, dtype=torch.uint8), fps=8.0)
    assert value(run_node(structure, plain, plain), "structure") == 1
    assert value(run_node(structure, plain, toy()), "structure") == 0
    with pytest.raises(ValueMismatch, match="13 frames"):
        run_node(structure, Video(frames=plain.frames[:5], fps=8.0), plain)


def test_a_thing_that_goes_where_a_box_goes_follows_it() -> None:
    led = boxes("0: 4 20 28 44\n12: 36 20 60 44")
    frames = torch.zeros(13, 64, 64, 3, dtype=torch.uint8)
    for place in range(13):
        left = 4 + round(32 * place / 12)
        frames[place, 20:44, left : left + 24] = torch.tensor([200, 40, 40], dtype=torch.uint8)
    right = Video(frames=frames, fps=8.0)
    good = run_node(follow, right, led)
    assert value(good, "follow_error") < 0.02 and value(good, "follow_overlap") > 0.85
    wrong = Video(frames=frames.flip(0), fps=8.0)
    bad = run_node(follow, wrong, led)
    assert value(bad, "follow_error") > 0.15 and value(bad, "follow_overlap") < 0.5
    assert bad.measurements[0].frames in {(0,), (12,)}
    gone = run_node(follow, Video(frames=torch.zeros_like(frames), fps=8.0), led)
    assert value(gone, "follow_error") == 0.5 and value(gone, "follow_overlap") == 0


def test_masks_say_what_follows_a_walker() -> None:
    walk = run_node(draw_pose, run_node(walker, frames=13, width=64, height=64, fps=8.0))
    marks = (walk.frames.amax(-1, keepdim=True) > 0).byte().mul(255).expand(-1, -1, -1, 3).contiguous()
    video = toy(motion="up")
    masked = run_node(follow, video, walk, Video(frames=marks, fps=8.0))
    assert value(masked, "follow_error") < 0.02
    backwards = run_node(follow, video, walk, Video(frames=marks.flip(0), fps=8.0))
    assert value(backwards, "follow_error") > 0.15


def test_a_control_that_fills_the_frame_or_is_empty_leads_nothing() -> None:
    video = toy()
    noise = torch.randint(0, 255, (13, 64, 64, 3), generator=torch.Generator().manual_seed(0)).byte()
    noise[:, :2] = noise[:, -2:] = noise[:, :, :2] = noise[:, :, -2:] = 0
    for control, reason in ((noise, "fills the frame"), (torch.zeros_like(noise), "shows nothing")):
        missing = run_node(follow, video, Video(frames=control, fps=8.0)).missing
        assert [one.metric for one in missing] == ["follow_error", "follow_overlap"]
        assert reason in missing[0].reason


def test_a_join_is_seen_if_the_second_clip_begins_elsewhere() -> None:
    whole = toy(motion="right")
    before, after = (Video(frames=part, fps=8.0) for part in (whole.frames[:7], whole.frames[7:]))
    smooth, jump = run_node(join, before, after), run_node(join, before, moved(after, 24))
    assert value(smooth, "seam") < 2 < 4 < value(jump, "seam")
    assert smooth == run_node(seams, whole, starts=[7])


def test_parts_are_told_by_their_starts_and_a_clip_of_one_part_has_no_seam() -> None:
    whole = toy(motion="right")
    frames = whole.frames.clone()
    frames[5:] = frames[5:].roll(20, dims=1)
    broken = Video(frames=frames, fps=8.0)
    assert value(run_node(seams, broken, starts=[5, 9]), "seam") > value(
        run_node(seams, whole, starts=[5]), "seam"
    )
    assert run_node(seams, broken, starts=[5]).measurements[0].frames == (4, 5)
    one = run_node(seams, whole, starts=[])
    assert not one.measurements and "one part" in one.missing[0].reason
    for given in ({}, {"every": 4, "starts": [4]}):
        with pytest.raises(NodeError, match="where parts begin"):
            run_node(seams, whole, **given)
