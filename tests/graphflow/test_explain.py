"""What would run and why: the comparison of a plan with the record of the last run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graphflow import explain
from graphflow.errors import StorageError
from graphflow.explain import Record, Story, recorded, stories
from graphflow.graph import Graph
from graphflow.keys import Environment
from graphflow.node import node
from tests.support.engine import REGISTRY, World, built

HERE = Environment("2.13", "0.42", "cpu")


class Desk:
    """Runs graphs in the mind: every step's result is stored, and the run is written down."""

    def __init__(self) -> None:
        self.world = World()
        self.last: Record | None = None

    def ran(self, graph: Graph, *, kept: str = "both", out_dir: str = "out", **results: Any) -> None:
        for _ in range(3):  # lists whose length only a run can tell need a second plan
            plan = self.plan(graph, out_dir)
            for key in plan.todo:
                step = plan.steps[key]
                self.world.results[key] = results.get(step.node, dict.fromkeys(step.spec.outputs, 1))
        told = {(step.node, ".".join(map(str, step.item))): kept for step in plan.steps.values()}
        self.last = recorded(graph, plan, HERE, told, self.last, out_dir=out_dir)

    def plan(self, graph: Graph, out_dir: str = "out", environment: Environment = HERE) -> Any:
        return self.world.plan(graph, environment=environment, out_dir=out_dir)

    def told(
        self, graph: Graph, *, out_dir: str = "out", environment: Environment = HERE
    ) -> dict[str, Story]:
        plan = self.plan(graph, out_dir, environment)
        return {s.node: s for s in stories(graph, plan, environment, self.last, out_dir=out_dir)}


@pytest.fixture
def desk() -> Desk:
    return Desk()


def chain(value: int = 3, plus: int = 0, **more: Any) -> Graph:
    return built(
        {"c": "c"},
        a=("num", {"value": value}),
        b=("double", {"plus": plus}, {"x": "a"}),
        c=("double", {}, {"x": "b"}),
        **more,
    )


def test_the_first_run(desk: Desk) -> None:
    told = desk.told(chain())
    assert told["a"].state == "folded"
    assert told["b"].state == told["c"].state == "run"
    assert told["b"].reasons == ("first run",)


def test_nothing_changed(desk: Desk) -> None:
    desk.ran(chain())
    assert [story.state for story in desk.told(chain()).values()] == ["folded", "cached", "cached"]


def test_a_setting_and_all_that_follows(desk: Desk) -> None:
    desk.ran(chain())
    told = desk.told(chain(plus=5))
    assert told["b"].reasons == ("plus: 0 -> 5",)
    assert told["c"].reasons == ("x from b changed",)


def test_a_folded_value_is_shown_old_and_new(desk: Desk) -> None:
    desk.ran(chain())
    assert desk.told(chain(value=4))["b"].reasons == ("x: 3 -> 4",)


def test_what_lies_before_a_stored_result_is_not_needed(desk: Desk) -> None:
    graph = chain()
    desk.ran(graph)
    del desk.world.results[desk.last.nodes["b"].items[""]]  # type: ignore[union-attr]
    told = desk.told(graph)
    assert told["b"].state == "not needed" and told["c"].state == "cached"
    spare = chain(spare=("num", {}))
    assert desk.told(spare)["spare"].reasons == ("nothing that is asked for uses it",)


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        ("both", "evicted"),
        ("disk", "evicted"),
        ("memory", "worth the disk"),
        ("", "did not finish"),
    ],
)
def test_why_a_result_is_gone(desk: Desk, kept: str, why: str) -> None:
    desk.ran(chain(), kept=kept)
    desk.world.results.clear()
    assert why in desk.told(chain())["c"].reasons[0]


def test_libraries_and_the_device(desk: Desk) -> None:
    desk.ran(chain())
    there = Environment("2.14", "0.42", "cuda")
    told = desk.told(chain(), environment=there)
    assert told["b"].reasons[:2] == ("torch changed: 2.13 -> 2.14", "device changed: cpu -> cuda")


