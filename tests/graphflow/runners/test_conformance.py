"""What every runner promises, checked on each; and that all of them make the same bytes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from graphflow import templates
from graphflow.events import Event, NodeFailed, NodePreview, NodeProgress
from graphflow.graph import Graph
from graphflow.run import Run
from graphflow.workspace import Workspace
from tests.support.runs import Shop, failed
from tests.support.tiny_wan import save_tiny_wan

KINDS = ("inline", "process")


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Shop]]:
    made = {kind: Shop(tmp_path_factory.mktemp(kind), kind) for kind in KINDS}
    yield made
    for shop in made.values():
        shop.workspace.close()


@pytest.fixture(params=KINDS)
def shop(request: pytest.FixtureRequest, shops: dict[str, Shop]) -> Shop:
    return shops[request.param]


@pytest.fixture
def salt(request: pytest.FixtureRequest) -> int:
    """A number of each test's own, so that no test finds another's results in the cache."""
    return zlib.crc32(request.function.__name__.encode()) % 1_000_000 * 100


def pictures(shop: Shop, salt: int) -> Graph:
    """Lists, a model, a collector: four nodes over three items."""
    return shop.graph(
        {"pictures": "drawn", "mean": "mean", "walk": "walk"},
        x=("trial/numbers", {"values": [salt, salt + 1, salt + 2]}),
        noise=("trial/noise", {}, {"x": "x"}),
        pen=("trial/pen", {"value": 5}),
        drawn=("trial/draw", {}, {"image": "noise", "model": "pen"}),
        mean=("trial/mean", {}, {"images": "drawn"}),
        walk=("trial/walk", {"steps": 4}, {"x": "x"}),
    )


def ints(shop: Shop, salt: int, **nodes: Any) -> Graph:
    """`x` is a list of three numbers, `out` the output."""
    return shop.graph({"out": "out"}, x=("trial/numbers", {"values": [salt, salt + 1, salt + 2]}), **nodes)


def test_a_graph_gives_its_outputs_and_then_computes_nothing(shop: Shop, salt: int) -> None:
    graph = pictures(shop, salt)
    first = shop.run(graph)
    assert (first.status, first.computed) == ("finished", 10)
    before = [picture.pixels.clone() for picture in first.value("pictures")]
    again = shop.run(graph)
    assert (again.status, again.computed) == ("finished", 0)
    assert "node.started" not in shop.types
    assert all(map(torch.equal, before, [picture.pixels for picture in again.value("pictures")]))
    assert again.value("mean") == first.value("mean")


def test_runners_make_the_same_bytes(shops: dict[str, Shop], salt: int) -> None:
    stored, values = [], []
    for shop in shops.values():
        known = shop.payloads().keys()
        result = shop.run(pictures(shop, salt))
        values.append([*result.value("pictures"), *result.value("walk")])
        stored.append({key: data for key, data in shop.payloads().items() if key not in known})
    assert all(torch.equal(a.pixels, b.pixels) for a, b in zip(*values, strict=True))
    wanted = {key for shop_keys in stored for key in shop_keys}
    both = stored[0].keys() & stored[1].keys()
    assert len(both) >= 7, f"outputs are always stored, {len(wanted)} entries were"
    assert all(stored[0][key] == stored[1][key] for key in both)


def test_a_result_in_memory_only_can_be_had(shop: Shop, salt: int) -> None:
    graph = shop.graph(None, noise=("trial/noise", {}, {"x": "x"}), x=("trial/numbers", {"values": [salt]}))
    result = shop.run(graph, targets=["noise"])
    (ref,) = result.plan.targets["noise"].values()
    [picture] = result.runner.fetch(ref)
    want = torch.randint(
        0, 256, (16, 16, 3), generator=torch.Generator().manual_seed(salt), dtype=torch.uint8
    )
    assert torch.equal(picture.pixels, want)


def test_events_tell_of_each_step_in_order(shop: Shop, salt: int) -> None:
    shop.run(pictures(shop, salt))
    assert [event.seq for event in shop.events] == list(range(1, len(shop.events) + 1))
    assert shop.types[:2] == ["run.accepted", "run.started"]
    assert shop.types[-1] == "run.finished"
    for name in shop.said("node.finished"):
        told = [
            e
            for e in shop.events
            if ".".join([getattr(e, "node", ""), *map(str, getattr(e, "item", ()))]) == name
        ]
        assert (told[0].type, told[-1].type) == ("node.started", "node.finished")
        assert {e.type for e in told[1:-1]} <= {"node.progress"}
    order = shop.said("node.finished")
    assert order.index("mean") > max(order.index(f"drawn.{i}") for i in range(3))
    assert [e.done for e in shop.events if isinstance(e, NodeProgress) and e.done == e.total] == [4, 4, 4]


def test_lists_whose_length_only_the_run_tells(shop: Shop, salt: int) -> None:
    graph = shop.graph(
        {"sum": "sum", "sizes": "sizes"},
        x=("trial/numbers", {"values": [salt, salt + 10]}),
        spread=("trial/spread", {"count": 3}, {"x": "x"}),
        double=("trial/double", {}, {"x": "spread"}),
        sum=("trial/total", {}, {"items": "double"}),
        sizes=("trial/sizes", {}, {"items": "double"}),
    )
    result = shop.run(graph)
    assert result.status == "finished", result.failures
    assert result.value("sum") == [2 * (3 * salt + 3), 2 * (3 * salt + 33)]
    assert result.value("sizes") == [3, 3]


def test_nested_and_empty_lists(shop: Shop, salt: int) -> None:
    graph = shop.graph(
        {"sizes": "sizes", "sums": "sums", "none": "none", "sum": "sum"},
        grid=("trial/grid", {"values": [[salt, salt + 1], [], [salt + 2]]}),
        double=("trial/double", {}, {"x": "grid"}),
        sizes=("trial/sizes", {}, {"items": "double"}),
        sums=("trial/total", {}, {"items": "double"}),
        empty=("trial/numbers", {"values": []}),
        none=("trial/double", {}, {"x": "empty"}),
        sum=("trial/total", {}, {"items": "none"}),
    )
    result = shop.run(graph)
    assert result.status == "finished", result.failures
    assert result.value("sizes") == [2, 0, 1]
    assert result.value("sums") == [4 * salt + 2, 0, 2 * salt + 4]
    assert (result.value("none"), result.value("sum")) == ([], 0)


def test_only_the_chosen_side_of_a_branch_runs(shop: Shop, salt: int) -> None:
    graph = ints(
        shop,
        salt,
        left=("trial/double", {}, {"x": "x"}),
        right=("trial/spread", {"count": 1}, {"x": "x"}),
        both=("trial/total", {}, {"items": "left"}),
        out=("trial/either", {"first": True}, {"a": "both", "b": "other"}),
        other=("trial/fussy", {"bad": [6 * salt + 6]}, {"x": "both"}),
    )
    result = shop.run(graph)
    assert (result.status, result.value("out")) == ("finished", 6 * salt + 6)
    assert "other" not in shop.said("node.started")


def test_a_failure_skips_only_what_depends_on_it(shop: Shop, salt: int) -> None:
    graph = shop.graph(
        {"lost": "after", "kept": "kept"},
        x=("trial/numbers", {"values": [salt]}),
        one=("trial/total", {}, {"items": "x"}),
        fussy=("trial/fussy", {"bad": [salt]}, {"x": "one"}),
        after=("trial/double", {}, {"x": "fussy"}),
        kept=("trial/double", {}, {"x": "one"}),
    )
    result = shop.run(graph)
    assert (result.status, failed(result)) == ("failed", {"fussy": "node"})
    assert result.value("kept") == 2 * salt
    assert shop.said("node.skipped") == ["after"]
    [event] = [e for e in shop.events if isinstance(e, NodeFailed)]
    assert (event.message, event.hint) == (f"no {salt}, please", "take another")


def test_a_collector_gets_the_good_items(shop: Shop, salt: int) -> None:
    graph = ints(
        shop,
        salt,
        fussy=("trial/fussy", {"bad": [salt + 1]}, {"x": "x"}),
        out=("trial/total", {}, {"items": "fussy"}),
    )
    result = shop.run(graph)
    assert (result.status, failed(result)) == ("finished", {"fussy.1": "node"})
    assert result.value("out") == 2 * salt + 2


def walk(shop: Shop, salt: int, steps: int, pause: float = 0.0) -> Graph:
    return shop.graph(
        {"out": "out"},
        x=("trial/numbers", {"values": [salt]}),
        one=("trial/total", {}, {"items": "x"}),
        out=("trial/walk", {"steps": steps, "pause": pause}, {"x": "one"}),
    )


@dataclass
class AtStep:
    """Cancels the run when its walk reports this step."""

    step: int

    def __call__(self, event: Event, run: Run) -> None:
        if isinstance(event, NodeProgress) and event.done >= self.step:
            run.cancel()


def test_cancel_ends_a_node_in_the_middle_and_the_next_run_works(shop: Shop, salt: int) -> None:
    result = shop.run(walk(shop, salt, 500, pause=0.06), until=AtStep(3))
    assert result.status == "cancelled"
    assert shop.types[-1] == "run.cancelled"
    assert "node.finished" not in shop.types[-2:]
    after = shop.run(walk(shop, salt, 3))
    assert after.status == "finished"


def test_a_cancelled_step_resumes_bit_for_bit(shop: Shop, shops: dict[str, Shop], salt: int) -> None:
    graph = walk(shop, salt, 20, pause=0.06)
    assert shop.run(graph, until=AtStep(8), checkpoint_seconds=0.0).status == "cancelled"
    result = shop.run(graph, checkpoint_seconds=0.0)
    steps = [e.done for e in shop.events if isinstance(e, NodeProgress)]
    assert result.status == "finished"
    assert min(steps) >= 8, "it began after the last checkpoint"
    straight = shop.run(walk(shop, salt, 20, pause=0.0))
    assert torch.equal(result.value("out").pixels, straight.value("out").pixels)
    assert not list((shop.data_dir / "cache" / "checkpoints").glob("*")), "removed once the result is there"


@pytest.mark.parametrize("watch", [True, False])
def test_previews_are_made_only_if_somebody_watches(shop: Shop, salt: int, watch: bool) -> None:
    shop.run(walk(shop, salt + watch, 3), watch=watch)
    previews = [e for e in shop.events if isinstance(e, NodePreview)]
    assert len(previews) == (3 if watch else 0)
    assert all(e.media_type == "image/webp" and e.data[:4] == b"RIFF" for e in previews)


def test_one_may_begin_to_watch_while_a_run_goes_on(shop: Shop, salt: int) -> None:
    def watch(event: Event, run: Run) -> None:
        if isinstance(event, NodeProgress):
            run.watched.set()
        if isinstance(event, NodePreview):
            run.cancel()

    assert shop.run(walk(shop, salt, 500, pause=0.06), until=watch).status == "cancelled"


def test_an_effect_is_not_repeated_while_its_file_stands(shop: Shop, salt: int) -> None:
    graph = ints(shop, salt, out=("trial/note", {}, {"x": "x"}))
    first = shop.run(graph)
    paths = first.value("out")
    again = shop.run(graph)
    assert (first.computed, again.computed) == (3, 0)
    files = sorted((shop.data_dir / "out").glob("note-*.txt"))
    assert {str(path) for path in files} >= set(paths)
    files[0].unlink()
    assert shop.run(graph).computed == 1


def test_two_runs_at_once_share_a_runner(shop: Shop, salt: int) -> None:
    runs = [shop.workspace.prepare(pictures(shop, salt), out_dir=shop.data_dir / "out") for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        results = list(threads.map(Run.execute, runs))
    assert [result.status for result in results] == ["finished"] * 2
    assert sum(result.computed for result in results) <= 20
    first, second = ([*result.value("pictures"), *result.value("walk")] for result in results)
    assert all(torch.equal(a.pixels, b.pixels) for a, b in zip(first, second, strict=True))


@pytest.mark.slow
def test_a_real_pipeline_writes_the_same_file(tmp_path: Path) -> None:
    """text_to_video on a tiny random Wan: models, offloading, checkpoints and media in either runner."""
    model = str(save_tiny_wan("wan21", tmp_path / "model"))
    document, folder = templates.find("text_to_video")
    size = {"steps": 2, "frames": 5, "width": 32, "height": 32}
    values = {"model": model, "seed": 3, **{k: v for k, v in size.items() if k in document.parameters}}
    files = set()
    for kind in KINDS:
        with Workspace(tmp_path / kind, runner=kind, device="cpu") as workspace:  # type: ignore[arg-type]
            graph = workspace.graph(document, values, folder=folder)
            result = workspace.run(graph, out_dir=tmp_path / kind / "out")
            assert result.status == "finished", result.failures
            [path] = (tmp_path / kind / "out").glob("*.mp4")
            files.add((path.name, path.read_bytes()))
    assert len(files) == 1


def test_settings_and_values_arrive_as_they_were(shop: Shop, salt: int) -> None:
    settings = {
        "colour": "blue",
        "pair": [3, "\u00e9\U0001f600"],
        "table": {"k": [0.1]},
        "big": 2**70,
        "maybe": 1e-300,
    }
    graph = shop.graph(
        {"plain": "plain", "set": "set"},
        corner=("trial/pixel", {"values": [salt]}),
        plain=("trial/describe", {}, {"corner": "corner"}),
        set=("trial/describe", settings, {"corner": "corner"}),
    )
    result = shop.run(graph)
    assert result.status == "finished", result.failures
    corner = f"Corner(x={salt}, y=0.1)"
    assert result.value("plain") == (
        f"({corner}, <Colour.RED: 'red'>, Corner(x={2**62}, y=-0.0), (1, 'a'), "
        f"{{'a': [0.1, 1e+300]}}, {2**80}, None)"
    )
    assert result.value("set") == (
        f"({corner}, <Colour.BLUE: 'blue'>, Corner(x={2**62}, y=-0.0), (3, '\u00e9\U0001f600'), "
        f"{{'k': [0.1]}}, {2**70}, 1e-300)"
    )


def test_a_result_that_is_lost_is_computed_again(shop: Shop, salt: int) -> None:
    graph = pictures(shop, salt)
    first = shop.run(graph)
    [ref, *_] = first.plan.outputs["pictures"].items  # type: ignore[union-attr]
    shop.workspace.runner.discard(ref.key)
    again = shop.run(graph)
    assert again.status == "finished"
    assert shop.said("node.started") in (["drawn.0"], ["noise.0", "drawn.0"])
    assert torch.equal(again.value("pictures")[0].pixels, first.value("pictures")[0].pixels)
