"""Masks: grown, soft, inverted, combined, from brightness and colour."""

from __future__ import annotations

import pytest
import torch
from graphflow_nodes.control import (
    chroma_key,
    combine_masks,
    feather_mask,
    grow_mask,
    invert_mask,
    luma_key,
    mask_of_image,
    repeat_mask,
)
from hypothesis import given
from hypothesis import strategies as st

from graphflow.errors import NodeError, ValueMismatch
from graphflow.testing import run_node
from graphflow.values import Image, Mask, Video


@st.composite
def masks(draw: st.DrawFn) -> Mask:
    """Black and white masks of at most 12 x 12."""
    height, width = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    bits = draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    return Mask(pixels=torch.tensor(bits).view(height, width).to(torch.uint8) * 255)


def dot(size: int = 21) -> Mask:
    pixels = torch.zeros(size, size, dtype=torch.uint8)
    pixels[size // 2, size // 2] = 255
    return Mask(pixels=pixels)


def test_a_dot_grows_to_a_disc() -> None:
    found = run_node(grow_mask, dot(), pixels=5).pixels > 0
    rows, columns = torch.meshgrid(torch.arange(21), torch.arange(21), indexing="ij")
    assert torch.equal(found, (rows - 10) ** 2 + (columns - 10) ** 2 <= 25)


@given(masks(), st.integers(0, 6))
def test_shrinking_is_growing_the_outside(mask: Mask, pixels: int) -> None:
    shrunk = run_node(grow_mask, mask, pixels=-pixels)
    outside = run_node(grow_mask, run_node(invert_mask, mask), pixels=pixels)
    assert torch.equal(shrunk.pixels, 255 - outside.pixels)
    grown = run_node(grow_mask, mask, pixels=pixels)
    assert (grown.pixels >= mask.pixels).all() and (shrunk.pixels <= mask.pixels).all()


@given(masks(), st.integers(0, 3), st.integers(0, 3))
def test_growing_twice_never_passes_growing_by_the_sum(mask: Mask, a: int, b: int) -> None:
    twice = run_node(grow_mask, run_node(grow_mask, mask, pixels=a), pixels=b)
    assert (twice.pixels <= run_node(grow_mask, mask, pixels=a + b).pixels).all()


@given(masks(), st.floats(0.5, 5))
def test_feathering_keeps_what_is_even(mask: Mask, sigma: float) -> None:
    soft = run_node(feather_mask, mask, sigma=sigma).pixels
    if len(mask.pixels.unique()) == 1:
        assert torch.equal(soft, mask.pixels)
    assert soft.shape == mask.pixels.shape


def test_feathering_is_symmetric_and_soft() -> None:
    half = torch.zeros(9, 40, dtype=torch.uint8)
    half[:, 20:] = 255
    row = run_node(feather_mask, Mask(pixels=half), sigma=3.0).pixels[4].int()
    assert (row.diff() >= 0).all() and row[19] + row[20] == 255 and 0 < row[17] < 128


@given(masks())
def test_combining_follows_set_logic(mask: Mask) -> None:
    other = run_node(invert_mask, mask)
    assert torch.equal(run_node(invert_mask, other).pixels, mask.pixels)
    assert (run_node(combine_masks, [mask, other]).pixels == 255).all()
    assert (run_node(combine_masks, [mask, other], mode="intersection").pixels == 0).all()
    assert torch.equal(run_node(combine_masks, [mask, other], mode="difference").pixels, mask.pixels)
    assert (run_node(combine_masks, [mask, mask], mode="difference").pixels == 0).all()


def test_masks_of_a_clip_stay_clips(mask: Video) -> None:
    for found in (
        run_node(grow_mask, mask, pixels=2),
        run_node(feather_mask, mask),
        run_node(invert_mask, mask),
        run_node(combine_masks, [mask, mask]),
    ):
        assert found.frames.shape == mask.frames.shape and found.fps == mask.fps


def test_masks_that_do_not_match_are_refused(mask: Video) -> None:
    with pytest.raises(NodeError, match="no masks"):
        run_node(combine_masks, [])
    with pytest.raises(ValueMismatch, match="mask 1 has shape"):
        run_node(combine_masks, [mask, Video(frames=mask.frames[:2], fps=8.0)])
    with pytest.raises(NodeError, match="a mask is uint8"):
        run_node(invert_mask, Mask(pixels=torch.zeros(3, 3)))


def test_a_green_screen_is_found_however_bright(clip: Video) -> None:
    found = run_node(chroma_key, clip).frames[..., 0]
    assert (found[:, 26:] == 255).all() and (found[:, :26] == 0).all()
    shadow = clip.model_copy(update={"frames": (clip.frames.float() * 0.7).byte()})
    assert (run_node(chroma_key, shadow, tolerance=0.3).frames[:, 26:] == 255).all()
    assert run_node(chroma_key, clip, color="#E61E1E").frames[:, 8:20, 20:].amax() == 255


def test_brightness_is_keyed_with_a_soft_edge() -> None:
    ramp = torch.arange(256, dtype=torch.uint8).view(1, 1, 256, 1).repeat(1, 2, 1, 3)
    hard = run_node(luma_key, Video(frames=ramp, fps=1.0), low=0.5, high=0.75).frames[0, 0, :, 0]
    assert (hard > 0).nonzero().flatten().tolist() == list(range(128, 192))
    soft = run_node(luma_key, Video(frames=ramp, fps=1.0), low=0.5, softness=0.2).frames[0, 0, :, 0].int()
    assert (soft.diff() >= 0).all() and soft[128] == 255 and 0 < soft[110] < 255 and soft[70] == 0
    with pytest.raises(NodeError, match="is over high"):
        run_node(luma_key, Video(frames=ramp, fps=1.0), low=0.5, high=0.25)


def test_a_picture_becomes_a_mask_for_every_frame() -> None:
    ramp = torch.arange(256, dtype=torch.uint8).view(1, 256, 1).repeat(2, 1, 3)
    soft = run_node(mask_of_image, Image(pixels=ramp))
    assert torch.equal(soft.pixels[0], torch.arange(256, dtype=torch.uint8))
    hard = run_node(mask_of_image, Image(pixels=ramp), threshold=0.5)
    assert (hard.pixels[0] == 255).sum() == 128 and set(hard.pixels.unique().tolist()) == {0, 255}
    clip = run_node(repeat_mask, hard, frames=3, fps=8.0)
    assert torch.equal(clip.frames[2, ..., 1], hard.pixels) and len(clip.frames) == 3
