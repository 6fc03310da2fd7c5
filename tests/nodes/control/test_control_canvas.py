"""Videos with parts to be made anew: grey where a model is free, white in the mask."""

from __future__ import annotations

import pytest
import torch
from graphflow_nodes.control import composite, extend, inpaint, outpaint, place_images
from graphflow_nodes.control.canvas import ControlInput
from hypothesis import given
from hypothesis import strategies as st

from graphflow.errors import NodeError, ValueMismatch
from graphflow.testing import run_node
from graphflow.values import Image, Mask, Video


def check(found: ControlInput) -> torch.Tensor:
    """What holds for every one of them; gives the free pixels, (frames, height, width)."""
    assert found.video.frames.shape == found.mask.frames.shape and found.video.fps == found.mask.fps
    assert set(found.mask.frames.unique().tolist()) <= {0, 255}
    free = found.mask.frames[..., 0] == 255
    assert (found.video.frames[free] == 128).all()
    return free


def test_inpainting_greys_what_is_inside(clip: Video, mask: Video) -> None:
    found = run_node(inpaint, clip, mask)
    free = check(found)
    assert torch.equal(free, mask.frames[..., 0] == 255)
    assert torch.equal(found.video.frames[~free], clip.frames[~free])
    assert (clip.frames[free] != 128).any()  # what was given is not written into


def test_one_mask_serves_all_frames(clip: Video) -> None:
    still = Mask(pixels=torch.zeros(32, 48, dtype=torch.uint8).index_fill(0, torch.tensor([3]), 200))
    free = check(run_node(inpaint, clip, still))
    assert free[:, 3].all() and free.sum() == 5 * 48


def test_outpainting_adds_margins(clip: Video) -> None:
    found = run_node(outpaint, clip, left=6, bottom=4)
    free = check(found)
    assert found.video.frames.shape == (5, 36, 54, 3)
    assert free[:, :, :6].all() and free[:, 32:].all() and free.sum() == 5 * (36 * 54 - 32 * 48)
    assert torch.equal(found.video.frames[:, :32, 6:], clip.frames)


def test_an_overlap_frees_the_seam_on_the_new_sides_only(clip: Video) -> None:
    free = check(run_node(outpaint, clip, left=6, overlap=3))
    assert free[:, :, :9].all() and not free[:, :, 9:].any()


@given(st.data())
def test_images_stand_at_their_frames(data: st.DataObject) -> None:
    frames = data.draw(st.integers(1, 12))
    places = data.draw(st.lists(st.integers(0, frames - 1), min_size=1, max_size=frames, unique=True))
    images = [
        Image(pixels=torch.full((2, 3, 3), 10 + number, dtype=torch.uint8)) for number in range(len(places))
    ]
    written = ", ".join(str(p - frames if data.draw(st.booleans()) else p) for p in places)
    found = run_node(place_images, images, indexes=written, frames=frames, fps=8.0)
    free = check(found)
    assert sorted(places) == (~free).all(-1).all(-1).nonzero().flatten().tolist()
    for place, image in zip(places, images, strict=True):
        assert torch.equal(found.video.frames[place], image.pixels)


@pytest.mark.parametrize(
    ("indexes", "reason"),
    [
        ("0", "2 images have 1 indexes"),
        ("0, 9", "'9' is no frame of 9"),
        ("0, -10", "is no frame"),
        ("0, -9", "the same frame"),
        ("0, x", "'x' is no frame"),
        ("0, 1.5", "is no frame"),
        ("0, 99999999999999999999", "is no frame"),
    ],
)
def test_indexes_must_name_a_frame_for_each_image(indexes: str, reason: str) -> None:
    images = [Image(pixels=torch.zeros(2, 2, 3, dtype=torch.uint8))] * 2
    with pytest.raises(NodeError, match=reason) as caught:
        run_node(place_images, images, indexes=indexes, frames=9)
    assert caught.value.hint


def test_images_must_have_one_size() -> None:
    images = [Image(pixels=torch.zeros(2, width, 3, dtype=torch.uint8)) for width in (2, 3)]
    with pytest.raises(ValueMismatch, match="image 1 is 3 x 2, image 0 2 x 2"):
        run_node(place_images, images, indexes="0 1")
    with pytest.raises(NodeError, match="no images"):
        run_node(place_images, [])


def test_a_video_is_extended_on_both_ends(clip: Video) -> None:
    found = run_node(extend, clip, before=2, after=3)
    free = check(found)
    assert free[:2].all() and free[7:].all() and not free[2:7].any()
    assert torch.equal(found.video.frames[2:7], clip.frames)


def test_the_original_comes_back_exactly_where_it_was_kept(clip: Video, mask: Video) -> None:
    made = Video(frames=255 - clip.frames, fps=8.0)
    found = run_node(composite, made, clip, mask)
    free = mask.frames[..., 0] == 255
    assert torch.equal(found.frames[~free], clip.frames[~free])
    assert torch.equal(found.frames[free], made.frames[free])


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_a_soft_mask_mixes(a: int, b: int, share: int) -> None:
    def flat(value: int) -> Video:
        return Video(frames=torch.full((1, 1, 1, 3), value, dtype=torch.uint8), fps=1.0)

    soft = Mask(pixels=torch.tensor([[share]], dtype=torch.uint8))
    found = int(run_node(composite, flat(a), flat(b), soft).frames[0, 0, 0, 0])
    assert abs(found - (a * share + b * (255 - share)) / 255) <= 0.5


def test_sizes_and_lengths_must_match(clip: Video, mask: Video) -> None:
    short = Video(frames=mask.frames[:2], fps=8.0)
    small = Video(frames=mask.frames[:, :8], fps=8.0)
    for wrong in (short, small):
        with pytest.raises(ValueMismatch):
            run_node(inpaint, clip, wrong)
        with pytest.raises(ValueMismatch):
            run_node(composite, clip, clip, wrong)
    with pytest.raises(ValueMismatch, match="inside has shape"):
        run_node(composite, clip, short, mask)


def test_nothing_to_do_is_an_error(clip: Video) -> None:
    with pytest.raises(NodeError, match="no side has a margin"):
        run_node(outpaint, clip)
    with pytest.raises(NodeError, match="leaves nothing"):
        run_node(outpaint, clip, left=1, right=1, overlap=24)
    with pytest.raises(NodeError, match="no new frames"):
        run_node(extend, clip)
    with pytest.raises(NodeError, match="frames are uint8"):
        run_node(extend, Video(frames=torch.zeros(0, 2, 2, 3, dtype=torch.uint8), fps=1.0), after=1)
