"""A run as a picture: its events become one SVG, a row for each node and a bar for each step.

Pure text, no library. It carries its own background and follows the reader's light or dark theme.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from graphflow import events
from graphflow.events import Event

MARK = "<!-- graphflow timeline -->"
"""Stands at the top of every picture, so that graphflow overwrites only its own."""

MAX_ROWS = 48
"""Nodes drawn; of more, those that took longest."""

MAX_BARS = 400
"""Steps drawn in one row; a mapped node may have thousands."""

WIDTH, ROW, BAR, TOP, BOTTOM, SIDE = 880, 26, 14, 62, 58, 20
LABEL = 190
"""Width of the column of names, pixels."""

NOTE = 76
"""Width of the column of seconds."""

MAX_NAME = 26
"""Characters of a name."""

State = Literal["computed", "cached", "failed", "skipped", "cancelled"]

_NodeEvent = (
    events.NodeCached | events.NodeStarted | events.NodeFinished | events.NodeFailed | events.NodeSkipped
)

_STYLE = """
.card{fill:#ffffff;stroke:#d8dee4}
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:#1f2328}
.title{font-size:15px;font-weight:600}
.name{font-size:12px}
.note,.tick{font-size:11px;fill:#656d76}
.grid{stroke:#e6eaef}
.stripe{fill:#f6f8fa}
.computed{fill:#2f81f7}
.cached{fill:#2da44e}
.failed{fill:#d1242f}
.skipped{fill:#8c959f}
.cancelled{fill:#bf8700}
@media(prefers-color-scheme:dark){
.card{fill:#0d1117;stroke:#30363d}
text{fill:#e6edf3}
.note,.tick{fill:#8d96a0}
.grid{stroke:#21262d}
.stripe{fill:#161b22}
.computed{fill:#4493f8}
.cached{fill:#3fb950}
.failed{fill:#f85149}
.cancelled{fill:#d29922}
}
"""


@dataclass(frozen=True)
class Bar:
    """One step: seconds since the run was accepted."""

    start: float
    end: float
    state: State


@dataclass
class Row:
    """One node."""

    name: str
    bars: list[Bar] = field(default_factory=list)
    cached: int = 0
    skipped: bool = False
    worked: float = 0.0
    """Seconds inside the node itself, as the run's table has them; a bar also holds what it waited for."""

    @property
    def seconds(self) -> float:
        """Time of all its steps together."""
        return sum(bar.end - bar.start for bar in self.bars)

    @property
    def state(self) -> State:
        """The worst that happened."""
        states = [bar.state for bar in self.bars]
        for state in ("failed", "cancelled", "computed"):
            if state in states:
                return state
        return "skipped" if self.skipped and not self.cached else "cached"


def draw(told: Iterable[Event], *, title: str = "") -> str:
    """The picture of a run, whether it finished, failed or was cancelled."""
    found = list(told)
    rows = rows_of(found)
    hidden = max(0, len(rows) - MAX_ROWS)
    if hidden:
        longest = {id(row) for row in sorted(rows, key=lambda row: -row.seconds)[:MAX_ROWS]}
        rows = [row for row in rows if id(row) in longest]
    end = max([0.001, *(event.time for event in found)])
    height = TOP + max(len(rows), 1) * ROW + BOTTOM
    axis = _Axis(end, len(rows))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{_clean(title or "run")} timeline">',
        MARK,
        f"<style>{_STYLE}</style>",
        f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
        f'<text class="title" x="{SIDE}" y="30">{_clean(_short(title or "run", 60))}</text>',
        f'<text class="note" x="{WIDTH - SIDE}" y="30" text-anchor="end">{_summary(found, rows, end)}</text>',
        *map(_stripe, range(0, len(rows), 2)),
        *axis.grid(),
        *(line for index, row in enumerate(rows) for line in _row(TOP + index * ROW, row, axis)),
        *_legend(rows, height, hidden),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def rows_of(told: Sequence[Event]) -> list[Row]:
    """A row for each node in the order of first mention; steps cut off by the end are cancelled."""
    rows: dict[str, Row] = {}
    open_steps: dict[tuple[str, tuple[int, ...]], float] = {}
    for event in told:
        if isinstance(event, _NodeEvent):
            row = rows.setdefault(event.node, Row(event.node))
            _enter(row, event, open_steps)
    end = max((event.time for event in told), default=0.0)
    for (node, _), start in open_steps.items():
        rows[node].bars.append(Bar(start, end, "cancelled"))
    return list(rows.values())


def _enter(
    row: Row,
    event: events.NodeCached
    | events.NodeStarted
    | events.NodeFinished
    | events.NodeFailed
    | events.NodeSkipped,
    open_steps: dict[tuple[str, tuple[int, ...]], float],
) -> None:
    step = (event.node, event.item)
    match event:
        case events.NodeCached():
            row.cached += 1
        case events.NodeStarted():
            open_steps[step] = event.time
        case events.NodeFinished():
            row.bars.append(Bar(open_steps.pop(step, event.time - event.seconds), event.time, "computed"))
            row.worked += event.seconds
        case events.NodeFailed():
            row.bars.append(Bar(open_steps.pop(step, event.time), event.time, "failed"))
        case events.NodeSkipped():
            row.skipped = True


# --------------------------------------------------------------------------------------- drawing


@dataclass(frozen=True)
class _Axis:
    """Seconds to pixels, with ticks at round numbers."""

    end: float
    rows: int
    left: float = SIDE + LABEL
    right: float = WIDTH - SIDE - NOTE

    def x(self, seconds: float) -> float:
        return self.left + (self.right - self.left) * min(max(seconds / self.end, 0.0), 1.0)

    def ticks(self) -> list[float]:
        """Four to nine round times.

        >>> _Axis(3.2, 1).ticks()
        [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
        """
        step = _round_step(self.end / 8)
        return [round(i * step, 9) for i in range(int(self.end / step + 1e-9) + 1)]

    def grid(self) -> list[str]:
        bottom = TOP + max(self.rows, 1) * ROW
        lines = []
        for tick in self.ticks():
            x = f"{self.x(tick):.1f}"
            lines.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP - 6}" y2="{bottom}"/>')
            label = _tick(tick, self.end)
            lines.append(f'<text class="tick" x="{x}" y="{TOP - 12}" text-anchor="middle">{label}</text>')
        return lines


def _round_step(rough: float) -> float:
    """The next larger of 1, 2, 5 times a power of ten; for minutes, of what clocks use."""
    for clock in (60, 120, 300, 600, 1200, 1800, 3600):
        if rough > 30 and rough <= clock:
            return float(clock)
    base: float = 10.0 ** math.floor(math.log10(rough))
    return next(base * factor for factor in (1, 2, 5, 10) if base * factor >= rough * (1 - 1e-9))


def _tick(seconds: float, end: float) -> str:
    if end < 0.5:
        return f"{seconds * 1000:g} ms"
    if end < 150:
        return f"{seconds:g} s"
    return f"{seconds / 60:g} min" if end < 7200 else f"{seconds / 3600:g} h"


def _stripe(index: int) -> str:
    return f'<rect class="stripe" x="1" y="{TOP + index * ROW}" width="{WIDTH - 2}" height="{ROW}"/>'


def _row(top: int, row: Row, axis: _Axis) -> list[str]:
    middle = top + ROW / 2 + 4
    name = f"<title>{_clean(row.name)}</title>{_clean(_short(row.name, MAX_NAME))}"
    lines = [f'<text class="name" x="{SIDE}" y="{middle}">{name}</text>']
    y = top + (ROW - BAR) / 2
    for bar in _thinned(row.bars):
        x = axis.x(bar.start)
        width = max(axis.x(bar.end) - x, 2.0)
        tip = f"<title>{_clean(row.name)}: {_seconds(bar.end - bar.start)}</title>"
        place = f'x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR}"'
        lines.append(f'<rect class="{bar.state}" {place} rx="3">{tip}</rect>')
    if not row.bars:
        lines.append(f'<circle class="{row.state}" cx="{axis.left + 5}" cy="{top + ROW / 2}" r="5"/>')
    lines.append(f'<text class="note" x="{WIDTH - SIDE}" y="{middle}" text-anchor="end">{_note(row)}</text>')
    return lines


def _thinned(bars: Sequence[Bar]) -> list[Bar]:
    """Bars to draw: of too many neighbours each stands for several."""
    if len(bars) <= MAX_BARS:
        return list(bars)
    size = math.ceil(len(bars) / MAX_BARS)
    groups = [bars[i : i + size] for i in range(0, len(bars), size)]
    failed = {id(group): any(bar.state == "failed" for bar in group) for group in groups}
    return [
        Bar(
            min(bar.start for bar in group),
            max(bar.end for bar in group),
            "failed" if failed[id(group)] else group[0].state,
        )
        for group in groups
    ]


def _note(row: Row) -> str:
    if row.state in ("failed", "skipped", "cancelled"):
        return row.state
    if not row.bars:
        return "cached" if row.cached == 1 else f"{row.cached} cached"
    return _seconds(row.worked) if len(row.bars) == 1 else f"{len(row.bars)}x {_seconds(row.worked)}"


def _seconds(seconds: float) -> str:
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02} min"


def _summary(told: Sequence[Event], rows: Sequence[Row], end: float) -> str:
    computed = sum(bar.state == "computed" for row in rows for bar in row.bars)
    cached = sum(row.cached for row in rows)
    last = told[-1].type if told else ""
    word = {"run.failed": "failed after ", "run.cancelled": "cancelled after "}.get(last, "")
    return f"{word}{_seconds(end)} · {computed} computed · {cached} cached"


def _legend(rows: Sequence[Row], height: int, hidden: int) -> list[str]:
    present = {bar.state for row in rows for bar in row.bars} | {row.state for row in rows}
    present |= {"cached"} if any(row.cached for row in rows) else set()
    y = height - 24
    x = float(SIDE)
    lines = []
    for state in ("computed", "cached", "failed", "cancelled", "skipped"):
        if state in present:
            lines.append(f'<rect class="{state}" x="{x:.0f}" y="{y - 10}" width="12" height="12" rx="3"/>')
            lines.append(f'<text class="note" x="{x + 18:.0f}" y="{y}">{state}</text>')
            x += 34 + 7 * len(state)
    if hidden:
        text = f"{hidden} quicker nodes not shown"
        lines.append(f'<text class="note" x="{WIDTH - SIDE}" y="{y}" text-anchor="end">{text}</text>')
    return lines


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _clean(text: str) -> str:
    """Text safe in XML, also as an attribute; control characters left out."""
    shown = "".join(c for c in text if c.isprintable())
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        shown = shown.replace(char, entity)
    return shown
