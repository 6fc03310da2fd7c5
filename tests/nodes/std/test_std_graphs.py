"""The standard nodes inside graphs: types inferred, lists mapped and folded, only the chosen side run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import graphflow_nodes.std as std
import pytest

from graphflow.api import Workflow
from graphflow.errors import DocumentError, GraphflowError
from graphflow.node import node
from graphflow.registry import Registry
from graphflow.workflow import Document
from graphflow.workspace import Workspace


@node("test/fail")
def fail() -> str:
    """Runs never."""
    raise AssertionError("this side must not be computed")


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    registry = Registry().with_nodes([*(getattr(std, name) for name in std.__all__), fail])
    with Workspace(tmp_path / "data", registry=registry) as made:
        yield made


def run(workspace: Workspace, nodes: Mapping[str, Any], output: str, tmp_path: Path) -> tuple[Any, list[str]]:
    """The value of `output`, and the nodes that were started for it."""
    document = Document.model_validate(
        {"graphflow": 1, "name": "test", "nodes": nodes, "outputs": {"out": output}}
    )
    started: list[str] = []
    result = Workflow(document, workspace)(
        out_dir=tmp_path / "out",
        on_event=lambda event: started.append(event.node) if event.type == "node.started" else None,
    )
    return result["out"], started


def test_a_grid_of_prompts_and_seeds_is_known_while_planning(workspace: Workspace, tmp_path: Path) -> None:
    nodes = {
        "prompts": {"type": "std/prompt_list", "params": {"prompts": "a\nb"}},
        "seeds": {"type": "std/range", "params": {"start": 7, "count": 2}},
        "grid": {"type": "std/product", "inputs": {"a": "prompts", "b": "seeds"}},
        "label": {
            "type": "std/format",
            "params": {"template": "{a}/{b}"},
            "inputs": {"a": "grid.a", "b": "grid.b"},
        },
        "all": {"type": "std/join", "inputs": {"items": "label"}},
    }
    assert run(workspace, nodes, "all", tmp_path) == ("a/7, a/8, b/7, b/8", [])


@pytest.mark.parametrize("condition", [True, False])
def test_only_the_chosen_side_is_computed(workspace: Workspace, tmp_path: Path, condition: bool) -> None:
    sides = {"then": "good", "otherwise": "bad"} if condition else {"then": "bad", "otherwise": "good"}
    nodes = {
        "good": {"type": "std/text", "params": {"value": "good"}},
        "bad": {"type": "test/fail"},
        "choice": {"type": "std/choose", "params": {"condition": condition}, "inputs": sides},
    }
    assert run(workspace, nodes, "choice", tmp_path) == ("good", [])


def test_selecting_what_is_not_wired_says_so(workspace: Workspace, tmp_path: Path) -> None:
    nodes = {
        "a": {"type": "std/text"},
        "chosen": {"type": "std/select", "params": {"index": 2}, "inputs": {"a": "a"}},
    }
    with pytest.raises(GraphflowError, match="nothing is wired to 'c'"):
        run(workspace, nodes, "chosen", tmp_path)


def test_whole_and_other_numbers_mix(workspace: Workspace, tmp_path: Path) -> None:
    nodes = {
        "one": {"type": "std/integer", "params": {"value": 1}},
        "half": {"type": "std/number", "params": {"value": 0.5}},
        "sum": {"type": "std/add", "inputs": {"a": "one", "b": "half"}},
        "less": {"type": "std/compare", "inputs": {"a": "sum", "b": "one"}},
    }
    assert run(workspace, nodes, "sum", tmp_path)[0] == 1.5
    assert run(workspace, nodes, "less", tmp_path)[0] is False


def test_texts_are_not_added(workspace: Workspace, tmp_path: Path) -> None:
    nodes = {"a": {"type": "std/text"}, "sum": {"type": "std/add", "inputs": {"a": "a", "b": "a"}}}
    with pytest.raises(DocumentError, match="gives str"):
        run(workspace, nodes, "sum", tmp_path)
