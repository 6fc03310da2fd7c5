"""Files become clips: where shots are cut, what is left out, what is refused, and that nothing is fatal."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy
import pytest
import torch
from graphflow_nodes.dataset import cut as cut_module
from graphflow_nodes.dataset import (
    cut_shots,
    detect_cuts,
    list_files,
    measure_blocks,
    motion_vectors,
    score_frames,
)
from graphflow_nodes.dataset.caption import frames_of_clip
from graphflow_nodes.dataset.detect_cuts import Detect, ShotDetector
from graphflow_nodes.dataset.inspect import FrameScorer, Measure
from graphflow_nodes.dataset.listing import VideoFile
from graphflow_nodes.dataset.values import Clip

from graphflow.errors import NodeError, StorageError
from graphflow.node import spec_of
from graphflow.testing import LocalContext, run_node
from tests.nodes.dataset.conftest import Save, camera_over_texture


def three_shots() -> numpy.ndarray:
    """24, 16 and 4 frames."""
    parts = [camera_over_texture([(2 * i, 0) for i in range(n)], seed=n) for n in (24, 16, 4)]
    tints = [(1, 0.5, 0.4), (0.3, 0.6, 1), (0.6, 1, 0.3)]
    return numpy.concatenate(
        [(p * numpy.array(t)).astype(numpy.uint8) for p, t in zip(parts, tints, strict=True)]
    )


def listed(folder: Path) -> list[VideoFile]:
    return list(run_node(list_files, folder=str(folder)))


def cut(file: Path, **settings: object) -> list[Clip]:
    (one,) = (f for f in listed(file.parent) if f.path == str(file))
    return list(run_node(cut_shots, one, **settings))


def test_shots_of_a_file_with_their_columns(save_clip: Save) -> None:
    clips = cut(save_clip("a.mp4", three_shots()), shortest=1.0)
    assert [(clip.start, clip.end) for clip in clips] == [(0, 3), (3, 5), (5, 5.5)]
    assert [clip.rejected for clip in clips] == ["", "", "length"]
    first = clips[0]
    assert first.scores["camera"] == "pan_right" and first.scores["seconds"] == 3
    assert (first.height, first.width, first.fps) == (64, 96, 8)
    assert len({clip.id for clip in clips}) == 3 and len({clip.source for clip in clips}) == 1
    assert "0.50 s is shorter than 1 s" in clips[2].reason


def test_a_clip_reads_back_exactly_its_frames(save_clip: Save) -> None:
    frames = three_shots()
    clips = cut(save_clip("a.mp4", frames, crf=0))
    found = [frames_of_clip(clip).numpy() for clip in clips]
    assert [len(part) for part in found] == [24, 16, 4]
    assert numpy.abs(numpy.concatenate(found).astype(int) - frames).mean() < 6


def test_long_shots_are_cut_into_equal_parts_and_margins_left_out(save_clip: Save) -> None:
    file = save_clip("a.mp4", three_shots())
    parts = cut(file, longest=2.0)
    assert [round(clip.end - clip.start, 3) for clip in parts] == [1.5, 1.5, 2.0, 0.5]
    trimmed = cut(file, margin=0.25)
    assert [(clip.start, clip.end) for clip in trimmed] == [(0, 2.75), (3.25, 4.75), (5.25, 5.5)]


def test_cuts_that_a_model_found_are_taken_instead(save_clip: Save) -> None:
    file = save_clip("a.mp4", three_shots())
    (one,) = listed(file.parent)
    clips = run_node(cut_shots, one, cuts=[1.0, 99.0], shortest=0.1, longest=60.0)
    assert [(clip.start, clip.end) for clip in clips] == [(0, 1), (1, 5.5)]


def test_black_borders_are_left_out(save_clip: Save) -> None:
    frames = camera_over_texture([(2 * i, 0) for i in range(16)], 90, 160)
    boxed = numpy.pad(frames, ((0, 0), (24, 24), (0, 0), (0, 0)))
    file = save_clip("a.mp4", boxed)
    (clip,) = cut(file)
    assert clip.crop == (24, 0, 90, 160) and (clip.scores["height"], clip.scores["width"]) == (90, 160)
    assert frames_of_clip(clip).shape[1:3] == (90, 160)
    (whole,) = cut(file, crop_borders=False)
    assert whole.crop is None and frames_of_clip(whole).shape[1:3] == (138, 160)


def test_a_border_of_a_large_file_is_found_on_its_small_frames(save_clip: Save) -> None:
    frames = camera_over_texture([(2 * i, 0) for i in range(9)], 180, 250)
    boxed = numpy.pad(frames, ((0, 0), (30, 30), (35, 35), (0, 0)))
    (clip,) = cut(save_clip("a.mp4", boxed))
    assert clip.crop is not None
    assert numpy.abs(numpy.subtract(clip.crop, (30, 35, 180, 250))).max() <= 4


def test_a_long_file_is_read_in_windows(save_clip: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    file = save_clip("a.mp4", three_shots())
    whole = cut(file)
    monkeypatch.setattr(cut_module, "WINDOW", 3.0)
    assert [(c.start, c.end) for c in cut(file)] == [(c.start, c.end) for c in whole]
    monkeypatch.setattr(cut_module, "WINDOW", 1.0)
    clips = cut(file, shortest=0.1)
    assert clips[0].start == 0 and clips[-1].end == pytest.approx(5.5)
    assert all(a.end == pytest.approx(b.start) for a, b in itertools.pairwise(clips))
    assert {3.0, 5.0} <= {round(clip.start, 3) for clip in clips}


def test_what_cannot_be_read_is_refused_with_the_reason(save_clip: Save, tmp_path: Path) -> None:
    good = save_clip("good.mp4", three_shots())
    folder = good.parent
    (folder / "empty.mp4").touch()
    (folder / "text.mov").write_text("not a video")
    (folder / "short.mp4").write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    (folder / "notes.txt").write_text("not listed")
    found = {file.name: run_node(cut_shots, file) for file in listed(folder)}
    assert sorted(found) == ["empty.mp4", "good.mp4", "short.mp4", "text.mov"]
    bad = {name: clips for name, clips in found.items() if name != "good.mp4"}
    assert all(len(clips) == 1 and clips[0].rejected == "read" and clips[0].reason for clips in bad.values())
    assert "empty" in found["empty.mp4"][0].reason


def test_a_text_file_beside_a_video_is_its_caption_and_a_changed_one_makes_it_another_file(
    save_clip: Save,
) -> None:
    file = save_clip("a.mp4", three_shots())
    (bare,) = listed(file.parent)
    caption = file.with_suffix(".txt")
    caption.write_text("A wall\n  that moves. ", "utf-8")
    spec = spec_of(list_files)
    assert spec is not None and spec.fingerprint is not None
    before = spec.fingerprint(folder=str(file.parent))
    (told,) = listed(file.parent)
    assert (bare.caption, told.caption) == ("", "A wall that moves.")
    assert {clip.caption for clip in cut(file)} == {"A wall that moves."}
    caption.write_text("Another wall", "utf-8")
    assert spec.fingerprint(folder=str(file.parent)) != before
    caption.write_bytes(b"\xff\xfe")
    (clip,) = cut(file)
    assert clip.rejected == "read" and "a.txt is not UTF-8" in clip.reason
    caption.write_text("a" * 30_000)
    (clip,) = cut(file)
    assert clip.rejected == "read" and "a.txt is longer than" in clip.reason
    caption.unlink()
    caption.symlink_to("/etc/hostname")
    assert [clip.caption for clip in cut(file)] == ["", "", ""]


def test_a_file_that_goes_while_the_list_is_worked_on(save_clip: Save) -> None:
    file = save_clip("a.mp4", three_shots())
    (one,) = listed(file.parent)
    clips = cut(file)
    file.unlink()
    assert [clip.rejected for clip in run_node(cut_shots, one)] == ["read"]
    assert [clip.rejected for clip in run_node(measure_blocks, clips)] == ["read", "read", "length"]


def test_a_folder_that_is_not_there() -> None:
    for folder in ("", "no/such/folder", "a\nb"):
        with pytest.raises(StorageError):
            run_node(list_files, folder=folder)


def test_links_out_of_the_folder_are_not_followed(save_clip: Save, tmp_path: Path) -> None:
    file = save_clip("a.mp4", three_shots())
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "link.mp4").symlink_to(file)
    with pytest.raises(StorageError, match="no videos in it") as caught:
        listed(inner)
    assert "links" in caught.value.hint
    (inner / "own.mp4").write_bytes(file.read_bytes())
    (inner / "nowhere.mp4").symlink_to("gone.mp4")
    (inner / "folder.mp4").mkdir()
    here = LocalContext()
    assert [one.name for one in run_node(list_files, folder=str(inner), context=here)] == ["own.mp4"]
    (said,) = here.notices
    assert said.startswith("2 left out") and said.endswith("such as link.mp4, nowhere.mp4")


def test_blocks_are_looked_for_in_the_files_own_pixels(save_clip: Save) -> None:
    clip = camera_over_texture([(2 * i, 0) for i in range(9)], 180, 320)
    coarse = clip[:, ::8, ::8].repeat(8, axis=1)[:, :180].repeat(8, axis=2)
    fine, rough = (
        run_node(measure_blocks, cut(save_clip(name, frames)))[0].scores["blockiness"]
        for name, frames in (("fine.mp4", clip), ("coarse.mp4", coarse))
    )
    assert isinstance(fine, float) and isinstance(rough, float)
    assert fine < 0.1 < 1 < rough


class Greenness(FrameScorer):
    """Says how green a frame is."""

    def open(self, device: str) -> Measure:
        return lambda image: {"green": float(image.pixels[..., 1].float().mean() / 255)}


class Mumbler(FrameScorer):
    """Gives something else."""

    def open(self, device: str) -> Measure:
        return lambda image: torch.zeros(1)  # type: ignore[return-value]


def test_columns_of_any_scorer(save_clip: Save) -> None:
    clips = cut(save_clip("a.mp4", three_shots()), shortest=0.1)
    found = run_node(score_frames, clips, Greenness())
    green = [clip.scores["green"] for clip in found]
    assert green[2] == max(green)  # type: ignore[type-var]
    with pytest.raises(NodeError, match="Mumbler"):
        run_node(score_frames, clips, Mumbler())


@pytest.mark.parametrize(("x", "y"), [(0, 0), (4, 0), (0, -2), (6, 4)])
def test_the_encoders_own_vectors_tell_how_fast_a_camera_pans(x: int, y: int, save_clip: Save) -> None:
    frames = camera_over_texture([(x * i, y * i + 60) for i in range(16)], 128, 192)
    (clip,) = run_node(motion_vectors, cut(save_clip("pan.mp4", frames)))
    wanted = 100 * 8 * float(numpy.hypot(x, y)) / 128
    assert clip.scores["vector_motion"] == pytest.approx(wanted, rel=0.3, abs=1)
    assert clip.scores["motion"] == pytest.approx(wanted, rel=0.1, abs=0.5)


def test_vectors_of_a_clip_in_the_middle_of_a_file(save_clip: Save) -> None:
    still = camera_over_texture([(0, 0)] * 16, 128, 192)
    pan = camera_over_texture([(5 * i, 0) for i in range(16)], 128, 192, seed=3)
    pan = (pan * numpy.array([1, 0.4, 0.3])).astype(numpy.uint8)
    first, second = run_node(motion_vectors, cut(save_clip("two.mp4", numpy.concatenate([still, pan]))))
    assert first.scores["vector_motion"] < 3 < 15 < second.scores["vector_motion"]


class EveryFrames(ShotDetector):
    """Finds a cut every so many frames of what it is shown."""

    count: int

    def open(self, device: str) -> Detect:
        return lambda video: list(range(0, len(video.frames), self.count))


def test_a_detector_that_is_wired_sees_small_frames_and_its_cuts_are_taken(
    save_clip: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = save_clip("a.mp4", three_shots())
    (file.with_name("bad.mp4")).write_bytes(b"?")
    one, bad = listed(file.parent)
    cuts = run_node(detect_cuts, one, EveryFrames(count=16))
    assert cuts == [2.0, 4.0]
    clips = run_node(cut_shots, one, cuts=cuts)
    assert [(clip.start, clip.end) for clip in clips] == [(0, 2), (2, 4), (4, 5.5)]
    assert run_node(detect_cuts, bad, EveryFrames(count=16)) == []
    monkeypatch.setattr(sys.modules[EveryFrames.__mro__[1].__module__], "WINDOW", 3.0)
    assert run_node(detect_cuts, one, EveryFrames(count=16)) == [2.0, 3.0, 5.0]
    with pytest.raises(NodeError, match="TooFar"):
        run_node(detect_cuts, one, TooFar())


class TooFar(ShotDetector):
    """Names a frame that is not there."""

    def open(self, device: str) -> Detect:
        return lambda video: [len(video.frames)]
