"""What is measured of a pair of frames, and of the clip between them.

Endpoints alone do not see what happened in between (a thing that was gone for three frames), and a still
picture alone does not tell a move from another thing; so both are measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy
from numpy.typing import NDArray

from .differ import colour_distance
from .flow import flows, lengths
from .frames import Floats, box, laplacian, luma, peak
from .hashing import bits, hamming, similarity
from .motion import largest
from .objects import Ground, Thing, mass_of
from .shots import changes
from .values import Score

CHANGED = 24
"""Levels of the largest channel from which a pixel has changed."""
SMOOTH = 30.0
"""Variance of the Laplacian, squared grey levels, under which a picture is smooth and says nothing of
sharpness."""
FAINT = 50.0
"""Grey levels under which an object that fades is too faint to follow."""
BLOCK = 8
"""Frames that are looked at as floats at a time: a clip of hundreds is ten times its own size as floats."""
BUSY = 6
"""More objects than these, or none that stand out: their tracks say nothing."""


def pair_scores(before: NDArray[Any], after: NDArray[Any]) -> dict[str, Score]:
    """Columns of two frames, uint8 (height, width, 3).

    `changed_area`: share of pixels that changed by more than 24 levels; `unchanged_mae`: mean difference of
    the others, levels; `sharp_ratio`: sharpness of what did not change, after against before; `embed_sim`:
    likeness of colours and edges, 0..1; `ssim`: structural similarity (Z. Wang et al., 2004);
    `phash_distance`: differing bits of 64; `exposure`: mean brightness of the darker frame, 0..1.
    """
    apart = numpy.abs(before.astype(numpy.int16) - after)
    changed = peak(apart) > CHANGED
    rest = apart[~changed]
    one, two = luma(before), luma(after)
    return {
        "changed_area": float(changed.mean()),
        "unchanged_mae": float(rest.mean()) if len(rest) else 255.0,
        "sharp_ratio": _sharp_ratio(one, two, changed),
        "embed_sim": similarity(before, after),
        "ssim": ssim(one, two),
        "phash_distance": int(hamming(bits(one), bits(two))),
        "exposure": float(min(one.mean(), two.mean()) / 255),
    }


def _sharp_ratio(one: Floats, two: Floats, changed: NDArray[numpy.bool_]) -> float:
    """Variance of the Laplacian, after against before, away from what changed; 1 where all is smooth."""
    if min(one.shape) < 5:
        return 1.0
    near = box(changed.astype(numpy.float32), 1)[1:-1, 1:-1] > 0
    if near.mean() > 0.95:
        return 1.0
    one_rest, two_rest = (float(laplacian(grey)[~near].var()) for grey in (one, two))
    return (two_rest + SMOOTH) / (one_rest + SMOOTH)


def ssim(one: Floats, two: Floats) -> float:
    """Mean structural similarity of grey pictures in windows of 7 x 7."""
    a, b = box(one, 3), box(two, 3)
    aa, bb, ab = box(one * one, 3) - a * a, box(two * two, 3) - b * b, box(one * two, 3) - a * b
    steady, contrast = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    found = (2 * a * b + steady) * (2 * ab + contrast) / ((a * a + b * b + steady) * (aa + bb + contrast))
    return float(found.mean())


@dataclass(frozen=True)
class Scene:
    """A clip and what was found in it, so that several pairs of one clip look only once."""

    frames: NDArray[Any]
    ground: Ground
    things: Sequence[Sequence[Thing]]
    """The objects of each frame."""
    change: Floats
    light: Floats
    """Mean brightness of each frame."""
    mass: Floats
    paths: Floats
    """How far the most moving pixels go from each frame to the next, in shorter sides."""


def scene_of(frames: NDArray[Any]) -> Scene:
    """Look at a whole clip once. frames: uint8 (frames, height, width, 3)."""
    from .objects import ground_of, things_of

    ground = ground_of(frames)
    light, mass = numpy.zeros((2, len(frames)), dtype=numpy.float32)
    paths = numpy.zeros(max(0, len(frames) - 1), dtype=numpy.float32)
    for begin in range(0, len(frames), BLOCK):
        part = frames[begin : begin + BLOCK + 1]  # with the first of the next block, where the last one goes
        grey = luma(part)
        own = slice(begin, begin + BLOCK)
        light[own] = grey[:BLOCK].mean(axis=(1, 2))
        mass[own] = mass_of(part[:BLOCK], ground)
        if len(part) > 1:
            far = lengths(flows(grey)).reshape(len(part) - 1, -1) / min(frames.shape[1:3])
            paths[begin : begin + BLOCK] = largest(far).mean(axis=1)
    things = [things_of(frame, ground) for frame in frames]
    return Scene(frames, ground, things, changes(frames), light, mass, paths)


def between_scores(scene: Scene, first: int, last: int) -> Mapping[str, Score]:
    """Columns of the clip from one frame to another.

    `change_max`: largest change of colours from frame to frame, high at a cut; `flicker`: largest jump back
    and forth of the brightness, against its mean; `path`: way of the most moving pixels, summed from frame
    to frame, in shorter sides. Of the objects that stand out: `step_excess`: the largest step of one beyond
    its usual step, in shares of the frame; `mass_jump`: the largest sudden change of how much stands out,
    against the most; `count_flips`: objects that went and came again; `colour_jump`, `colour_drift`: the
    largest change of an object's colour at once, and from first to last, in RGB of 0..255; `shape_changes`:
    how often one became another shape; `cut_off`: one leaves the frame in part. `unclear`: objects cannot be
    told, and those columns are empty.
    """
    low, high = min(first, last), max(first, last)
    within = [
        [thing for thing in things if thing.contrast > FAINT] for things in scene.things[low : high + 1]
    ]
    scores: dict[str, Score] = {
        "change_max": float(scene.change[low + 1 : high + 1].max(initial=0)),
        "flicker": _flicker(scene.light[low : high + 1]),
        "path": float(scene.paths[low:high].sum()),
        "objects_before": len(scene.things[first]),
        "objects_after": len(scene.things[last]),
    }
    counts = [len(things) for things in within]
    unclear = max(counts) > BUSY or max(counts) == 0
    return {
        **scores,
        "unclear": unclear,
        **(_UNKNOWN if unclear else _tracked(scene, within, counts, low, high)),
    }


_UNKNOWN: dict[str, Score] = dict.fromkeys(
    ("step_excess", "mass_jump", "count_flips", "colour_jump", "colour_drift", "shape_changes", "cut_off")
)


def _tracked(
    scene: Scene, within: Sequence[Sequence[Thing]], counts: list[int], low: int, high: int
) -> dict[str, Score]:
    mass = scene.mass[low : high + 1]
    steps: list[float] = []
    colours, shapes = [0.0], 0
    for one, two in pairwise(within):
        if len(one) != len(two):
            continue
        for before, after in _followed(one, two):
            steps.append(float(numpy.hypot(after.x - before.x, after.y - before.y)))
            colours.append(colour_distance(before, after))
            shapes += before.shape != after.shape and "object" not in (before.shape, after.shape)
    ends = _followed(within[0], within[-1]) if len(within[0]) == len(within[-1]) else []
    drift = [colour_distance(one, two) for one, two in ends]
    named = [one.shape != two.shape and "object" not in (one.shape, two.shape) for one, two in ends]
    return {
        "step_excess": max(steps) - float(numpy.median(steps)) if steps else 0.0,
        "mass_jump": float(numpy.abs(numpy.diff(mass)).max(initial=0) / max(1e-6, float(mass.max()))),
        "count_flips": sum(abs(b - a) for a, b in pairwise(counts)) - abs(counts[-1] - counts[0]),
        "colour_jump": max(colours),
        "colour_drift": max(drift, default=0.0),
        "shape_changes": max(shapes, sum(named)),
        "cut_off": not all(thing.whole for things in (within[0], within[-1]) for thing in things),
    }


def _followed(one: Sequence[Thing], two: Sequence[Thing]) -> list[tuple[Thing, Thing]]:
    """Objects of two frames with as many in each, nearest first."""
    order = sorted(
        ((numpy.hypot(a.x - b.x, a.y - b.y) + colour_distance(a, b) / 500, i, j)
         for i, a in enumerate(one) for j, b in enumerate(two)),
    )  # fmt: skip
    left, right = set(range(len(one))), set(range(len(two)))
    found = []
    for _, i, j in order:
        if i in left and j in right:
            left.discard(i)
            right.discard(j)
            found.append((one[i], two[j]))
    return found


def _flicker(light: Floats) -> float:
    """The largest second difference of the brightness, halved, against its mean; a steady fade has none."""
    if len(light) < 3:
        return 0.0
    bend = numpy.abs(light[2:] - 2 * light[1:-1] + light[:-2]) / 2
    return float(bend.max() / max(4.0, float(light.mean())))
