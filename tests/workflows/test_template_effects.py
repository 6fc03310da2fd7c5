"""A person with clips and a model of their own changes parameters and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from graphflow_nodes.media import save_video
from graphflow_nodes.toyworld import clip, effect_clip

from graphflow import templates
from graphflow.cli.parameters import described
from graphflow.result import Result
from graphflow.testing import LocalContext, run_node
from graphflow.workspace import Workspace
from tests.support.threads import one_thread as one_thread

DRAWN = {"scenes", "clip", "fit", "encode", "embed", "fit_mask", "fit_plain", "encode_plain", "drawn_called"}
"""Nodes of drawn clips, which one's own have no use for."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips with captions, a copy of one, one that stands still, one that is too short, one broken."""
    place = tmp_path_factory.mktemp("own")

    def save(name: str, video: Any, caption: str = "") -> Path:
        saved = run_node(save_video, video, context=LocalContext(out_dir=place), name=name)
        file = Path(saved.path).rename(place / f"{name}.mp4")
        if caption:
            file.with_suffix(".txt").write_text(caption, "utf-8")
        return file

    for seed, color in enumerate(("red", "blue", "green")):
        pair = run_node(effect_clip, seed=seed, color=color)
        file = save(f"cake{seed}", pair.video, f"The video shows a {color} cup")
    shutil.copy(file, place / "twice.mp4")
    save("still", run_node(clip, motion="still").video)
    save("short", run_node(clip, frames=4).video)
    (place / "broken.mp4").write_bytes(file.read_bytes()[:500])
    return place


class Player:
    """Runs templates in one place and remembers which nodes had a part in it, and which were computed."""

    def __init__(self, place: Path) -> None:
        self.workspace, self.out = Workspace(place / "data"), place / "out"
        self.touched: set[str] = set()
        self.computed: set[str] = set()

    def __call__(self, name: str, **values: Any) -> Result:
        events: list[Any] = []
        document, home = templates.find(name)
        graph = self.workspace.graph(document, values, folder=home)
        result = self.workspace.run(graph, out_dir=self.out, on_event=events.append)
        assert result.status == "finished", result.failures
        done = ("node.finished", "node.cached")
        self.touched = {event.node for event in events if event.type in done}
        self.computed = {event.node for event in events if event.type == "node.finished"}
        return result


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Any:
    player = Player(tmp_path_factory.mktemp("effects"))
    yield player
    player.workspace.close()


def test_a_folder_of_clips_becomes_a_dataset_with_triggers_and_a_funnel(folder: Path, play: Player) -> None:
    result = play("effect_dataset_curate", clips=str(folder), trigger="CAKE", template="{trigger} {caption}!")
    stages = {stage.name: stage.refused for stage in result.value("funnel").stages}
    assert stages == {"read": 1, "length": 1, "quality": 1, "duplicate": 1, "bucket": 0}
    kept = result.value("clips")
    assert sorted(one.caption for one in kept) == [
        f"CAKE A {color} cup!" for color in ("blue", "green", "red")
    ]
    assert {one.scores["bucket"] for one in kept} == {"13x64x64"}
    lines = (Path(result.value("manifest").path).parent / "train" / "metadata.jsonl").read_text().splitlines()
    assert all(json.loads(line)["caption"].startswith("CAKE A ") for line in lines)
    assert result.value("rows") == 3 and "toy" not in play.touched


def test_drawn_clips_show_how_it_works(play: Player) -> None:
    result = play("effect_dataset_curate", count=3)
    assert {s.name: s.refused for s in result.value("funnel").stages}["duplicate"] == 1
    assert result.value("rows") == 3 and "list" not in play.touched
    assert all(one.caption.startswith("PIKA_CAKEIFY a ") for one in result.value("clips"))


@pytest.fixture(scope="module")
def own(folder: Path, tiny: Any) -> dict[str, Any]:
    """What a person with clips and a model says, and that it should be quick."""
    return {
        "clips": str(folder), "bucket": "5x32x32", "preset": "wan", "model": str(tiny("wan21")),
        "steps": 2, "batch": 2, "trigger": "CAKE",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["effect_cakeify_train", "full_finetune_then_extract_lora"])
def test_one_learns_from_clips_of_ones_own(name: str, own: dict[str, Any], play: Player) -> None:
    result = play(name, **own, prompts="a tea cup\na hat")
    assert {"own_encode", "train", "lora_called"} <= play.touched and not DRAWN & play.touched
    assert len(result.value("called")) == 2 and all(0 <= one <= 1 for one in result.value("called"))
    assert Path(result.value("lora").path).is_file()


@pytest.mark.parametrize(
    "name",
    [
        "effect_dataset_curate",
        "effect_cakeify_train",
        "effect_apply_compare",
        "full_finetune_then_extract_lora",
    ],
)
def test_every_parameter_is_an_option_of_the_command_line(name: str, play: Player) -> None:
    document, home = templates.find(name)
    assert [*described(document, play.workspace.registry, home)] == [*document.parameters]


def test_both_effects_are_trained_by_the_same_graph() -> None:
    """What holds for clips of one's own in one holds in the other: words and the drawn effect differ."""
    one, other = (templates.find(f"effect_{name}_train")[0] for name in ("cakeify", "3d_dissolve"))
    assert one.parameters == other.parameters and one.outputs == other.outputs
    assert {id: (node.type, node.inputs) for id, node in one.nodes.items()} == {
        id: (node.type, node.inputs) for id, node in other.nodes.items()
    }
    settings = {
        name
        for id, node in one.nodes.items()
        for name, value in node.params.items()
        if other.nodes[id].params[name] != value
    }
    assert settings == {"effect", "name", "template", "value"}


def test_a_lora_of_these_clips_or_of_a_file_is_compared_with_the_base(
    own: dict[str, Any], play: Player
) -> None:
    path = play("effect_cakeify_train", **own, prompts="a tea cup").value("path")
    asked = {**own, "prompts": "a tea cup", "weights": [0.0, 1.0]}
    before = {file.name for file in play.out.iterdir()}
    first = play("effect_apply_compare", **asked)
    assert not any(name.startswith("trained/") for name in play.computed), "it was trained already"
    written = {file.name.rpartition("-")[0] for file in play.out.iterdir() if file.name not in before}
    assert written == {"effect_apply_compare"}
    nothing, whole = (one.named("effect_area").value for one in first.value("changes"))
    assert nothing == 0 <= whole
    second = play("effect_apply_compare", **asked, lora=path)
    assert not any(name.startswith("trained/") for name in play.touched)
    assert second.value("changes") == first.value("changes")
