"""Nodes for physics with known truth: an experiment rendered, and a clip scored against two takes of it."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from graphflow.node import node
from graphflow.values import Image, Seed, Video

from .frames import check_alike, frames_of
from .values import Direction, Measurement, Scores


class Take(NamedTuple):
    """One take of an experiment: its clip and first frame."""

    video: Video
    first: Image


@node("evaluation/simulate", depends=(".simulator", ".scene", ".scenes", ".vision"))
def simulate(
    *,
    experiment: Literal["fall", "collision", "pendulum", "stack", "roll"] = "fall",
    seed: Seed = 0,
    take: Annotated[int, Field(ge=0, le=1000)] = 0,
    frames: Annotated[int, Field(ge=2, le=1000)] = 25,
    side: Annotated[int, Field(ge=32, le=2048)] = 96,
    fps: Annotated[float, Field(gt=0, le=240)] = 16.0,
    relief: Annotated[float, Field(ge=0, le=1)] = 1.0,
) -> Take:
    """Film an experiment with discs: a fall with bounces, a collision, a pendulum, a stack, a ball that rolls
    into another.

    seed: places, speeds and surfaces. take: the same experiment done again with slightly other places and
    speeds, as no two real takes are equal; 0 is exact. relief: how much texture surfaces have; without any,
    it looks like the toy world, but optical flow has little to hold on to.
    Returns uint8 frames, (frames, side, side, 3).
    """
    import torch

    from .scene import draw
    from .simulator import experiment_scene

    scene = experiment_scene(experiment, seed % 2**31, take, frames, side, fps)
    scene = dataclasses.replace(scene, relief=relief)
    pixels = torch.from_numpy(draw(scene))
    return Take(Video(frames=pixels, fps=fps), Image(pixels=pixels[0].clone()))


@node("evaluation/physics_iq", depends=(".motion_likeness", ".classic_flow", ".frames", ".values", ".vision"))
def physics_iq(video: Video, real: Video, again: Video) -> Scores:
    """Score a clip against two takes of what really happens, by Physics-IQ's formulas (no weights needed).

    video: made by a model, such as from the first frame. real, again: two takes of the same experiment; how
    alike they are to each other is what is possible. Where one is longer, its end is left out.
    Gives physics_iq (0..100), its three overlaps of motion and the squared error, each against `real`.
    Raises ValueMismatch unless all three have one size.
    """
    from .motion_likeness import likeness, score

    frames, truth, other = frames_of(video), frames_of(real, "real"), frames_of(again, "again")
    check_alike("real take", frames, truth, count=False)
    check_alike("second take", frames, other, count=False)
    count = min(len(frames), len(truth), len(other))
    frames, truth, other = frames[:count], truth[:count], other[:count]
    made, best = likeness(frames, truth), likeness(truth, other)
    found: list[tuple[str, float, Direction, str, str]] = [
        (
            "physics_iq",
            score(made, best),
            "higher",
            "0..100",
            "motion that is not where, when and as much as real",
        ),
        ("spatial_iou", made.spatial, "higher", "0..1", "motion in other places"),
        (
            "weighted_spatial_iou",
            made.weighted,
            "higher",
            "0..1",
            "motion in other places, or longer or shorter",
        ),
        ("spatiotemporal_iou", made.spatiotemporal, "higher", "0..1", "motion in other places at each time"),
        ("frame_error", made.error, "lower", "0..1 squared", "other pixels"),
    ]
    return Scores(
        measurements=tuple(
            Measurement(metric=name, value=value, direction=direction, unit=unit, claims=claims)
            for name, value, direction, unit, claims in found
        )
    )
