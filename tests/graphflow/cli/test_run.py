"""`graphflow run`: parameters as options, the cache, results, faults, exit codes, cancelling."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphflow.cli import exits
from graphflow.provenance import read_provenance


def test_the_second_run_computes_nothing(call: Any, write: Any) -> None:
    write()
    first = call("run", "words.json", "--text", "abc")
    assert first.code == 0, first
    assert "finished  turned" in first.out and "3 computed, 0 from the cache" in first.out
    saved = next(Path().glob("output/word-*.txt"))
    assert saved.read_text() == "cba"
    assert f"saved     {saved}" in first.out
    second = call("run", "words.json", "--text", "abc")
    assert second.code == 0
    assert "0 computed" in second.out and "cached    save" in second.out
    assert "started" not in second.out
    assert f"saved     {saved}" in second.out


def test_a_parameter_can_be_set_in_every_way(call: Any, write: Any) -> None:
    write()
    for arguments in (["--text", "abc"], ["--text=abc"], ["--set", "text=abc"]):
        call("run", "words.json", *arguments)
    assert len([*Path("output").glob("*.txt")]) == 1
    call("run", "words.json", "--set", "text=a=b", "--file-name", "other")
    assert next(Path("output").glob("other-*.txt")).read_text() == "b=a"


def test_values_are_read_by_the_parameters_type(call: Any, write: Any) -> None:
    write()
    done = call(
        "run", "words.json", "--text", "7", "--times", "3", "--case", "upper", "--loud", "yes",
        "--weight", "1", "--tags", '["a"]', "--seed", "random",
    )  # fmt: skip
    assert done.code == 0, done
    assert next(Path("output").glob("*.txt")).read_text() == "!777"
    assert "drawn     word.seed = " in done.out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--times", "many"], "times: 'many' does not fit"),
        (["--times", "99"], "less than or equal to 9"),
        (["--loud", "perhaps"], "loud: 'perhaps'"),
        (["--case", "middle"], "one of upper, lower"),
        (["--tags", "a,b"], "tags: 'a,b'"),
        (["--weight", "NaN"], "weight: 'NaN'"),
        (["--seed", "-1"], "seed: '-1'"),
        (["--set", "txet=a"], "did you mean 'text'?"),
        (["--set", "text"], "is not NAME=VALUE"),
        (["--txet", "a"], "--text"),
        (["--only", "trned"], "did you mean 'turned'?"),
        (["--device", "toaster"], "'toaster' is no device"),
        (["--on-error", "cry"], "cry"),
        (["--node-timeout", "9"], "add --runner process"),
        (["--node-timeout", "inf", "--runner", "process"], "inf s is no time"),
        (["--node-timeout", "0", "--runner", "process"], "--node-timeout"),
        (["--node-memory", "much", "--runner", "process"], "--node-memory"),
        (["--node-memory", "1kB", "--runner", "process"], "less than the process itself takes"),
        (["surplus"], "surplus"),
    ],
)
def test_wrong_usage_is_one_message_and_nothing_is_written(
    call: Any, write: Any, place: Path, arguments: list[str], named: str
) -> None:
    write()
    done = call("run", "words.json", *arguments)
    assert done.code == exits.USAGE
    assert named in done.err and "Traceback" not in done.err
    assert done.out == ""
    assert not (place / "output").exists()


def test_every_wrong_parameter_is_named_at_once(call: Any, write: Any) -> None:
    write()
    done = call("run", "words.json", "--times", "x", "--loud", "x", "--set", "no=1")
    assert [line for line in done.err.splitlines() if line.startswith("error:")].__len__() == 3


def test_parameters_before_the_workflow_are_explained(call: Any, write: Any) -> None:
    write()
    done = call("run", "--text", "a", "words.json")
    assert done.code == exits.USAGE and "before its parameters" in done.err


def test_a_node_in_a_process_can_be_held_to_time_and_memory(call: Any, write: Any) -> None:
    write(
        "greedy.json",
        hungry={"type": "desk/hungry", "params": {"megabytes": 1000}},
        slow={"type": "desk/slow", "params": {"deaf": True}},
    )
    limits = ("--node-timeout", "0.5", "--node-memory", "500MB")
    done = call("run", "greedy.json", "--only", "hungry", "--only", "slow", "--runner", "process", *limits)
    assert done.code in (exits.FAILED, exits.RESOURCE)  # that of the failure which came first
    assert "the limit for one step [worker.timeout]" in done.err and "[resource.memory]" in done.err


def test_help_lists_the_parameters_with_type_limits_and_default(call: Any, write: Any) -> None:
    write()
    done = call("run", "words.json", "--help")
    assert done.code == 0
    for text in (
        "--times",
        "INTEGER",
        ">= 1, <= 9",
        "How often",
        "default: 1",
        "one of upper, lower",
        "--seed",
    ):
        assert text in done.out, text
    assert "Parameters of words" in done.out and "130 cancelled" in done.out


def test_help_without_or_with_a_wrong_workflow_still_helps(call: Any) -> None:
    assert call("run", "--help").code == 0
    assert "--data-dir" in call("run", "nothing.json", "--help").out


def test_parameters_of_any_name(call: Any, write: Any, place: Path) -> None:
    document = dict(json.loads((write()).read_text()))
    document["parameters"] = {
        "2-words": {"to": "word.text"},
        "out": {"to": "word.times"},
        "ref": {"to": "word.loud"},
    }
    write(document=document)
    done = call("run", "words.json", "--2-words", "ab", "--set", "out=2", "--ref", "yes")
    assert done.code == 0, done
    assert next(place.glob("output/*.txt")).read_text() == "!baba"


def test_any_character_can_be_said(program: Start, write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    write(word={"type": "desk/word", "params": {"text": "snow ☃"}})
    out, err = program("run", "words.json").communicate(timeout=60)
    assert "out = snow \\u2603" in out, err


def test_a_missing_workflow_names_the_closest(call: Any, place: Path) -> None:
    done = call("run", "text_to_vidoe")
    assert done.code == exits.USAGE
    assert "did you mean 'text_to_video'?" in done.err
    assert not (place / "data").exists()


def test_a_wrong_document_shows_every_problem(call: Any, write: Any) -> None:
    write(a={"type": "desk/wrod"}, b={"type": "desk/turned"})
    done = call("run", "words.json")
    assert done.code == exits.USAGE
    assert "did you mean 'desk/word'?" in done.err and "nodes.b.inputs.word" in done.err


def test_a_node_that_fails(call: Any, write: Any, place: Path) -> None:
    write(
        word={"type": "desk/word", "params": {"text": "xyz"}},
        bad={"type": "desk/fail", "inputs": {"word": "word"}},
        save={"type": "desk/save", "inputs": {"word": "bad"}},
    )
    done = call("run", "words.json")
    assert done.code == exits.FAILED
    assert "failed    bad: ValueError: xyz holds an x [node]" in done.err
    assert "save  desk/save  skipped" in done.out
    assert not [*place.glob("output/*.txt")]


def test_items_that_fail_leave_the_others(call: Any, write: Any, place: Path) -> None:
    write(
        words={"type": "std/prompt_list", "params": {"prompts": "ab\nxy\ncd"}},
        check={"type": "desk/fail", "inputs": {"word": "words"}},
        save={"type": "desk/save", "inputs": {"word": "check"}},
    )
    done = call("run", "words.json")
    assert done.code == exits.ITEMS, done
    assert "failed    check[1]" in done.err
    assert len([*place.glob("output/*.txt")]) == 2
    stopped = call("run", "words.json", "--on-error", "stop", "--out", "other")
    assert stopped.code == exits.FAILED


def test_a_missing_model_says_which_and_how_to_get_it(call: Any, write: Any) -> None:
    write(model={"type": "desk/model"})
    done = call("run", "words.json")
    assert done.code == exits.RESOURCE
    assert "big/one" in done.err and "hf download big/one" in done.err


def test_an_embedded_model_that_does_not_exist_fails_before_anything_runs(call: Any, place: Path) -> None:
    done = call("run", "text_to_video", "--model", "no-such-model")
    assert done.code == exits.RESOURCE
    assert "no-such-model" in done.err and "Traceback" not in done.err
    assert not (place / "output").exists()


def test_missing_and_truncated_videos(call: Any, write: Any, place: Path) -> None:
    load = {"type": "media/load_video", "params": {"path": "clip.mp4"}}
    write(load=load, save={"type": "media/save_video", "inputs": {"video": "load"}})
    done = call("run", "words.json")
    assert done.code == exits.STORAGE and "clip.mp4: there is no such file" in done.err
    (place / "clip.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(900))
    done = call("run", "words.json")
    assert done.code == exits.STORAGE and "failed    load" in done.err
    assert not [*place.glob("output/*.mp4")]


def test_a_data_folder_that_is_a_file(call: Any, write: Any, place: Path) -> None:
    write()
    (place / "occupied").write_text("mine")
    done = call("run", "words.json", "--data-dir", "occupied")
    assert done.code == exits.STORAGE and "occupied" in done.err
    assert (place / "occupied").read_text() == "mine"


def test_an_output_folder_that_is_a_file(call: Any, write: Any, place: Path) -> None:
    write()
    (place / "occupied").write_text("mine")
    done = call("run", "words.json", "--out", "occupied/deeper")
    assert done.code == exits.STORAGE and "--out" in done.err
    assert not (place / "data").exists()


def test_an_output_folder_whose_name_is_too_long(call: Any, write: Any, place: Path) -> None:
    write()
    done = call("run", "words.json", "--out", "o" * 300)
    assert done.code == exits.STORAGE and "the name is too long" in done.err
    assert not (place / "data").exists()


def test_an_output_folder_that_cannot_be_written_is_told_before_anything_is_computed(
    call: Any, write: Any, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def access(path: Path, mode: int) -> bool:  # whoever runs the tests may be allowed to write anywhere
        return not (mode & os.W_OK and Path(path) == place / "locked")

    write()
    (place / "locked").mkdir()
    monkeypatch.setattr(os, "access", access)
    for name in ("locked", "locked/deeper"):
        done = call("run", "words.json", "--out", name)
        assert done.code == exits.STORAGE and "cannot be written to" in done.err and "--out" in done.err
    assert not (place / "data").exists()


def test_packs_that_are_not_there(call: Any, write: Any, place: Path) -> None:
    write()
    done = call("run", "words.json", "--packs", "nowhere")
    assert done.code == exits.USAGE and "nowhere" in done.err
    (place / "a_file").write_text("")
    done = call("run", "words.json", "--packs", "a_file")
    assert done.code == exits.USAGE and "not a folder" in done.err


def test_a_pack_named_instead_of_the_folder_it_lies_in(call: Any, write: Any, place: Path) -> None:
    """Its nodes would not be found, and nothing would say why."""
    assert call("new", "--pack", "shapes").code == 0
    done = call("nodes", "shapes", "--packs", "packs/shapes")
    assert done.code == exits.USAGE and "name the folder it lies in: packs" in done.err


def test_only_runs_a_node_and_what_it_needs(call: Any, write: Any, place: Path) -> None:
    write()
    done = call("run", "words.json", "--only", "turned")
    assert done.code == 0 and "2 computed" in done.out
    assert not [*place.glob("output/*.txt")]


def test_json_is_one_event_a_line_and_nothing_else(call: Any, write: Any) -> None:
    write()
    done = call("run", "words.json", "--json")
    assert done.code == 0
    types = [event["type"] for event in done.events]
    assert types[:2] == ["run.accepted", "run.started"] and types[-1] == "run.finished"
    assert [event["seq"] for event in done.events] == list(range(1, len(types) + 1))
    assert "saved     output/word-" in done.err
    again = call("run", "words.json", "--json")
    assert not [e for e in again.events if e["type"] in ("node.started", "node.finished")]


def test_outputs_that_are_text_or_numbers_are_shown(call: Any, write: Any) -> None:
    write(word={"type": "desk/word", "params": {"text": "seen"}})
    assert "out = seen" in call("run", "words.json").out
    write(number={"type": "std/integer", "params": {"value": 42}})
    assert "out = 42" in call("run", "words.json").out


def test_the_process_runner(call: Any, write: Any) -> None:
    write()
    done = call("run", "words.json", "--runner", "process", "--text", "ab")
    assert done.code == 0, done
    assert next(Path("output").glob("*.txt")).read_text() == "ba"


def test_a_saved_file_replays_its_workflow(call: Any, write: Any, place: Path) -> None:
    from PIL import Image

    Image.new("RGB", (8, 8), (200, 10, 10)).save(place / "red.png")
    write(
        load={"type": "media/load_image", "params": {"path": str(place / "red.png")}},
        save={"type": "media/save_image", "inputs": {"image": "load"}},
    )
    assert call("run", "words.json").code == 0
    saved = next(place.glob("output/*.png"))
    again = call("run", saved)
    assert again.code == 0 and "0 computed" in again.out
    first = saved.read_bytes()
    saved.rename(place / "kept.png")
    assert call("run", "kept.png").code == 0
    assert saved.read_bytes() == first
    plain = call("run", "red.png")
    assert plain.code == exits.USAGE and "no workflow inside" in plain.err


def test_a_contact_sheet_replays_the_workflow_of_its_video(call: Any, write: Any, place: Path) -> None:
    from PIL import Image

    Image.new("RGB", (8, 8), (200, 10, 10)).save(place / "red.png")
    write(
        load={"type": "media/load_image", "params": {"path": str(place / "red.png")}},
        clip={"type": "media/images_to_video", "inputs": {"images": ["load", "load"]}},
        save={"type": "media/save_video", "inputs": {"video": "clip"}},
    )
    assert call("run", "words.json").code == 0
    sheet, video = next(place.glob("output/*.sheet.png")), next(place.glob("output/*.mp4"))
    assert read_provenance(video) and read_provenance(sheet) == read_provenance(video)
    first = video.read_bytes()
    sheet.rename(place / "kept.sheet.png")
    video.unlink()
    assert call("run", "kept.sheet.png").code == 0
    assert video.read_bytes() == first and sheet.is_file()


@pytest.mark.slow
def test_another_seed_computes_denoise_decode_and_save_alone(call: Any, place: Path) -> None:
    from tests.support.tiny_wan import save_tiny_wan

    model = save_tiny_wan("wan21", place / "tiny")
    command = ["run", "text_to_video", "--json", "--model", str(model), "--steps", "2"]
    command += ["--width", "32", "--height", "32", "--frames", "5"]
    first = call(*command)
    assert first.code == 0, first
    assert next(place.glob("output/*.sheet.png")).is_file()
    again = call(*command)
    assert not [event for event in again.events if event["type"] == "node.started"]
    other = call(*command, "--seed", "8")
    ran = [event["node"] for event in other.events if event["type"] == "node.started"]
    assert ran == ["denoise", "decode", "save"]


# ------------------------------------------------------------------------------------- cancelling

Start = Callable[..., "subprocess.Popen[str]"]


def _wait_for(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(process.communicate())


@pytest.mark.parametrize(("runner", "deaf"), [("inline", False), ("inline", True), ("process", True)])
def test_ctrl_c_cancels_within_a_second_and_says_how_to_resume(
    program: Start, write: Any, runner: str, deaf: bool
) -> None:
    write(slow={"type": "desk/slow", "params": {"deaf": deaf}})
    process = program("run", "words.json", "--runner", runner)
    _wait_for(process, "started   slow")
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == exits.CANCELLED
    assert time.monotonic() - began < 2.5  # one second, and what a busy machine adds
    assert "cancelled after" in err and "the same command" in err and "Traceback" not in err


def test_a_second_ctrl_c_leaves_at_once(program: Start, write: Any) -> None:
    write(slow={"type": "desk/slow", "params": {"deaf": True}})
    process = program("run", "words.json")
    _wait_for(process, "started   slow")
    process.send_signal(signal.SIGINT)
    time.sleep(0.15)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == exits.CANCELLED
    assert "Traceback" not in err


def test_a_cancelled_run_ends_its_json_with_the_cancel(program: Start, write: Any) -> None:
    write(slow={"type": "desk/slow"})
    process = program("run", "words.json", "--json")
    _wait_for(process, "node.progress")
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert json.loads(out.splitlines()[-1])["type"] == "run.cancelled"
    assert process.returncode == exits.CANCELLED
