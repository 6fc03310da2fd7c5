"""Contact sheets."""

from __future__ import annotations

import itertools

import pytest
import torch
from graphflow_nodes.media import contact_sheet
from graphflow_nodes.media.sheet import BACKGROUND, GAP, spread
from hypothesis import given
from hypothesis import strategies as st

from graphflow.errors import NodeError
from graphflow.testing import run_node
from graphflow.values import Image, Video

BARE = {"captions": False}


def test_a_video_is_a_row_of_its_frames(clip: Video) -> None:
    sheet = run_node(contact_sheet, clip, frames=3, cell=64, **BARE).pixels
    assert sheet.shape == (48 + 2 * GAP, 3 * 64 + 4 * GAP, 3)
    assert sheet[0, 0].tolist() == list(BACKGROUND)
    for place, frame in enumerate((0, 6, 11)):
        left = GAP + place * (64 + GAP)
        assert torch.equal(sheet[GAP : GAP + 48, left : left + 64], clip.frames[frame])


def test_tiny_frames_grow_by_whole_factors(clip: Video) -> None:
    sheet = run_node(contact_sheet, clip, frames=1, cell=200, **BARE).pixels
    assert sheet.shape == (3 * 48 + 2 * GAP, 3 * 64 + 2 * GAP, 3)


def test_large_frames_shrink_into_the_cell(clip: Video) -> None:
    sheet = run_node(contact_sheet, clip, frames=1, cell=16, **BARE).pixels
    assert sheet.shape == (12 + 2 * GAP, 16 + 2 * GAP, 3)


def test_each_video_has_its_row_and_label(clip: Video) -> None:
    plain = run_node(contact_sheet, [clip, clip], frames=4, cell=64, **BARE).pixels
    assert plain.shape[0] == 2 * 48 + 3 * GAP
    labelled = run_node(contact_sheet, [clip, clip], ["a red box", "x" * 5000], frames=4, cell=64).pixels
    assert labelled.shape[0] > plain.shape[0] and labelled.shape[1] == plain.shape[1]
    assert torch.equal(
        labelled, run_node(contact_sheet, [clip, clip], ["a red box", "x" * 5000], frames=4, cell=64).pixels
    )


def test_images_make_a_grid(clip: Video) -> None:
    images = [Image(pixels=frame) for frame in clip.frames[:7]]
    sheet = run_node(contact_sheet, images, cell=64, **BARE).pixels
    assert sheet.shape == (3 * (48 + GAP) + GAP, 3 * (64 + GAP) + GAP, 3)
    row = run_node(contact_sheet, images, cell=64, columns=7, **BARE).pixels
    assert row.shape[1] == 7 * (64 + GAP) + GAP


def test_long_labels_of_images_take_more_lines(clip: Video) -> None:
    images = [Image(pixels=clip.frames[0])]
    short = run_node(contact_sheet, images, ["one"], cell=160).pixels
    long = run_node(contact_sheet, images, ["a large red box moves right on gray"], cell=160).pixels
    assert long.shape[0] > short.shape[0] and long.shape[1] == short.shape[1]


def test_any_label_can_be_drawn(clip: Video) -> None:
    for label in ("", "\n", "\0", "ein Ball \u2603 \U0001f600", "\ud83d", "  "):
        run_node(contact_sheet, [clip], [label], frames=2)


def test_what_cannot_be_shown_is_refused(clip: Video) -> None:
    with pytest.raises(NodeError, match="nothing to show"):
        run_node(contact_sheet, [])
    with pytest.raises(NodeError, match="2 items have 1 labels"):
        run_node(contact_sheet, [clip, clip], ["a"])
    with pytest.raises(NodeError, match="the sheet would be"):
        run_node(contact_sheet, [clip] * 200, cell=2048)


@given(st.integers(1, 300), st.integers(1, 300))
def test_spread_is_even_and_has_both_ends(count: int, wanted: int) -> None:
    places = spread(count, wanted)
    assert len(places) == min(count, wanted) == len(set(places))
    assert places == sorted(places) and places[0] >= 0 and places[-1] < count
    if len(places) > 1:
        steps = [b - a for a, b in itertools.pairwise(places)]
        assert places[0] == 0 and places[-1] == count - 1 and max(steps) - min(steps) <= 1
