"""Whole chains: killed and run again, on files that are bad, under licences that forbid; a second run adds
nothing."""

from __future__ import annotations

import importlib
import json
import pkgutil
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import pytest
from graphflow_nodes import dataset, std
from graphflow_nodes.dataset.pairs import CLIP_BANDS, PAIR_BANDS
from graphflow_nodes.licence import licence_gate

from graphflow import templates
from graphflow.api import Builder
from graphflow.node import spec_of
from graphflow.provenance import canonical_json
from graphflow.result import Result
from graphflow.workflow import Document
from graphflow.workspace import Workspace
from tests.nodes.dataset.conftest import Save, moving_scenes, toy_frames
from tests.support.tiny_wan import save_tiny_wan

KILLED = """
import json, os, signal, sys
from graphflow import templates
from graphflow.workspace import Workspace
data, out, name, values, kind, node, after = sys.argv[1:]
document, folder = templates.find(name)
seen = [0]
def listen(event):
    seen[0] += event.type == kind and event.node == node
    if seen[0] == int(after):
        os.kill(os.getpid(), signal.SIGKILL)
with Workspace(data) as workspace:
    graph = workspace.graph(document, json.loads(values), folder=folder)
    workspace.run(graph, out_dir=out, on_event=listen)
"""


class Player:
    """Runs workflows in one data folder and counts what was computed, by node."""

    def __init__(self, folder: Path) -> None:
        self.data, self.out = folder / "data", folder / "out"
        self.computed: Counter[str] = Counter()

    def __call__(self, document: Document, **values: Any) -> Result:
        events: list[Any] = []
        with Workspace(self.data) as workspace:
            graph = workspace.graph(document, values)
            result = workspace.run(graph, out_dir=self.out, on_event=events.append)
            for name in graph.outputs:
                if not result.failures:
                    result.held[name] = result.value(name)
        self.computed = Counter(event.node for event in events if event.type == "node.finished")
        return result

    def files(self) -> dict[str, bytes]:
        """What lies in the output folder, but for the record of the run."""
        found = {p.relative_to(self.out).as_posix(): p for p in sorted(self.out.rglob("*")) if p.is_file()}
        return {name: path.read_bytes() for name, path in found.items()}


@pytest.fixture
def play(tmp_path: Path) -> Player:
    return Player(tmp_path / "one")


def edit_pairs() -> Document:
    return templates.find("edit_pairs_from_clip")[0]


def killed(play: Player, name: str, values: Mapping[str, Any], kind: str, node: str, after: int) -> None:
    """Run a template in a process that dies by `kill -9` at the so many-th event of that kind and node."""
    arguments = [str(play.data), str(play.out), name, json.dumps(values), kind, node, str(after)]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_killed_in_the_middle_it_goes_on_where_it_was(tmp_path: Path, play: Player) -> None:
    count, after = 12, 5
    killed(play, "edit_pairs_from_clip", {"count": count}, "node.finished", "described", after)
    again = play(edit_pairs(), count=count)
    assert again.status == "finished"
    assert 0 < play.computed["described"] <= count - after + 1  # one may have been under way

    other = Player(tmp_path / "other")
    whole = other(edit_pairs(), count=count)
    assert play.files() == other.files()
    assert again.value("rows") == whole.value("rows") == 2 * count

    play(edit_pairs(), count=count)
    assert not play.computed and play.files() == other.files()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["edit_sessions_multiturn", "curate_clips"])
