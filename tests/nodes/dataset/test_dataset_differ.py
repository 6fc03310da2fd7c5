"""What changed, in words: against the truth of 200 clips, and for each kind of edit."""

from __future__ import annotations

from dataclasses import replace

import numpy
import pytest
from graphflow_nodes.dataset import caption_pairs, describe_pairs, difference_captioner, frame_pairs
from graphflow_nodes.dataset.caption import change_caption
from graphflow_nodes.dataset.describe import Describe, Described, PairCaptioner
from graphflow_nodes.dataset.objects import colour_name, ground_of, things_of
from graphflow_nodes.dataset.values import EditPair
from graphflow_nodes.toyworld.world import COLORS, Scene
from PIL import Image as Pillow

from graphflow.errors import NodeError
from graphflow.testing import run_node
from tests.nodes.dataset.conftest import Frames, camera_over_texture, moving_scenes, toy_frames, video

WAYS = {"right": "to the right", "left": "to the left", "up": "up", "down": "down"}
BACK = {"right": "to the left", "left": "to the right", "up": "down", "down": "up"}
CIRCLE = Scene("circle", "red", "gray", "large", "right", seed=5)


def described(frames: Frames) -> EditPair:
    """The pair of the first and last frame, in words."""
    clip = video(frames)
    (pair,) = run_node(describe_pairs, clip, run_node(frame_pairs, clip))
    assert isinstance(pair, EditPair)
    return pair


def ends(first: Scene, last: Scene) -> EditPair:
    """The pair of one scene's first frame and another's, with the same place."""
    return described(numpy.stack([toy_frames([first], 2)[0, 0], toy_frames([last], 2)[0, 0]]))


def test_the_instruction_is_true_for_200_clips() -> None:
    scenes = moving_scenes(200, seed=11)
    right = 0
    for scene, frames in zip(scenes, toy_frames(scenes), strict=True):
        pair = described(frames)
        thing = f"the {scene.color} {scene.shape}"
        right += (
            pair.instruction == f"move {thing} {WAYS[scene.motion]}"
            and pair.inverse == f"move {thing} {BACK[scene.motion]}"
            and pair.edit_type == "move"
            and f"{scene.color} {scene.shape}" in pair.caption_before
        )
    assert right >= 190


def test_pixels_of_a_codec_do_not_confuse_it() -> None:
    scenes = moving_scenes(40, seed=12)
    rng = numpy.random.default_rng(0)
    frames = toy_frames(scenes, 5).astype(int)
    noisy = (frames + rng.normal(0, 4, frames.shape)).clip(0, 255).astype(numpy.uint8)
    right = [
        described(clip).instruction == f"move the {s.color} {s.shape} {WAYS[s.motion]}"
        for s, clip in zip(scenes, noisy, strict=True)
    ]
    assert sum(right) >= 38


def test_another_colour_shape_or_background() -> None:
    pair = ends(CIRCLE, replace(CIRCLE, color="blue"))
    assert (pair.instruction, pair.inverse) == ("make the red circle blue", "make the blue circle red")
    assert pair.edit_type == "recolor"
    pair = ends(CIRCLE, replace(CIRCLE, shape="square"))
    assert pair.instruction.startswith("turn the red circle into a square")
    assert pair.inverse.startswith("turn the red square into a circle") and pair.edit_type == "reshape"
    pair = ends(CIRCLE, replace(CIRCLE, background="pink"))
    assert pair.instruction == "make the background pink" and pair.edit_type == "background"


def test_larger_and_smaller() -> None:
    small, large = (toy_frames([replace(CIRCLE, size=size)], 2)[0, 0] for size in ("medium", "large"))
    pair = described(numpy.stack([small, large]))
    assert pair.instruction.startswith("make the red circle larger")
    assert pair.inverse.split(", then ")[-1] == "make the red circle smaller"


