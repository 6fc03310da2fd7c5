"""Estimates grow with what is declared: frames, width, height and steps, on a node or on what comes in."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from graphflow.made import Measured
from graphflow.node import node
from graphflow.server import protocol as p
from graphflow.server.sizes import Sizes, expected, scaled_by, sized, sizes
from graphflow.values import Recipe, Value
from tests.graphflow.server.conftest import Serve
from tests.support.engine import REGISTRY, World, built, raw


class Sheet(Value):
    """An empty clip."""

    frames: int
    width: int
    height: int
    fps: float = 8.0


class Native(Value):
    steps: int


class Brush(Recipe):
    """A model whose own width is no clip's, made for a number of steps."""

    width: int = 999
    native: Native = Native(steps=30)

    def open(self, device: str) -> int:
        return self.width


@node("size/sheet", fold=True)
def sheet(*, frames: int = 8, width: int = 64, height: int = 32) -> Sheet:
    return Sheet(frames=frames, width=width, height=height)


@node("size/brush", fold=True)
def brush() -> Brush:
    return Brush()


@node("size/paint")
def paint(sheet: Sheet, brush: Brush | None = None, *, steps: int | None = None) -> int:
    return sheet.frames


@node("size/enlarge")
def enlarge(clip: int, *, width: int | None = None, smooth: bool = True) -> int:
    return clip


@node("size/collect")
def collect(clips: list[int]) -> int:
    return len(clips)


NODES = [sheet, brush, paint, enlarge, collect]
KNOWN = REGISTRY.with_nodes(NODES)

DRAWN: dict[str, Any] = {
    "s": ("size/sheet", {"frames": 16}),
    "b": "size/brush",
    "n": ("num", {"value": 12}),
    "p": ("size/paint", {}, {"sheet": "s", "brush": "b", "steps": "n"}),
    "e": ("size/enlarge", {"width": 128}, {"clip": "p"}),
    "c": ("size/collect", {}, {"clips": ["e", "p"]}),
    "d": ("double", {}, {"x": "n"}),
}


def of_nodes(**nodes: Any) -> dict[str, Sizes]:
    planned = World().plan(built({}, KNOWN, **{**DRAWN, **nodes}))
    found = sizes(planned)
    return {step.node: found[key] for key, step in planned.steps.items()}


def test_sizes_come_in_with_a_clip_and_steps_are_a_nodes_own() -> None:
    found = of_nodes()
    assert found["p"] == {"frames": 16, "width": 64, "height": 32, "steps": 12}
    assert found["e"] == {"frames": 16, "width": 128, "height": 32}, "what is set goes before what comes in"
    assert found["c"] == {"frames": 16, "width": 128, "height": 32}, "of several the first"
    assert found["d"] == {}


def test_a_setting_that_is_left_empty_is_the_models_own() -> None:
    assert of_nodes(p=("size/paint", {}, {"sheet": "s", "brush": "b"}))["p"]["steps"] == 30
    assert "steps" not in of_nodes(p=("size/paint", {}, {"sheet": "s"}))["p"]


def test_nodes_are_noted_by_the_names_that_people_gave_them() -> None:
    found = sized(World().plan(built({}, KNOWN, **DRAWN)), {"p": "outer/p"})
    assert found.keys() == {"outer/p", "e", "c"}
    assert found["outer/p"].type == "size/paint"


@pytest.mark.parametrize(
    ("now", "seconds", "by"),
    [
        ({"frames": 16, "steps": 20}, 3.0, []),
        ({"frames": 32, "steps": 10}, 3.0, ["frames", "steps"]),
        ({"frames": 16, "steps": 60}, 9.0, ["steps"]),
        ({"width": 640, "frames": 8}, 1.5, ["frames"]),
        ({}, 3.0, []),
    ],
)
def test_measured_seconds_are_in_proportion_to_what_both_declare(
    now: Sizes, seconds: float, by: list[str]
) -> None:
    measured = [Measured(one, {"frames": 16.0, "steps": 20.0}) for one in (100.0, 3.0, 2.0)]
    assert (expected(now, measured), scaled_by(now, measured)) == (pytest.approx(seconds), by)


def test_the_expected_time_follows_a_changed_setting_and_says_so(serve: Serve) -> None:
    def document(steps: int, frames: int) -> dict[str, Any]:
        return raw(
            {"out": "p"}, s=("size/sheet", {"frames": frames}),
            p=("size/paint", {"steps": steps}, {"sheet": "s"}),
        )  # fmt: skip

    async def story() -> None:
        async with serve(nodes=NODES) as live:
            speaker = await live.socket()

            async def told(name: str, steps: int, frames: int) -> tuple[Any, ...]:
                asked = await speaker.ask(p.Explain, document=document(steps, frames), workflow=name)
                (one,) = [one for one in asked.nodes if one.node == "p"]
                return one.seconds, one.basis, one.scaled

            assert await told("mine", 10, 8) == (None, "", [])
            run = await speaker.ask(p.Submit, document=document(10, 8), workflow="mine")
            await live.until(run.run.run)
            live.server.history._db.execute("UPDATE made SET seconds=2.0 WHERE node='p'")
            assert await told("mine", 20, 8) == (4.0, "node", ["steps"])
            assert await told("other", 20, 4) == (2.0, "type", ["frames", "steps"])

    asyncio.run(story())
