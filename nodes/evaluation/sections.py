"""The parts of a report, from numbers to HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphflow.values import Video

from .arena import Ranking
from .bench_values import Bench
from .charts import curve, legend, pareto, radar, scatter
from .compare import Comparison, item_means
from .frames import frames_of
from .page import Mark, number, picture, table, tag, text
from .strips import TALL, filmstrip, poster, time_slice
from .values import Measurement, ScoreRow, ScoreTable

FIRST = "dynamic_degree"
FEW = 8
"""Items under which an interval by drawing items again is not to be trusted."""
ARROWS = {"higher": "↑", "lower": "↓", "none": ""}
MOST_AXES = 16


def body(
    title: str,
    scores: ScoreTable,
    videos: Sequence[Video],
    comparison: Comparison | None,
    ranking: Ranking | None,
    bench: Bench | None,
    pareto_of: tuple[str, str],
) -> list[Mark]:
    """All sections that have something to show."""
    metrics = _ordered(scores.metrics())
    systems = scores.systems()
    heading = tag("h1", text(title))
    many = {"clip": len(scores.rows), "system": len(systems), "metric": len(metrics)}
    counts = ", ".join(f"{count} {name}{'s' if count != 1 else ''}" for name, count in many.items())
    parts = [heading, tag("p", text(counts)), _means(scores, metrics), _charts(scores, metrics, pareto_of)]
    if comparison is not None:
        parts.append(_comparison(comparison))
    if ranking is not None and ranking.votes:
        parts.append(_ranking(ranking))
    if bench is not None:
        parts.append(_bench(bench))
    if videos:
        parts.append(tag("h2", text("Clips")))
        parts += [_clip(row, video) for row, video in zip(scores.rows, videos, strict=False)]
    parts += [_claims(metrics)]
    return parts


def _ordered(metrics: Iterable[Measurement]) -> list[Measurement]:
    return sorted(metrics, key=lambda one: one.metric != FIRST)


def means(scores: ScoreTable, metric: str) -> dict[str, float]:
    """A metric's mean over the items of each system that has it."""
    found: dict[str, list[float]] = {}
    for (system, _), value in item_means(scores, metric).items():
        found.setdefault(system, []).append(value)
    return {system: sum(values) / len(values) for system, values in found.items()}


def _means(scores: ScoreTable, metrics: Sequence[Measurement]) -> Mark:
    systems = scores.systems()
    rows: list[list[object]] = []
    for one in metrics:
        values = means(scores, one.metric)
        best = _best(values, one)
        cells = [
            tag("strong", text(number(values[s])))
            if s == best
            else text(number(values[s]) if s in values else "-")
            for s in systems
        ]
        rows.append([f"{one.metric} {ARROWS[one.direction]}", one.unit, *cells])
    head = ["metric", "unit", *(system or "mean" for system in systems)]
    return tag("section", tag("h2", text("Means")), table(head, rows))


def _best(values: dict[str, float], one: Measurement) -> str | None:
    if one.direction == "none" or len(set(values.values())) < 2:
        return None
    sign = 1 if one.direction == "higher" else -1
    return max(values, key=lambda system: sign * values[system])


def _charts(scores: ScoreTable, metrics: Sequence[Measurement], pareto_of: tuple[str, str]) -> Mark:
    systems = scores.systems()
    judged = [one for one in metrics if one.direction != "none"][:MOST_AXES]
    parts: list[Mark] = []
    if len(judged) >= 3:
        values: dict[str, list[float | None]] = {system: [] for system in systems}
        for one in judged:
            found = means(scores, one.metric)
            everything = [row.scores.named(one.metric) for row in scores.rows]
            known = [each.value for each in everything if each is not None]
            for system in systems:
                values[system].append(_share(found.get(system), known, one.direction == "higher"))
        drawing = radar([one.metric for one in judged], values)
        note = "1 is the best clip of this report, 0 the worst; axes of different metrics do not compare."
        parts.append(tag("div", tag("h2", text("Radar")), drawing, tag("p", text(note))))
    parts += _pareto(scores, metrics, pareto_of)
    return tag("div", *parts, class_="row")


def _share(value: float | None, known: Sequence[float], higher: bool) -> float | None:
    """Where a value lies between the worst and the best that occur."""
    low, high = min(known), max(known)
    if value is None:
        return None
    if high == low:
        return 1.0
    share = (value - low) / (high - low)
    return share if higher else 1 - share


def _pareto(scores: ScoreTable, metrics: Sequence[Measurement], names: tuple[str, str]) -> list[Mark]:
    known = {one.metric: one for one in metrics}
    x, y = names
    if x not in known or y not in known:
        return []
    xs, ys = means(scores, x), means(scores, y)
    points = {
        system: (xs[system], ys[system]) for system in scores.systems() if system in xs and system in ys
    }
    if len(points) < 2:
        return []
    signs = [-1 if known[name].direction == "lower" else 1 for name in names]
    front = pareto({name: (signs[0] * a, signs[1] * b) for name, (a, b) in points.items()})
    note = "Systems on the dashed line are beaten by no other in both."
    drawing = scatter(points, front, x, y)
    return [
        tag("div", tag("h2", text(f"{y} against {x}")), drawing, tag("p", text(note)), legend(list(points)))
    ]