def test_going_and_coming() -> None:
    gone = toy_frames([replace(CIRCLE, effect="fade", motion="still")])[0]
    pair = described(gone)
    assert (pair.instruction, pair.edit_type) == ("remove the red circle", "remove")
    assert pair.inverse.startswith("add a red circle ")
    assert pair.caption_after == "an empty gray background"
    back = described(gone[::-1])
    assert (back.instruction, back.inverse) == (pair.inverse, pair.instruction)


def test_cutting_like_a_cake() -> None:
    pair = described(toy_frames([replace(CIRCLE, effect="slices", motion="still")])[0])
    assert (pair.instruction, pair.edit_type) == ("cut the red circle into 3 pieces", "slice")
    assert pair.inverse == "put the pieces of the red circle together"


def test_two_objects_and_a_diagonal() -> None:
    frames = numpy.full((3, 64, 64, 3), 128, dtype=numpy.uint8)
    for i in range(3):
        frames[i, 8 + 12 * i : 20 + 12 * i, 8 + 12 * i : 20 + 12 * i] = (20, 40, 230)
        frames[i, 46:58, 4:16] = (230, 30, 30)
    pair = described(frames)
    assert pair.instruction == "move the blue square down and to the right"
    assert pair.inverse == "move the blue square up and to the left"
    assert "red square at the bottom left" in pair.caption_before


def test_a_picture_without_clear_objects_has_no_instruction() -> None:
    pair = described(camera_over_texture([(4 * i, 0) for i in range(6)]))
    assert pair.edit_type == "unclear" and pair.instruction == ""


def test_nothing_changed() -> None:
    pair = described(toy_frames([replace(CIRCLE, motion="still")])[0])
    assert (pair.instruction, pair.edit_type) == ("", "none")


@pytest.mark.parametrize("name", COLORS)
def test_colours_are_called_as_the_toy_world_calls_them(name: str) -> None:
    for light in (1.0, 0.84):
        assert colour_name(numpy.array(COLORS[name]) * 255 * light) == name


def test_a_still_camera_over_a_texture_shows_what_moves() -> None:
    wall = (camera_over_texture([(0, 0)], 64, 64)[0] * 0.5 + 80).astype(numpy.uint8)
    frames = numpy.stack([wall] * 9)
    for i in range(9):
        frames[i, 20:36, 4 + 5 * i : 20 + 5 * i] = (230, 20, 20)
    ground = ground_of(frames)
    assert numpy.abs(ground.pixels - wall).mean() < 1
    (thing,) = things_of(frames[0], ground)
    assert thing.name == "red square"
    assert described(frames).instruction == "move the red square to the right"


def test_what_happens_in_a_clip() -> None:
    frames = toy_frames([CIRCLE])[0]
    text = change_caption(frames)
    assert text.startswith("a red circle ") and text.endswith("; the red circle moves to the right")
    assert change_caption(frames, events=False) == text.partition(";")[0]


class Parrot(PairCaptioner):
    """Says what it is told."""

    word: str

    def open(self, device: str) -> Describe:
        return lambda before, after: Described(self.word, "back", "other")


class Silent(PairCaptioner):
    """Gives something else."""

    def open(self, device: str) -> Describe:
        return lambda before, after: None  # type: ignore[arg-type, return-value]


def test_any_captioner_that_is_wired() -> None:
    clip = video(toy_frames([CIRCLE])[0])
    pairs = run_node(frame_pairs, clip)
    (told,) = run_node(caption_pairs, pairs, Parrot(word="dance"))
    assert (told.instruction, told.inverse, told.edit_type) == ("dance", "back", "other")
    (seen,) = run_node(caption_pairs, pairs, run_node(difference_captioner))
    assert seen.instruction == "move the red circle to the right"
    with pytest.raises(NodeError, match="Silent"):
        run_node(caption_pairs, pairs, Silent())


def test_a_single_picture_is_enough_where_the_background_is_plain() -> None:
    photo = numpy.asarray(Pillow.fromarray(toy_frames([CIRCLE])[0][0]).resize((200, 200)))
    assert [thing.name for thing in things_of(photo, ground_of(photo[None]))] == ["red circle"]
