"""Boxes over time: paths, layouts, masks."""

from __future__ import annotations

import pytest
import torch
from graphflow_nodes.control import (
    box_path,
    boxes_of_mask,
    boxes_of_pose,
    draw_boxes,
    mask_boxes,
    merge_boxes,
    walker,
)
from graphflow_nodes.control.boxes import COLORS
from graphflow_nodes.control.values import Boxes
from hypothesis import given
from hypothesis import strategies as st

from graphflow.errors import NodeError, ValueMismatch
from graphflow.testing import run_node
from graphflow.values import Video, decode, encode

SMALL = {"frames": 5, "width": 40, "height": 30, "fps": 8.0}


def path(text: str, **settings: object) -> Boxes:
    found: Boxes = run_node(box_path, path=text, **{**SMALL, **settings})
    return found


def test_a_box_moves_evenly_and_stands_still_at_the_ends() -> None:
    found = path("3: 20 10 30 20\n1: 0 0 10 10", label="ball")
    assert found.corners[:, 0].tolist() == [
        [0, 0, 10, 10],
        [0, 0, 10, 10],
        [10, 5, 20, 15],
        [20, 10, 30, 20],
        [20, 10, 30, 20],
    ]
    assert found.labels == ("ball",) and decode(*encode(found)).labels == found.labels


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0 1 2 3 4",
        "0: 1 2 3",
        "0: 5 5 5 9",
        "0: 1 1 2 2\n0: 1 1 2 2",
        "9: 1 1 2 2",
        "0: 1 1 2 inf",
        "-1: 1 1 2 2",
    ],
)
def test_a_path_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(NodeError):
        path(text)


@given(st.integers(0, 20), st.integers(0, 15), st.integers(1, 20), st.integers(1, 15))
def test_a_mask_and_its_box_are_the_same_thing(left: int, top: int, width: int, height: int) -> None:
    box = path(f"0: {left} {top} {left + width} {top + height}")
    again = run_node(boxes_of_mask, run_node(mask_boxes, box))
    assert torch.equal(again.corners, box.corners)


def test_nothing_inside_is_no_box_and_no_mark() -> None:
    black = Video(frames=torch.zeros(2, 4, 4, 3, dtype=torch.uint8), fps=8.0)
    found = run_node(boxes_of_mask, black, margin=1)
    assert found.corners[:, :, 2].max() <= found.corners[:, :, 0].max() + 1
    assert run_node(mask_boxes, found.model_copy(update={"corners": torch.zeros(2, 1, 4)})).frames.sum() == 0


def test_an_ellipse_fills_its_box() -> None:
    box = path("0: 10 5 30 25")
    shapes = ("ellipse", "rectangle")
    round_, square = (run_node(mask_boxes, box, shape=shape).frames[0, ..., 0] > 0 for shape in shapes)
    assert (square | ~round_).all() and not round_[5, 10] and round_[15, 20]
    assert abs(round_.sum() / square.sum() - 3.1416 / 4) < 0.03


def test_a_layout_shows_each_object_in_its_colour() -> None:
    both = run_node(merge_boxes, [path("0: 2 2 10 10", label="a"), path("0: 20 10 35 25", label="b")])
    assert both.labels == ("a", "b")
    outlined = run_node(draw_boxes, both).frames
    assert outlined[0, 2, 2].tolist() == list(COLORS[0]) and outlined[0, 6, 6].sum() == 0
    filled = run_node(draw_boxes, both, filled=True).frames
    assert filled[4, 6, 6].tolist() == list(COLORS[0]) and filled[4, 15, 30].tolist() == list(COLORS[1])
    assert filled[0, 2:10, 2:10].any(-1).all() and not filled[0, 10, 2:10].any()


def test_a_box_may_leave_the_frame() -> None:
    box = path("0: 10 5 20 15\n4: 80 5 90 15")
    drawn = run_node(draw_boxes, box, filled=True).frames
    assert drawn[0].any() and not drawn[4].any()


def test_people_have_boxes() -> None:
    pose = run_node(walker, frames=3, width=200, height=100)
    boxes = run_node(boxes_of_pose, pose, margin=0.0)
    assert boxes.labels == ("person 0",)
    x, y = pose.points[..., 0], pose.points[..., 1]
    assert torch.equal(boxes.corners[..., 0], x.amin(2)) and torch.equal(boxes.corners[..., 3], y.amax(2))
    nobody = pose.model_copy(update={"points": torch.zeros_like(pose.points)})
    assert run_node(boxes_of_pose, nobody).corners.sum() == 0


def test_boxes_of_different_clips_are_not_merged() -> None:
    with pytest.raises(ValueMismatch, match="boxes 1"):
        run_node(merge_boxes, [path("0: 1 1 2 2"), path("0: 1 1 2 2", width=41)])
    with pytest.raises(NodeError, match="no boxes"):
        run_node(merge_boxes, [])


def test_values_that_are_no_boxes_are_refused() -> None:
    good = path("0: 1 1 2 2")
    for corners in (torch.zeros(5, 2, 4), torch.zeros(5, 1, 3), torch.full((5, 1, 4), torch.nan)):
        with pytest.raises(NodeError):
            run_node(draw_boxes, good.model_copy(update={"corners": corners}))
