"""Systems compared: per metric the paired differences of two systems over the same items, with statistics."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import node
from graphflow.values import Value

from .values import ScoreTable

Name = Annotated[str, Field(max_length=200)]


class Difference(Value):
    """One metric, one system against the baseline, over the items that both have.

    mean, low, high: the paired difference, positive where the metric's value is higher, and its interval.
    p: of the sign test, corrected by Holm over all differences of the comparison. effect: Cohen's d_z.
    verdict: `better`, `worse` or `even` by the metric's direction, `even` too unless p is under 0.05 and the
    interval leaves out 0; `moved` for metrics that judge nothing.
    """

    metric: str
    system: str
    items: int
    mean: float
    low: float
    high: float
    wins: int
    losses: int
    p: float
    effect: float
    verdict: str


class Comparison(Value):
    """Systems against a baseline, by every metric."""

    baseline: str
    differences: tuple[Difference, ...]


@node("evaluation/compare", depends=(".statistics", ".values", ".vision"))
def compare(table: ScoreTable, *, baseline: Name = "", metrics: Name = "") -> Comparison:
    """Compare every system with one of them, item by item: the same prompt with the same seed, say.

    Several clips of one item by one system (other seeds) are averaged before. baseline: empty is the first
    system. metrics: names with commas between them; empty is all. Intervals are 95 %, by paired bootstrap.
    Raises NodeError if there are fewer than two systems or the baseline is not among them.
    """
    from .statistics import bootstrap_mean, cohens_d, holm, sign_test

    systems = table.systems()
    base = baseline or (systems[0] if systems else "")
    if base not in systems or len(systems) < 2:
        raise NodeError(
            f"there are the systems {', '.join(systems) or 'none'}, not two with {base!r} among them",
            hint="give every clip the name of its system in evaluation/score_table",
        )
    wanted = {name for name in metrics.replace(",", " ").split() if name}
    rows: list[Difference] = []
    for known in table.metrics():
        if wanted and known.metric not in wanted:
            continue
        means = item_means(table, known.metric)
        for system in systems:
            pairs = [
                (means[system, i], means[base, i]) for s, i in means if s == system and (base, i) in means
            ]
            if system == base or not pairs:
                continue
            differences = [own - other for own, other in pairs]
            interval = bootstrap_mean(differences)
            wins, losses = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
            rows.append(
                Difference(
                    metric=known.metric,
                    system=system,
                    items=len(pairs),
                    mean=interval.value,
                    low=interval.low,
                    high=interval.high,
                    wins=wins,
                    losses=losses,
                    p=sign_test(wins, losses),
                    effect=cohens_d(differences),
                    verdict=known.direction,
                )
            )
    if not rows:
        raise NodeError(
            "no metric was measured for the same item of two systems", hint="look at the items' names"
        )
    return Comparison(baseline=base, differences=tuple(_judged(rows, holm([row.p for row in rows]))))


def item_means(table: ScoreTable, metric: str) -> dict[tuple[str, str], float]:
    """A metric's mean over the clips of each system and item."""
    found: dict[tuple[str, str], list[float]] = {}
    for row in table.rows:
        one = row.scores.named(metric)
        if one is not None:
            found.setdefault((row.system, row.item), []).append(one.value)
    return {place: sum(values) / len(values) for place, values in found.items()}


def _judged(rows: list[Difference], corrected: list[float]) -> list[Difference]:
    judged = []
    for row, p in zip(rows, corrected, strict=True):
        sure = p < 0.05 and not row.low <= 0 <= row.high
        good = row.mean > 0 if row.verdict == "higher" else row.mean < 0
        word = "even" if not sure else "moved" if row.verdict == "none" else "better" if good else "worse"
        judged.append(row.model_copy(update={"p": p, "verdict": word}))
    return judged
