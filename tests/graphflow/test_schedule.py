"""The schedule: nothing too early, nothing twice, few changes of models, and always an end."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphflow.node import spec_of
from graphflow.refs import Const, Out, many
from graphflow.schedule import Schedule, lane_of
from graphflow.steps import Plan, Stage, Step
from tests.support.engine import World, built, double, name, think

CPU, DEVICE = spec_of(double), spec_of(think)
assert CPU is not None and DEVICE is not None


def planned(deps: dict[str, list[str]], stored: tuple[str, ...] = (), device: tuple[str, ...] = ()) -> Plan:
    """A plan of bare steps, given what each needs."""
    steps = {
        key: Step(
            key=key,
            stage=Stage(
                node=key,
                spec=DEVICE if key in device else CPU,  # type: ignore[arg-type]
                settings={},
                inputs=tuple(f"i{i}" for i in range(len(needs))),
                place=place,
            ),
            item=(),
            refs=tuple(Out(dep, "out") for dep in needs),
            deps=tuple(needs),
        )
        for place, (key, needs) in enumerate(deps.items())
    }
    wanted = [key for key in steps if key not in stored]
    return Plan(
        steps=steps, todo=wanted, stored=list(stored), outputs={}, targets={}, waiting=frozenset(),
        failures={}, failed_items={}, gone=frozenset(), refs={},
    )  # fmt: skip


def started(schedule: Schedule) -> list[str]:
    found = []
    while (step := schedule.next()) is not None:
        found.append(step.key)
    return found


def test_a_step_waits_for_its_inputs() -> None:
    schedule = Schedule({"cpu": 4})
    schedule.adopt(planned({"a": [], "b": ["a"], "c": ["a", "b"]}))
    assert started(schedule) == ["a"]
    schedule.done("a")
    assert started(schedule) == ["b"]
    schedule.done("b")
    assert started(schedule) == ["c"] and not schedule.idle
    schedule.done("c")
    assert schedule.idle


def test_stored_results_are_inputs_that_are_there() -> None:
    schedule = Schedule({"cpu": 4})
    schedule.adopt(planned({"a": [], "b": ["a"]}, stored=("a",)))
    assert started(schedule) == ["b"]


def test_independent_steps_fill_the_slots_of_their_lane() -> None:
    schedule = Schedule({"device": 1, "cpu": 2})
    schedule.adopt(planned({k: [] for k in "abcdef"}, device=("a", "b")))
    assert sorted(started(schedule)) == ["a", "c", "d"]
    schedule.done("c")
    assert started(schedule) == ["e"]
    schedule.done("a")
    assert started(schedule) == ["b"]


def test_a_failure_stops_what_depends_on_it_and_nothing_else() -> None:
    schedule = Schedule({"cpu": 2})
    schedule.adopt(planned({"a": [], "x": [], "b": ["a"], "c": ["b", "x"], "y": ["x"]}))
    assert started(schedule) == ["a", "x"]
    assert sorted(schedule.fail("a")) == ["b", "c"]
    schedule.done("x")
    assert started(schedule) == ["y"]
    schedule.done("y")
    assert schedule.idle and not schedule.pending


def test_a_lost_result_is_computed_again_and_then_what_missed_it() -> None:
    schedule = Schedule({"cpu": 2})
    schedule.adopt(planned({"a": [], "b": ["a"]}, stored=("a",)))
    assert started(schedule) == ["b"]
    schedule.missed("b", "a")
    assert started(schedule) == ["a"]
    schedule.done("a")
    assert started(schedule) == ["b"]


def test_steps_that_were_ready_wait_again_when_an_input_is_lost() -> None:
    schedule = Schedule({"cpu": 1})
    schedule.adopt(planned({"a": [], "b": ["a"], "c": ["a"], "d": ["a"]}, stored=("a",)))
    assert started(schedule) == ["b"]
    schedule.missed("b", "a")
    assert started(schedule) == ["a"]
    schedule.done("a")
    assert started(schedule) == ["b"]


def test_a_result_that_was_made_anew_meanwhile_is_not_lost_once_more() -> None:
    schedule = Schedule({"cpu": 3})
    schedule.adopt(planned({"a": [], "b": ["a"], "c": ["a"]}, stored=("a",)))
    assert started(schedule) == ["b", "c"]
    schedule.missed("b", "a")
    assert started(schedule) == ["a"]
    schedule.done("a")
    assert schedule.made_since("c", "a") and started(schedule) == ["b"]
    schedule.missed("c", "a")  # it looked before `a` was there again
    assert started(schedule) == ["c"]
    assert not schedule.made_since("c", "a"), "now it would be lost indeed"
    schedule.missed("c", "a")
    assert started(schedule) == ["a"]


def test_a_lost_result_takes_its_own_inputs_along() -> None:
    schedule = Schedule({"cpu": 1})
    plan = planned({"r": [], "a": ["r"], "b": ["a"]}, stored=("a",))
    plan.todo.remove("r")
    schedule.adopt(plan)
    assert started(schedule) == ["b"]
    assert set(schedule.missed("b", "a")) == {"r", "a"}
    assert started(schedule) == ["r"]


def test_a_step_that_missed_an_input_is_given_up_if_another_input_has_failed_meanwhile() -> None:
    schedule = Schedule({"cpu": 3})
    schedule.adopt(planned({"a": [], "b": [], "c": ["a", "b"], "d": ["a"]}, stored=("a", "b")))
    assert started(schedule) == ["c", "d"]
    schedule.missed("d", "a")
    assert started(schedule) == ["a"]
    schedule.fail("a")
    schedule.missed("c", "b")
    assert started(schedule) == ["b"]
    schedule.done("b")
    assert schedule.idle and not schedule.pending


def test_a_later_plan_keeps_what_runs_and_drops_what_is_not_wanted() -> None:
    schedule = Schedule({"cpu": 1})
    schedule.adopt(planned({"a": [], "b": [], "c": ["a"]}))
    assert started(schedule) == ["a"]
    schedule.adopt(planned({"a": [], "c": ["a"], "d": ["c"]}))
    assert started(schedule) == []
    schedule.done("a")
    assert started(schedule) == ["c"]
    schedule.done("c")
    assert started(schedule) == ["d"]


def test_a_result_that_a_later_plan_wants_again_is_computed_again() -> None:
    schedule = Schedule({"cpu": 1})
    schedule.adopt(planned({"a": [], "b": ["a"]}, stored=("a",)))
    schedule.adopt(planned({"a": [], "b": ["a"]}))
    assert started(schedule) == ["a"]


# ------------------------------------------------------------------------------------- laws


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    names = [f"s{i}" for i in range(draw(st.integers(1, 14)))]
    return {
        key: sorted(draw(st.sets(st.sampled_from(names[:i]), max_size=3))) if i else []
        for i, key in enumerate(names)
    }


def ancestors(deps: dict[str, list[str]], key: str) -> set[str]:
    return set(deps[key]).union(*(ancestors(deps, dep) for dep in deps[key])) if deps[key] else set()


@settings(max_examples=300)
@given(graphs(), st.data(), st.integers(1, 3), st.integers(0, 2**32))
def test_any_order_of_outcomes_ends_and_keeps_the_laws(
    deps: dict[str, list[str]], data: Any, slots: int, seed: int
) -> None:
    rng = random.Random(seed)
    roots = [key for key in deps if not deps[key]]
    stored = tuple(data.draw(st.sets(st.sampled_from(roots)))) if roots else ()
    device = tuple(key for key in deps if rng.random() < 0.3)
    schedule = Schedule({"device": 1, "cpu": slots})
    schedule.adopt(planned(deps, stored, device))
    held, failed, running = set(stored), set(), set()
    starts: Counter[str] = Counter()
    misses: Counter[str] = Counter()
    for _ in range(1000):
        while (step := schedule.next()) is not None:
            assert set(step.deps) <= schedule.available, "started before its inputs were there"
            assert step.key not in running, "runs twice at once"
            starts[step.key] += 1
            running.add(step.key)
            used = Counter("device" if key in device else "cpu" for key in running)
            assert used["device"] <= 1 and used["cpu"] <= slots
        if not running:
            break
        key = rng.choice(sorted(running))
        running.remove(key)
        readable = sorted(set(deps[key]) & held)
        if readable and rng.random() < 0.15 and sum(misses.values()) < 10:
            absent = rng.choice(readable)
            held.discard(absent)
            misses[absent] += 1
            misses[key] += 1
            schedule.missed(key, absent)
        elif set(deps[key]) - held:
            schedule.missed(key, next(iter(set(deps[key]) - held)))
            misses[key] += 1
        elif rng.random() < 0.15:
            failed.add(key)
            schedule.fail(key)
        else:
            held.add(key)
            schedule.done(key)
        for key in schedule.pending:
            assert schedule.blockers[key] == len(set(deps[key]) - schedule.available), "counted wrongly"
    assert schedule.idle and not schedule.pending, "work was left over"
    for key in deps:
        assert starts[key] <= 1 + misses[key], "ran again although nothing was lost"
        if key not in held and not misses and key not in stored:
            assert key in failed or ancestors(deps, key) & failed, "given up without a failure above"


# ------------------------------------------------------------------------------------- models


def model_order(schedule: Schedule) -> list[str]:
    found = []
    while (step := schedule.next()) is not None:
        found.append(name(step))
        schedule.done(step.key)
    return found


def changes(order: list[str]) -> int:
    stages = [place.partition(".")[0] for place in order]
    return 1 + sum(a != b for a, b in itertools.pairwise(stages))


def test_a_batch_through_three_models_loads_each_model_once() -> None:
    graph = built(
        items=("numbers", {"values": list(range(10))}),
        ma=("model", {"name": "encoder"}),
        mb=("model", {"name": "denoiser"}),
        mc=("model", {"name": "decoder"}),
        a=("think", {}, {"x": "items", "model": "ma"}),
        b=("think", {}, {"x": "a", "model": "mb"}),
        c=("think", {}, {"x": "b", "model": "mc"}),
    )
    schedule = Schedule({"device": 1, "cpu": 4})
    schedule.adopt(World().plan(graph))
    order = model_order(schedule)
    assert order == [f"{stage}.{i}" for stage in "abc" for i in range(10)] and changes(order) == 3


def test_work_for_the_open_model_goes_first_although_it_stands_later_in_the_plan() -> None:
    graph = built(
        n="num",
        ma=("model", {"name": "a"}),
        mb=("model", {"name": "b"}),
        a1=("think", {"seed": 1}, {"x": "n", "model": "ma"}),
        b1=("think", {"seed": 2}, {"x": "n", "model": "mb"}),
        a2=("think", {"seed": 3}, {"x": "n", "model": "ma"}),
        b2=("think", {"seed": 4}, {"x": "n", "model": "mb"}),
    )
    schedule = Schedule({"device": 1, "cpu": 1})
    schedule.adopt(World().plan(graph))
    assert changes([place[0] for place in model_order(schedule)]) == 2


def test_models_are_also_found_in_a_list_of_models() -> None:
    models = many([Const(m, b"t%d" % i) for i, m in enumerate(map(_toy, "ab"))])
    plan = planned({"k": ["models"]}, device=("k",), stored=("models",))
    plan.steps["k"].refs = (models,)
    schedule = Schedule({"device": 1})
    schedule.adopt(plan)
    schedule.next()
    assert len(schedule.open) == 2


def test_where_a_model_is_placed_makes_no_other_model() -> None:
    graph = built(
        n="num",
        ma=("model", {"name": "a", "where": "cpu"}),
        mb=("model", {"name": "a", "where": "disk"}),
        one=("think", {"seed": 1}, {"x": "n", "model": "ma"}),
        two=("think", {"seed": 2}, {"x": "n", "model": "mb"}),
    )
    schedule = Schedule({"device": 1, "cpu": 1})
    schedule.adopt(World().plan(graph))
    opened = set()
    while (step := schedule.next()) is not None:
        opened.add(schedule.open)
        schedule.done(step.key)
    assert len(opened) == 1


def _toy(text: str) -> Any:
    from tests.support.engine import Toy

    return Toy(name=text)


@pytest.mark.parametrize(("spec", "lane"), [(CPU, "cpu"), (DEVICE, "device")])
def test_a_node_that_takes_a_model_takes_a_device_slot(spec: Any, lane: str) -> None:
    assert lane_of(spec) == lane


def test_a_chain_of_ten_thousand_steps_is_fed_in_linear_time() -> None:
    schedule = Schedule({"cpu": 2})
    schedule.adopt(planned({f"s{i}": [f"s{i - 1}"] if i else [] for i in range(10_000)}))
    assert len(model_order(schedule)) == 10_000 and schedule.idle
