"""Datasets are written as `datasets` and `webdataset` read them, whole or not at all, and once."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import numpy
import pytest
from graphflow_nodes.dataset import (
    cut_shots,
    describe_pairs,
    export_clips,
    export_pairs,
    export_sessions,
    filter_items,
    frame_pairs,
    judge_pairs,
    list_files,
    measure_pairs,
    rule_judge,
    sessions,
    split,
)
from graphflow_nodes.dataset.columns import MAPS
from graphflow_nodes.dataset.export import Export
from graphflow_nodes.dataset.publish import stands
from graphflow_nodes.dataset.values import Clip, EditPair, refuse
from PIL import Image as Pillow

from graphflow.errors import Cancelled, NodeError
from graphflow.testing import LocalContext, run_node
from tests.nodes.dataset.conftest import Save, moving_scenes, toy_frames, video

MODELS = [{"name": "toy-wan", "identity": "abc", "licence": "apache-2.0"}]


@pytest.fixture
def ctx(tmp_path: Path) -> LocalContext:
    context = LocalContext(out_dir=tmp_path / "out")
    (tmp_path / "out").mkdir()
    context.provenance = {"graphflow": "0.1", "key": "ab" * 32, "workflow": {"nodes": {}}, "models": MODELS}
    return context


@pytest.fixture(scope="module")
def pairs() -> list[EditPair]:
    """Twelve pairs, judged, split, the last one refused."""
    found: list[EditPair] = []
    for frames in toy_frames(moving_scenes(12, 51)):
        clip = video(frames)
        found += run_node(describe_pairs, clip, run_node(measure_pairs, clip, run_node(frame_pairs, clip)))
    found = run_node(judge_pairs, found, run_node(rule_judge))
    found = run_node(split, found, validation=0.3, seed=1)
    return [*found[:-1], *run_node(filter_items, found[-1:], where="ssim > 2", stage="likeness")]


def folder_of(export: Export) -> Path:
    return Path(export.manifest.path).parent


def loaded(*args: Any, **named: Any) -> Any:
    """What `datasets` reads, without a network or a shared cache."""
    import datasets

    return datasets.load_dataset(*args, **named)


def pixels(picture: Any) -> Any:
    return numpy.asarray(picture.convert("RGB"))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A cache folder for `datasets`."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return str(tmp_path / "cache")


def test_parquet_is_loaded_by_datasets_with_pictures_and_splits(
    pairs: list[EditPair], ctx: LocalContext, offline: str
) -> None:
    export = run_node(export_pairs, pairs, context=ctx, rows_a_file=4)
    data = loaded(str(folder_of(export)), cache_dir=offline)
    kept = {pair.id: pair for pair in pairs if not pair.rejected}
    assert set(data) == {"train", "validation"} and export.rows == len(kept) == 11
    rows = [row for part in data.values() for row in part]
    assert {row["id"] for row in rows} == set(kept) and len(rows) == 11
    for row in rows:
        pair = kept[row["id"]]
        assert (pixels(row["source"]) == pair.before.pixels.numpy()).all()
        assert (pixels(row["edited"]) == pair.after.pixels.numpy()).all()
        assert (row["instruction"], row["instruction_inverse"]) == (pair.instruction, pair.inverse)
        assert json.loads(row["scores"])["changed_area"] == pair.scores["changed_area"]
        assert json.loads(row["licence"]) == {"toy-wan": "apache-2.0"} and row["split"] == pair.split
    assert len(list((folder_of(export) / "data").glob("train-*"))) == 2


@pytest.mark.parametrize("columns", MAPS)
def test_the_columns_that_trainers_expect(
    columns: str, pairs: list[EditPair], ctx: LocalContext, offline: str
) -> None:
    wanted = {
        "instruct_pix2pix": {
            "original_image", "edit_prompt", "edited_image", "original_prompt", "edited_prompt",
        },
        "omniedit": {
            "omni_edit_id", "task", "src_img", "edited_img", "edited_prompt_list", "sc_score_1", "sc_score_2",
            "pq_score", "o_score",
        },
        "finetrainers": {"control_image", "image", "edited_prompt_list"},
        "musubi": {"image_path", "control_path", "caption"},
    }  # fmt: skip
    export = run_node(export_pairs, pairs, context=ctx, columns=columns)
    row = loaded(str(folder_of(export)), cache_dir=offline)["train"][0]
    assert set(row) == wanted.get(columns, set(row))
    first = next(pair for pair in pairs if pair.split == "train")
    pictures = [cell for cell in row.values() if isinstance(cell, Pillow.Image)]
    assert len(pictures) == 2
    if columns == "omniedit":
        assert row["edited_prompt_list"] == [first.instruction] and row["sc_score_1"] == 10
    if columns in ("finetrainers", "musubi"):
        target = row.get("image", row.get("image_path"))
        assert (pixels(target) == first.after.pixels.numpy()).all()


def test_imagefolder_is_loaded_by_datasets(pairs: list[EditPair], ctx: LocalContext, offline: str) -> None:
    export = run_node(export_pairs, pairs, context=ctx, format="imagefolder")
    data = loaded("imagefolder", data_dir=str(folder_of(export)), cache_dir=offline)
    assert sum(map(len, data.values())) == 11
    row, first = data["train"][0], next(pair for pair in pairs if pair.split == "train")
    assert row["instruction"] == first.instruction
    assert (pixels(row["source"]) == first.before.pixels.numpy()).all()
    assert (pixels(row["edited"]) == first.after.pixels.numpy()).all()


def tar_samples(file: Path, *decode: str) -> list[dict[str, Any]]:
    """What `webdataset` reads from a tar file. It leaves the file to the garbage collector to close."""
    import webdataset

    data = webdataset.WebDataset(str(file), shardshuffle=False)
    samples = [*(data.decode(*decode) if decode else data)]
    del data
    gc.collect()
    return samples


LEAK = pytest.mark.filterwarnings(
    "ignore:unclosed file:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@LEAK
def test_tar_files_are_read_by_webdataset(pairs: list[EditPair], ctx: LocalContext) -> None:
    export = run_node(export_pairs, pairs, context=ctx, format="webdataset", rows_a_file=4)
    files = sorted(folder_of(export).glob("*.tar"))
    counts = {
        name: sum(p.split == name and not p.rejected for p in pairs) for name in ("train", "validation")
    }
    names = [f"{name}-{part:06}.tar" for name, count in counts.items() for part in range(-(-count // 4))]
    assert [file.name for file in files] == names and len(names) > 2
    found = {sample["__key__"]: sample for file in files for sample in tar_samples(file, "rgb8")}
    assert set(found) == {pair.id for pair in pairs if not pair.rejected}
    for pair in pairs[:-1]:
        sample = found[pair.id]
        assert (sample["source.png"] == pair.before.pixels.numpy()).all()
        assert (sample["edited.png"] == pair.after.pixels.numpy()).all()
        assert sample["json"]["instruction"] == pair.instruction


def test_lines_with_paths_for_musubi(pairs: list[EditPair], ctx: LocalContext) -> None:
    export = run_node(export_pairs, pairs, context=ctx, format="jsonl", columns="musubi")
    lines = [json.loads(line) for line in (folder_of(export) / "train.jsonl").read_text().splitlines()]
    first = next(pair for pair in pairs if pair.split == "train")
    assert set(lines[0]) == {"image_path", "control_path", "caption"}
    with Pillow.open(folder_of(export) / lines[0]["control_path"]) as picture:
        assert (pixels(picture) == first.before.pixels.numpy()).all()


def test_the_card_tells_what_is_in_it_what_was_left_out_and_whose_it_is(
    pairs: list[EditPair], ctx: LocalContext
) -> None:
    folder = folder_of(run_node(export_pairs, pairs, context=ctx))
    text = (folder / "README.md").read_text()
    assert (
        "| likeness | 12 | 1 | 11 | not ssim > 2 (1) |" in text and "| **kept** | 12 | 1 | **11** | |" in text
    )
    assert "| toy-wan | apache-2.0 |" in text and "| move | 11 |" in text
    assert f'load_dataset("{folder.name}")' in text and "partial" not in text
    with Pillow.open(folder / "contact_sheet.png") as sheet:
        assert sheet.width > 300


def test_sessions_are_lines_with_images_and_turns(ctx: LocalContext) -> None:
    frames = toy_frames(moving_scenes(1, 5), 17)[0]
    clip = video(numpy.concatenate([frames, frames[-2::-1]]))
    turns = run_node(describe_pairs, clip, run_node(frame_pairs, clip, strategy="every_k", every=8))
    (session,) = run_node(sessions, turns)
    lost = refuse(turns[0], "clip", "not flicker < 0.08: flicker is 0.2")
    export = run_node(export_sessions, [session], [*turns, lost], context=ctx)
    assert "| clip | 5 | 1 | 4 | not flicker < 0.08 (1) |" in (folder_of(export) / "README.md").read_text()
    (line,) = [json.loads(text) for text in (folder_of(export) / "train.jsonl").read_text().splitlines()]
    assert len(line["images"]) == 5 == len(line["turns"]) + 1
    assert line["turns"][0] == {
        "instruction": session.instructions[0],
        "edit_type": "move",
        "from": 0,
        "to": 1,
    }
    for path, image in zip(line["images"], session.images, strict=True):
        with Pillow.open(folder_of(export) / path) as picture:
            assert (pixels(picture) == image.pixels.numpy()).all()


# ---------------------------------------------------------------------------------- clips


@pytest.fixture
def clips(save_clip: Save) -> list[Clip]:
    folder = Path()
    for place, frames in enumerate(toy_frames(moving_scenes(4, 8), 17)):
        folder = save_clip(f"{place}.mp4", frames).parent
    (folder / "bad.mp4").write_bytes(b"bad")
    files = run_node(list_files, folder=str(folder))
    found = [clip for file in files for clip in run_node(cut_shots, file)]
    found = [clip.model_copy(update={"caption": f"clip {n}"}) for n, clip in enumerate(found)]
    return list(run_node(split, found, validation=0.4, seed=2))


@LEAK
def test_clips_are_cut_out_for_webdataset(clips: list[Clip], ctx: LocalContext) -> None:
    export = run_node(export_clips, clips, context=ctx, format="webdataset")
    found = [sample for file in sorted(folder_of(export).glob("*.tar")) for sample in tar_samples(file)]
    assert export.rows == len(found) == 4
    for sample in found:
        told = json.loads(sample["json"])
        assert sample["txt"].decode() == told["caption"] and sample["mp4"][4:8] == b"ftyp"
        assert told["camera"] and told["motion"] > 0
    assert not list(folder_of(export).glob("scratch*"))


@LEAK
def test_what_is_in_the_list_twice_is_written_once(clips: list[Clip], ctx: LocalContext) -> None:
    export = run_node(export_clips, [*clips, *clips], context=ctx, format="webdataset")
    found = [sample for file in sorted(folder_of(export).glob("*.tar")) for sample in tar_samples(file)]
    assert export.rows == len(found) == 4
    assert "| repeated | 8 | 4 | 4 |" in (folder_of(export) / "README.md").read_text()


def test_clips_as_a_folder_that_reads_back(clips: list[Clip], ctx: LocalContext) -> None:
    folder = folder_of(run_node(export_clips, clips, context=ctx, format="videofolder", crf=0))
    again = [clip for file in run_node(list_files, folder=str(folder)) for clip in run_node(cut_shots, file)]
    assert len(again) == 4 and not any(clip.rejected for clip in again)
    lines = [json.loads(x) for x in (folder / "train" / "metadata.jsonl").read_text().splitlines()]
    assert all((folder / "train" / line["file_name"]).is_file() and line["caption"] for line in lines)


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_clips_as_a_table_without_pictures(
    format: str, clips: list[Clip], ctx: LocalContext, offline: str
) -> None:
    folder = folder_of(run_node(export_clips, clips, context=ctx, format=format))
    if format == "parquet":
        rows = [row for part in loaded(str(folder), cache_dir=offline).values() for row in part]
    else:
        rows = [json.loads(x) for file in folder.glob("*.jsonl") for x in file.read_text().splitlines()]
    assert {row["caption"] for row in rows} == {clip.caption for clip in clips if not clip.rejected}
    assert all(Path(row["path"]).is_file() for row in rows)


# ---------------------------------------------------------------------------------- whole, and once


def test_equal_pairs_give_equal_bytes(pairs: list[EditPair], tmp_path: Path) -> None:
    for format in ("parquet", "webdataset", "imagefolder", "jsonl"):
        found = []
        for run in ("one", "two"):
            context = LocalContext(out_dir=tmp_path / run)
            (tmp_path / run).mkdir(exist_ok=True)
            export = run_node(export_pairs, pairs, context=context, format=format, name=format)
            found.append(
                {p.name: p.read_bytes() for p in sorted(folder_of(export).rglob("*")) if p.is_file()}
            )
        assert found[0] == found[1]


def test_a_dataset_that_is_there_is_left_alone(
    pairs: list[EditPair], ctx: LocalContext, tmp_path: Path
) -> None:
    first = run_node(export_pairs, pairs, context=ctx)
    before = {p: p.stat().st_mtime_ns for p in folder_of(first).rglob("*")}
    assert run_node(export_pairs, pairs, context=ctx) == first
    assert {p: p.stat().st_mtime_ns for p in folder_of(first).rglob("*")} == before
    assert stands({"sheet": first.sheet, "manifest": first.manifest})


def test_a_dataset_that_somebody_changed_is_not_touched(pairs: list[EditPair], ctx: LocalContext) -> None:
    export = run_node(export_pairs, pairs, context=ctx, format="jsonl")
    (folder_of(export) / "train.jsonl").write_text("mine")
    assert not stands({"sheet": export.sheet, "manifest": export.manifest})
    with pytest.raises(NodeError, match=r"train\.jsonl was changed"):
        run_node(export_pairs, pairs, context=ctx, format="jsonl")
    assert (folder_of(export) / "train.jsonl").read_text() == "mine"
    (folder_of(export) / "train.jsonl").unlink()
    with pytest.raises(NodeError, match=r"train\.jsonl is gone"):
        run_node(export_pairs, pairs, context=ctx, format="jsonl")


def test_a_run_that_was_stopped_in_the_middle_leaves_no_dataset(
    pairs: list[EditPair], ctx: LocalContext
) -> None:
    context = LocalContext(out_dir=Path(str(ctx._out_dir)), cancel_after=5)
    context.provenance = ctx.provenance
    with pytest.raises(Cancelled):
        run_node(export_pairs, pairs, context=context)
    out = Path(str(ctx._out_dir))
    assert [path.name for path in out.iterdir() if not path.name.startswith(".")] == []
    whole = run_node(export_pairs, pairs, context=ctx)
    assert whole.rows == 11 and len(list(out.iterdir())) == 2  # the folder and its picture; nothing half-made


def test_nothing_left_is_said(pairs: list[EditPair], ctx: LocalContext) -> None:
    with pytest.raises(NodeError, match="nothing to write"):
        run_node(export_pairs, pairs[-1:], context=ctx)
