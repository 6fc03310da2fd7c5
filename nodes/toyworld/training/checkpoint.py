"""Resumable training state as safetensors, replaced atomically, and an append-only log of JSON lines."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import Parameter

from .optim import Ema, Muon


class Progress:
    """Steps done and seconds spent, over all sessions of one training run, against a budget in seconds."""

    def __init__(self, budget: float, step: int = 0, spent: float = 0.0) -> None:
        self.budget = budget
        self.step = step
        self._started = time.monotonic() - spent

    @property
    def spent(self) -> float:
        """Seconds of training so far."""
        return time.monotonic() - self._started

    @property
    def done(self) -> float:
        """Share of the budget spent, 0..1."""
        return min(1.0, self.spent / self.budget)

    def resume(self, step: int, spent: float) -> None:
        """Continue where another session stopped."""
        self.step = step
        self._started = time.monotonic() - spent


class Trainee:
    """Named parameters with their optimisers and average: everything a checkpoint holds."""

    def __init__(
        self, named: Sequence[tuple[str, Parameter]], muon: Muon, adam: torch.optim.AdamW, ema: Ema
    ) -> None:
        self.named = list(named)
        self.muon = muon
        self.adam = adam
        self.ema = ema

    def save(self, path: Path, progress: Progress) -> None:
        """Write parameters, average and optimiser state to `path`, never leaving half a file."""
        tensors: dict[str, Tensor] = {}
        for i, (name, p) in enumerate(self.named):
            tensors["raw." + name] = p.detach().contiguous()
            tensors["ema." + name] = self.ema.average[i].contiguous()
        tensors |= {f"muon.{i}": v.contiguous() for i, v in enumerate(self.muon.velocity)}
        for i, state in self.adam.state_dict()["state"].items():
            tensors |= {f"adam.{i}.{key}": value.contiguous() for key, value in state.items()}
        header = {"step": str(progress.step), "spent": str(progress.spent)}
        partial = path.with_suffix(".partial")
        save_file(tensors, partial, header)
        os.replace(partial, path)

    def load(self, path: Path, progress: Progress) -> None:
        """Restore what `save` wrote."""
        with safe_open(path, "pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            header = file.metadata()
        with torch.no_grad():
            for i, (name, p) in enumerate(self.named):
                p.copy_(tensors["raw." + name])
                self.ema.average[i].copy_(tensors["ema." + name])
            for i, velocity in enumerate(self.muon.velocity):
                velocity.copy_(tensors[f"muon.{i}"])
        packed = self.adam.state_dict()
        packed["state"] = _adam_state(tensors)
        self.adam.load_state_dict(packed)
        progress.resume(int(header["step"]), float(header["spent"]))


def load_average(path: Path, prefix: str) -> dict[str, Tensor]:
    """The averaged weights of a checkpoint whose names start with `prefix`, without it."""
    start = "ema." + prefix
    with safe_open(path, "pt") as file:
        return {key[len(start) :]: file.get_tensor(key) for key in file.keys() if key.startswith(start)}  # noqa: SIM118


def append_log(path: Path, record: Mapping[str, object]) -> None:
    """Add one JSON line to the log and to standard output."""
    line = json.dumps({"time": time.strftime("%H:%M:%S"), **record})
    with path.open("a") as file:
        file.write(line + "\n")
    print(line, flush=True)


def _adam_state(tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("adam."):
            _, index, name = key.split(".")
            state.setdefault(int(index), {})[name] = value
    return state
