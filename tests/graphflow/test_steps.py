"""A plan has a step for every item of a list and every node that is mapped over it: a step must be small."""

from __future__ import annotations

import tracemalloc

from graphflow.schedule import Schedule
from tests.support.engine import World, built

STAGES = 4
MOST = 850
"""Bytes of one step of a mapped item, its key and its result's name, while it is planned and scheduled."""


def held(count: int) -> int:
    """Bytes at most while `count` numbers are planned to go through some nodes, and scheduled."""
    first = {"a0": ("double", {}, {"x": "n"})}
    more = {f"a{i}": ("double", {"plus": i}, {"x": f"a{i - 1}"}) for i in range(1, STAGES)}
    graph = built(n=("numbers", {"values": list(range(count))}), **first, **more)
    tracemalloc.start()
    try:
        planned = World().plan(graph)
        assert len(planned.todo) == STAGES * count
        Schedule({"cpu": 1}).adopt(planned)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_an_item_more_adds_about_a_kilobyte_for_every_node() -> None:
    few, many = 1000, 4000
    each = (held(many) - held(few)) / (STAGES * (many - few))
    assert each < MOST, f"{each:.0f} bytes"


def test_steps_of_one_node_share_what_does_not_differ() -> None:
    planned = World().plan(built(n=("numbers", {"values": [1, 2, 3]}), d=("double", {"plus": 5}, {"x": "n"})))
    first, *others = planned.steps.values()
    assert all(one.stage is first.stage for one in others)
    assert (first.node, first.settings["plus"], [*first.inputs]) == ("d", 5, ["x"])
    assert [one.order for one in planned.steps.values()] == [(1, 0), (1, 1), (1, 2)]


def test_the_same_work_is_one_step_and_the_plan_names_the_others() -> None:
    planned = World().plan(built(n=("numbers", {"values": [7, 7]}), d=("double", {}, {"x": "n"})))
    (key,) = planned.todo
    assert planned.steps[key].item == (0,) and planned.twins == {key: [("d", (1,))]}
