"""Optimisers: Muon for matrices, AdamW for the rest, and an average of the weights."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic iteration, from Keller Jordan's description of Muon (2024)."""


class Muon:
    """Momentum whose update is made orthogonal, for weight matrices and convolution kernels.

    Kernels are treated as matrices [out, in * taps]. Method: https://kellerjordan.github.io/posts/muon/.
    """

    def __init__(self, parameters: Iterable[Parameter], rate: float, momentum: float = 0.95) -> None:
        self.parameters = list(parameters)
        self.rate = rate
        self.momentum = momentum
        self.velocity = [torch.zeros_like(p) for p in self.parameters]
        self._groups = _same_shapes(self.parameters)

    @torch.no_grad()
    def step(self, decay: float = 0.01) -> None:
        """Move parameters by `rate`; equal shapes in one batch, those without a gradient not at all."""
        for members in self._groups:
            members = [i for i in members if self.parameters[i].grad is not None]
            if not members:
                continue
            updates = torch.stack([self._update(i) for i in members])
            tall = updates.shape[1] > updates.shape[2]
            result = orthogonalize(updates.mT if tall else updates)
            result = result.mT if tall else result
            gain = max(1.0, updates.shape[1] / updates.shape[2]) ** 0.5
            for i, update in zip(members, result, strict=True):
                p = self.parameters[i]
                p.mul_(1 - self.rate * decay).add_(update.view_as(p), alpha=-self.rate * gain)

    def _update(self, i: int) -> Tensor:
        """Nesterov momentum of one gradient, as a matrix."""
        gradient = self.parameters[i].grad
        assert gradient is not None
        self.velocity[i].lerp_(gradient, 1 - self.momentum)
        return gradient.lerp(self.velocity[i], self.momentum).flatten(1)


class Ema:
    """A running average of parameters, for sampling and shipping."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.parameters = list(parameters)
        self.average = [p.detach().clone() for p in parameters]

    @torch.no_grad()
    def update(self, weight: float) -> None:
        """Move the average towards the parameters by `weight` (0..1)."""
        torch._foreach_lerp_(self.average, [p.data for p in self.parameters], weight)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange average and parameters; call it twice to look at the averaged model for a moment."""
        for p, average in zip(self.parameters, self.average, strict=True):
            kept = p.detach().clone()
            p.copy_(average)
            average.copy_(kept)


def orthogonalize(matrices: Tensor, steps: int = 5) -> Tensor:
    """The nearest orthogonal matrices (roughly) to [n, rows, columns], rows <= columns, in bfloat16."""
    a, b, c = NEWTON_SCHULZ
    x: Tensor = matrices / (torch.linalg.matrix_norm(matrices, keepdim=True) + 1e-7)
    x = x.bfloat16()
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.to(matrices.dtype)


def rate_factor(step: int, done: float, flat: float = 0.55, floor: float = 0.03, warmup: int = 30) -> float:
    """Learning rate factor: a short warm-up, flat until the share `flat` is `done`, then linear."""
    ramp = min(1.0, (step + 1) / warmup)
    return ramp * (1.0 if done < flat else max(floor, 1 - (done - flat) / (1 - flat)))


def _same_shapes(parameters: Sequence[Parameter]) -> list[list[int]]:
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, p in enumerate(parameters):
        groups.setdefault(tuple(p.shape), []).append(i)
    return list(groups.values())
