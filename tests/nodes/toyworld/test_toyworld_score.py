"""The scorer against clips whose scene is known."""

import pytest
import torch
from graphflow_nodes.toyworld.render import draw_layers, render, to_uint8
from graphflow_nodes.toyworld.score import path_error, places, psnr, read, read_picture, score
from graphflow_nodes.toyworld.world import ATTRIBUTES, Scene, sample_scenes


def test_rendered_clips_are_read_correctly() -> None:
    scenes = sample_scenes(150, 11)
    result = score(to_uint8(render(scenes)), scenes)
    assert all(rate >= 0.98 for rate in result.rates.values()), result.rates
    assert min(reading.overlap for reading in result.readings) > 0.85


def test_noise_and_blur_do_not_hide_the_scene() -> None:
    scenes = sample_scenes(60, 12)
    torch.manual_seed(0)
    clips = render(scenes)
    blurred = torch.nn.functional.avg_pool3d(clips, (1, 3, 3), 1, (0, 1, 1), count_include_pad=False)
    result = score((blurred + 0.04 * torch.randn_like(clips)).clamp(-1, 1), scenes)
    assert all(rate >= 0.95 for rate in result.rates.values()), result.rates


def test_bytes_and_floats_read_the_same() -> None:
    scene = Scene("triangle", "white", "pink", "medium", "left", seed=5)
    clip = render([scene])
    as_floats, as_bytes = read(clip[0]), read(to_uint8(clip)[0])
    assert all(getattr(as_floats, name) == getattr(as_bytes, name) for name in ATTRIBUTES)


def test_empty_clip_has_only_a_background() -> None:
    clip = torch.full((13, 64, 64, 3), 120, dtype=torch.uint8)
    reading = read(clip)
    assert (reading.background, reading.color, reading.motion) == ("gray", "", "")


def test_wrong_answers_cost_their_attribute_only() -> None:
    scenes = [Scene("circle", "red", "black", "large", "right", seed=s) for s in range(4)]
    told = [Scene("circle", "blue", "black", "large", "right", seed=s) for s in range(4)]
    rates = score(render(scenes), told).rates
    assert rates == {"shape": 1.0, "color": 0.0, "background": 1.0, "size": 1.0, "motion": 1.0}


def test_a_single_frame_tells_all_but_the_motion() -> None:
    scenes = sample_scenes(40, 13)
    readings = [read_picture(clip[0]) for clip in to_uint8(render(scenes))]
    for name in ("shape", "color", "background", "size"):
        assert sum(getattr(r, name) == getattr(s, name) for r, s in zip(readings, scenes, strict=True)) >= 39


def test_an_object_is_found_where_it_was_drawn() -> None:
    scenes = sample_scenes(20, 14)
    mask = draw_layers(scenes).coverage
    axis = torch.arange(64) + 0.5
    x, y = ((mask * line).flatten(2).sum(2) / mask.flatten(2).sum(2) for line in (axis, axis[:, None]))
    paths = torch.stack([x, y], 2) / 64
    errors = [path_error(clip, path) for clip, path in zip(to_uint8(render(scenes)), paths, strict=True)]
    assert max(errors) < 0.02


def test_an_object_off_its_path_or_absent_is_told_apart() -> None:
    clip = to_uint8(render([Scene("circle", "red", "black", "large", "right", seed=1)]))[0]
    path = places(clip)
    assert path_error(clip, path) == 0
    assert path_error(clip, path + torch.tensor([0.3, 0.4])) == pytest.approx(0.5)
    empty = torch.full((13, 64, 64, 3), 120, dtype=torch.uint8)
    assert places(empty).isnan().all()
    assert path_error(empty, path) == 0.5


def test_signal_to_noise_in_decibels() -> None:
    frames = torch.full((2, 4, 4, 3), 100, dtype=torch.uint8)
    assert psnr(frames, frames) == 99
    assert psnr(frames, frames + 51) == pytest.approx(13.98, abs=0.01)
