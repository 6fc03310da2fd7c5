"""Statistics against values known by heart, by enumeration, or by how the data were drawn."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from graphflow_nodes.evaluation.assignment import assign
from graphflow_nodes.evaluation.separation import separated
from graphflow_nodes.evaluation.statistics import (
    bootstrap_mean,
    cliffs_delta,
    cohens_d,
    holm,
    krippendorff_alpha,
    sign_test,
    strengths,
)
from hypothesis import given
from hypothesis import strategies as st


def test_the_bootstrap_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        found = bootstrap_mean(rng.normal(0.3, 1, 40).tolist(), rounds=1000, seed=trial)
        covered += found.low <= 0.3 <= found.high
    assert 0.88 <= covered / 200 <= 0.99


def test_the_bootstrap_of_equal_values_is_that_value() -> None:
    assert bootstrap_mean([2.0, 2.0, 2.0]) == (2.0, 2.0, 2.0)
    with pytest.raises(ValueError, match="no values"):
        bootstrap_mean([])


@given(st.integers(0, 9), st.integers(0, 9))
def test_the_sign_test_is_the_share_of_coin_tosses_at_least_as_uneven(wins: int, losses: int) -> None:
    trials = wins + losses
    tosses = [sum(t) for t in itertools.product((0, 1), repeat=min(trials, 10))]
    if trials <= 10:
        uneven = [abs(2 * heads - trials) >= abs(wins - losses) for heads in tosses]
        assert sign_test(wins, losses) == pytest.approx(sum(uneven) / len(uneven))


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_keeps_the_order_and_lies_between_the_raw_and_bonferronis_value(values: list[float]) -> None:
    corrected = holm(values)
    for raw, found in zip(values, corrected, strict=True):
        assert raw <= found <= min(1.0, raw * len(values)) + 1e-12
    order = np.argsort(values, kind="stable")
    assert all(corrected[a] <= corrected[b] for a, b in itertools.pairwise(order))


def test_effect_sizes() -> None:
    assert cohens_d([1.0, 3.0]) == pytest.approx(2 / np.sqrt(2))
    assert cohens_d([0.0, 0.0]) == 0 and cohens_d([-1.0, -1.0]) == -100
    assert cliffs_delta([2, 3], [0, 1]) == 1 and cliffs_delta([1, 1], [1, 1]) == 0


def test_bradley_terry_finds_the_strengths_that_the_games_were_drawn_from() -> None:
    true = np.array([0.8, 0.1, -0.9])
    rng = np.random.default_rng(0)
    wins = np.zeros((3, 3))
    for a, b in itertools.combinations(range(3), 2):
        won = rng.binomial(3000, 1 / (1 + np.exp(true[b] - true[a])))
        wins[a, b], wins[b, a] = won, 3000 - won
    assert strengths(wins) == pytest.approx(true - true.mean(), abs=0.08)


def test_bradley_terry_stays_finite_when_one_never_lost() -> None:
    found = strengths(np.array([[0.0, 9.0], [0.0, 0.0]]))
    assert np.isfinite(found).all() and found[0] > found[1]
    assert strengths(np.zeros((2, 2))) == pytest.approx([0, 0])


def test_agreement_is_full_by_chance_and_missing() -> None:
    same = np.array([[0, 1, 2, 1], [0, 1, 2, 1]])
    assert krippendorff_alpha(same) == 1
    rng = np.random.default_rng(0)
    assert abs(krippendorff_alpha(rng.integers(0, 2, (2, 4000)))) < 0.05
    assert krippendorff_alpha(np.array([[0, -1], [-1, 1]])) == 1
    # Krippendorff's own example (nominal, 4 raters, 12 units, 0.743)
    table = np.array(
        [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, -1, -1, -1],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, -1, 3],
            [-1, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, -1],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, -1],
        ]
    )
    assert krippendorff_alpha(table) == pytest.approx(0.743, abs=0.001)


def test_auc_counts_pairs_and_its_interval_holds_it() -> None:
    clean = [(0, 0.0), (1, 1.0), (2, 2.0)]
    found = [(0, 1.0), (1, 3.0), (2, 4.0)]
    auc, low, high = separated(clean, found, "lower")
    assert auc == pytest.approx((1 + 0.5 + 0 + 3 + 3) / 9) and low <= auc <= high
    assert separated(clean, found, "higher")[0] == pytest.approx(1 - auc)
    assert separated(clean, found, "none")[0] == pytest.approx(auc)


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 10_000))
def test_assignment_is_the_cheapest_of_all(rows: int, columns: int, seed: int) -> None:
    cost = np.random.default_rng(seed).uniform(0, 10, (rows, columns))
    found = assign(cost)
    assert len(found) == min(rows, columns)
    assert len({r for r, _ in found}) == len({c for _, c in found}) == len(found)
    small = cost if rows <= columns else cost.T
    best = min(
        sum(small[r, c] for r, c in enumerate(columns_))
        for columns_ in itertools.permutations(range(small.shape[1]), small.shape[0])
    )
    assert sum(cost[r, c] for r, c in found) == pytest.approx(best)
