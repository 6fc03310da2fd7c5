"""The gate: asked while planning, of every model behind a value, and nothing is computed if it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from graphflow_nodes.licence import licence_gate
from graphflow_nodes.licence.gate import judge
from PIL import Image, PngImagePlugin

from graphflow import origins as owed
from graphflow.errors import NodeError
from graphflow.graph import Graph
from graphflow.node import Context, Origin, node
from graphflow.provenance import canonical_json, read_provenance
from graphflow.result import Result
from graphflow.values import Recipe, SavedFile
from tests.support.engine import REGISTRY, World, built, lab, todo


class Licensed(Recipe):
    """A model that knows its licence."""

    name: str
    licence: str = ""

    def open(self, device: str) -> str:
        return self.name

    def origins(self) -> tuple[Origin, ...]:
        return (Origin(self.name, f"sha256:{self.name}", self.licence),)


@node("test/licensed", fold=True)
def licensed(*, name: str, licence: str = "") -> Licensed:
    return Licensed(name=name, licence=licence)


@node("test/make")
def make(model: Licensed, ctx: Context, more: str = "") -> str:
    with ctx.use(model) as live:
        return f"{live} {more}"


@node("test/lines")
def lines(model: Licensed) -> list[str]:
    return [f"{model.name} one", f"{model.name} two"]


@node("test/loud", fold=True)
def loud(text: str) -> str:
    return text.upper()


@node("test/keep", cache=False, effect=lambda outputs: False)
def keep(text: str, ctx: Context) -> SavedFile:
    """A picture, because provenance is read back from pictures."""
    return ctx.save("kept", ".png", lambda path: write_picture(path, ctx.provenance))


@node("test/read", fingerprint=lambda *, path: path)
def read(*, path: str) -> str:
    return path


def write_picture(path: Path, provenance: Mapping[str, Any]) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("graphflow", canonical_json(dict(provenance)))
    Image.new("RGB", (2, 2)).save(path, pnginfo=info)


KNOWN = REGISTRY.with_nodes([licence_gate, licensed, make, lines, loud, keep, read])


def gated(*licences: str, **settings: Any) -> Graph:
    """Models in a row, each working on what the one before made, then the gate, then a file."""
    nodes: dict[str, Any] = {}
    for i, licence in enumerate(licences):
        nodes[f"m{i}"] = ("test/licensed", {"name": f"model-{i}", "licence": licence})
        before = {"more": f"made{i - 1}"} if i else {}
        nodes[f"made{i}"] = ("test/make", {}, {"model": f"m{i}", **before})
    nodes["gate"] = ("licence/gate", settings, {"value": f"made{len(licences) - 1}"})
    nodes["file"] = ("test/keep", {}, {"text": "gate"})
    return built({"file": "file"}, KNOWN, **nodes)


def run(graph: Graph, tmp_path: Path) -> tuple[Result, list[str]]:
    with lab(tmp_path) as bench:
        return bench.run(graph), bench.said("node.started")


def test_a_clean_value_passes_and_costs_nothing(tmp_path: Path) -> None:
    result, started = run(gated("apache-2.0", "mit", use="train_image_editor"), tmp_path)
    assert result.status == "finished" and started == ["made0", "made1", "file"]
    assert not result.plan.notices, "the gate is no step and has nothing to say"


def test_outputs_of_hunyuan_train_no_other_model_and_nothing_is_computed(tmp_path: Path) -> None:
    result, started = run(
        gated("tencent-hunyuan-community", "apache-2.0", use="train_image_editor"), tmp_path
    )
    assert result.status == "failed" and started == []
    (failure,) = result.failures
    assert failure.node == "gate" and failure.code == "licence"
    assert "model-0 (tencent-hunyuan-community)" in failure.message and "5b" in failure.message
    assert "model-1" not in failure.message, "only the model that forbids it is named"


def test_a_model_far_upstream_counts(tmp_path: Path) -> None:
    far = ["tencent-hunyuan-community", *["apache-2.0"] * 9]
    assert run(gated(*far, use="train_other_models"), tmp_path)[0].failures


@pytest.mark.parametrize("between", [(), ("test/loud",), ("test/loud", "test/loud")])
def test_items_of_a_list_that_a_model_wrote_are_owed_to_it(between: tuple[str, ...], tmp_path: Path) -> None:
    """To map a list, planning reads it: its items are plain text from then on."""
    nodes: dict[str, Any] = {
        "m": ("test/licensed", {"name": "writer", "licence": "tencent-hunyuan-community"}),
        "text0": ("test/lines", {}, {"model": "m"}),
    }
    for i, type in enumerate(between):
        nodes[f"text{i + 1}"] = (type, {}, {"text": f"text{i}"})
    text = f"text{len(between)}"
    nodes["file"] = ("test/keep", {}, {"text": text})
    kept, _ = run(built({"file": "file"}, KNOWN, **nodes), tmp_path)
    for saved in kept.value("file"):
        found = read_provenance(saved.path)
        assert found is not None and [model["name"] for model in found["models"]] == ["writer"]
        assert list(found["keys"]) == ["text0"]
    nodes["gate"] = ("licence/gate", {"use": "train_other_models"}, {"value": text})
    nodes["file"] = ("test/keep", {}, {"text": "gate"})
    refused, _ = run(built({"file": "file"}, KNOWN, **nodes), tmp_path)
    assert {(one.node, one.code) for one in refused.failures} == {("gate", "licence")}


def test_warn_lets_it_pass_and_says_so(tmp_path: Path) -> None:
    graph = gated("tencent-hunyuan-community", use="train_other_models", mode="warn")
    planned = World().plan(graph)
    assert todo(planned) == ["made0", "file"] and "5b" in planned.notices["gate"]
    with lab(tmp_path) as bench:
        for _ in range(2):  # also when all comes from the cache
            bench.run(graph)
            told = [(event.node, event.message) for event in bench.events if event.type == "node.notice"]
            assert told == [("gate", planned.notices["gate"])]


def test_conditions_are_told_and_never_refuse() -> None:
    planned = World().plan(gated("ltx-2.x-community", use="commercial"))
    assert not planned.failures and "10 million dollars" in planned.notices["gate"]


@pytest.mark.parametrize("licence", ["", "somebodys-own-licence", "skywork-community"])
def test_what_nobody_has_read_is_refused_or_told_as_one_likes(licence: str) -> None:
    """No licence, one without notes, and one whose notes do not speak of the use."""
    refused = World().plan(gated(licence, use="train_other_models"))
    assert "model-0" in str(refused.failures["gate"]) and "graphflow.json" in refused.failures["gate"].hint
    told = World().plan(gated(licence, use="train_other_models", unknown="warn"))
    assert not told.failures and "model-0" in told.notices["gate"]


def test_a_recipe_that_does_not_say_is_of_unknown_licence() -> None:
    graph = built(
        {"out": "gate"},
        KNOWN,
        x="num",
        m="model",
        t=("think", {"seed": 1}, {"x": "x", "model": "m"}),
        gate=("licence/gate", {}, {"value": "t"}),
    )
    assert "Toy (licence unknown)" in str(World().plan(graph).failures["gate"])


def test_a_value_without_any_model_is_free() -> None:
    graph = built({"out": "gate"}, KNOWN, n="num", gate=("licence/gate", {}, {"value": "n"}))
    assert not World().plan(graph).failures


def test_a_saved_file_names_the_models_that_made_it(tmp_path: Path) -> None:
    result, _ = run(gated("apache-2.0", "mit"), tmp_path)
    found = read_provenance(result.value("file").path)
    assert found is not None
    assert found["models"] == [
        {"name": "model-0", "identity": "sha256:model-0", "licence": "apache-2.0"},
        {"name": "model-1", "identity": "sha256:model-1", "licence": "mit"},
    ]


def watched(path: Path | str) -> Graph:
    """A saved file read in another workflow, and a gate behind it."""
    nodes: dict[str, Any] = {
        "read": ("test/read", {"path": str(path)}),
        "gate": ("licence/gate", {"use": "train_other_models"}, {"value": "read"}),
    }
    return built({"out": "gate"}, KNOWN, **nodes)


def test_a_file_of_another_run_is_owed_to_the_models_of_that_run(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    result, _ = run(gated("tencent-hunyuan-community", use="publish"), inner)
    refused = World().plan(watched(result.value("file").path)).failures["gate"]
    assert "model-0 (tencent-hunyuan-community)" in refused.message
    for folder in (inner, tmp_path):
        whole = World().plan(watched(folder)).failures["gate"]
        assert whole.message == refused.message, "a folder stands for its files, and for those below it"


def test_what_made_the_files_beyond_very_many_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        (tmp_path / f"{number}.txt").touch()
    monkeypatch.setattr(owed, "MAX_FILES", 3)
    assert not World().plan(watched(tmp_path)).failures
    monkeypatch.setattr(owed, "MAX_FILES", 2)
    assert "beyond the first 2" in World().plan(watched(tmp_path)).failures["gate"].message


def test_a_file_that_does_not_name_its_models_is_of_unknown_licence(tmp_path: Path) -> None:
    write_picture(tmp_path / "old.png", {"workflow": {}, "key": "1"})
    assert "what made old.png" in World().plan(watched(tmp_path / "old.png")).failures["gate"].message


@pytest.mark.parametrize("models", [[], ["x"], [{"name": 3}], {"name": "x"}])
def test_a_forged_provenance_is_data_like_any_other(models: Any, tmp_path: Path) -> None:
    write_picture(tmp_path / "odd.png", {"models": models})
    assert ("gate" in World().plan(watched(tmp_path / "odd.png")).failures) == bool(models)


@pytest.mark.parametrize("path", ["", "no such file", "x" * 9999, "a\0b"])
def test_texts_that_are_no_files_are_owed_to_nobody(path: str) -> None:
    assert not World().plan(watched(path)).failures


def test_each_model_is_named_once() -> None:
    twice = [Origin("a", "1", "x"), Origin("a", "2", "x")]
    with pytest.raises(NodeError) as caught:
        judge(twice, use="publish", mode="fail", unknown="fail")
    assert str(caught.value).count("a (x)") == 1
