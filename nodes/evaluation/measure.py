"""Nodes that measure clips by metrics without weights, and pass numbers on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from graphflow.errors import NodeError, ValueMismatch
from graphflow.node import Context, node
from graphflow.values import Video

from .frames import check_alike, frames_of, marks_of
from .values import Direction, Flow, Measurement, ScoreRow, Scores, ScoreTable

ALWAYS = "dynamic_degree"
"""Stands beside every other metric: a still clip is consistent."""

_NAMES = (
    "temporal_flickering brightness_jitter drift lost_detail sharpness blockiness noise_level "
    "motion_smoothness warping_error flow_consistency motion dynamic_degree camera_shake camera_travel "
    "appearance_consistency cut loop_seam object_count object_permanence object_area object_colour "
    "object_shape object_overlap object_acceleration object_ballistic object_energy object_momentum"
)
NAMES = tuple(_NAMES.split())
"""The metrics without weights, known without loading them: those of `suite.METRICS`, in its order."""


def chosen(metrics: str, known: Sequence[str]) -> list[str]:
    """The metrics that a setting names, in the order of all; empty is all. Raises NodeError for another."""
    names = [name for name in re.split(r"[,\s]+", metrics) if name]
    for name in names:
        if name not in known:
            raise NodeError(
                f"there is no metric {name!r}", where="metrics", hint=f"there are {', '.join(known)}"
            )
    return [name for name in known if not names or name in names or name == ALWAYS]


def _known(metrics: str) -> str:
    """A wrong name is refused with the settings, not when the clips have been made."""
    try:
        chosen(metrics, NAMES)
    except NodeError as error:
        raise PydanticCustomError(
            "metric", "{reason}", {"reason": f"{error.message}; {error.hint}"}
        ) from error
    return metrics


Names = Annotated[str, Field(max_length=2000), AfterValidator(_known)]

_PARTS = (
    ".appearance .assignment .blobs .camera .classic_flow .clip .flight .frames .light .momentum .movement "
    ".objects .picture .suite .texture .tracks .values .vision"
)
PARTS = tuple(_PARTS.split())
"""Modules whose code decides what a metric gives."""


@node("evaluation/measure", depends=PARTS)
def measure(
    video: Video,
    ctx: Context,
    flow: Flow | None = None,
    objects: Video | None = None,
    *,
    metrics: Names = "",
) -> Scores:
    """Measure a clip by metrics that need no weights, see the guide to evaluation.

    flow: by another flow model than the built-in one. objects: masks of the objects, white inside;
    without it, objects are what differs in colour from the frame's edges.
    metrics: names, with commas or spaces between them; empty is all. dynamic_degree is always among them.
    A metric that has nothing to say about the clip is listed as missing, with the reason.
    Raises NodeError for an unknown name or a video without frames, ValueMismatch if sizes differ.
    """
    from .clip import Clip, Motion
    from .suite import METRICS, measured

    frames = frames_of(video)
    masks = None
    if objects is not None:
        masks = marks_of(objects, "objects")
        check_alike("mask", frames, masks)
    motion = None
    if flow is not None:
        if tuple(flow.forward.shape[:3]) != (len(frames) - 1, *frames.shape[1:3]):
            raise ValueMismatch(
                "the flow is of another clip", where="flow", hint="compute it from this video"
            )
        parts = (flow.forward, flow.backward, flow.wide_forward, flow.wide_backward)
        motion = Motion(*(part.numpy() for part in parts))
    clip = Clip(frames, video.fps, motion, masks)
    names = chosen(metrics, list(METRICS))
    found = Scores()
    for done, name in enumerate(names):
        ctx.progress(done, len(names))
        found = found.joined(measured(clip, [name]))
    return found


@node("evaluation/measurement", fold=True)
def measurement(
    value: float,
    *,
    metric: Annotated[str, Field(min_length=1, max_length=100)],
    direction: Direction = "higher",
    unit: Annotated[str, Field(max_length=100)] = "",
    claims: Annotated[str, Field(max_length=1000)] = "",
) -> Scores:
    """A number of any other node as a metric, such as how well a pose is followed or what a judge says."""
    one = Measurement(metric=metric, value=float(value), direction=direction, unit=unit, claims=claims)
    return Scores(measurements=(one,))


@node("evaluation/merge_scores", fold=True)
def merge_scores(first: Scores, second: Scores, third: Scores | None = None) -> Scores:
    """The metrics of several as one; where two have the same metric, the later counts."""
    both = first.joined(second)
    return both if third is None else both.joined(third)


@node("evaluation/metric_value", fold=True)
def metric_value(scores: Scores, *, metric: Annotated[str, Field(min_length=1, max_length=100)]) -> float:
    """One metric as a number. Raises NodeError if it was not or could not be measured."""
    return value_of(scores, metric).value


@node("evaluation/score_table", fold=True)
def score_table(
    scores: list[Scores],
    items: list[str] | None = None,
    systems: list[str] | None = None,
    *,
    system: Annotated[str, Field(max_length=200)] = "",
) -> ScoreTable:
    """The scores of many clips as one table.

    items: what each clip is of, such as its prompt; without it clips are numbered. systems: what made each,
    such as the name of a model; system: the one that made all. Clips of one item by several systems are
    compared with each other.
    Raises ValueMismatch if the lists differ in length.
    """
    for name, given in (("items", items), ("systems", systems)):
        if given is not None and len(given) != len(scores):
            raise ValueMismatch(
                f"{len(scores)} scores and {len(given)} {name}", hint="give one for each clip"
            )
    rows = [
        ScoreRow(item=items[i] if items else str(i), system=systems[i] if systems else system, scores=one)
        for i, one in enumerate(scores)
    ]
    return ScoreTable(rows=tuple(rows))


@node("evaluation/join_tables", fold=True)
def join_tables(tables: list[ScoreTable]) -> ScoreTable:
    """The rows of several tables, one after the other."""
    return ScoreTable(rows=tuple(row for table in tables for row in table.rows))


def value_of(scores: Scores, metric: str) -> Measurement:
    """The measurement of a metric. Raises NodeError, with the reason, if there is none."""
    found = scores.named(metric)
    if found is not None:
        return found
    reasons = [one.reason for one in scores.missing if one.metric == metric]
    if reasons:
        raise NodeError(f"{metric} could not be measured: {reasons[0]}")
    names = ", ".join(one.metric for one in scores.measurements) or "none"
    raise NodeError(f"there is no metric {metric!r} among the scores", hint=f"there are: {names}")


Prefer = Literal["better", "highest", "lowest"]


def sign_of(one: Measurement, prefer: Prefer) -> int:
    """1 if more is better, -1 if less is. Raises NodeError if a metric that judges nothing is to judge."""
    if prefer != "better":
        return 1 if prefer == "highest" else -1
    if one.direction == "none":
        raise NodeError(
            f"{one.metric} says of no clip that it is better", hint="set prefer to highest or lowest"
        )
    return 1 if one.direction == "higher" else -1
