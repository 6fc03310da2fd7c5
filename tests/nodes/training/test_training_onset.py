"""When an effect begins, on curves and clips in which it was planted."""

from __future__ import annotations

import random

import pytest
import torch
from graphflow_nodes.toyworld import effect_clip
from graphflow_nodes.training import measure_effect
from graphflow_nodes.training.onset import onset_of

from graphflow.testing import run_node
from graphflow.values import Video

LEAST = 0.02
SHAPES = {
    "step": lambda age: 0.2,
    "ramp": lambda age: min(0.25, 0.05 * (age + 1)),
    "fading": lambda age: 0.25 * 0.8**age,
    "gone again": lambda age: 0.2 if age < 4 else 0.0,
    "growing": lambda age: 0.06 + 0.02 * age,
}


def planted(shape: str, onset: int, seed: int, count: int = 17, *, level: float, noise: float) -> list[float]:
    """A curve that is level with noise, and from the onset on more by the shape."""
    rng = random.Random(f"{shape} {onset} {seed}")
    rise = SHAPES[shape]
    return [
        max(0.0, level + rng.gauss(0, noise) + (rise(frame - onset) if frame >= onset else 0.0))
        for frame in range(count)
    ]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("level", [0.0, 0.08])
def test_a_planted_onset_is_found_in_noise_whatever_comes_after(shape: str, level: float) -> None:
    """The first frame is as noisy as the others; nineteen of twenty are found to a frame."""
    tried = [(onset, seed) for onset in (3, 5, 8, 11) for seed in range(25)]
    found = [onset_of(planted(shape, onset, seed, level=level, noise=0.006), LEAST) for onset, seed in tried]
    right = sum(
        one is not None and abs(one - onset) <= 1 for one, (onset, _) in zip(found, tried, strict=True)
    )
    assert right >= 0.95 * len(tried)


def test_noise_and_slow_drift_are_no_onset() -> None:
    rng = random.Random(0)
    still = [[max(0.0, rng.gauss(0.004, 0.004)) for _ in range(17)] for _ in range(100)]
    drift = [[0.005 * frame + abs(rng.gauss(0, 0.002)) for frame in range(17)] for _ in range(100)]
    for curves in (still, drift):
        assert sum(onset_of(curve, LEAST) is not None for curve in curves) <= 5


def test_one_odd_frame_at_the_beginning_misleads_nobody() -> None:
    assert onset_of([0.09, 0.01, 0.0, 0.01, 0.0, 0.01, 0.2, 0.21, 0.2, 0.22, 0.2, 0.21, 0.2], LEAST) == 6


def test_what_grows_from_the_first_frame_on_begins_there() -> None:
    assert onset_of([0.03 * frame for frame in range(13)], LEAST) == 1
    assert onset_of([0.5] * 13, LEAST) == 0
    assert onset_of([0.0, 0.0, 0.3], LEAST) == 2
    assert onset_of([0.0], LEAST) is None


LEARNT = (
    (7, "20 29 31 32 30 21 23 66 82 86 89 87 82"),
    (5, "68 76 78 83 84 108 127 168 178 167 167 159 154"),
    (6, "42 43 42 44 42 53 96 189 239 252 256 260 260"),
    (1, "67 114 139 147 153 156 159 154 155 162 169 177 183"),
    (5, "120 141 105 112 93 152 183 253 266 281 276 295 329"),
)
"""Clips of a LoRA that was taught to cut things: the frame in which people see it begin, and changed pixels
in thousandths. A sixth, in which a thing changes little by little before it is cut, is taken for earlier."""


@pytest.mark.parametrize(("seen", "curve"), LEARNT)
def test_on_clips_of_a_trained_lora_it_is_where_people_see_it(seen: int, curve: str) -> None:
    found = onset_of([int(part) / 1000 for part in curve.split()], LEAST)
    assert found is not None and abs(found - seen) <= 1


def test_a_thing_that_stands_elsewhere_all_the_time_is_no_effect() -> None:
    """As clips of a LoRA without its trigger are; such a shift may be as large as an effect."""
    plain = run_node(effect_clip).plain
    moved = Video(frames=plain.frames.roll(5, 1), fps=8.0)
    found = run_node(measure_effect, moved, plain)
    assert found.named("effect_area").value > 0.05 and found.named("effect_onset") is None


@pytest.mark.parametrize("effect", ["cakeify", "dissolve"])
def test_onsets_of_clips_that_a_model_has_shifted_and_made_noisy(effect: str) -> None:
    """As clips of a LoRA are: moved by a pixel, other noise in every frame, flickering brightness."""
    right, tried = 0, 0
    for seed in range(4):
        for onset in (0.25, 0.4, 0.6):
            made = run_node(
                effect_clip, effect=effect, onset=onset, seed=seed, color=("red", "blue")[seed % 2]
            )
            source = torch.Generator().manual_seed(seed)
            frames = made.video.frames.roll(1, 2).float()
            frames += 12 * torch.randn(frames.shape, generator=source)
            frames += 6 * torch.randn(len(frames), 1, 1, 1, generator=source)
            video = Video(frames=frames.clamp(0, 255).byte(), fps=8.0)
            found = run_node(measure_effect, video, made.plain).named("effect_onset")
            tried += 1
            right += found is not None and abs(found.value - made.onset) <= 1
    assert right >= tried - 1
