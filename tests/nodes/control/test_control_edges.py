"""Edges, sketches and shades of grey."""

from __future__ import annotations

import pytest
import torch
from graphflow_nodes.control import edges, gray, sketch

from graphflow.errors import Cancelled, NodeError
from graphflow.testing import LocalContext, run_node
from graphflow.values import Image, Video


def square(size: int = 20) -> Image:
    """A white square, 6 pixels from each side, on black."""
    pixels = torch.zeros(size, size, 3, dtype=torch.uint8)
    pixels[6:-6, 6:-6] = 255
    return Image(pixels=pixels)


def test_a_square_has_a_thin_closed_outline() -> None:
    found = run_node(edges, square(), sigma=0.0).pixels[..., 0]
    assert set(found.unique().tolist()) == {0, 255}
    rows = (found[8:12] > 0).sum(1).tolist()
    assert rows == [2, 2, 2, 2]  # left and right side, one pixel each
    assert (found[:, 8:12] > 0).sum(0).tolist() == [2, 2, 2, 2]
    assert found[9:11, 9:11].sum() == 0 and found[:4].sum() == 0


def test_a_ramp_of_equal_steps_has_no_edge_twice() -> None:
    """Equal neighbours compete: exactly one of them is kept."""
    pixels = torch.zeros(12, 12, 3, dtype=torch.uint8)
    pixels[:, 6:] = 200
    found = run_node(edges, Image(pixels=pixels), sigma=0.0).pixels[..., 0]
    assert (found > 0).sum(1).tolist() == [1] * 12


def test_weak_edges_count_only_beside_strong_ones() -> None:
    pixels = torch.zeros(20, 20, 3, dtype=torch.uint8)
    pixels[:, 10:] = torch.arange(30, 230, 10).view(20, 1, 1)  # one line, weak above, strong below
    pixels[:, :2] = 30  # weak and on its own
    found = run_node(edges, Image(pixels=pixels), low=60.0, high=500.0, sigma=0.0).pixels[..., 0] > 0
    assert found[:, 8:12].any(1).all() and not found[2:18, :4].any()


def test_colours_of_one_brightness_have_an_edge() -> None:
    pixels = torch.zeros(12, 12, 3, dtype=torch.uint8)
    pixels[:, :6, 0] = 196  # red and green of equal luma
    pixels[:, 6:, 1] = 100
    assert run_node(edges, Image(pixels=pixels), sigma=0.0).pixels.any()
    flat = run_node(gray, Image(pixels=pixels)).pixels
    assert flat.max() - flat.min() <= 1


def test_blur_removes_fine_grain() -> None:
    stripes = (torch.arange(400).view(20, 20, 1) // 2 % 2 * 255).to(torch.uint8).repeat(1, 1, 3)
    assert run_node(edges, Image(pixels=stripes), sigma=0.0).pixels.sum() > 0
    assert run_node(edges, Image(pixels=stripes), sigma=3.0).pixels.sum() == 0


def test_a_sketch_is_white_on_black_or_the_other_way_round() -> None:
    dark = run_node(sketch, square())
    light = run_node(sketch, square(), white_lines=False)
    assert torch.equal(255 - dark.pixels, light.pixels)
    assert dark.pixels[9, 9].sum() == 0 and dark.pixels[9, 5].sum() > 0
    assert run_node(sketch, Image(pixels=torch.full((8, 8, 3), 90, dtype=torch.uint8))).pixels.sum() == 0


def test_grey_is_that_of_pillow() -> None:
    import numpy
    from PIL import Image as Pillow

    pixels = torch.randint(0, 256, (16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    wanted = numpy.asarray(Pillow.fromarray(pixels.numpy()).convert("L")).astype(int)
    found = run_node(gray, Image(pixels=pixels)).pixels.numpy().astype(int)
    assert abs(found - wanted[..., None]).max() <= 1


@pytest.mark.parametrize("node", [edges, sketch, gray])
def test_clips_stay_clips_and_can_be_cancelled(node: object, clip: Video) -> None:
    found = run_node(node, clip)  # type: ignore[arg-type]
    assert found.frames.shape == clip.frames.shape and found.frames.dtype == torch.uint8
    assert found.fps == clip.fps
    with pytest.raises(Cancelled):
        run_node(node, clip, context=LocalContext(cancel_after=3))  # type: ignore[arg-type]
    for i in range(len(clip.frames)):
        one = run_node(node, Image(pixels=clip.frames[i]))  # type: ignore[arg-type]
        assert torch.equal(one.pixels, found.frames[i])


def test_thresholds_must_be_in_order() -> None:
    with pytest.raises(NodeError, match=r"low \(3\) is over high \(2\)"):
        run_node(edges, square(), low=3.0, high=2.0)
