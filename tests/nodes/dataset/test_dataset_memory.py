"""Tables of thousands of clips are held in memory whole; a clip more must cost little on every way."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from graphflow_nodes.dataset import balance, deduplicate, filter_items
from graphflow_nodes.dataset.table import ROWS, load_table, write_table
from graphflow_nodes.dataset.values import Clip, with_scores

from graphflow.testing import run_node
from graphflow.values import decode, encode, rows

COLUMNS = (
    "motion", "motion_top", "motion_jerk", "camera_speed", "sharpness", "exposure", "clipped", "contrast",
    "flicker", "change_max", "steadiness", "overlay", "seconds", "fps", "height", "width",
)  # fmt: skip
MANY = 3000
MOST = 1600
"""Bytes that a clip may add to what is held at most: less than it takes as an object, 1900."""


def clip_of(number: int) -> Clip:
    rng = random.Random(number)
    source = f"{rng.getrandbits(64):016x}"
    clip = Clip(
        id=f"{source}-{number:08d}", source=source, path=f"/videos/{number:05}.mp4", start=0.0, end=1.5,
        fps=24.0, height=64, width=64,
    )  # fmt: skip
    scores = {name: rng.random() for name in COLUMNS}
    return with_scores(clip, {**scores, "camera": "static", "phash": f"{rng.getrandbits(64):016x}"})


@pytest.fixture(scope="module")
def many() -> list[Clip]:
    return [clip_of(number) for number in range(MANY)]


def through_the_codec(clips: list[Clip]) -> list[Clip]:
    found: list[Clip] = decode(*encode(rows(clips)))
    return found


WAYS: dict[str, Callable[[list[Clip]], object]] = {
    "filter": lambda clips: run_node(filter_items, clips, where="motion > 0.1", stage="motion"),
    "deduplicate": lambda clips: run_node(deduplicate, clips, distance=4),
    "balance": lambda clips: run_node(balance, clips, by="camera", share=0.5),
    "store and read": through_the_codec,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_clip_more_adds_a_few_kilobytes(many: list[Clip], way: str) -> None:
    WAYS[way](many[:100])  # imports
    tracemalloc.start()
    try:
        kept = WAYS[way](many)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept is not None and most < MOST * MANY


def test_a_table_is_written_in_parts_and_reads_back_whole(many: list[Clip], tmp_path: Path) -> None:
    """Types of columns are those of all rows, wherever a cell first stands."""
    late = with_scores(many[-1], {"late": 1, "mixed": "text", "half": 2})
    early = with_scores(many[0], {"mixed": 3, "half": 0.5})
    clips = [early, *many[1:-1], late]
    write_table(tmp_path / "t.parquet", clips[:1])  # imports
    tracemalloc.start()
    try:
        write_table(tmp_path / "t.parquet", clips)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    import pyarrow.parquet

    assert pyarrow.parquet.ParquetFile(tmp_path / "t.parquet").num_row_groups == MANY // ROWS
    assert most < MOST * MANY
    read = run_node(load_table, path=str(tmp_path / "t.parquet"))
    assert read[1:-1] == clips[1:-1]
    assert read[-1].scores["late"] == 1 and "late" not in read[0].scores
    assert read[0].scores["half"] == 0.5 and read[-1].scores["half"] == 2.0
