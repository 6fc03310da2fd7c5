"""Reports: everything inside, nothing from elsewhere, whatever texts say; tables that other programs read."""

from __future__ import annotations

import base64
import hashlib
import json
from html.parser import HTMLParser
from pathlib import Path

import pyarrow.parquet
import pytest
import torch
from graphflow_nodes.evaluation import (
    arena_page,
    blind_pairs,
    compare,
    measure,
    rank,
    read_votes,
    report,
    save_scores,
    score_table,
    simulate,
)
from graphflow_nodes.evaluation.arena_page import SCRIPT
from graphflow_nodes.evaluation.bench_values import Bench, Cell
from graphflow_nodes.evaluation.values import ScoreTable

from graphflow.errors import ValueMismatch
from graphflow.testing import LocalContext, run_node
from graphflow.values import SavedFile, Video

EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'


class Reader(HTMLParser):
    """Every element with its attributes, and all texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def clips() -> list[Video]:
    kinds = ("fall", "roll")
    return [
        run_node(simulate, experiment=kind, seed=s, frames=9, side=32).video for kind in kinds for s in (0, 1)
    ]


@pytest.fixture(scope="module")
def table(clips: list[Video]) -> ScoreTable:
    scores = [run_node(measure, clip) for clip in clips]
    return run_node(score_table, scores, [EVIL, "b", EVIL, "b"], ["one", "one", EVIL, EVIL])


def saved(found: SavedFile) -> str:
    return Path(found.path).read_text("utf-8")


def safe(html: str) -> Reader:
    """The page, after looking for anything that could run or be fetched."""
    page = Reader(html)
    assert not any(name.startswith("on") for _, given in page.elements for name in given)
    assert all((image["src"] or "").startswith("data:image/") for image in page.named("img"))
    assert not page.named("link") and not page.named("iframe") and not page.named("object")
    policy = next(meta["content"] for meta in page.named("meta") if "content" in meta) or ""
    assert "default-src 'none'" in policy
    return page


def test_a_report_holds_everything_and_nothing_that_runs(
    clips: list[Video], table: ScoreTable, tmp_path: Path
) -> None:
    votes = run_node(
        read_votes, votes=json.dumps([{"item": "b", "left": "one", "right": EVIL, "choice": "left"}])
    )
    cell = Cell(metric="drift", defect="drift", auc=0.99, low=0.9, high=1.0, claimed=True, clips=3)
    found = run_node(
        report, table, context=LocalContext(out_dir=tmp_path), videos=clips, title=EVIL,
        comparison=run_node(compare, table), ranking=run_node(rank, votes), bench=Bench(cells=(cell,))
    )  # fmt: skip
    page = safe(saved(found))
    assert not page.named("script")
    assert found.media_type == "text/html"
    text = " ".join(page.texts)
    for heading in (
        "Means",
        "Radar",
        "Against one",
        "Arena",
        "Defect bench",
        "Clips",
        "What each metric claims",
    ):
        assert heading in text, heading
    assert "from 1 votes on 1 items" in text and "From so few items an interval says little" in text
    assert text.count(EVIL) >= 4
    assert len(page.named("img")) == 3 * len(clips)
    assert text.index("dynamic_degree") < text.index("temporal_flickering")
    assert "motion_smoothness against dynamic_degree" in text


def test_equal_inputs_give_equal_bytes(clips: list[Video], table: ScoreTable, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    first, second = (
        run_node(report, table, context=LocalContext(out_dir=folder), videos=clips) for folder in folders
    )
    assert first.digest == second.digest


def test_a_report_without_clips_or_systems_is_made(table: ScoreTable, tmp_path: Path) -> None:
    alone = ScoreTable(rows=tuple(row.model_copy(update={"system": ""}) for row in table.rows))
    assert "Clips" not in Reader(saved(run_node(report, alone, context=LocalContext(out_dir=tmp_path)))).texts
    assert saved(run_node(report, ScoreTable(rows=()), context=LocalContext(out_dir=tmp_path)))


def test_videos_that_are_not_the_tables_are_refused(clips: list[Video], table: ScoreTable) -> None:
    with pytest.raises(ValueMismatch, match="4 rows and 1 videos"):
        run_node(report, table, videos=clips[:1])


def test_the_arenas_page_hides_names_and_runs_only_its_own_script(clips: list[Video], tmp_path: Path) -> None:
    pairs = run_node(blind_pairs, clips, [EVIL, "b", EVIL, "b"], ["one", "one", "two", "two"])
    html = saved(
        run_node(arena_page, pairs.pairs, pairs.left, pairs.right, context=LocalContext(out_dir=tmp_path))
    )
    page = safe(html)
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    assert f"script-src &#x27;sha256-{digest}" in html or f"script-src 'sha256-{digest}" in html
    assert len(page.named("script")) == 1
    boxes = [div for div in page.named("div") if div.get("class") == "pair"]
    assert len(boxes) == 2 and json.loads(boxes[0]["data-pair"] or "")["left"] in ("one", "two")
    assert "one" not in " ".join(page.texts).replace(SCRIPT, "").split()


def test_scores_come_back_from_json_and_parquet_with_the_key(table: ScoreTable, tmp_path: Path) -> None:
    context = LocalContext(out_dir=tmp_path)
    context.provenance = {"key": "abc"}
    plain = json.loads(saved(run_node(save_scores, table, context=context)))
    assert plain["key"] == "abc" and len(plain["rows"]) == 4
    assert ScoreTable.model_validate_json(json.dumps({"rows": plain["rows"]})) == table
    found = run_node(save_scores, table, context=context, format="parquet")
    read = pyarrow.parquet.read_table(found.path).to_pylist()
    assert {row["key"] for row in read} == {"abc"}
    flat = {(row["item"], row["system"], row["metric"]): row["value"] for row in read}
    for row in table.rows:
        for one in row.scores.measurements:
            assert flat[row.item, row.system, one.metric] == one.value
    gaps = [row for row in read if row["value"] is None]
    assert all(row["reason"] for row in gaps)


def test_what_cannot_be_measured_is_said() -> None:
    grey = Video(frames=torch.full((2, 32, 32, 3), 90, dtype=torch.uint8), fps=8.0)
    found = run_node(measure, grey)
    reasons = {one.metric: one.reason for one in found.missing}
    assert reasons["object_count"] == "no object stands out from the background"
    assert reasons["camera_shake"] == "three frames are needed"
    assert found.named("dynamic_degree") is not None
