"""A small stand-in for bitsandbytes, which is not in the development environment: 8-bit AdamW, with the state
laid out as bitsandbytes 0.50 does it. Where bitsandbytes is installed the tests take it too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

NESTED = "__bnb_optimizer_quant_state__"
"""Under this name a state dict keeps what is quantised, a level deeper than all else."""
SMALLEST = 4096
"""Parameters of fewer numbers keep their moments in float32."""
BLOCK = 256


class AdamW8bit(torch.optim.Optimizer):
    """AdamW whose moments are bytes and a scale for every block of 256."""

    def __init__(
        self, params: Iterable[Any], lr: float, betas: tuple[float, float], weight_decay: float
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay, "eps": 1e-8})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for one in group["params"]:
                self._update(one, group)

    def _update(self, one: torch.Tensor, group: dict[str, Any]) -> None:
        state = self.state[one]
        if not state:
            state["step"] = 0
            for name in ("1", "2"):
                _keep(state, name, torch.zeros_like(one))
        state["step"] += 1
        moments = []
        for name, beta, new in zip("12", group["betas"], (one.grad, one.grad.square()), strict=True):  # type: ignore[union-attr]
            moment = _held(state, name, one.shape).lerp(new, 1 - beta)
            _keep(state, name, moment)
            moments.append(moment / (1 - beta ** state["step"]))
        one.mul_(1 - group["lr"] * group["weight_decay"])
        one.sub_(group["lr"] * moments[0] / (moments[1].clamp(min=0).sqrt() + group["eps"]))

    def state_dict(self) -> dict[str, Any]:
        whole = super().state_dict()
        whole["state"] = {
            place: {
                "step": one["step"],
                NESTED: {name: value for name, value in one.items() if name != "step"},
            }
            for place, one in whole["state"].items()
        }
        return whole

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        parameters = [one for group in self.param_groups for one in group["params"]]
        for place, one in state_dict["state"].items():
            flat = {"step": one["step"], **{name: value.clone() for name, value in one[NESTED].items()}}
            self.state[parameters[place]] = flat


def _keep(state: dict[str, Any], name: str, moment: torch.Tensor) -> None:
    """In place where there is something already, as the original does."""
    if moment.numel() < SMALLEST:
        parts = {f"state{name}": moment}
    else:
        blocks = torch.nn.functional.pad(moment.flatten(), (0, -moment.numel() % BLOCK)).view(-1, BLOCK)
        most = blocks.abs().amax(1, keepdim=True).clamp(min=1e-12)
        parts = {f"state{name}": (blocks / most * 127 + 128).round().to(torch.uint8), f"absmax{name}": most}
    for key, value in parts.items():
        if key in state:
            state[key].copy_(value)
        else:
            state[key] = value


def _held(state: dict[str, Any], name: str, shape: torch.Size) -> torch.Tensor:
    kept: torch.Tensor = state[f"state{name}"]
    if kept.dtype != torch.uint8:
        return kept
    numbers = (kept.float() - 128) / 127 * state[f"absmax{name}"]
    return numbers.flatten()[: shape.numel()].view(shape)
