"""Each measure sees what it is for: motion, camera, blur, blocks, exposure, borders, overlays, copies."""

from __future__ import annotations

import io

import numpy
import pytest
from graphflow_nodes.dataset import measure
from graphflow_nodes.dataset.frames import box, luma
from graphflow_nodes.dataset.hashing import as_text, bits, from_text, hamming, similarity
from graphflow_nodes.dataset.picture import active_area, blockiness, overlay_share
from PIL import Image as Pillow
from PIL import ImageDraw

from graphflow.testing import run_node
from tests.nodes.dataset.conftest import camera_over_texture, moving_scenes, toy_frames, video

PANS = {"pan_right": (3, 0), "pan_left": (-3, 0), "tilt_down": (0, 2), "tilt_up": (0, -2), "static": (0, 0)}


@pytest.mark.parametrize("name", PANS)
def test_the_camera_is_told_by_how_the_picture_moves(name: str) -> None:
    x, y = PANS[name]
    scores = run_node(measure, video(camera_over_texture([(x * i, y * i) for i in range(10)])))
    assert scores["camera"] == name
    assert scores["camera_speed"] == pytest.approx(100 * 8 * numpy.hypot(x, y) / 64, rel=0.05, abs=0.1)
    assert scores["motion"] == pytest.approx(scores["camera_speed"], rel=0.1, abs=0.1)


def zoomed(factor: float, turn: float, frames: int = 9) -> numpy.ndarray:
    wall = Pillow.fromarray(camera_over_texture([(0, 0)], 160, 200)[0])
    seen = []
    for i in range(frames):
        width, height = 96 * factor**i, 64 * factor**i
        area = (100 - width / 2, 80 - height / 2, 100 + width / 2, 80 + height / 2)
        turned = wall.rotate(turn * i, Pillow.Resampling.BILINEAR)
        seen.append(numpy.asarray(turned.resize((96, 64), Pillow.Resampling.BILINEAR, box=area)))
    return numpy.stack(seen)


@pytest.mark.parametrize(
    ("name", "factor", "turn"), [("zoom_in", 0.97, 0), ("zoom_out", 1.03, 0), ("roll", 1, 2)]
)
def test_zoom_and_roll(name: str, factor: float, turn: float) -> None:
    assert run_node(measure, video(zoomed(factor, turn)))["camera"] == name


def test_a_shaking_camera() -> None:
    rng = numpy.random.default_rng(2)
    places = [(int(x), int(y)) for x, y in rng.integers(-4, 5, (12, 2))]
    assert run_node(measure, video(camera_over_texture(places)))["camera"] == "shake"


def test_a_large_object_is_not_taken_for_the_camera() -> None:
    large = [scene for scene in moving_scenes(60, seed=4) if scene.size == "large"][:12]
    assert {run_node(measure, video(frames))["camera"] for frames in toy_frames(large)} == {"unclear"}


def test_opposite_motions_do_not_cancel() -> None:
    left = camera_over_texture([(3 * i, 0) for i in range(9)], 32)
    right = camera_over_texture([(-3 * i, 0) for i in range(9)], 32)
    both = run_node(measure, video(numpy.concatenate([left, right], axis=1)))
    assert both["motion"] > 0.8 * run_node(measure, video(left))["motion"] * 32 / 64


def test_blur_lowers_sharpness_and_light_moves_exposure() -> None:
    clear = camera_over_texture([(i, 0) for i in range(6)])
    soft = box(luma(clear), 3)[..., None].repeat(3, axis=-1).astype(numpy.uint8)
    dark, bright = (clear * 0.2).astype(numpy.uint8), (clear * 0.3 + 178).astype(numpy.uint8)
    sharp, dull = (run_node(measure, video(frames)) for frames in (clear, soft))
    assert sharp["sharpness"] > 3 * dull["sharpness"]
    low, high = (run_node(measure, video(frames))["exposure"] for frames in (dark, bright))
    assert low < 0.2 < 0.6 < high
    lit = (clear * numpy.array([1, 0.7] * 3)[:, None, None, None]).astype(numpy.uint8)
    assert run_node(measure, video(lit))["flicker"] > 20 * max(0.1, sharp["flicker"])


def test_a_coarse_jpeg_has_blocks() -> None:
    picture = camera_over_texture([(0, 0)], 128, 192)[0]

    def packed(quality: int) -> float:
        buffer = io.BytesIO()
        Pillow.fromarray(picture).save(buffer, "JPEG", quality=quality)
        return blockiness(luma(numpy.asarray(Pillow.open(buffer)))[None])

    assert packed(3) > 0.3 > 0.05 > packed(95)


def test_borders_are_found_to_the_pixel_and_dark_scenes_have_none() -> None:
    clip = luma(camera_over_texture([(i, 0) for i in range(8)], 90, 160))
    boxed = numpy.pad(clip, ((0, 0), (22, 21), (0, 0)), constant_values=16)
    assert active_area(boxed) == (22, 0, 90, 160)
    pillars = numpy.pad(clip, ((0, 0), (0, 0), (30, 34)))
    assert active_area(pillars) == (0, 30, 90, 160)
    assert active_area(clip) is None
    assert active_area(clip * 0) is None
    for frames in toy_frames([s for s in moving_scenes(60, 3) if s.background == "black"]):
        assert active_area(luma(frames)) is None


def test_letters_over_a_moving_picture() -> None:
    clip = camera_over_texture([(4 * i, 0) for i in range(10)], 90, 160)
    assert overlay_share(luma(clip)) < 0.005
    marked = []
    for frame in clip:
        picture = Pillow.fromarray(frame)
        pen = ImageDraw.Draw(picture)
        pen.rectangle((8, 66, 150, 84), fill=(0, 0, 0))
        pen.text((12, 68), "SUBSCRIBE NOW: STOCK FOOTAGE", fill=(255, 255, 255))
        marked.append(numpy.asarray(picture))
    assert overlay_share(luma(numpy.stack(marked))) > 0.03


def test_a_hash_survives_scaling_and_compression_and_tells_pictures_apart() -> None:
    pictures = [camera_over_texture([(0, 0)], 120, 160, seed=seed)[0] for seed in range(12)]
    codes = numpy.stack([bits(luma(picture)) for picture in pictures])
    for picture, code in zip(pictures, codes, strict=True):
        buffer = io.BytesIO()
        Pillow.fromarray(picture).resize((100, 75)).save(buffer, "JPEG", quality=50)
        assert hamming(code, bits(luma(numpy.asarray(Pillow.open(buffer))))) <= 4
        assert (from_text(as_text(code)) == code).all()
    far = hamming(codes[:, None], codes[None])
    assert far[~numpy.eye(12, dtype=bool)].min() > 10


def test_an_object_that_moves_stays_alike_and_another_place_is_not() -> None:
    ball, box_ = toy_frames(moving_scenes(2, seed=9))
    assert similarity(ball[0], ball[-1]) > 0.99
    assert similarity(ball[0], camera_over_texture([(0, 0)], 64, 64)[0]) < 0.7
    assert similarity(ball[0], box_[0]) < 0.9
