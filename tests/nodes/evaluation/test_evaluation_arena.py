"""Blind pairs, votes and rankings; systems compared item by item."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
import torch
from graphflow_nodes.evaluation import blind_pairs, compare, rank, read_votes
from graphflow_nodes.evaluation.values import Direction, Measurement, ScoreRow, Scores, ScoreTable

from graphflow.errors import NodeError
from graphflow.testing import run_node
from graphflow.values import Video


def clip(level: int) -> Video:
    return Video(frames=torch.full((2, 4, 4, 3), level, dtype=torch.uint8), fps=8.0)


def table(values: dict[str, list[float]], direction: Direction = "higher") -> ScoreTable:
    return ScoreTable(
        rows=tuple(
            ScoreRow(
                item=str(item),
                system=system,
                scores=Scores(measurements=(Measurement(metric="m", value=value, direction=direction),)),
            )
            for system, column in values.items()
            for item, value in enumerate(column)
        )
    )


def test_pairs_hide_nothing_but_the_names_and_draw_the_side() -> None:
    items = [f"p{i}" for i in range(40)] * 2
    systems = ["a"] * 40 + ["b"] * 40
    found = run_node(blind_pairs, [clip(i) for i in range(80)], items, systems, seed=3)
    assert len(found.pairs) == 40 and 8 < Counter(p.left for p in found.pairs)["a"] < 32
    for pair, left in zip(found.pairs, found.left, strict=True):
        level = int(pair.item[1:]) + (40 if pair.left == "b" else 0)
        assert int(left.frames[0, 0, 0, 0]) == level
    again = run_node(blind_pairs, [clip(i) for i in range(80)], items, systems, seed=3)
    assert again.pairs == found.pairs


def test_nobody_may_pick_the_best_of_two_samples() -> None:
    with pytest.raises(NodeError, match="two clips"):
        run_node(blind_pairs, [clip(0)] * 3, ["p", "p", "p"], ["a", "a", "b"])
    with pytest.raises(NodeError, match="two systems"):
        run_node(blind_pairs, [clip(0)], ["p"], ["a"])


def votes_of(odds: float, count: int, raters: int = 1) -> str:
    rng = np.random.default_rng(0)
    made = []
    for item in range(count):
        a_wins = rng.random() < odds
        for rater in range(raters):
            left = ("a", "b")[rater % 2]
            choice = "left" if (left == "a") == a_wins else "right"
            right = "b" if left == "a" else "a"
            vote = {"item": str(item), "left": left, "right": right, "choice": choice, "rater": str(rater)}
            made.append(vote)
    return json.dumps(made)


def test_the_stronger_system_stands_first_and_the_interval_leaves_out_zero() -> None:
    found = run_node(rank, run_node(read_votes, votes=votes_of(0.8, 60, raters=2)))
    first, second = found.standings
    assert (first.system, second.system) == ("a", "b")
    assert first.low > 0 > second.high and first.low <= first.strength <= first.high
    assert found.agreement == 1 and (found.votes, found.items) == (120, 60)


def test_even_systems_are_told_to_be_even_and_one_rater_agrees_with_nobody() -> None:
    found = run_node(rank, run_node(read_votes, votes=votes_of(0.5, 60)))
    assert all(one.low < 0 < one.high for one in found.standings)
    assert found.agreement is None


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "{}",
        '[{"item": "x"}]',
        '[{"item":"x","left":"a","right":"b","choice":"c"}]',
        '[{"item":"x","left":"a","right":"a","choice":"left"}]',
    ],
)
def test_votes_of_strangers_are_checked(text: str) -> None:
    with pytest.raises(NodeError):
        run_node(read_votes, votes=text)


def test_a_clear_difference_is_found_and_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(0, 1, 30)
    found = run_node(
        compare, table({"old": base.tolist(), "new": (base + rng.normal(0.5, 0.2, 30)).tolist()})
    )
    (one,) = found.differences
    assert found.baseline == "old" and one.system == "new" and one.items == 30
    assert one.verdict == "better" and 0.3 < one.low < one.mean < one.high < 0.7 and one.p < 0.001
    noise = run_node(compare, table({"old": base.tolist(), "new": (base + rng.normal(0, 0.2, 30)).tolist()}))
    assert noise.differences[0].verdict == "even"


def test_less_is_better_for_metrics_of_error() -> None:
    values = {"old": [1.0] * 12, "new": [0.5] * 12}
    assert run_node(compare, table(values, "lower")).differences[0].verdict == "better"
    assert run_node(compare, table(values, "higher")).differences[0].verdict == "worse"
    assert run_node(compare, table(values, "none")).differences[0].verdict == "moved"


def test_one_system_cannot_be_compared() -> None:
    with pytest.raises(NodeError, match="two"):
        run_node(compare, table({"old": [1.0]}))
    with pytest.raises(NodeError, match="'other'"):
        run_node(compare, table({"old": [1.0], "new": [1.0]}), baseline="other")
