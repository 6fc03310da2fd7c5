"""Nodes that let a workflow fail: a metric past its bounds, a metric that does not see what it claims."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import node

from .bench_values import Bench
from .measure import value_of
from .values import Scores

SHOWN = 5
"""Most failures that a message names."""


@node("evaluation/assert_metric", fold=True, depends=(".measure", ".values"))
def assert_metric(
    scores: list[Scores],
    *,
    metric: Annotated[str, Field(min_length=1, max_length=100)],
    minimum: float | None = None,
    maximum: float | None = None,
    of: Literal["every", "mean"] = "every",
) -> float:
    """Fail unless a metric is within bounds, so that a workflow can guard quality in CI.

    of: `every` clip must be, or their `mean`. Returns the mean.
    Raises NodeError, code evaluation.bound, naming the clips and their values; also if there are no clips or
    the metric could not be measured.
    """
    values = [value_of(one, metric).value for one in scores]
    if not values:
        raise NodeError("there are no clips to judge", hint="wire at least one")
    mean = sum(values) / len(values)
    judged = list(enumerate(values)) if of == "every" else [(-1, mean)]
    low, high = _or(minimum, float("-inf")), _or(maximum, float("inf"))
    bad = [(place, value) for place, value in judged if not low <= value <= high]
    if bad:
        named = ["the mean is" if place < 0 else f"clip {place} has" for place, _ in bad[:SHOWN]]
        texts = [f"{name} {value:.4g}" for name, (_, value) in zip(named, bad[:SHOWN], strict=True)]
        more = f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        raise NodeError(
            f"{metric} is outside {low:g} to {high:g}: {', '.join(texts)}{more}",
            code="evaluation.bound",
            hint="look at these clips; if they are good, move the bound",
        )
    return mean


@node("evaluation/assert_bench", fold=True, depends=(".bench_values",))
def assert_bench(bench: Bench, *, least: Annotated[float, Field(ge=0.5, le=1)] = 0.95) -> float:
    """Fail unless every metric tells every defect that it claims to see from clean clips.

    least: smallest AUC. Returns the smallest found.
    Raises NodeError, code evaluation.bound, naming metric and defect; also if no claim was tested.
    """
    claimed = [cell for cell in bench.cells if cell.claimed]
    if not claimed:
        raise NodeError("no metric claims any of these defects", hint="measure more metrics")
    blind = [cell for cell in claimed if cell.auc < least]
    if blind:
        texts = [f"{c.metric} {c.defect} {c.auc:.3f} ({c.low:.3f} to {c.high:.3f})" for c in blind[:SHOWN]]
        raise NodeError(
            f"{len(blind)} claims fail, AUC under {least:g}: {', '.join(texts)}",
            code="evaluation.bound",
            hint="mend the metric, or take the defect out of what it claims to see",
        )
    return min(cell.auc for cell in claimed)


def _or(value: float | None, other: float) -> float:
    return other if value is None else value
