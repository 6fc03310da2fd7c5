"""Filters refuse and say why; nothing leaves the list."""

from __future__ import annotations

import pytest
from graphflow_nodes.dataset import filter_items, funnel, kept_items
from graphflow_nodes.dataset.filter import top_level
from graphflow_nodes.dataset.funnel import text
from graphflow_nodes.dataset.values import Clip, Score, refuse, with_scores
from pydantic import ValidationError

from graphflow.errors import NodeError
from graphflow.testing import LocalContext, run_node


def clip(id: str, source: str = "s", **scores: Score) -> Clip:
    """A clip with these columns."""
    return Clip(
        id=id, source=source, path="x.mp4", start=0.0, end=1.0, fps=8.0, height=4, width=4, scores=scores
    )


def test_what_does_not_meet_the_condition_stays_with_the_reason() -> None:
    cells = {"a": (1.0, 0.0), "b": (5.0, 0.0), "c": (5.0, 0.2)}
    clips = [clip(id, motion=motion, text=text) for id, (motion, text) in cells.items()]
    found = run_node(filter_items, clips, where="motion > 2 and text < 0.1", stage="motion")
    assert [item.rejected for item in found] == ["motion", "", "motion"]
    assert found[0].reason == "not motion > 2: motion is 1"
    assert found[2].reason == "not text < 0.1: text is 0.2"
    assert found[1].passed == ("motion",)


def test_a_later_filter_does_not_look_at_what_is_refused() -> None:
    once = run_node(filter_items, [clip("a", motion=1.0)], where="motion > 2", stage="first")
    twice = run_node(filter_items, once, where="nothing_like_it > 2", stage="second")
    assert twice == once


def test_the_funnel_counts_in_the_order_of_the_filters() -> None:
    clips = [clip(str(n), n=n) for n in range(10)]
    for stage, where in (("large", "n >= 4"), ("even", "n / 2 in (2, 3, 4)"), ("small", "n < 8")):
        clips = run_node(filter_items, clips, where=where, stage=stage)
    found = run_node(funnel, clips)
    assert (found.entered, found.kept) == (10, 2)
    assert [(s.name, s.entered, s.refused) for s in found.stages] == [
        ("large", 10, 4),
        ("even", 6, 3),
        ("small", 3, 1),
    ]
    assert [item.id for item in run_node(kept_items, clips)] == ["4", "6"]
    assert "| **kept** | 10 | 8 | **2** | |" in text(found)


def test_what_was_refused_where_clips_are_cut_comes_first_in_the_funnel() -> None:
    clips = run_node(filter_items, [clip("a", n=1), clip("b", n=2)], where="n > 1", stage="quality")
    short = refuse(clip("c"), "length", "a shot of 0.50 s")
    found = run_node(funnel, [*clips, short, refuse(clip("d"), "read", "the file is empty")])
    assert [(stage.name, stage.entered) for stage in found.stages] == [
        ("read", 4),
        ("length", 3),
        ("quality", 2),
    ]


def test_who_goes_on_with_what_is_kept_is_told_what_is_not() -> None:
    clips = [clip("a"), refuse(clip("b"), "read", "the file is empty"), refuse(clip("c"), "read", "gone")]
    here = LocalContext()
    assert [item.id for item in run_node(kept_items, clips, context=here)] == ["a"]
    assert here.notices == ["2 of 3 are left out: read 2 (the file is empty, gone)"]
    quiet = LocalContext()
    run_node(kept_items, clips[:1], context=quiet)
    assert quiet.notices == []


def test_a_condition_that_is_not_understood_is_refused_with_the_settings() -> None:
    with pytest.raises(ValidationError, match="a value is missing: motion >>>"):
        run_node(filter_items, [], where="motion >")


def test_the_funnel_of_nothing() -> None:
    assert run_node(funnel, []).entered == 0


def test_the_parts_of_a_condition() -> None:
    assert top_level("a > 1 and (b or c) and d == 'x and y'") == ["a > 1", "(b or c)", "d == 'x and y'"]
    assert top_level("a > 1 and b or c") == ["a > 1 and b or c"]


def test_columns_are_added_and_never_changed() -> None:
    one = with_scores(clip("a", motion=1.0), {"blur": 2.0})
    assert one.scores == {"motion": 1.0, "blur": 2.0}
    with pytest.raises(NodeError, match="'motion'"):
        with_scores(one, {"motion": 1.0})
