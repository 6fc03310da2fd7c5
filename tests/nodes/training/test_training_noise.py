"""Noise levels, learning rates and batches: decided by seed and step alone."""

from __future__ import annotations

import pytest
import torch
from graphflow_nodes.training.batches import batch_at
from graphflow_nodes.training.noise import draw_levels, generator, rate_at, weights_of
from graphflow_nodes.training.values import TrainSettings


def levels(tokens: int = 1024, count: int = 4000, **settings: object) -> torch.Tensor:
    found: torch.Tensor = draw_levels(TrainSettings(**settings), count, tokens, generator("test"))  # type: ignore[arg-type]
    return found


def test_the_same_words_draw_the_same_numbers() -> None:
    first, again, other = (torch.rand(3, generator=generator("noise", 7, at)) for at in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("sampling", ["uniform", "logit_normal", "shifted_logit_normal", "mode"])
def test_levels_lie_between_clip_and_noise(sampling: str) -> None:
    found = levels(sampling=sampling)
    assert float(found.min()) >= 0 and float(found.max()) <= 1 and float(found.std()) > 0.1


def test_a_shift_and_more_tokens_move_levels_to_high_noise() -> None:
    assert float(levels(shift=3.0).median()) == pytest.approx(0.75, abs=0.02)  # 3 * 0.5 / (1 + 2 * 0.5)
    few, many = (levels(tokens=n, sampling="shifted_logit_normal").median() for n in (1024, 4096))
    assert float(few) == pytest.approx(0.721, abs=0.02)  # sigmoid of 0.95
    assert float(many) == pytest.approx(0.886, abs=0.02)  # sigmoid of 2.05


def test_levels_of_an_expert_keep_their_shape_inside_its_range() -> None:
    found = levels(lowest=0.875, sampling="uniform")
    assert float(found.min()) >= 0.875 and float(found.mean()) == pytest.approx(0.9375, abs=0.005)
    rare = levels(count=50, lowest=0.99999)
    assert float(rare.min()) >= 0.99999 and float(rare.max()) <= 1


def test_weightings() -> None:
    at = torch.tensor([0.25, 0.5])
    assert weights_of(TrainSettings(), at).tolist() == [1, 1]
    assert weights_of(TrainSettings(weighting="sigma_sqrt"), at).tolist() == [16, 4]
    assert float(weights_of(TrainSettings(weighting="cosmap"), at)[1]) == pytest.approx(4 / torch.pi)


def test_the_learning_rate_rises_and_falls() -> None:
    settings = TrainSettings(steps=110, warmup=10, rate=1.0, schedule="linear")
    assert [rate_at(settings, step) for step in (0, 9, 10, 60)] == pytest.approx([0.1, 1, 1, 0.5])
    cosine = settings.model_copy(update={"schedule": "cosine"})
    assert rate_at(cosine, 60) == pytest.approx(0.5) and rate_at(cosine, 109) < 0.001
    assert rate_at(TrainSettings(rate=0.5), 999) == 0.5


def test_every_clip_is_seen_once_an_epoch_in_batches_of_one_shape() -> None:
    shapes = ["a"] * 5 + ["b"] * 4
    epoch = [batch_at(shapes, 2, at, seed=1) for at in range(5)]
    assert all(len({shapes[place] for place in batch}) == 1 and len(batch) == 2 for batch in epoch)
    assert {place for batch in epoch for place in batch} == set(range(9))
    assert [batch_at(shapes, 2, at, seed=1) for at in range(5, 10)] != epoch
    assert batch_at(["a"], 3, 4, seed=0) == [0, 0, 0]