def test_killed_among_clips_and_again_while_it_writes_nothing_is_lost_and_nothing_is_there_twice(
    tmp_path: Path, folder: Path, play: Player, name: str
) -> None:
    node, total, bad, values = "described", 6, 0, {"count": 6}
    if name == "curate_clips":
        node, total, bad, values = "shots", 8, 3, {"source": 1, "folder": str(folder)}
    document = templates.find(name)[0]
    killed(play, name, values, "node.finished", node, 3)
    killed(play, name, values, "node.progress", "export", 1)
    assert not any(file.endswith("graphflow.json") for file in play.files()), "no half dataset counts"
    again = play(document, **values)
    assert again.status == "finished"
    assert play.computed["export"] == 1
    assert play.computed[node] <= bad, "clips were done before the export; bad files cost no time to refuse"

    other = Player(tmp_path / "other")
    whole = other(document, **values)
    assert other.computed[node] == total
    assert play.files() == other.files()
    assert again.value("rows") == whole.value("rows") > 0
    play(document, **values)
    assert not play.computed and play.files() == other.files()


def test_with_an_empty_cache_the_dataset_that_is_there_is_found(play: Player) -> None:
    """As after a crash between writing the last file and noting that it was written."""
    play(edit_pairs(), count=4)
    before = play.files()
    shutil.rmtree(play.data)
    play(edit_pairs(), count=4)
    assert play.computed["described"] == 4 and play.files() == before


def test_more_scenes_compute_only_what_is_new(play: Player) -> None:
    play(edit_pairs(), count=4)
    play(edit_pairs(), count=6)
    assert play.computed["toy"] == play.computed["described"] == 2
    assert play.computed["export"] == 1


def test_the_instructions_of_the_template_are_true(play: Player) -> None:
    rows = play(edit_pairs(), count=10).value("pairs")
    assert all(pair.instruction.startswith("move the ") for (pair,) in rows)
    words = [pair.source for (pair,) in rows]  # the toy world's own caption of the clip
    for source, (pair,) in zip(words, rows, strict=True):
        colour, shape = pair.instruction.split()[2:4]
        way = pair.instruction.split()[-1]
        assert f"{colour} {shape}" in source and f"moving {way}" in source


def noise_model(folder: Path, licence: str) -> str:
    """A tiny random model for image to video, with a licence."""
    model = save_tiny_wan("wan22_image", folder / "model")
    sidecar = model / "graphflow.json"
    told = json.loads(sidecar.read_text()) if sidecar.is_file() else {}
    sidecar.write_text(json.dumps({**told, "licence": licence}))
    return str(model)


def test_a_model_makes_the_clips_and_noise_has_no_instruction(tmp_path: Path, play: Player) -> None:
    model = noise_model(tmp_path, "apache-2.0")
    result = play(edit_pairs(), clips=1, count=2, model=model, steps=1)
    assert play.computed["decode"] == play.computed["measured"] == 2
    (failure,) = result.failures
    assert failure.node == "export" and "nothing to write" in failure.message and "funnel" in failure.hint


def test_a_model_whose_licence_forbids_it_makes_nothing(tmp_path: Path, play: Player) -> None:
    model = noise_model(tmp_path, "tencent-hunyuan-community")
    result = play(edit_pairs(), clips=1, count=2, model=model, steps=1)
    assert result.status == "failed" and result.failures[0].code == "licence"
    assert play.computed["decode"] == play.computed["export"] == 0


def test_what_a_restricted_model_made_elsewhere_is_no_data_for_an_editor(
    play: Player, save_clip: Save
) -> None:
    """The file says which model made it; its clips are owed to that model through every list."""
    model = {"name": "somebody's model", "identity": "sha256:1", "licence": "tencent-hunyuan-community"}
    [frames] = toy_frames(moving_scenes(1, 3))
    path = save_clip("made.mp4", frames, text=canonical_json({"models": [model]}))

    def exported(use: str) -> Result:
        build = Builder("from files")
        files = build(dataset.list_files, folder=str(path.parent))
        clips = build(std.flatten, build(dataset.cut_shots, files, shortest=0.1))
        allowed = build(licence_gate, clips, use=use, id="gate")
        build.output("data", build(dataset.export_clips, allowed, format="jsonl").rows)
        return play(build.document())

    (refused,) = exported("train_image_editor").failures
    assert (refused.node, refused.code) == ("gate", "licence") and model["name"] in refused.message
    assert exported("publish").status == "finished"
    (card,) = play.out.rglob("README.md")
    assert model["name"] in card.read_text() and model["licence"] in card.read_text()


