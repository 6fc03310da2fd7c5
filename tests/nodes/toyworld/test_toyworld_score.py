"""The scorer against clips whose scene is known."""

import torch
from graphflow_nodes.toyworld.render import render, to_uint8
from graphflow_nodes.toyworld.score import read, score
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
