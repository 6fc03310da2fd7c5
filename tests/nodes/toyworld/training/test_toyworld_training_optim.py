"""Optimisers: orthogonal updates, a learning rate that follows the budget, an average that swaps."""

import torch
from graphflow_nodes.toyworld.training.optim import Ema, Muon, orthogonalize, rate_factor
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(0, 1000))
def test_orthogonal_updates_have_near_unit_singular_values(seed: int) -> None:
    matrices = torch.randn(2, 6, 20, generator=torch.Generator().manual_seed(seed))
    values = torch.linalg.svdvals(orthogonalize(matrices))
    assert values.min() > 0.5 and values.max() < 1.5


def test_muon_moves_kernels_and_skips_those_without_a_gradient() -> None:
    moved, idle = (torch.nn.Parameter(torch.ones(4, 3, 3, 3)) for _ in range(2))
    muon = Muon([moved, idle], rate=0.1)
    moved.grad = torch.randn(4, 3, 3, 3)
    muon.step()
    assert not torch.equal(moved, idle)
    assert torch.equal(idle, torch.ones(4, 3, 3, 3))


def test_rate_rises_stays_and_falls() -> None:
    assert rate_factor(0, 0.0) < 0.1
    assert rate_factor(100, 0.5) == 1.0
    assert 0.03 <= rate_factor(100, 1.0) < rate_factor(100, 0.8) < 1.0


def test_average_swaps_twice_to_itself() -> None:
    weight = torch.nn.Parameter(torch.zeros(3))
    ema = Ema([weight])
    weight.data += 1
    ema.update(0.25)
    ema.swap()
    assert torch.allclose(weight, torch.full((3,), 0.25))
    ema.swap()
    assert torch.equal(weight, torch.ones(3))
