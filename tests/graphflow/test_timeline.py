"""The picture of a run: well-formed, true to the events, the same for the same events."""

from __future__ import annotations

import time
import xml.etree.ElementTree as Tree
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphflow import events, timeline
from graphflow.events import Event

SVG = "{http://www.w3.org/2000/svg}"


def said(kind: type[Any], at: float, node: str = "", **fields: Any) -> Event:
    named = {"node": node} if node else {}
    event: Event = kind(run="r", time=at, **named, **fields)
    return event


def step(node: str, start: float, end: float, item: tuple[int, ...] = ()) -> list[Event]:
    return [
        said(events.NodeStarted, start, node, item=item),
        said(events.NodeFinished, end, node, item=item, seconds=end - start, bytes=1, stored="both"),
    ]


RUN = [
    said(events.RunAccepted, 0.0),
    said(events.NodeCached, 0.0, "load"),
    *step("encode", 0.0, 1.0),
    *step("denoise", 1.0, 4.0),
    said(events.NodeStarted, 4.0, "save"),
    said(events.NodeFailed, 4.5, "save", code="node", message="m"),
    said(events.NodeSkipped, 4.5, "send"),
    said(events.RunFailed, 4.5, seconds=4.5, code="node", message="m"),
]


def rects(svg: str, state: str) -> list[dict[str, float]]:
    """Bars of one state; the legend's squares are left out."""
    found = [r for r in Tree.fromstring(svg).iter(f"{SVG}rect") if r.get("class") == state]
    return [
        {name: float(str(r.get(name))) for name in ("x", "width")}
        for r in found
        if r.get("height") == str(timeline.BAR)
    ]


def texts(svg: str) -> list[str]:
    return ["".join(t.itertext()) for t in Tree.fromstring(svg).iter(f"{SVG}text")]


def test_bars_lie_where_their_steps_were() -> None:
    svg = timeline.draw(RUN, title="demo")
    (encode, denoise), (failed,) = rects(svg, "computed"), rects(svg, "failed")
    assert denoise["x"] == pytest.approx(encode["x"] + encode["width"], abs=0.2)
    assert denoise["width"] == pytest.approx(3 * encode["width"], rel=0.01)
    assert failed["x"] == pytest.approx(denoise["x"] + denoise["width"], abs=0.2)
    axis = [float(str(line.get("x1"))) for line in Tree.fromstring(svg).iter(f"{SVG}line")]
    assert axis[1] == pytest.approx(encode["x"] + encode["width"], abs=0.2)  # the line of 1 s


def test_names_notes_and_summary() -> None:
    svg = timeline.draw(RUN, title="demo")
    words = texts(svg)
    assert "demo" in words and "denoisedenoise" in words  # once as the tip, once as the label
    assert {"cached", "failed", "skipped", "3.0 s"} <= set(words)
    assert "failed after 4.5 s · 2 computed · 1 cached" in words


def test_a_run_that_was_all_cached() -> None:
    svg = timeline.draw([said(events.NodeCached, 0.0, n) for n in "abc"])
    assert not rects(svg, "computed") and len([*Tree.fromstring(svg).iter(f"{SVG}circle")]) == 3


def test_a_step_cut_off_by_the_end_is_cancelled() -> None:
    told = [said(events.NodeStarted, 1.0, "slow"), said(events.RunCancelled, 3.0, seconds=3.0)]
    assert timeline.rows_of(told)[0].bars == [timeline.Bar(1.0, 3.0, "cancelled")]
    assert "cancelled after" in timeline.draw(told)


def test_items_share_a_row() -> None:
    told = [event for i in range(5) for event in step("save", i, i + 0.5, (i,))]
    assert len(timeline.rows_of(told)) == 1 and len(rects(timeline.draw(told), "computed")) == 5
    assert "5x 2.5 s" in texts(timeline.draw(told))


def test_large_runs_stay_small_and_quick() -> None:
    told = [event for i in range(10_000) for event in step("many", i, i + 0.5, (i,))]
    told += [event for i in range(500) for event in step(f"n{i}", 0, i + 1.0)]
    began = time.perf_counter()
    svg = timeline.draw(told)
    assert time.perf_counter() - began < 2
    assert len(svg) < 150_000
    assert f"{501 - timeline.MAX_ROWS} quicker nodes not shown" in texts(svg)
    assert "many" in svg and "n499" in svg and ">n3<" not in svg


def test_a_failed_item_is_seen_among_thousands() -> None:
    told = [event for i in range(5_000) for event in step("many", i, i + 0.5, (i,))]
    told += [said(events.NodeFailed, 9.0, "many", item=(9,), code="x", message="m")]
    assert len(rects(timeline.draw(told), "failed")) == 1


def test_it_follows_the_readers_theme_and_names_its_maker() -> None:
    svg = timeline.draw(RUN)
    assert "prefers-color-scheme:dark" in svg and timeline.MARK in svg[:400]
    assert "<script" not in svg and "http" not in svg.replace("http://www.w3.org/2000/svg", "")


@given(st.text(max_size=60), st.text(min_size=1, max_size=60))
def test_any_name_gives_a_well_formed_picture(title: str, name: str) -> None:
    Tree.fromstring(timeline.draw(step(name, 0.0, 1.0), title=title).encode("utf-8", "replace"))


@given(st.lists(st.floats(0, 1e6), max_size=8))
def test_any_times_give_a_picture(times: list[float]) -> None:
    told = [event for i, end in enumerate(times) for event in step(f"n{i}", 0.0, end)]
    svg = timeline.draw(told)
    Tree.fromstring(svg)
    assert svg == timeline.draw(told)
    for bar in rects(svg, "computed"):
        assert timeline.SIDE <= bar["x"] <= bar["x"] + bar["width"] <= timeline.WIDTH


@pytest.mark.parametrize("end", [0.001, 0.02, 0.4, 1.0, 3.2, 17.0, 99.0, 140.0, 700.0, 4000.0, 30_000.0])
def test_ticks_are_few_and_round(end: float) -> None:
    ticks = timeline._Axis(end, 1).ticks()
    assert 3 <= len(ticks) <= 10 and ticks[0] == 0 and ticks[-1] <= end * 1.000001