def _comparison(comparison: Comparison) -> Mark:
    tones = {"better": "good", "worse": "bad"}
    rows = [
        [
            one.metric,
            one.system,
            one.items,
            number(one.mean),
            f"{number(one.low)} to {number(one.high)}",
            f"{one.wins} / {one.losses}",
            number(one.p),
            number(one.effect),
            tag("span", text(one.verdict), class_=tones.get(one.verdict, "faint")),
        ]
        for one in comparison.differences
    ]
    head = [
        "metric",
        "system",
        "items",
        "difference",
        "95 %",
        "more / less",
        "p (Holm)",
        "effect d",
        "verdict",
    ]
    title = tag("h2", text(f"Against {comparison.baseline or 'the first system'}"))
    note = "Paired by item; intervals by bootstrap, p by the sign test, corrected for all rows."
    return tag("section", title, tag("p", text(note)), table(head, rows))


def _ranking(ranking: Ranking) -> Mark:
    rows = [
        [
            one.system,
            number(one.strength),
            f"{number(one.low)} to {number(one.high)}",
            number(one.wins),
            one.games,
        ]
        for one in ranking.standings
    ]
    alpha = "no pair has two raters" if ranking.agreement is None else f"alpha {number(ranking.agreement)}"
    note = f"Bradley-Terry from {ranking.votes} votes on {ranking.items} items; agreement of raters: {alpha}."
    if ranking.votes and ranking.items < FEW:
        note += " From so few items an interval says little; where all votes agree it has no width at all."
    head = ["system", "strength", "95 %", "wins", "games"]
    return tag("section", tag("h2", text("Arena")), tag("p", text(note)), table(head, rows))


def _bench(bench: Bench) -> Mark:
    cells = {(one.metric, one.defect): one for one in bench.cells}
    defects = bench.defects()
    rows: list[list[object]] = []
    for metric in bench.metrics():
        row: list[object] = [metric]
        for defect in defects:
            one = cells.get((metric, defect))
            if one is None:
                row.append("")
                continue
            tone = ("good" if one.auc >= 0.95 else "bad") if one.claimed else "faint"
            shown = tag("span", text(f"{one.auc:.2f}"), class_=tone, title=f"{one.low:.3f} to {one.high:.3f}")
            row.append(tag("strong", shown) if one.claimed else shown)
        rows.append(row)
    note = (
        "The chance that a clip with the defect gets a worse value than a clean one: 1 always, 0.5 blind. "
        "Bold and coloured where the metric claims to see it."
    )
    return tag(
        "section", tag("h2", text("Defect bench")), tag("p", text(note)), table(["metric", *defects], rows)
    )


def _clip(row: ScoreRow, video: Video) -> Mark:
    frames = frames_of(video)
    height, width = frames.shape[1:3]
    label = f"{row.item} - {row.system}" if row.system else row.item
    count = len(frames)
    pictures = [
        picture(poster(frames), "image/png", f"middle frame of {label}", round(2 * TALL * width / height)),
        tag(
            "figure",
            picture(
                filmstrip(frames), "image/png", f"frames of {label}", round(8 * (TALL * width / height + 3))
            ),
            tag("figcaption", text(f"{count} frames, {count / video.fps:.1f} s, {width} x {height}")),
        ),
        tag(
            "figure",
            picture(time_slice(frames), "image/png", f"middle row over time of {label}", width),
            tag("figcaption", text("middle row, time goes down")),
        ),
    ]
    found = _ordered(row.scores.measurements)
    values = table([one.metric for one in found], [[number(one.value) for one in found]])
    curves = [
        curve(one.curve, [frame / max(1, count - 1) for frame in one.frames[:8]], one.metric)
        for one in found
        if len(one.curve) > 1 and len(set(one.curve)) > 1
    ]
    details = tag("details", tag("summary", text("over time")), tag("div", *curves, class_="row"))
    missing = "; ".join(f"{one.metric}: {one.reason}" for one in row.scores.missing)
    gaps = [tag("p", text(f"Not measured: {missing}"))] if missing else []
    return tag(
        "div",
        tag("h3", text(label)),
        tag("div", *pictures, class_="row"),
        values,
        *gaps,
        details,
        class_="clip",
    )


def _claims(metrics: Sequence[Measurement]) -> Mark:
    listed = [
        tag(
            "p",
            tag("strong", text(one.metric)),
            text(f": {one.claims or 'nothing'}. Proven on: {_proven(one)}."),
        )
        for one in metrics
    ]
    return tag("section", tag("h2", text("What each metric claims to see")), *listed)


def _proven(one: Measurement) -> str:
    return ", ".join(one.sees) or "nothing of the defect bench"
