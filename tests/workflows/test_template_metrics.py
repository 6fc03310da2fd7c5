"""Templates end in the metric that says whether they did what they are for; embedded models do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from graphflow_nodes.evaluation import metric_value
from graphflow_nodes.evaluation.values import Scores

from graphflow import templates
from graphflow.result import Result
from graphflow.testing import run_node
from graphflow.workspace import Workspace
from tests.support.threads import one_thread as one_thread


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One for all, so that each embedded model is opened once."""
    with Workspace(tmp_path_factory.mktemp("metrics") / "data") as opened:
        yield opened


def play(workspace: Workspace, out: Path, name: str, **values: Any) -> Result:
    document, folder = templates.find(name)
    return workspace.run(workspace.graph(document, values, folder=folder), out_dir=out)


def value(result: Result, output: str, metric: str) -> float:
    scores: Scores = result.value(output)
    return float(run_node(metric_value, scores, metric=metric))


def test_an_image_is_the_first_frame(workspace: Workspace, tmp_path: Path) -> None:
    result = play(workspace, tmp_path, "image_to_video")
    assert result.status == "finished", result.failures
    assert 0 < result.value("first_frame_error") == value(result, "fidelity", "first_frame_error") < 8
    assert value(result, "fidelity", "image_likeness") > 0.6


def test_a_broken_promise_fails_the_run_and_keeps_the_clip(workspace: Workspace, tmp_path: Path) -> None:
    result = play(workspace, tmp_path, "image_to_video", worst_first=0.5)
    assert result.status == "failed"
    (failure,) = result.failures
    assert (failure.node, failure.code) == ("first_frame", "evaluation.bound")
    assert "first_frame_error is outside -inf to 0.5" in failure.message
    assert Path(result.value("file").path).is_file()


def test_two_images_are_the_ends_of_a_clip(workspace: Workspace, tmp_path: Path) -> None:
    result = play(workspace, tmp_path, "first_last_frame")
    assert result.status == "finished", result.failures
    assert result.value("first_frame_error") < 8 and result.value("last_frame_error") < 8


def test_a_clip_in_other_colours_keeps_its_layout_and_loses_it_with_strength(
    workspace: Workspace, tmp_path: Path
) -> None:
    kept, lost = (
        value(play(workspace, tmp_path, "video_to_video", strength=strength), "structure", "structure")
        for strength in (0.3, 1.0)
    )
    assert kept > 0.7 and kept > lost + 0.1


@pytest.mark.parametrize("name", ["pose_to_video", "control_to_video"])
def test_what_a_clip_shows_goes_where_it_is_led(name: str, workspace: Workspace, tmp_path: Path) -> None:
    led = play(workspace, tmp_path, name)
    assert value(led, "follow", "follow_error") < 0.1 and value(led, "follow", "follow_overlap") > 0.4


def test_what_is_not_led_goes_elsewhere(workspace: Workspace, tmp_path: Path) -> None:
    free = play(workspace, tmp_path, "control_to_video", scale=0.0, steps=6)
    assert value(free, "follow", "follow_overlap") < 0.4


@pytest.mark.parametrize(("name", "given"), [("inpaint_video", "mask"), ("outpaint_video", "canvas")])
def test_what_was_to_be_kept_is_kept_to_the_bit(
    name: str, given: str, workspace: Workspace, tmp_path: Path
) -> None:
    result = play(workspace, tmp_path, name)
    assert result.value("kept_error") == value(result, "preservation", "kept_worst") == 0
    assert value(result, "preservation", "edit_change") > 30
    assert len(result.value(given).frames) == len(result.value("video").frames)


@pytest.mark.parametrize("name", ["long_video", "long_video_asynchronous", "prompt_timeline"])
def test_seams_of_a_long_clip_are_where_its_windows_meet(
    name: str, workspace: Workspace, tmp_path: Path
) -> None:
    result = play(workspace, tmp_path, name, steps=2)
    seam = result.value("seams").named("seam")
    assert len(seam.curve) == len(result.value("video").frames) - 1
    assert seam.frames[1] in ({9, 13} if name.startswith("long") else {13, 17, 21, 25, 29})
    short = play(workspace, tmp_path, name, steps=2, frames=9)
    assert short.status == "finished", short.failures
    assert "one part" in short.value("seams").missing[0].reason


def test_a_video_that_goes_on_is_whole_and_begins_as_it_was(workspace: Workspace, tmp_path: Path) -> None:
    result = play(workspace, tmp_path, "extend_video", steps=2)
    whole, new = result.value("video"), result.value("new")
    assert len(new.frames) == 8 and len(whole.frames) == 13 + 8 and whole.fps == 8
    assert torch.equal(whole.frames[13:], new.frames)
    assert value(result, "join", "seam") > 0
    assert result.value("join").named("seam").frames == (12, 13)


def test_a_start_and_an_end_are_compared_with_the_clip(workspace: Workspace, tmp_path: Path) -> None:
    scores = play(workspace, tmp_path, "start_end_video", steps=2).value("fidelity")
    assert {"first_frame_error", "last_frame_error"} <= {one.metric for one in scores.measurements}


def test_pairs_differ_in_motion_and_are_alike_in_text_and_image(workspace: Workspace, tmp_path: Path) -> None:
    few = {"prompts": "a large blue square rises in front of a pink background", "steps": 6}
    result = play(workspace, tmp_path, "preference_pairs", **few)
    assert result.status == "finished", result.failures
    lines = [json.loads(line) for line in Path(result.value("pairs").path).read_text().splitlines()]
    assert len(lines) == 1 and lines[0]["chosen_score"] > lines[0]["rejected_score"] + 0.01
    assert lines[0]["alike"].keys() == {"text_fit", "sharpness"} and lines[0]["alike"]["text_fit"][0] >= 0.75
    for name, (better, worse) in lines[0]["alike"].items():
        apart = abs(better - worse) / max(better, worse)
        assert apart == pytest.approx(value(result, "check", f"{name}_apart")) and apart <= 0.15
    strict = play(workspace, tmp_path, "preference_pairs", **few, tolerance=0.0)
    assert value(strict, "check", "pairs_used") == 0
    assert "sharpness is" in strict.value("check").missing[0].reason
    assert not Path(strict.value("pairs").path).read_text()
