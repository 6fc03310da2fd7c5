"""The loop of a training: steps of an optimiser, resumable to the bit."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from graphflow.errors import NodeError
from graphflow.node import Context, State

from .group import Group
from .noise import rate_at
from .values import TrainSettings


@dataclass
class Training:
    """One training: what is trained, how, and how far it is.

    loss: of a batch by its number, counted over all steps. shown: called after each step, with the losses.
    """

    ctx: Context
    settings: TrainSettings
    named: Sequence[tuple[str, Any]]
    """The parameters that learn."""
    loss: Callable[[int], Any]
    half: bool = False
    """Whether to compute in bfloat16 where that is safe."""
    shown: Callable[[int, list[float]], None] = lambda step, losses: None
    losses: list[float] = field(default_factory=list)
    group: Group | None = None
    """The processes that do it together; None for this one alone."""

    def run(self) -> list[float]:
        """Train to the last step, from the last checkpoint if there is one; returns the loss of each step."""
        import torch

        optimiser = build_optimiser(self.settings, [one for _, one in self.named], self.ctx.device)
        self.restore(optimiser)
        with torch.enable_grad():
            for step in range(len(self.losses), self.settings.steps):
                self.losses.append(self.step(optimiser, step))
                if step + 1 < self.settings.steps:
                    self.ctx.checkpoint(lambda: self.state(optimiser))
                self.shown(step + 1, self.losses)
                self.ctx.progress(step + 1, self.settings.steps)
        return self.losses

    def step(self, optimiser: Any, step: int) -> float:
        """One step of the optimiser; returns the mean loss of its batches."""
        import torch

        parts, total = self.settings.accumulate, 0.0
        for group in optimiser.param_groups:
            group["lr"] = rate_at(self.settings, step)
        optimiser.zero_grad(set_to_none=True)
        parameters = [one for _, one in self.named]
        for part in range(parts) if self.group is None else self.group.share(parts):
            self.ctx.check()
            with self.computing():
                loss = self.loss(step * parts + part)
            (loss / parts).backward()
            total += float(loss.detach()) / parts
        if self.group is not None:
            total = self.group.add_up(parameters, total)
        if not total < float("inf"):
            raise NodeError(
                f"the loss of step {step + 1} is no number", where="settings", hint="lower the learning rate"
            )
        torch.nn.utils.clip_grad_norm_(parameters, self.settings.clip)
        optimiser.step()
        return total

    def computing(self) -> AbstractContextManager[Any]:
        """bfloat16 where the model's own numbers are."""
        import torch

        kind = self.ctx.device.partition(":")[0]
        return torch.autocast(kind, torch.bfloat16) if self.half else nullcontext()

    def state(self, optimiser: Any) -> State:
        """All that the next step depends on; noise and batches follow from seed and step."""
        import torch

        held = optimiser.state_dict()["state"]
        return {
            "losses": torch.tensor(self.losses, dtype=torch.float64),
            "parameters": {name: one.detach().cpu().clone() for name, one in self.named},
            "optimiser": {
                str(place): {name: _kept(value) for name, value in one.items()} for place, one in held.items()
            },
        }

    def restore(self, optimiser: Any) -> None:
        """Go on where the last checkpoint of this very step was made."""
        import torch

        saved = self.ctx.restore()
        if saved is None:
            return
        self.losses[:] = saved["losses"].tolist()
        with torch.no_grad():
            for name, one in self.named:
                one.copy_(saved["parameters"][name])
        whole = optimiser.state_dict()
        whole["state"] = {int(place): dict(one) for place, one in saved["optimiser"].items()}
        optimiser.load_state_dict(whole)


def _kept(value: Any) -> Any:
    """A copy that later steps leave alone; the 8-bit optimiser keeps its numbers a level deeper."""
    if isinstance(value, dict):
        return {name: _kept(inner) for name, inner in value.items()}
    return value.detach().cpu().clone() if hasattr(value, "detach") else value


def build_optimiser(settings: TrainSettings, parameters: Sequence[Any], device: str) -> Any:
    """The optimiser of the settings. Raises NodeError if the 8-bit one is not to be had."""
    import torch

    options: dict[str, Any] = {
        "lr": settings.rate,
        "betas": settings.betas,
        "weight_decay": settings.weight_decay,
    }
    if settings.optimiser == "adamw":
        return torch.optim.AdamW(parameters, **options)
    check_eight_bit(device)
    library: Any = importlib.import_module("bitsandbytes")
    return library.optim.AdamW8bit(parameters, **options)


def check_eight_bit(device: str) -> None:
    """Raises NodeError unless the 8-bit optimiser is installed and works on the device: GPUs and CPUs."""
    if importlib.util.find_spec("bitsandbytes") is None:
        raise NodeError(
            "the 8-bit optimiser needs the Python package 'bitsandbytes'",
            where="settings",
            hint="run 'pip install bitsandbytes', or choose adamw",
        )
    kind = device.partition(":")[0]
    if kind not in ("cuda", "cpu"):
        raise NodeError(f"the 8-bit optimiser does not work on {kind}", where="settings", hint="choose adamw")