# ---------------------------------------------------------------------------------- curation


def curation(folder: Path) -> Document:
    """Files to a dataset of clips."""
    build = Builder("curation")
    shots = build(dataset.cut_shots, build(dataset.list_files, folder=str(folder)), id="shots", shortest=0.5)
    moving = build(dataset.filter_items, shots, where="motion_top > 1 and change_max < 27", stage="motion")
    distinct = build(dataset.deduplicate, build(std.flatten, moving))
    told = build(dataset.caption_clips, distinct, build(dataset.change_captioner), id="captions")
    parts = build(dataset.split, build(dataset.balance, told, by="camera", share=1.0), validation=0.3)
    build.output("shots", shots)
    build.output("funnel", build(dataset.funnel, parts))
    build.output("table", build(dataset.save_table, parts))
    build.output("rows", build(dataset.export_clips, parts, format="jsonl", id="export").rows)
    return build.document()


@pytest.fixture
def folder(save_clip: Save) -> Path:
    """Five clips, one with a cut, a copy of another, one that stands still, and three files that are bad."""
    clips = toy_frames(moving_scenes(6, 61), 17)
    made = save_clip("a.mp4", clips[0])
    save_clip("b.mp4", numpy.concatenate([clips[1], 255 - clips[2]]))
    save_clip("c.mp4", clips[3])
    save_clip("still.mp4", numpy.repeat(clips[4][:1], 17, axis=0))
    shutil.copy(made, made.with_name("copy.mp4"))
    made.with_name("empty.mp4").touch()
    made.with_name("half.mp4").write_bytes(made.read_bytes()[:700])
    made.with_name("noise.webm").write_bytes(b"\x1a\x45\xdf\xa3" + bytes(range(256)))
    return made.parent


def test_a_folder_is_curated_and_bad_files_are_reported_and_not_fatal(folder: Path, play: Player) -> None:
    result = play(curation(folder))
    assert result.status == "finished" and not result.failures
    stages = {stage.name: stage for stage in result.value("funnel").stages}
    assert (stages["read"].refused, stages["motion"].refused, stages["duplicate"].refused) == (3, 1, 1)
    assert result.value("rows") == 4
    play(curation(folder))
    assert not play.computed


def test_one_more_file_is_worked_on_alone_and_a_changed_filter_decodes_nothing(
    folder: Path, save_clip: Save, play: Player
) -> None:
    play(curation(folder))
    save_clip("0.mp4", toy_frames(moving_scenes(7, 71), 17)[6])
    result = play(curation(folder))
    assert play.computed["shots"] == 1 and result.value("rows") == 5
    document = curation(folder)
    nodes = {name: entry for name, entry in document.nodes.items() if entry.type == "dataset/filter"}
    (name,) = nodes
    stricter = nodes[name].model_copy(update={"params": {**nodes[name].params, "where": "motion_top > 2"}})
    play(document.model_copy(update={"nodes": {**document.nodes, name: stricter}}))
    assert play.computed["shots"] == 0 and play.computed[name] > 0


def test_the_templates_come_with_the_default_conditions() -> None:
    for name in ("edit_pairs_from_clip", "edit_sessions_multiturn"):
        nodes = templates.find(name)[0].nodes
        assert nodes["pair_filter"].params["where"] == PAIR_BANDS
        assert nodes["clip_filter"].params["where"] == CLIP_BANDS


def test_no_module_hides_a_node_of_its_name() -> None:
    """A module that is imported late puts itself into its package, over whatever has its name there."""
    for module in pkgutil.iter_modules(dataset.__path__):
        importlib.import_module(f"{dataset.__name__}.{module.name}")
    assert [name for name in dataset.__all__ if spec_of(getattr(dataset, name)) is None] == []
