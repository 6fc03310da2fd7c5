"""The best item by a score."""

from __future__ import annotations

import pytest
from graphflow_nodes.evaluation import best
from hypothesis import given
from hypothesis import strategies as st

from graphflow.errors import NodeError
from graphflow.testing import run_node

SCORES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20)


@given(SCORES)
def test_no_other_item_scores_higher(scores: list[float]) -> None:
    found = run_node(best, list(range(len(scores))), scores)
    assert found.score == max(scores)
    assert scores[found.place] == found.score
    assert found.item == found.place


@given(SCORES)
def test_the_lowest_is_the_highest_of_the_opposite(scores: list[float]) -> None:
    items = list(range(len(scores)))
    lowest = run_node(best, items, scores, prefer="lowest")
    assert lowest.place == run_node(best, items, [-s for s in scores]).place


def test_of_equal_scores_the_first_wins() -> None:
    assert run_node(best, ["a", "b"], [1.0, 1.0]).item == "a"


@pytest.mark.parametrize(("items", "scores"), [([], []), (["a"], [1.0, 2.0])])
def test_lists_that_do_not_match_are_refused(items: list[str], scores: list[float]) -> None:
    with pytest.raises(NodeError, match="one score an item"):
        run_node(best, items, scores)