def test_code_version_and_type(desk: Desk) -> None:
    desk.ran(chain())
    spec = REGISTRY.specs["test/double"]

    @node("test/double", version=spec.version)
    def double(x: int, *, plus: int = 0) -> int:
        """Another body in another module."""
        return x + x + plus

    @node("test/double", version=2, upgrades={1: lambda params: params})
    def newer(x: int, *, plus: int = 0) -> int:
        return x

    def told(registry: Any) -> tuple[str, ...]:
        graph = built({"b": "b"}, registry, a=("num", {"value": 3}), b=("double", {}, {"x": "a"}))
        return desk.told(graph)["b"].reasons

    assert told(REGISTRY.with_nodes([double])) == ("its code changed",)
    assert told(REGISTRY.with_nodes([newer]))[0] == "node version changed: 1 -> 2"
    other = built({"b": "b"}, a=("num", {"value": 3}), b=("spread", {}, {"x": "a"}))
    assert desk.told(other)["b"].reasons == ("type changed: test/double -> test/spread",)


def test_wires_that_came_went_and_moved(desk: Desk) -> None:
    desk.ran(chain(more=("num", {"value": 9})))
    moved = built({"c": "c"}, a=("num", {"value": 3}), more=("num", {"value": 9}),
                  b=("double", {}, {"x": "more"}), c=("double", {}, {"x": "b"}))  # fmt: skip
    assert desk.told(moved)["b"].reasons == ("x is wired anew: a.out -> more.out",)
    wired = built({"c": "c"}, a=("num", {"value": 3}),
                  b=("double", {}, {"x": "a", "plus": "a"}), c=("double", {}, {"x": "b"}))  # fmt: skip
    assert desk.told(wired)["b"].reasons == ("plus: 0 -> wired", "plus is wired now")


def test_a_node_that_is_new(desk: Desk) -> None:
    desk.ran(chain())
    grown = built({"d": "d"}, a=("num", {"value": 3}), b=("double", {}, {"x": "a"}),
                  c=("double", {}, {"x": "b"}), d=("double", {"plus": 1}, {"x": "c"}))  # fmt: skip
    assert desk.told(grown)["d"].reasons == ("new in this workflow",)


def mapped(values: list[int], plus: int = 0) -> Graph:
    return built(
        {"t": "t"},
        n=("numbers", {"values": values}),
        d=("double", {"plus": plus}, {"x": "n"}),
        t=("total", {}, {"items": "d"}),
    )


def test_one_more_item_is_one_step(desk: Desk) -> None:
    desk.ran(mapped([1, 2, 3]))
    told = desk.told(mapped([9, 1, 2, 3]))
    assert (told["d"].state, told["d"].steps, told["d"].cached) == ("run", 1, 3)
    assert told["d"].reasons == ("1 item is new or changed",)
    assert desk.told(mapped([1, 2, 3], plus=7))["d"].reasons == ("plus: 0 -> 7",)


def test_a_list_of_unknown_length_waits(desk: Desk) -> None:
    graph = built({"t": "t"}, a=("num", {}), s=("spread", {}, {"x": "a"}), d=("double", {}, {"x": "s"}),
                  t=("total", {}, {"items": "d"}))  # fmt: skip
    told = desk.told(graph)
    assert told["d"].state == told["t"].state == "waiting"
    assert told["d"].reasons == ("decided when s has run",)


def test_the_side_not_taken_is_not_needed(desk: Desk) -> None:
    graph = built({"e": "e"}, f=("flag", {"value": False}), a=("num", {}), x=("double", {}, {"x": "a"}),
                  y=("double", {"plus": 1}, {"x": "a"}),
                  e=("either", {}, {"then": "x", "otherwise": "y", "condition": "f"}))  # fmt: skip
    told = desk.told(graph)
    assert told["x"].state == "not needed" and told["y"].state == "run" and told["e"].state == "folded"


