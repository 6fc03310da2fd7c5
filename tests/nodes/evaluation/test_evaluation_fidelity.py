"""Clips against what they were to show, on clips whose difference is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from graphflow_nodes.evaluation import (
    best_by,
    camera_motion,
    fidelity,
    measure,
    preservation,
    seams,
    simulate,
)
from graphflow_nodes.evaluation import flow as flow_node
from graphflow_nodes.evaluation.flow import ClassicFlow
from graphflow_nodes.evaluation.gate import assert_metric
from graphflow_nodes.evaluation.measure import measurement, merge_scores, metric_value
from graphflow_nodes.evaluation.scene import Scene, Texture, draw
from graphflow_nodes.evaluation.values import Scores
from pydantic import ValidationError

from graphflow.errors import NodeError, ValueMismatch
from graphflow.testing import run_node
from graphflow.values import Image, Mask, Video


@pytest.fixture(scope="module")
def clip() -> Video:
    return run_node(simulate, frames=13, side=48).video


def value(scores: Scores, metric: str) -> float:
    return float(run_node(metric_value, scores, metric=metric))


def ground(camera: np.ndarray | None = None, frames: int = 9, side: int = 64) -> Video:
    texture = Texture.drawn(np.random.default_rng(0), 6, 20)
    scene = Scene(side, frames, texture, (1.0, 1.0, 1.0), (), camera)
    return Video(frames=torch.from_numpy(draw(scene)), fps=8.0)


def test_the_given_images_are_found_again(clip: Video) -> None:
    first, last = Image(pixels=clip.frames[0]), Image(pixels=clip.frames[-1])
    scores = run_node(fidelity, clip, first, last)
    assert value(scores, "first_frame_error") == value(scores, "last_frame_error") == 0
    assert value(scores, "image_likeness") > 0.98
    brighter = Image(pixels=(clip.frames[0].int() + 10).clamp(0, 255).byte())
    assert value(run_node(fidelity, clip, brighter), "first_frame_error") == pytest.approx(10, abs=0.5)
    other = Image(pixels=ground().frames[0][:48, :48].contiguous())
    assert value(run_node(fidelity, clip, other), "image_likeness") < value(scores, "image_likeness")
    with pytest.raises(NodeError, match="no image"):
        run_node(fidelity, clip)
    with pytest.raises(ValueMismatch, match="48 x 48"):
        run_node(fidelity, clip, Image(pixels=clip.frames[0][:40].contiguous()))


def test_change_outside_the_mask_is_an_error_and_inside_an_edit(clip: Video) -> None:
    marks = torch.zeros(48, 48, dtype=torch.uint8)
    marks[:, :24] = 255
    edited = clip.frames.clone()
    edited[:, :, :24] = 0
    clean = run_node(preservation, Video(frames=edited, fps=8.0), clip, Mask(pixels=marks))
    assert value(clean, "kept_error") == 0 and value(clean, "edit_change") > 50
    edited[5, :, 24:] = (edited[5, :, 24:].int() + 26).clamp(0, 255).byte()
    spoilt = run_node(preservation, Video(frames=edited, fps=8.0), clip, Mask(pixels=marks))
    assert value(spoilt, "kept_error") == pytest.approx(2, abs=0.3)
    assert value(spoilt, "kept_worst") == pytest.approx(26, abs=3)
    assert spoilt.measurements[0].frames == (5,)
    with pytest.raises(NodeError, match="everything is inside"):
        run_node(preservation, clip, clip, Mask(pixels=torch.full((48, 48), 255, dtype=torch.uint8)))


def test_a_seam_and_a_slow_change_are_found() -> None:
    plain = ground(frames=24)
    smooth = run_node(seams, plain, every=8)
    assert value(smooth, "seam") == 0
    worn = plain.frames.float()
    worn[8:16] += 8
    worn[16:] += 16
    found = run_node(seams, Video(frames=worn.clamp(0, 255).byte(), fps=8.0), every=8)
    assert value(found, "seam") > 10
    assert value(found, "colour_slope") == pytest.approx(8 * 3**0.5, rel=0.1)
    assert abs(value(found, "sharpness_slope")) < 0.01
    with pytest.raises(NodeError, match="one part"):
        run_node(seams, plain, every=24)


@pytest.mark.parametrize(
    ("direction", "word"),
    [((-1, 0), "pan right"), ((1, 0), "pan left"), ((0, -1), "tilt down"), ((0, 0), "static")],
)
def test_the_camera_is_told_by_what_the_ground_does(direction: tuple[int, int], word: str) -> None:
    camera = 1.5 * np.arange(9, dtype=np.float32)[:, None] * np.array(direction, np.float32)
    found = run_node(camera_motion, ground(camera))
    assert found.word == word
    assert (found.right, found.down) == pytest.approx(
        (-12 / 64 * direction[0], -12 / 64 * direction[1]), abs=0.01
    )


def test_an_object_before_a_plain_ground_is_not_taken_for_the_camera() -> None:
    plain = run_node(simulate, experiment="fall", frames=9, side=64, relief=0.0).video
    assert run_node(camera_motion, plain).word == "unclear"
    missing = run_node(measure, plain, metrics="camera_shake").missing
    assert "too little of the frame has texture" in missing[0].reason


def test_zoom_and_roll_are_told() -> None:
    still = ground(frames=1, side=128).frames[0].numpy()
    import cv2

    def turned(angle: float, scale: float) -> Video:
        made = [
            cv2.warpAffine(still, cv2.getRotationMatrix2D((64, 64), angle * i, scale**i), (128, 128))[
                32:96, 32:96
            ]
            for i in range(7)
        ]
        return Video(frames=torch.from_numpy(np.stack(made)), fps=8.0)

    zoomed, rolled = run_node(camera_motion, turned(0, 1.02)), run_node(camera_motion, turned(2, 1))
    assert zoomed.word == "zoom in" and zoomed.zoom == pytest.approx(6 * np.log(1.02), rel=0.1)
    assert rolled.word == "roll" and abs(rolled.turn) == pytest.approx(np.radians(12), rel=0.1)


def test_flow_on_a_wire_gives_the_same_numbers_as_the_built_in_one(clip: Video) -> None:
    found = run_node(flow_node, clip, ClassicFlow())
    assert run_node(measure, clip, flow=found) == run_node(measure, clip)
    smooth = run_node(measure, clip, flow=run_node(flow_node, clip, ClassicFlow(method="farneback")))
    assert value(smooth, "warping_error") != value(run_node(measure, clip), "warping_error")
    with pytest.raises(ValueMismatch, match="another clip"):
        run_node(measure, ground(), flow=found)


def test_flow_measures_known_motion() -> None:
    camera = np.stack([2.0 * np.arange(5), -1.0 * np.arange(5)], 1).astype(np.float32)
    found = run_node(flow_node, ground(camera, 5), ClassicFlow())
    inner = found.forward[:, 8:-8, 8:-8]
    assert inner.mean((0, 1, 2)).tolist() == pytest.approx([2, -1], abs=0.1)
    assert found.backward[:, 8:-8, 8:-8].mean((0, 1, 2)).tolist() == pytest.approx([-2, 1], abs=0.1)
    assert found.wide_forward[:, 8:-8, 8:-8].mean((0, 1, 2)).tolist() == pytest.approx([4, -2], abs=0.2)


def test_metrics_are_chosen_by_name_and_dynamic_degree_is_always_there(clip: Video) -> None:
    found = run_node(measure, clip, metrics="drift, cut")
    assert [one.metric for one in found.measurements] == ["drift", "dynamic_degree", "cut"]
    with pytest.raises(ValidationError, match="no metric 'beauty'"):
        run_node(measure, clip, metrics="beauty")
    with pytest.raises(NodeError, match="among the scores"):
        run_node(metric_value, found, metric="sharpness")


def test_masks_say_where_the_objects_are() -> None:
    grey = torch.full((9, 48, 48, 3), 120, dtype=torch.uint8)
    masks = torch.zeros_like(grey)
    for t in range(9):
        masks[t, 10:22, 4 + 3 * t : 16 + 3 * t] = 255
    scores = run_node(measure, Video(frames=grey, fps=8.0), objects=Video(frames=masks, fps=8.0))
    assert value(scores, "object_count") == 0 and value(scores, "object_ballistic") < 0.2


def test_the_best_take_by_any_metric_and_numbers_of_other_nodes() -> None:
    takes = [run_node(measurement, float(v), metric="error", direction="lower", unit="px") for v in (3, 1, 2)]
    found = run_node(best_by, ["a", "b", "c"], takes, metric="error")
    assert (found.item, found.score, found.place) == ("b", 1.0, 1)
    assert run_node(best_by, ["a", "b", "c"], takes, metric="error", prefer="highest").item == "a"
    mute = [run_node(measurement, 1.0, metric="speed", direction="none")]
    with pytest.raises(NodeError, match="no clip that it is better"):
        run_node(best_by, ["a"], mute, metric="speed")
    both = run_node(merge_scores, takes[0], mute[0])
    assert [one.metric for one in both.measurements] == ["error", "speed"]
    assert value(run_node(merge_scores, takes[0], takes[1]), "error") == 1


def test_a_metric_out_of_bounds_fails_with_the_clips_named() -> None:
    takes = [run_node(measurement, float(v), metric="error", direction="lower") for v in (1, 5, 2)]
    assert run_node(assert_metric, takes, metric="error", maximum=5) == pytest.approx(8 / 3)
    with pytest.raises(NodeError, match="clip 1 has 5") as caught:
        run_node(assert_metric, takes, metric="error", maximum=4)
    assert caught.value.error_code == "evaluation.bound"
    assert run_node(assert_metric, takes, metric="error", maximum=4, of="mean") == pytest.approx(8 / 3)
    with pytest.raises(NodeError, match="the mean is"):
        run_node(assert_metric, takes, metric="error", minimum=3, of="mean")
    with pytest.raises(NodeError, match="no clips"):
        run_node(assert_metric, [], metric="error")
