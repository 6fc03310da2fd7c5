"""Runs as a whole: results, events in order, failures, lost results, cancelling."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphflow import telling
from graphflow.cache.disk import DiskStore
from graphflow.cache.memory import MemoryCache
from graphflow.cache.tiers import Cache
from graphflow.errors import NodeError
from graphflow.events import CacheNotice, NodeNotice, RunFinished, RunStarted
from graphflow.node import Context, node
from graphflow.refs import Out
from graphflow.result import first_error
from graphflow.run import MAX_MISSES
from graphflow.runners.inline import InlineRunner
from graphflow.values import MAX_SEED
from graphflow.workflow import dump
from tests.support.engine import REGISTRY, Lab, built, document, lab, raw


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Lab]:
    with lab(tmp_path) as made:
        yield made


CHAIN: dict[str, Any] = {
    "a": ("num", {"value": 3}),
    "b": ("double", {}, {"x": "a"}),
    "c": ("double", {}, {"x": "b"}),
}
BATCH: dict[str, Any] = {
    "a": ("numbers", {"values": [1, 2, 3]}),
    "b": ("boom", {"on": 2}, {"x": "a"}),
    "t": ("total", {}, {"items": "b"}),
}


# ------------------------------------------------------------------------------------- results


def test_a_run_gives_its_outputs(bench: Lab) -> None:
    result = bench.run(built({"o": "c", "p": "b", "k": "a"}, **CHAIN))
    assert result.status == "finished" and result.computed == 2
    assert [result.value(name) for name in "opk"] == [12, 6, 3]
    assert result.peek("o") == 12 and result.peek("k") == 3


def test_the_second_run_computes_nothing_and_says_so(bench: Lab) -> None:
    graph = built({"o": "c"}, **CHAIN)
    bench.run(graph)
    result = bench.run(graph)
    assert result.computed == 0 and bench.said("node.cached") == ["b", "c"]
    assert not bench.said("node.started", "node.finished")
    assert [event.cached for event in bench.events if isinstance(event, RunStarted)] == [2]


def test_changing_one_setting_runs_only_what_depends_on_it(bench: Lab) -> None:
    bench.run(built({"o": "c"}, **CHAIN))
    bench.run(built({"o": "c"}, **{**CHAIN, "c": ("double", {"plus": 1}, {"x": "b"})}))
    assert bench.said("node.cached") == ["b"] and bench.said("node.started") == ["c"]


def test_only_the_targets_run(bench: Lab) -> None:
    graph = built({"o": "c"}, **CHAIN)
    result = bench.run(graph, targets=["b"])
    assert bench.said("node.started") == ["b"] and result.status == "finished"
    assert bench.run(graph, targets=["a"]).computed == 0


def test_a_target_that_is_not_there_is_refused_before_anything_is_said(bench: Lab) -> None:
    with pytest.raises(KeyError):
        bench.run(built(**CHAIN), targets=["nobody"])
    assert not bench.events


def test_an_empty_graph_runs(bench: Lab) -> None:
    assert bench.run(built()).status == "finished"
    assert bench.types == ["run.accepted", "run.started", "run.finished"]


def test_a_plan_can_be_asked_for_without_running(bench: Lab) -> None:
    graph = built({"o": "c"}, **CHAIN)
    bench.run(graph)
    assert bench.started is not None and not bench.started.plan().todo


def test_independent_steps_run_at_the_same_time(bench: Lab) -> None:
    both = threading.Barrier(2, timeout=20)

    @node("here/meet")
    def meet(*, who: int) -> int:
        both.wait()
        return who

    graph = built(
        registry=REGISTRY.with_nodes([meet]), a=("here/meet", {"who": 1}), b=("here/meet", {"who": 2})
    )
    assert bench.run(graph).status == "finished"


def test_steps_with_one_key_are_done_once_for_both_nodes(bench: Lab) -> None:
    result = bench.run(
        built({"x": "b", "y": "c"}, a="num", b=("double", {}, {"x": "a"}), c=("double", {}, {"x": "a"}))
    )
    assert (result.computed, result.value("x"), result.value("y")) == (1, 0, 0)


# ------------------------------------------------------------------------------------- seeds


def test_a_seed_that_was_drawn_is_written_down_and_replays() -> None:
    from graphflow.graph import build
    from graphflow.record import resolved
    from graphflow.workflow import from_raw

    written = raw(n="num", m="model", t=("think", {"seed": None}, {"x": "n", "model": "m"}))
    graph = build(from_raw(written), REGISTRY, draw_seed=lambda: MAX_SEED)
    assert graph.seeds == {"t.seed": MAX_SEED}
    record = resolved(graph)
    assert record["nodes"]["t"]["params"]["seed"] == MAX_SEED
    assert build(from_raw(record), REGISTRY).nodes["t"].settings == graph.nodes["t"].settings


# ------------------------------------------------------------------------------------- failures


def test_a_failed_node_stops_what_depends_on_it_and_nothing_else(bench: Lab) -> None:
    graph = built(
        {"o": "d", "p": "e"},
        a="num",
        b=("boom", {}, {"x": "a"}),
        c=("double", {}, {"x": "b"}),
        d=("double", {}, {"x": "c"}),
        e=("double", {"plus": 7}, {"x": "a"}),
    )
    result = bench.run(graph)
    assert result.status == "failed" and result.value("p") == 7
    assert bench.said("node.failed") == ["b"] and bench.said("node.skipped") == ["c", "d"]
    assert {e.reason for e in bench.events if e.type == "node.skipped"} == {"needs b, which failed"}
    with pytest.raises(NodeError, match="no 0"):
        result.value("o")
    error = first_error(result)
    assert error is not None and (error.where, error.message, error.hint) == ("b", "no 0", "take another")


def test_each_skipped_node_names_the_failure_above_it(bench: Lab) -> None:
    graph = built(
        a="num",
        b1=("boom", {}, {"x": "a"}),
        b2=("fold_boom", {}, {"x": "a"}),
        c1=("double", {}, {"x": "b1"}),
        c2=("double", {}, {"x": "b2"}),
    )
    bench.run(graph)
    reasons = {e.node: e.reason for e in bench.events if e.type == "node.skipped"}
    assert reasons == {"c1": "needs b1, which failed", "c2": "needs b2, which failed"}


def test_a_collector_gets_the_good_items_and_the_run_reports_the_rest(bench: Lab) -> None:
    result = bench.run(built({"o": "t"}, **BATCH))
    assert result.status == "finished" and result.value("o") == 4
    assert bench.said("node.failed") == ["b.1"] and not bench.said("node.skipped")
    assert [event.failed for event in bench.events if isinstance(event, RunFinished)] == [1]


def test_items_that_fail_while_planning_are_reported_like_those_that_fail_while_running(bench: Lab) -> None:
    folded = {**BATCH, "b": ("fold_boom", {"on": 2}, {"x": "a"})}
    result = bench.run(built({"o": "t"}, **folded))
    assert result.value("o") == 4 and bench.said("node.failed") == ["b.1"]


def test_a_list_that_is_asked_for_comes_without_its_lost_items(bench: Lab) -> None:
    assert bench.run(built({"o": "b"}, **BATCH)).value("o") == [1, 3]


def test_stop_starts_nothing_after_the_first_failure(tmp_path: Path) -> None:
    with lab(tmp_path, slots=1) as bench:
        result = bench.run(built({"o": "t"}, **BATCH), on_error="stop")
        assert result.status == "failed" and bench.said("node.started") == ["b.0", "b.1"]


def test_a_failure_while_planning_also_stops(bench: Lab) -> None:
    graph = built(a="num", b=("fold_boom", {}, {"x": "a"}), c=("double", {}, {"x": "a"}))
    assert bench.run(graph, on_error="stop").status == "failed" and not bench.said("node.started")


def test_an_effect_without_outputs_that_fails_fails_the_run(bench: Lab) -> None:
    result = bench.run(built(a=("num", {"value": -1}), p=("print", {}, {"x": "a"})))
    assert result.status == "failed" and bench.said("node.failed") == ["p"]


def test_an_effect_whose_input_failed_fails_the_run(bench: Lab) -> None:
    result = bench.run(built(a="num", b=("boom", {}, {"x": "a"}), p=("print", {}, {"x": "b"})))
    assert result.status == "failed" and bench.said("node.skipped") == ["p"]


def test_an_effect_that_fails_for_one_item_leaves_the_run_finished(bench: Lab) -> None:
    result = bench.run(built(a=("numbers", {"values": [1, -1]}), p=("print", {}, {"x": "a"})))
    assert result.status == "finished" and bench.said("node.failed") == ["p.1"]


def test_nodes_that_do_the_same_work_find_it_in_the_cache(bench: Lab) -> None:
    graph = built({"x": "b", "y": "c"}, a="num", b=("double", {}, {"x": "a"}), c=("double", {}, {"x": "a"}))
    bench.run(graph)
    assert bench.said("node.finished") == ["b"] and bench.said("node.cached") == ["c"]
    bench.run(graph)
    assert bench.said("node.finished") == [] and bench.said("node.cached") == ["b", "c"]


def test_the_twin_of_a_failed_node_is_accounted_for(bench: Lab) -> None:
    graph = built({"x": "b", "y": "c"}, a="num", b=("boom", {}, {"x": "a"}), c=("boom", {}, {"x": "a"}))
    assert bench.run(graph).status == "failed"
    assert sorted(bench.said("node.failed", "node.skipped")) == ["b", "c"]


def test_text_that_is_not_unicode_in_an_error_does_no_harm(bench: Lab) -> None:
    @node("here/surrogate")
    def surrogate() -> int:
        raise NodeError("name \ud800", hint="\udfff")

    result = bench.run(built(registry=REGISTRY.with_nodes([surrogate]), a="here/surrogate"))
    assert result.failures[0].message.isascii()


# ------------------------------------------------------------------------------------- dynamic


def test_a_list_whose_length_a_step_decides_is_mapped_when_it_is_known(bench: Lab) -> None:
    graph = built(
        {"o": "t"},
        a=("num", {"value": 5}),
        s=("spread", {"count": 3}, {"x": "a"}),
        d=("double", {}, {"x": "s"}),
        t=("total", {}, {"items": "d"}),
    )
    assert bench.run(graph).value("o") == 36
    assert (
        bench.said("node.started") == ["s", "d.0", "d.1", "d.2", "t"] or bench.said("node.started")[0] == "s"
    )
    assert bench.run(graph).computed == 0


def test_lists_made_from_items_of_lists_are_planned_again_and_again(bench: Lab) -> None:
    graph = built(
        {"o": "s3"},
        a="num",
        s=("spread", {"count": 2}, {"x": "a"}),
        s2=("spread", {"count": 2}, {"x": "s"}),
        s3=("double", {}, {"x": "s2"}),
    )
    assert bench.run(graph).value("o") == [[0, 2], [2, 4]]


@pytest.mark.parametrize(("value", "side", "result"), [(2, "yes", 5), (3, "no", 8)])
def test_a_choice_that_a_step_makes_computes_only_the_chosen_side(
    bench: Lab, value: int, side: str, result: int
) -> None:
    graph = built(
        {"o": "e"},
        n=("num", {"value": value}),
        q=("even", {}, {"x": "n"}),
        yes=("double", {"plus": 1}, {"x": "n"}),
        no=("double", {"plus": 2}, {"x": "n"}),
        e=("either", {}, {"then": "yes", "otherwise": "no", "condition": "q"}),
    )
    assert bench.run(graph).value("o") == result and bench.said("node.started") == ["q", side]


def test_a_dynamic_list_whose_maker_fails_ends_the_run(bench: Lab) -> None:
    graph = built(
        {"o": "d"},
        a="num",
        b=("boom", {}, {"x": "a"}),
        s=("spread", {}, {"x": "b"}),
        d=("double", {}, {"x": "s"}),
    )
    assert bench.run(graph).status == "failed" and set(bench.said("node.skipped")) == {"s", "d"}


# ------------------------------------------------------------------------------------- lost results


class Forgetful(InlineRunner):
    """A runner that loses results: `losses` says how often each key may be lost after it was made."""

    def __init__(self, bench: Lab) -> None:
        super().__init__(bench.cache, bench.pool, cpu_slots=1)
        self.losses: dict[str, int] = {}
        self.pins: dict[str, int] = {}

    def pin(self, key: str) -> None:
        self.pins[key] = self.pins.get(key, 0) + 1
        super().pin(key)

    def unpin(self, key: str) -> None:
        self.pins[key] -= 1
        super().unpin(key)

    def peek(self, key: str) -> Mapping[str, Any] | None:
        if self.losses.get(key, 0) > 0 and self.cache.has(key):
            self.losses[key] -= 1
            self.cache.discard(key)
            return None
        return super().peek(key)


def test_a_result_that_rots_between_planning_and_reading_is_computed_again(bench: Lab) -> None:
    graph = built({"o": "c"}, **CHAIN)
    b, c = bench.run(graph).plan.todo
    bench.cache.discard(c)
    has = bench.cache.has
    bench.cache.has = lambda key: key == b or has(key)  # type: ignore[method-assign]
    bench.cache.discard(b)
    result = bench.run(graph)
    assert result.value("o") == 12 and bench.said("node.finished") == ["b", "c"]
    assert [event.kind for event in bench.events if isinstance(event, CacheNotice)] == ["lost"]


def test_many_steps_that_miss_one_result_count_as_one_miss(bench: Lab) -> None:
    graph = built(
        {"o": "t"},
        a="num",
        r=("double", {"plus": 1}, {"x": "a"}),
        i=("numbers", {"values": list(range(8))}),
        d=("add", {}, {"a": "i", "b": "r"}),
        t=("total", {}, {"items": "d"}),
    )
    root = bench.run(graph, targets=["r"]).plan.targets["r"]["out"]
    assert isinstance(root, Out)
    has = bench.cache.has
    bench.cache.has = lambda key: key == root.key or has(key)  # type: ignore[method-assign]
    bench.cache.discard(root.key)
    result = bench.run(graph)
    assert result.value("o") == 36 and bench.said("node.finished").count("r") == 1


def test_a_list_that_is_lost_before_it_could_be_read_is_made_again(bench: Lab) -> None:
    graph = built({"o": "d"}, a="num", s=("spread", {}, {"x": "a"}), d=("double", {}, {"x": "s"}))
    runner = Forgetful(bench)
    (key,) = bench.run(graph, runner=runner, targets=["s"]).plan.todo
    bench.cache.discard(key)
    runner.losses[key] = 2
    result = bench.run(graph, runner=runner)
    assert result.value("o") == [0, 2] and bench.said("node.finished").count("s") == 3
    assert not any(runner.pins.values()), "pins are given back"
    runner.close()


def test_a_result_that_is_lost_again_and_again_is_a_failure(bench: Lab) -> None:
    graph = built({"o": "d"}, a="num", s=("spread", {}, {"x": "a"}), d=("double", {}, {"x": "s"}))
    runner = Forgetful(bench)
    (key,) = list(bench.run(graph, runner=runner, targets=["s"]).plan.steps)
    bench.cache.discard(key)
    runner.losses[key] = 1000
    result = bench.run(graph, runner=runner)
    assert result.status == "failed" and result.failures[0].code == "cache.lost"
    assert bench.said("node.finished").count("s") == MAX_MISSES + 1
    runner.close()


def test_an_output_that_left_the_cache_after_the_run_is_a_clear_error(bench: Lab) -> None:
    result = bench.run(built({"o": "c"}, **CHAIN))
    for key in result.plan.steps:
        bench.cache.discard(key)
    with pytest.raises(NodeError, match="not in the cache any more"):
        result.value("o")


def test_with_too_little_memory_for_anything_a_run_still_ends_right(tmp_path: Path) -> None:
    with lab(tmp_path, memory_bytes=0) as bench:
        graph = built(
            {"o": "t"},
            a="num",
            s=("spread", {"count": 4}, {"x": "a"}),
            d=("double", {}, {"x": "s"}),
            e=("double", {"plus": 1}, {"x": "d"}),
            t=("total", {}, {"items": "e"}),
        )
        assert bench.run(graph).status == "finished"


# ------------------------------------------------------------------------------------- outside


def test_what_was_made_from_a_source_that_changed_meanwhile_is_not_kept(bench: Lab) -> None:
    state = {"content": 1}

    @node("here/source", fingerprint=lambda: state["content"])
    def source() -> int:
        state["content"] = 5
        return 5

    graph = built(
        {"o": "b", "p": "a"}, REGISTRY.with_nodes([source]), a="here/source", b=("double", {}, {"x": "a"})
    )
    result = bench.run(graph)
    assert (result.value("o"), result.value("p")) == (10, 5)
    assert not any(bench.cache.has(key) for key in result.plan.steps), "their keys name the old content"
    assert bench.run(graph).computed == 2 and bench.run(graph).computed == 0


def test_an_effect_that_still_stands_is_not_repeated_and_one_that_cannot_tell_is(bench: Lab) -> None:
    answers: list[Any] = [True, False, KeyError("?")]

    def stands(outputs: Mapping[str, Any]) -> bool:
        if isinstance(answers[0], Exception):
            raise answers[0]
        return bool(answers[0])

    @node("here/write", effect=stands)
    def write(x: int) -> int:
        return x

    graph = built(registry=REGISTRY.with_nodes([write]), a="num", w=("here/write", {}, {"x": "a"}))
    assert [bench.run(graph).computed for _ in range(2)] == [1, 0]
    answers.pop(0)
    assert bench.run(graph).computed == 1
    answers.pop(0)
    assert bench.run(graph).computed == 1


# ------------------------------------------------------------------------------------- events


def check_laws(bench: Lab) -> None:
    assert [e.seq for e in bench.events] == list(range(1, len(bench.events) + 1))
    assert bench.types[:2] == ["run.accepted", "run.started"]
    ends = [t for t in bench.types if t in ("run.finished", "run.failed", "run.cancelled")]
    assert len(ends) == 1 and bench.types[-1] == ends[0]
    assert all(a.time <= b.time for a, b in zip(bench.events, bench.events[1:], strict=False))
    assert len({e.run for e in bench.events}) == 1
    cached, begun, ended = (
        bench.said("node.cached"),
        bench.said("node.started"),
        bench.said("node.finished", "node.failed"),
    )
    assert not set(cached) & set(begun)
    assert len(set(cached)) == len(cached) and len(set(begun)) == len(begun)
    assert set(begun) <= set(ended)
    for place in begun:
        events = [e.type for e in bench.events if getattr(e, "node", None) == place]
        assert not events or events[0] == "node.started"


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Any]:
    nodes: dict[str, Any] = {"n0": ("num", {"value": draw(st.integers(0, 2))})}
    nodes["l0"] = ("numbers", {"values": draw(st.lists(st.integers(0, 2), max_size=3))})
    shapes = {"n0": 0, "l0": 1}
    for i in range(1, draw(st.integers(1, 8))):
        id, kind = f"n{i}", draw(st.sampled_from(["double", "boom", "fold_boom", "total", "add", "spread"]))
        source = draw(st.sampled_from(sorted(shapes)))
        if kind == "total":
            source = draw(st.sampled_from([k for k, v in shapes.items() if v]))
            nodes[id], shapes[id] = ("total", {}, {"items": source}), shapes[source] - 1
        elif kind == "add":
            other = draw(st.sampled_from(sorted(shapes)))
            nodes[id] = ("add", {}, {"a": source, "b": other})
            shapes[id] = max(shapes[source], shapes[other])
        else:
            params = {"on": draw(st.integers(0, 4))} if "boom" in kind else {}
            nodes[id] = (kind, params, {"x": source})
            shapes[id] = shapes[source] + (kind == "spread")
    return nodes


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trees(), st.sampled_from(["skip", "stop"]))
def test_every_run_ends_and_its_events_keep_their_order(
    tmp_path: Path, nodes: dict[str, Any], on_error: str
) -> None:
    with lab(tmp_path) as bench:
        graph = built(**nodes)
        first = bench.run(graph, on_error=on_error)
        check_laws(bench)
        assert (first.status == "finished") or first.failures
        started = set(bench.said("node.started"))
        second = bench.run(graph, on_error=on_error)
        check_laws(bench)
        if on_error == "skip":
            assert second.status == first.status
            failed = {e.node for e in bench.events if e.type == "node.failed"}
            assert {p.partition(".")[0] for p in bench.said("node.started")} <= failed
            assert set(bench.said("node.started")) <= started


def test_a_listener_hears_everything_in_the_thread_that_runs(bench: Lab) -> None:
    threads = set()
    bench.run(built({"o": "c"}, **CHAIN), on_event=lambda event: threads.add(threading.get_ident()))
    assert threads == {threading.get_ident()}


def test_a_listener_that_raises_ends_the_run_with_its_error_and_the_next_run_works(bench: Lab) -> None:
    def deaf(event: Any) -> None:
        if event.type == "node.finished":
            raise RuntimeError("deaf")

    graph = built({"o": "c"}, **CHAIN)
    with pytest.raises(RuntimeError, match="deaf"):
        bench.run(graph, on_event=deaf)
    assert bench.run(graph).value("o") == 12


# ------------------------------------------------------------------------------------- cancelling


def test_a_cancelled_run_stops_at_the_next_cancel_point(bench: Lab) -> None:
    @node("here/long")
    def long(x: int, ctx: Context) -> int:
        for i in range(100_000):
            ctx.progress(i, 100_000)
            threading.Event().wait(0.001)
        return x

    graph = built(registry=REGISTRY.with_nodes([long]), a="num", b=("here/long", {}, {"x": "a"}))
    events: list[str] = []

    def listen(event: Any) -> None:
        events.append(event.type)
        if event.type == "node.progress":
            assert bench.started is not None
            bench.started.cancel()

    result = bench.run(graph, on_event=listen)
    assert result.status == "cancelled" and events[-1] == "run.cancelled"
    assert "node.finished" not in events and result.seconds < 5


def test_a_run_that_is_cancelled_before_it_starts_computes_nothing_more_than_is_under_way(bench: Lab) -> None:
    def listen(event: Any) -> None:
        if event.type == "run.accepted":
            assert bench.started is not None
            bench.started.cancel()

    graph = built(
        a="num", **{f"d{i}": ("double", {"plus": i}, {"x": "a" if not i else f"d{i - 1}"}) for i in range(50)}
    )
    assert bench.run(graph, on_event=listen).status == "cancelled"


def test_the_document_of_a_graph_can_be_saved_after_it_ran(bench: Lab) -> None:
    written = document({"o": "c"}, **CHAIN)
    before = dump(written)
    bench.run(built({"o": "c"}, **CHAIN))
    assert dump(written) == before


# ------------------------------------------------------------------------------------- notices


@node("test/snap")
def snap(x: int, ctx: Context, *, to: int = 4) -> int:
    """Tells what it changes, more than once."""
    found = x // to * to
    for _ in range(2 if found != x else 0):
        ctx.notice(f"{x} becomes\n {found}")
    return found


@node("test/chatter")
def chatter(ctx: Context) -> int:
    for index in range(100):
        ctx.notice(f"{index} " + "x" * 1000)
    return 1


WITH_NOTICES = REGISTRY.with_nodes((snap, chatter))


def notices(bench: Lab) -> list[tuple[str, tuple[int, ...], str]]:
    return [
        (event.node, event.item, event.message) for event in bench.events if isinstance(event, NodeNotice)
    ]


def test_what_a_node_tells_is_told_once_and_again_from_the_cache(bench: Lab) -> None:
    nodes: dict[str, Any] = {"a": ("num", {"value": 7}), "b": ("snap", {}, {"x": "a"})}
    graph = built({"o": "b"}, WITH_NOTICES, **nodes)
    bench.run(graph)
    assert notices(bench) == [("b", (), "7 becomes 4")]
    assert (
        bench.types.index("node.started")
        < bench.types.index("node.notice")
        < bench.types.index("node.finished")
    )
    assert [event.seq for event in bench.events] == list(range(1, len(bench.events) + 1))
    bench.run(graph)
    assert bench.said("node.cached") == ["b"] and notices(bench) == [("b", (), "7 becomes 4")]
    nodes["a"] = ("num", {"value": 8})
    bench.run(built({"o": "b"}, WITH_NOTICES, **nodes))
    assert notices(bench) == []


def test_another_process_tells_it_too(bench: Lab, tmp_path: Path) -> None:
    """What told something is kept, however quick it was; unless it is large."""
    nodes: dict[str, Any] = {
        "a": ("num", {"value": 7}),
        "b": ("snap", {}, {"x": "a"}),
        "c": ("double", {}, {"x": "b"}),
    }
    graph = built({"o": "c"}, WITH_NOTICES, **nodes)
    for kinds in (["node.started", "node.notice"], ["node.cached", "node.notice"]):
        cache = Cache(MemoryCache(2**20), DiskStore(tmp_path / "cache"))
        runner = InlineRunner(cache, bench.pool)
        bench.run(graph, runner=runner)
        runner.close()
        assert [event.type for event in bench.events if getattr(event, "node", "") == "b"][:2] == kinds
        assert notices(bench) == [("b", (), "7 becomes 4")]


def test_each_item_tells_and_so_does_a_twin(bench: Lab) -> None:
    nodes: dict[str, Any] = {
        "a": ("numbers", {"values": [5, 8, 9]}),
        "b": ("snap", {}, {"x": "a"}),
        "c": ("num", {"value": 9}),
        "d": ("snap", {}, {"x": "c"}),
    }
    bench.run(built({"o": "b", "p": "d"}, WITH_NOTICES, **nodes))
    assert sorted(notices(bench)) == [
        ("b", (0,), "5 becomes 4"),
        ("b", (2,), "9 becomes 8"),
        ("d", (), "9 becomes 8"),
    ]


def test_nobody_is_flooded(bench: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.run(built({"o": "a"}, WITH_NOTICES, a="chatter"))
    told = notices(bench)
    assert len(told) == telling.MAX_OF_STEP and all(
        len(text) <= telling.MAX_CHARACTERS for _, _, text in told
    )
    monkeypatch.setattr(telling, "MAX_OF_RUN", 2)
    nodes: dict[str, Any] = {"a": ("numbers", {"values": [5, 6, 7]}), "b": ("snap", {}, {"x": "a"})}
    bench.run(built({"o": "b"}, WITH_NOTICES, **nodes))
    assert len(notices(bench)) == 2


def test_a_notice_is_in_what_is_saved_after_it(bench: Lab) -> None:
    @node("test/shelve", effect=lambda outputs: True)
    def shelve(x: int, ctx: Context, *, place: int = 1) -> None:
        found.append(ctx.provenance["notices"])

    found: list[Mapping[str, Any]] = []
    nodes: dict[str, Any] = {"a": ("num", {"value": 7}), "b": ("snap", {}, {"x": "a"})}
    for place in (1, 2):  # the second time it comes from the cache
        shelved = {"s": ("test/shelve", {"place": place}, {"x": "b"})}
        bench.run(built(None, WITH_NOTICES.with_nodes([shelve]), **nodes, **shelved))
    assert found == [{"b": ["7 becomes 4"]}] * 2
