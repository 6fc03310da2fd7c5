"""Captions of clips and tables of scores."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphflow_nodes.dataset import (
    caption_clips,
    caption_template,
    change_captioner,
    cut_shots,
    filter_items,
    join_scores,
    list_files,
    load_table,
    save_table,
)
from graphflow_nodes.dataset.caption import FRAMES, Caption, ClipCaptioner
from graphflow_nodes.dataset.table import write_table
from graphflow_nodes.dataset.values import Clip, with_scores

from graphflow.errors import NodeError, StorageError
from graphflow.testing import LocalContext, run_node
from tests.nodes.dataset.conftest import Save, moving_scenes, toy_frames


@pytest.fixture
def clips(save_clip: Save) -> list[Clip]:
    """Three clips of one shot each and a file that is none."""
    folder = Path()
    for place, frames in enumerate(toy_frames(moving_scenes(3, 8), 40)):
        folder = save_clip(f"{place}.mp4", frames).parent
    (folder / "broken.mp4").write_bytes(b"?")
    files = run_node(list_files, folder=str(folder))
    return [clip for file in files for clip in run_node(cut_shots, file)]


class Counter(ClipCaptioner):
    """Says how many frames it was shown, and at what rate."""

    def open(self, device: str) -> Caption:
        return lambda video: f" {len(video.frames)} at {video.fps:g} "


class Mumbler(ClipCaptioner):
    """Gives something else."""

    def open(self, device: str) -> Caption:
        return lambda video: video  # type: ignore[arg-type, return-value]


def test_a_captioner_sees_a_few_frames_of_the_whole_clip(clips: list[Clip]) -> None:
    found = run_node(caption_clips, clips, Counter())
    assert [clip.caption for clip in found if not clip.rejected] == ["14 at 2.66667"] * 3
    assert FRAMES >= 14
    with pytest.raises(NodeError, match="Mumbler"):
        run_node(caption_clips, clips, Mumbler())


def test_what_happens_is_told_and_a_template_puts_a_trigger_before_it(clips: list[Clip]) -> None:
    told = run_node(caption_clips, clips, run_node(change_captioner))
    made = run_node(caption_template, told, template="TOY {caption}, {camera} camera {{{seconds}}}")
    for scene, clip in zip(moving_scenes(3, 8), [c for c in made if not c.rejected], strict=True):
        assert clip.caption.startswith(f"TOY a {scene.color} {scene.shape} ")
        assert "moves" in clip.caption and clip.caption.endswith("camera {5}")
    with pytest.raises(NodeError, match="'colour'"):
        run_node(caption_template, clips, template="{colour}")


def test_a_file_that_is_gone_is_refused_and_not_fatal(clips: list[Clip]) -> None:
    Path(next(clip.path for clip in clips if not clip.rejected)).unlink()
    found = run_node(caption_clips, clips, Counter())
    assert [clip.rejected for clip in found].count("read") == 2


def test_a_table_reads_back_as_it_was_with_what_was_refused(clips: list[Clip], tmp_path: Path) -> None:
    clips = [*run_node(filter_items, clips, where="seconds > 1", stage="length")]
    clips[1] = with_scores(clips[1], {"extra": "x", "flag": True, "none": None})
    saved = run_node(save_table, clips, context=LocalContext(out_dir=tmp_path))
    again = run_node(load_table, path=saved.path)
    empty = {"none": None}
    assert [
        c.model_copy(update={"scores": {**c.scores, **(empty if i == 1 else {})}})
        for i, c in enumerate(again)
    ] == clips
    assert isinstance(again[1].scores["flag"], bool)


def test_columns_of_another_run_are_joined_by_id_and_never_changed(clips: list[Clip]) -> None:
    more = [with_scores(clip, {"aesthetic": 5.5}) for clip in clips[1:]]
    joined = run_node(join_scores, clips, more)
    assert ["aesthetic" in clip.scores for clip in joined] == [False, True, True, True]
    other = [clip.model_copy(update={"scores": {"motion": -1.0}}) for clip in clips]
    with pytest.raises(NodeError, match="'motion'"):
        run_node(join_scores, [clip for clip in clips if clip.scores], other)


def test_a_file_that_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1 nonsense")
    for path in ("t.parquet", "none.parquet"):
        with pytest.raises(StorageError):
            run_node(load_table, path=str(tmp_path / path))


@pytest.mark.parametrize("field", ["id", "split"])
def test_a_table_cannot_name_files_outside_the_dataset(field: str, clips: list[Clip], tmp_path: Path) -> None:
    """Files are named by ids and splits, and a table may come from anybody."""
    hostile = [clip.model_copy(update={field: "../../elsewhere"}) for clip in clips]  # copies are not checked
    write_table(tmp_path / "t.parquet", hostile)
    with pytest.raises(StorageError, match="not a table of clips"):
        run_node(load_table, path=str(tmp_path / "t.parquet"))
