"""The page that says what a dataset holds, how it came about and what its makers' licences are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .columns import Made
from .funnel import Funnel, text
from .publish import SHEET

LOADERS: Mapping[str, str] = {
    "parquet": 'datasets.load_dataset("{folder}")',
    "imagefolder": 'datasets.load_dataset("imagefolder", data_dir="{folder}")',
    "videofolder": 'datasets.load_dataset("videofolder", data_dir="{folder}")',
    "webdataset": 'webdataset.WebDataset("{folder}/train-000000.tar").decode("pil")',
    "jsonl": "one JSON object a line; paths of pictures are below the folder",
}
LICENCES_NOTE = (
    "The licences are those that the models' own files or notes name; whether they allow what you plan"
    " is for you to check. The workflow can refuse by itself: `licence/gate`."
)


@dataclass(frozen=True)
class Facts:
    """What a card tells."""

    name: str
    what: str
    """One sentence."""
    format: str
    columns: Sequence[str]
    splits: Mapping[str, int]
    kinds: Mapping[str, int]
    """How many there are of each kind."""
    made: Made
    funnel: Funnel | None = None
    before: Funnel | None = None
    """Of what the rows were made of, if that was filtered too."""
    notes: Sequence[str] = field(default_factory=tuple)


def card(facts: Facts) -> str:
    """The page, with the head that the hub and `datasets` read."""
    rows = sum(facts.splits.values())
    parts = [
        _head(facts),
        f"# {facts.name}",
        f"{facts.what} {rows} rows, made by graphflow; `graphflow.json` and the picture hold the workflow.",
        f"![some of it]({SHEET})",
        "## Load it",
        f"```python\n{LOADERS[facts.format].replace('{folder}', facts.name)}\n```",
        "## What is in it",
        _table("split", "rows", facts.splits),
        _table("kind", "rows", facts.kinds),
        "Columns: " + ", ".join(f"`{name}`" for name in facts.columns) + ".",
    ]
    if facts.funnel is not None:
        parts += ["## What was left out, and why", text(facts.funnel)]
    if facts.before is not None and facts.before.entered:
        parts += ["Of what the rows were made of:", text(facts.before)]
    parts += ["## Where it comes from", _models(facts.made), *facts.notes]
    return "\n\n".join(parts) + "\n"


def _head(facts: Facts) -> str:
    lines = ["---", f"pretty_name: {facts.name}", "license: other", "tags:", "- graphflow"]
    if facts.format == "parquet":
        lines += ["configs:", "- config_name: default", "  data_files:"]
        for split in facts.splits:
            lines += [f"  - split: {split}", f"    path: data/{split}-*.parquet"]
    return "\n".join([*lines, "---"])


def _table(key: str, value: str, rows: Mapping[str, int]) -> str:
    lines = [f"| {key} | {value} |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name or '(none)'} | {count} |" for name, count in rows.items())])


def _models(made: Made) -> str:
    if not made.models:
        return "No model ran for it. What made the files that were read, if any were, is not known here."
    lines = ["| model | licence |", "|---|---|"]
    lines += [f"| {m.get('name', '')} | {m.get('licence') or 'not known'} |" for m in made.models]
    return "\n".join(lines) + f"\n\n{LICENCES_NOTE}"


def counted(values: Sequence[str]) -> dict[str, int]:
    """How often each value stands there, the most frequent first."""
    return dict(Counter(values).most_common())