def test_what_cannot_be_planned(desk: Desk) -> None:
    graph = built({"d": "d"}, a=("num", {}), b=("fold_boom", {}, {"x": "a"}), d=("double", {}, {"x": "b"}))
    told = desk.told(graph)
    assert told["b"].state == "failed" and told["b"].reasons == ("no 0",)
    assert told["b"].hint == "take another" and not told["d"].hint
    assert told["d"].reasons == ("a node it needs failed",)


def test_an_effect_whose_file_is_gone_or_whose_folder_changed(desk: Desk) -> None:
    graph = built(a=("num", {}), p=("print", {}, {"x": "a"}))
    desk.ran(graph)
    desk.world.results.clear()
    assert desk.told(graph)["p"].reasons == ("its file is gone or was changed",)
    assert desk.told(graph, out_dir="other")["p"].reasons == ("output folder changed: out -> other",)


def test_a_source_that_changed_outside(desk: Desk) -> None:
    state = ["old"]

    @node("test/outside", fingerprint=lambda: state[0])
    def outside() -> int:
        return 1

    graph = built({"o": "o"}, REGISTRY.with_nodes([outside]), o="outside")
    desk.ran(graph)
    state[0] = "new"
    desk.world.memo.clear()
    assert desk.told(graph)["o"].reasons == ("what it reads has changed",)


def test_results_that_are_never_kept(desk: Desk) -> None:
    @node("test/now", cache=False)
    def now() -> int:
        return 1

    graph = built({"n": "n"}, REGISTRY.with_nodes([now]), n="now")
    assert desk.told(graph)["n"].reasons == ("its results are never kept",)


def test_long_settings_are_cut_but_still_compared(desk: Desk) -> None:
    def told(value: int) -> Graph:
        return built(
            {"t": "t"}, n=("numbers", {"values": [0] * 500 + [value]}), t=("total", {}, {"items": "n"})
        )

    desk.ran(told(1))
    assert desk.last is not None and len(desk.last.nodes["t"].inputs["items"].text or "") < 400
    assert desk.told(told(2))["t"].reasons == ("items from n changed",)


# ------------------------------------------------------------------------------------- the record


def test_a_record_comes_back_as_it_was(desk: Desk, tmp_path: Path) -> None:
    graph = chain()
    desk.ran(graph)
    explain.save(tmp_path, "file:x", graph, desk.plan(graph), HERE, [])
    found = explain.read(tmp_path, "file:x")
    assert found is not None and desk.last is not None
    assert replace_time(found) == replace_time(desk.last.model_copy(update={"nodes": {**found.nodes}}))
    assert explain.read(tmp_path, "file:y") is None


def replace_time(record: Record) -> Record:
    return record.model_copy(update={"time": 0.0})


def test_nodes_that_a_partial_run_left_alone_stay_in_the_record(desk: Desk) -> None:
    graph = chain()
    desk.ran(graph)
    partial = desk.world.plan(graph, ["b"], environment=HERE, out_dir="out")
    again = recorded(graph, partial, HERE, {}, desk.last)
    assert desk.last is not None
    assert again.nodes["c"] == desk.last.nodes["c"]
    assert again.nodes["b"].kept == {"": "disk"}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"graphflow_record": 2}', '{"nodes": 3}'])
def test_a_record_that_is_not_whole_is_no_record(tmp_path: Path, text: str) -> None:
    path = explain.record_path(tmp_path, "file:x")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert explain.read(tmp_path, "file:x") is None


def test_a_record_that_cannot_be_written(desk: Desk, tmp_path: Path) -> None:
    graph = chain()
    (tmp_path / "last").write_text("")
    with pytest.raises(StorageError):
        explain.save(tmp_path, "file:x", graph, desk.plan(graph), HERE, [])


def test_a_file_is_the_same_workflow_from_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert explain.identity("a.json") == explain.identity(str(path)) == f"file:{path}"
    assert explain.identity("text_to_video") == "template:text_to_video"


def test_a_story_is_plain_data(desk: Desk) -> None:
    from dataclasses import asdict

    told = desk.told(chain())["b"]
    assert json.loads(json.dumps(asdict(told)))["reasons"] == ["first run"]
    assert replace(told, steps=2).steps == 2
