"""The renderer: determinism, colours, places and motion of what it draws."""

import pytest
import torch
from graphflow_nodes.toyworld.render import (
    FRAMES,
    SIZE,
    distance,
    draw_layers,
    render,
    scene_colors,
    to_uint8,
)
from graphflow_nodes.toyworld.world import BACKGROUNDS, COLORS, MOTIONS, SHAPES, SIZES, Scene
from hypothesis import example, given, settings
from hypothesis import strategies as st

scenes = st.builds(
    Scene,
    st.sampled_from(SHAPES),
    st.sampled_from(sorted(COLORS)),
    st.sampled_from(sorted(BACKGROUNDS)),
    st.sampled_from(sorted(SIZES)),
    st.sampled_from(MOTIONS),
    st.just("none"),
    st.integers(0, 2**31 - 1),
)


def _centers(scene: Scene) -> tuple[torch.Tensor, torch.Tensor]:
    """Centroid of the object in each frame, x and y in pixels."""
    mask = draw_layers([scene]).coverage[0]
    axis = torch.arange(SIZE) + 0.5
    area = mask.flatten(1).sum(1)
    return (mask * axis).flatten(1).sum(1) / area, (mask * axis[:, None]).flatten(1).sum(1) / area


@settings(max_examples=25, deadline=None)
@given(scenes)
def test_same_scene_same_pixels_alone_or_in_a_batch(scene: Scene) -> None:
    other = Scene("triangle", "white", "gray", "large", "up", seed=1)
    alone, together = render([scene]), render([other, scene])
    assert alone.shape == (1, 3, FRAMES, SIZE, SIZE)
    assert torch.equal(alone[0], together[1])
    assert alone.min() >= -1 and alone.max() <= 1


@settings(max_examples=25, deadline=None)
@given(scenes)
def test_object_moves_where_the_scene_says(scene: Scene) -> None:
    x, y = _centers(scene)
    dx, dy = float(x[-1] - x[0]), float(y[-1] - y[0])
    along, across = {
        "right": (dx, dy),
        "left": (-dx, dy),
        "down": (dy, dx),
        "up": (-dy, dx),
        "still": (10.0, max(abs(dx), abs(dy))),
    }[scene.motion]
    assert along > 8
    assert abs(across) < 0.5


@settings(max_examples=25, deadline=None)
@given(scenes)
@example(Scene("triangle", "blue", "black", "large", "up", "none", 102326))
def test_object_stays_inside_the_frame(scene: Scene) -> None:
    """The soft tip of a triangle, which ends where half planes meet, may shimmer in the last row."""
    ink = draw_layers([scene]).over[0]
    borders = (ink[:, 0], ink[:, -1], ink[:, :, 0], ink[:, :, -1])
    assert all(border.max() < (0.25 if scene.shape == "triangle" else 0.01) for border in borders)


@settings(max_examples=25, deadline=None)
@given(scenes)
def test_center_has_the_object_color_and_the_corner_the_background(scene: Scene) -> None:
    fore, back = scene_colors(scene)
    x, y = _centers(scene)
    clip = (render([scene])[0] + 1) / 2
    center = clip[:, 0, int(y[0]), int(x[0])]
    assert torch.allclose(center, 0.92 * torch.tensor(fore), atol=0.03)
    assert torch.allclose(clip[:, 0, 0, 0], torch.tensor(back), atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(scenes)
def test_wandering_objects_stay_inside_the_frame_too(scene: Scene) -> None:
    """The soft tip of a triangle may touch the frame's edge."""
    ink = draw_layers([scene], course="wandering").over[0]
    assert all(border.max() < 0.25 for border in (ink[:, 0], ink[:, -1], ink[:, :, 0], ink[:, :, -1]))


def test_free_objects_start_where_it_tells_nothing_and_may_leave() -> None:
    told = [Scene("circle", "red", "black", "large", "right", seed=seed) for seed in range(60)]
    first, last = (draw_layers(told, course="free").coverage[:, t] for t in (0, -1))
    columns = (first.amax(1) * (torch.arange(SIZE) + 0.5)).sum(1) / first.amax(1).sum(1)
    assert columns.min() < 24 and columns.max() > 40
    assert (last.flatten(1).sum(1) < 0.6 * first.flatten(1).sum(1)).any()


def test_frames_as_bytes() -> None:
    frames = to_uint8(render([Scene("circle", "red", "black", "large", "right")]))
    assert frames.dtype == torch.uint8
    assert frames.shape == (1, FRAMES, SIZE, SIZE, 3)


def test_other_lengths_and_sizes() -> None:
    assert render([Scene("circle", "red", "black", "large", "right")], frames=5, size=128).shape[2:] == (
        5,
        128,
        128,
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_centroid_of_a_shape_is_the_origin(shape: str) -> None:
    axis = (torch.arange(400) + 0.5) / 100 - 2
    inside = distance(shape, axis.expand(400, -1), axis[:, None].expand(-1, 400)) < 0
    assert abs(float((inside * axis).sum() / inside.sum())) < 0.01
    assert abs(float((inside * axis[:, None]).sum() / inside.sum())) < 0.01


def test_slices_drift_apart_and_show_cream() -> None:
    layers = draw_layers([Scene("circle", "red", "black", "large", "still", "slices", seed=2)])
    assert not layers.filling[0, 0].any()
    assert layers.filling[0, -1].sum() > 50
    row = layers.coverage[0, -1].amax(0)
    runs = int((row[1:] > row[:-1]).sum())
    assert runs == 3


def test_fade_ends_with_the_background() -> None:
    layers = draw_layers([Scene("circle", "red", "black", "large", "still", "fade", seed=2)])
    assert layers.over[0, 0].max() > 0.9
    assert layers.over[0, -1].max() == 0
