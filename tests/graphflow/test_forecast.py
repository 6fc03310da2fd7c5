"""The forecast of a plan's memory: sums of weights, what nodes need beside them, and strategies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from graphflow.claims import Estimate, Footprint
from graphflow.forecast import DEVICE_RESERVE, HOST_RESERVE, IN_TURN, PLACINGS, Forecast, Strategy, forecast
from graphflow.graph import Graph
from graphflow.node import node
from graphflow.values import Recipe, Value
from tests.support.engine import REGISTRY, World, built

LARGE, SMALL = 1000, 300


class Weighty(Recipe):
    """A model of ten blocks; in four bits it cannot be moved."""

    name: str
    size: int

    def footprints(self) -> dict[str, Footprint]:
        whole = Footprint(self.size, block=self.size // 10, rest=self.size // 5, leaf=self.size // 50)
        packed = Footprint(self.size // 4, placings=("resident",))
        return {"": whole, "nf4": packed} if self.size == LARGE else {"": whole}


class Clip(Value):
    frames: int


def as_long(clip: Any) -> Mapping[str, Any]:
    """What comes out is a clip of as many frames."""
    return {"out": clip}


def making(known: Mapping[str, Any]) -> Estimate | None:
    """Ten bytes a frame, half of it with tiles."""
    clip = known.get("clip")
    if clip is None:
        return None
    frames = clip.frames
    return Estimate(10 * frames, frames, {"tile=8": 5 * frames})


@node("test/weighty", fold=True)
def weighty(*, name: str, size: int) -> Weighty:
    return Weighty(name=name, size=size)


@node("test/clip", fold=True)
def clip(*, frames: int) -> Clip:
    return Clip(frames=frames)


@node("test/clips", fold=True)
def clips(*, frames: list[int]) -> list[Clip]:
    return [Clip(frames=count) for count in frames]


@node("test/make", check=as_long, forecast=making)
def make(model: Weighty, clip: Clip) -> Clip:
    raise AssertionError("a forecast runs nothing")


@node("test/silent")
def silent(model: Weighty, clip: Clip) -> Clip:
    raise AssertionError("a forecast runs nothing")


KNOWN = REGISTRY.with_nodes([weighty, clip, clips, make, silent])


def two_models(first: str = "test/make", frames: int = 10) -> Graph:
    """A large model works on a clip, then a small one on what came out."""
    return built(
        {"out": "b"},
        KNOWN,
        large=("test/weighty", {"name": "large", "size": LARGE}),
        small=("test/weighty", {"name": "small", "size": SMALL}),
        clip=("test/clip", {"frames": frames}),
        a=(first, {}, {"model": "large", "clip": "clip"}),
        b=("test/make", {}, {"model": "small", "clip": "a"}),
    )


def told(graph: Graph) -> Forecast:
    return forecast(World().plan(graph))


def test_a_model_stays_from_its_first_use_on() -> None:
    found = told(two_models())
    assert found.peak().by_node == {"a": LARGE + 100, "b": LARGE + SMALL + 100}
    assert found.peak().node == "b" and found.peak().device == LARGE + SMALL + 100


def test_in_turn_only_the_model_at_work_is_there() -> None:
    peak = told(two_models()).peak(Strategy(IN_TURN))
    assert peak.by_node == {"a": LARGE + 100, "b": SMALL + 100}


def test_what_a_node_will_make_is_known_to_those_after_it() -> None:
    """`b` has never seen the clip that `a` will make, but `a` says what it will look like."""
    assert told(two_models(frames=50)).peak(Strategy(IN_TURN)).by_node["b"] == SMALL + 500


def test_a_node_that_does_not_tell_is_named_and_hides_what_follows() -> None:
    found = told(two_models(first="test/silent"))
    assert found.unknown == ["a", "b"] and found.peak().device == LARGE + SMALL


@pytest.mark.parametrize(
    ("placing", "bytes_held"),
    [("model", LARGE), ("block", 200 + 2 * 100), ("leaf", 2 * 20), ("sequential", 2 * 20)],
)
def test_offload_keeps_a_part_on_the_device(placing: str, bytes_held: int) -> None:
    assert told(two_models()).peak(Strategy(placing)).by_node["a"] == bytes_held + 100


def test_thrifty_settings_and_fewer_bits() -> None:
    found = told(two_models())
    assert found.peak(Strategy(IN_TURN, thrifty=True)).by_node["a"] == LARGE + 50
    assert found.peak(Strategy(IN_TURN, "nf4")).by_node == {"a": LARGE // 4 + 100, "b": SMALL + 100}


def test_on_a_machine_without_a_gpu_results_count_too() -> None:
    found = told(two_models())
    assert found.peak(shared=True).by_node["a"] == found.peak().by_node["a"] + 10


def test_quantised_weights_that_cannot_move_are_not_offered_so() -> None:
    offered = told(two_models()).strategies()
    assert {one.placing for one in offered if one.stored == "nf4"} == {"resident", IN_TURN}
    assert {one.placing for one in offered if not one.stored} == {IN_TURN, *PLACINGS}


def test_mapped_nodes_stand_once_with_their_largest_item() -> None:
    graph = built(
        {"out": "a"},
        KNOWN,
        model=("test/weighty", {"name": "m", "size": SMALL}),
        clips=("test/clips", {"frames": [1, 9, 4]}),
        a=("test/make", {}, {"model": "model", "clip": "clips"}),
    )
    assert told(graph).peak().by_node == {"a": SMALL + 90}


def test_only_what_is_to_run_counts() -> None:
    planned = World().plan(two_models())
    last = [key for key in planned.todo if planned.steps[key].node == "b"]
    assert forecast(planned, last).peak().by_node == {"b": SMALL + 100}


def test_models_are_weighed_once_for_several_forecasts(monkeypatch: pytest.MonkeyPatch) -> None:
    first = told(two_models())
    monkeypatch.setattr(Weighty, "footprints", lambda self: pytest.fail("weighed again"))
    again = forecast(World().plan(two_models(frames=3)), known=first.models)
    assert again.peak(Strategy(IN_TURN)).by_node["a"] == LARGE + 30


def test_ranking_begins_with_the_fastest_that_fits() -> None:
    found = told(two_models())

    def fastest(device: int) -> Strategy | None:
        peak, fits = found.ranked(DEVICE_RESERVE + device, HOST_RESERVE + 10**6)[0]
        return peak.strategy if fits else None

    assert fastest(1400) == Strategy("resident")
    assert fastest(1399) == Strategy("resident", thrifty=True)
    assert fastest(400) == Strategy(IN_TURN, "nf4")
    assert fastest(90) == Strategy("leaf", thrifty=True)
    assert fastest(10) is None


@given(some.integers(1, 1000), some.sampled_from([IN_TURN, *PLACINGS]), some.booleans())
def test_no_strategy_needs_more_than_all_at_once(frames: int, placing: str, thrifty: bool) -> None:
    found = told(two_models(frames=frames))
    peak = found.peak(Strategy(placing, thrifty=thrifty))
    assert peak.device <= found.peak().device
    assert peak.device >= found.peak(Strategy("leaf", thrifty=True)).device
