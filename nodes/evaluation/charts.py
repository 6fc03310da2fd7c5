"""Charts as SVG: curves over time, a radar of metrics, one metric against another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from .page import Mark, joined, number, tag, text

TONES = ("#3b7dd8", "#d9822b", "#2e9e6b", "#b04fc4", "#c94040", "#8a8f2f", "#3aa7b5", "#77787c")
"""Of systems, in turn; told apart by people who see few colours, by lightness too."""


def tone(number: int) -> str:
    return TONES[number % len(TONES)]


def curve(
    values: Sequence[float], marks: Sequence[float], name: str, *, width: int = 220, height: int = 44
) -> Mark:
    """A curve over the frames, its least and greatest value beside it; marks: frames to point out, 0..1."""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    step = (width - 4) / max(1, len(values) - 1)
    points = " ".join(
        f"{2 + i * step:.1f},{height - 3 - (v - low) / span * (height - 6):.1f}" for i, v in enumerate(values)
    )
    line = tag("polyline", points=points, fill="none", stroke=tone(0), stroke_width="1.5")
    dots = joined(
        tag("line", x1=x, x2=x, y1=0, y2=height, stroke=tone(4), stroke_opacity="0.5")
        for x in (f"{2 + place * (width - 4):.1f}" for place in marks)
    )
    label = text(f"{name} {number(low)} to {number(high)}")
    drawing = tag(
        "svg",
        dots,
        line,
        width=width,
        height=height,
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=label.html,
    )
    return tag("figure", drawing, tag("figcaption", label))


def radar(names: Sequence[str], values: Mapping[str, Sequence[float | None]], *, side: int = 420) -> Mark:
    """Systems on axes of 0 (middle) to 1, each axis a metric; a value that is missing leaves a gap.

    values: a value for each name, by system.
    """
    middle, reach = side / 2, side / 2 - 84

    def place(axis: int, far: float) -> tuple[float, float]:
        angle = 2 * math.pi * axis / len(names) - math.pi / 2
        return middle + reach * far * math.cos(angle), middle + reach * far * math.sin(angle)

    parts: list[Mark] = []
    for ring in (0.25, 0.5, 0.75, 1.0):
        parts.append(
            tag(
                "circle",
                cx=middle,
                cy=middle,
                r=reach * ring,
                fill="none",
                stroke="#8888",
                stroke_width="0.5",
            )
        )
    for axis, name in enumerate(names):
        x, y = place(axis, 1.0)
        tx, ty = place(axis, 1.08)
        anchor = "middle" if abs(tx - middle) < 12 else "start" if tx > middle else "end"
        parts.append(
            tag(
                "line", x1=middle, y1=middle, x2=f"{x:.1f}", y2=f"{y:.1f}", stroke="#8888", stroke_width="0.5"
            )
        )
        parts.append(
            tag("text", text(name.replace("_", " ")), x=f"{tx:.1f}", y=f"{ty + 3:.1f}", text_anchor=anchor)
        )
    for order, (system, row) in enumerate(values.items()):
        known = [place(axis, max(0.0, min(1.0, v))) for axis, v in enumerate(row) if v is not None]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in known)
        shape = tag("title", text(system))
        parts.append(
            tag(
                "polygon",
                shape,
                points=points,
                fill=tone(order),
                fill_opacity="0.12",
                stroke=tone(order),
                stroke_width="1.8",
            )
        )
    wide = side + 140
    box = f"-70 0 {wide} {side}"
    drawing = tag("svg", *parts, width=wide, height=side, viewBox=box, role="img", aria_label="radar")
    return tag("figure", drawing, legend(list(values)))


def legend(systems: Sequence[str]) -> Mark:
    """Which colour is which system."""
    spots = (
        joined(
            (
                Mark(f'<span style="color:{tone(n)}">&#9632;</span> '),
                text(system or "clips"),
                Mark(" &nbsp; "),
            )
        )
        for n, system in enumerate(systems)
    )
    return tag("figcaption", joined(spots))


NAMED = 6
"""Most points that are all named beside them; of more only those on the front are."""


def scatter(
    points: Mapping[str, tuple[float, float]],
    front: Sequence[str],
    x_name: str,
    y_name: str,
    *,
    width: int = 420,
) -> Mark:
    """Systems by two metrics; those on the front (no other is better in both) are joined by a line."""
    height, pad = round(width * 0.7), 46
    xs, ys = [x for x, _ in points.values()], [y for _, y in points.values()]

    def at(value: float, values: Sequence[float], size: int) -> float:
        low, high = min(values), max(values)
        span = (high - low) or 1.0
        return pad + (value - low + 0.08 * span) / (1.16 * span) * (size - 2 * pad)

    places = {name: (at(x, xs, width), height - at(y, ys, height)) for name, (x, y) in points.items()}
    line = " ".join(
        f"{places[name][0]:.1f},{places[name][1]:.1f}" for name in sorted(front, key=lambda n: points[n])
    )
    across, up = (
        f"{name} ({number(min(v))} to {number(max(v))})" for name, v in ((x_name, xs), (y_name, ys))
    )
    frame = {"width": width - 2 * pad, "height": height - 2 * pad, "fill": "none", "stroke": "#8888"}
    turned = "rotate(-90)"
    parts = [
        tag("rect", x=pad, y=pad, **frame),
        tag("polyline", points=line, fill="none", stroke="#888c", stroke_dasharray="4 3"),
        tag("text", text(across), x=width / 2, y=height - 14, text_anchor="middle"),
        tag("text", text(up), x=-height / 2, y=18, text_anchor="middle", transform=turned),
    ]
    for order, (name, (x, y)) in enumerate(places.items()):
        spot = {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": 6 if name in front else 4, "fill": tone(order)}
        parts.append(tag("circle", tag("title", text(name)), **spot))
        if len(places) <= NAMED or name in front:
            parts.append(tag("text", text(name), x=f"{x + 9:.1f}", y=f"{y + 4:.1f}"))
    return tag(
        "figure",
        tag(
            "svg",
            *parts,
            width=width,
            height=height,
            viewBox=f"0 0 {width} {height}",
            role="img",
            aria_label="scatter",
        ),
    )


def pareto(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """The names that no other beats in one value without losing in the other; more is better in both.

    >>> pareto({"a": (1, 3), "b": (2, 2), "c": (1, 1)})
    ['a', 'b']
    """
    return [
        name
        for name, (x, y) in points.items()
        if not any(ox >= x and oy >= y and (ox, oy) != (x, y) for ox, oy in points.values())
    ]
