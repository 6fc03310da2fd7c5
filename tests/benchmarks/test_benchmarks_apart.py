"""The clock of the benchmarks tells the time of models from the rest, and counts what was called."""

from __future__ import annotations

import time

import pytest
import torch

from benchmarks.apart import Apart, Spent, compare


class Model(torch.nn.Module):
    def forward(self) -> float:
        began = time.thread_time()
        while (spent := time.thread_time() - began) < 0.02:
            pass
        return spent

    def decode(self) -> float:
        return float(self())


def test_only_what_models_take_counts_as_inside_and_each_outermost_call_once() -> None:
    clock, model = Apart([Model(), object()]), Model()
    made, spent = clock.measure(lambda: (model(), model.decode()))
    assert min(made) >= 0.02 and len(spent.inside["Model"]) == 2
    assert 0.04 <= spent.of(["Model"]) <= spent.total
    assert clock.measure(lambda: None)[1].inside == {"Model": ()} and not hasattr(
        Model.forward, "__wrapped__"
    )


def test_chance_in_the_models_does_not_count_for_either_side() -> None:
    plain = [Spent(1.0, {"m": (0.9,)}), Spent(1.3, {"m": (1.2,)})]
    other = [Spent(1.8, {"m": (1.6,)}), Spent(1.1, {"m": (0.9,)})]
    found = compare(plain, other)
    assert found == pytest.approx((1.05, 0.1, 0.2)) and found.ratio == pytest.approx(1.25 / 1.15)


def test_a_model_that_one_side_calls_more_often_counts_among_the_rest() -> None:
    plain, other = Spent(1.0, {"m": (0.5,), "n": (0.2,)}), Spent(1.2, {"m": (0.5,), "n": (0.2, 0.2)})
    assert compare([plain], [other]) == pytest.approx((0.5, 0.5, 0.7))
