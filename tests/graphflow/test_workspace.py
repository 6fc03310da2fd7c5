"""The workspace puts nodes, cache, models and runner together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graphflow import workflow
from graphflow.errors import DocumentError
from graphflow.graph import build
from graphflow.runners.limits import Limits
from graphflow.runners.process import ProcessRunner
from graphflow.templates import load_inner
from graphflow.values import MAX_SEED
from graphflow.workspace import DATA_DIR, Workspace, check_targets, default_data_dir
from tests.graphflow.test_expand import INNER, write
from tests.support.engine import REGISTRY, raw


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path / "data", registry=REGISTRY, device="cpu") as made:
        yield made


def test_the_data_folder_is_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(DATA_DIR, str(tmp_path))
    assert default_data_dir() == tmp_path
    monkeypatch.delenv(DATA_DIR)
    assert default_data_dir().name == "graphflow"


def test_nothing_is_started_before_it_is_needed_and_closing_twice_is_harmless(workspace: Workspace) -> None:
    assert workspace.runners == ()
    assert workspace.runner is workspace.runner
    workspace.close()
    workspace.close()


def test_open_seeds_are_drawn_anew_for_each_graph(workspace: Workspace) -> None:
    document = workflow.from_raw(
        raw(n="num", m="model", t=("think", {"seed": None}, {"x": "n", "model": "m"}))
    )
    seeds = {workspace.graph(document).seeds["t.seed"] for _ in range(5)}
    assert len(seeds) == 5 and all(0 <= seed <= MAX_SEED for seed in seeds)


def test_limits_reach_the_runner_that_can_keep_them(tmp_path: Path) -> None:
    limits = Limits(step_seconds=5.0)
    with Workspace(tmp_path, registry=REGISTRY, device="cpu", runner="process", limits=limits) as workspace:
        assert isinstance(workspace.runner, ProcessRunner) and workspace.runner.limits is limits
    with pytest.raises(ValueError, match="process"):
        Workspace(tmp_path, registry=REGISTRY, device="cpu", limits=limits)


def test_packs_in_a_folder_are_found(tmp_path: Path) -> None:
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "mine.py").write_text(
        "from graphflow.node import node\n@node('mine/one')\ndef one() -> int: return 1\n"
    )
    with Workspace(tmp_path / "data", packs=[tmp_path / "packs"], device="cpu") as workspace:
        assert workspace.registry.get("mine/one") and workspace.registry.get("std/text")


def test_parameters_tell_what_they_set_and_its_present_value(workspace: Workspace) -> None:
    document = workflow.from_raw(
        {
            **raw(n=("num", {"value": 2}), d=("double", {}, {"x": "n"})),
            "parameters": {
                "v": {"to": ["n.value", "d.plus"]},
                "p": {"to": "d.plus", "default": 9},
                "x": {"to": "d.x"},
            },
        }
    )
    found = workspace.parameters(document, workspace.graph(document))
    assert {name: (spec.id, setting, value) for name, (spec, setting, value) in found.items()} == {
        "v": ("test/num", "value", 2),
        "p": ("test/double", "plus", 9),
        "x": ("test/double", "x", None),
    }


def test_parameters_reach_through_workflows_in_workflows(tmp_path: Path, workspace: Workspace) -> None:
    middle = {**raw({"out": "w"}, w="workflow:inner"), "parameters": {"plus": {"to": "w.plus"}}}
    write(tmp_path, inner=INNER, middle=middle)
    document = workflow.from_raw({**raw(m="workflow:middle"), "parameters": {"p": {"to": "m.plus"}}})
    graph = build(document, REGISTRY, folder=tmp_path, load=load_inner)
    spec, setting, value = workspace.parameters(document, graph)["p"]
    assert (spec.id, setting, value) == ("test/double", "plus", 5)


def test_a_workflow_that_is_a_node_is_run_to_its_ends(tmp_path: Path) -> None:
    write(tmp_path, inner=INNER)
    document = workflow.from_raw(raw(a=("num", {"value": 1}), w="workflow:inner"))
    graph = build(document, REGISTRY, folder=tmp_path, load=load_inner)
    assert check_targets(graph, ["w", "a", "w"], "target") == ["w/d", "a"]
    with pytest.raises(DocumentError, match="target ww: there is no such node"):
        check_targets(graph, ["ww"], "target")


def test_what_a_workspace_cannot_be_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(**options: Any) -> None:
        Workspace(tmp_path, **options)

    for device in ("toaster", ["cpu", "cuda:0"]):
        with pytest.raises(DocumentError, match="device"):
            made(device=device)
    monkeypatch.setenv("GRAPHFLOW_DEVICE", "toaster")
    with pytest.raises(DocumentError, match="GRAPHFLOW_DEVICE: 'toaster' is no device"):
        made()
    with pytest.raises(ValueError, match="inline or process, not 'ray'"):
        made(device="cpu", runner="ray")
    with pytest.raises(DocumentError, match="no such folder"):
        made(device="cpu", packs=["nowhere"])


def test_one_folder_of_packs_may_be_a_text(tmp_path: Path) -> None:
    with Workspace(tmp_path / "data", packs=str(tmp_path), device="cpu") as workspace:
        assert workspace.packs == (tmp_path,)


def test_a_run_that_cannot_be_is_told_before_it_begins(workspace: Workspace) -> None:
    graph = workspace.graph(workflow.from_raw(raw({"o": "n"}, n="num")))
    wrong: Any = "cry"
    with pytest.raises(ValueError, match="skip or stop, not 'cry'"):
        workspace.prepare(graph, on_error=wrong)
    with pytest.raises(ValueError, match="cpu, not 'cuda:9'"):
        workspace.prepare(graph, device="cuda:9")
    with pytest.raises(DocumentError, match="no such node"):
        workspace.prepare(graph, targets=["num"])


def test_a_run_takes_its_options(workspace: Workspace, tmp_path: Path) -> None:
    graph = workspace.graph(workflow.from_raw(raw({"o": "d"}, n="num", d=("double", {}, {"x": "n"}))))
    assert workspace.run(graph, targets=["n"], out_dir=tmp_path).computed == 0
    run = workspace.prepare(graph)
    assert run.plan().todo and run.execute().value("o") == 0
