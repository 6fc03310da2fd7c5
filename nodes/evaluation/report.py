"""The report: one HTML file with everything inside, for people who decide."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from graphflow.errors import ValueMismatch
from graphflow.node import Context, FileName, node
from graphflow.values import SavedFile, Video

from .arena import Ranking
from .bench_values import Bench
from .compare import Comparison
from .files import save, still_stands
from .values import ScoreTable

Text = Annotated[str, Field(max_length=500)]

_PARTS = (
    ".arena",
    ".bench_values",
    ".charts",
    ".compare",
    ".frames",
    ".page",
    ".sections",
    ".strips",
    ".values",
)


@node("evaluation/report", cache=False, effect=still_stands, depends=_PARTS)
def report(
    table: ScoreTable,
    ctx: Context,
    videos: list[Video] | None = None,
    comparison: Comparison | None = None,
    ranking: Ranking | None = None,
    bench: Bench | None = None,
    *,
    name: FileName = "report",
    title: Text = "Evaluation",
    pareto_x: Text = "dynamic_degree",
    pareto_y: Text = "motion_smoothness",
    shown: Annotated[int, Field(ge=0, le=500)] = 24,
) -> SavedFile:
    """Save a report as one HTML file: nothing is fetched, nothing runs, every text is escaped.

    It holds the means of each system with what each metric claims, the comparison with its statistics, the
    ranking, the defect bench, a radar of metrics, two metrics against each other with the front of systems
    that none beats in both (such as quality against time), and for each clip a poster, a filmstrip, a slice
    through time, its metrics and their curves. dynamic_degree stands first everywhere.
    videos: the clips of the table's rows, in the same order. shown: most clips with pictures.
    Equal inputs give equal bytes. Raises ValueMismatch if videos and rows differ in number.
    """
    from .page import page
    from .sections import body

    if videos is not None and len(videos) != len(table.rows):
        raise ValueMismatch(
            f"{len(table.rows)} rows and {len(videos)} videos", hint="wire the measured clips"
        )
    parts = body(title, table, (videos or [])[:shown], comparison, ranking, bench, (pareto_x, pareto_y))
    data = page(title, *parts)

    def write(path: Path) -> None:
        path.write_bytes(data)

    saved: SavedFile = save(ctx, name, ".html", "text/html", write)
    return saved
