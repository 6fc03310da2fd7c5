"""A further process of a training; started by `group`, never by hand: `python -m ... FOLDER RANK`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphflow_nodes.diffusion.processes import say_ready

from graphflow.errors import NodeError
from graphflow.node import State

from .group import joined, read, unpacked

LOADED = ("graphflow_nodes.diffusion", "graphflow_nodes.training")
"""What defines the values that a training is given."""


@dataclass(frozen=True)
class Beside:
    """What a training needs of a context where another process reports, saves and is cancelled."""

    device: str
    state: State | None

    def progress(self, done: int, total: int) -> None:
        return None

    def check(self) -> None:
        return None

    def checkpoint(self, make: Callable[[], State]) -> None:
        return None

    def restore(self) -> State | None:
        return self.state


def main() -> None:
    """Load what the first process has loaded, say so, and do every step with it."""
    folder, rank = Path(sys.argv[1]), int(sys.argv[2])
    for name in LOADED:
        importlib.import_module(name)
    told = read(folder)
    with suppress(NodeError):  # the first process has ended, and tells why
        train(folder, rank, told)


def train(folder: Path, rank: int, told: dict[str, Any]) -> None:
    """The same training as the first process', with this one's share of the batches."""
    from .adapters import chosen, learning
    from .lesson import Lesson
    from .optimise import Training
    from .train_dpo import loss_of

    work, device = unpacked(told), told["devices"][rank]
    denoiser, settings = work.denoiser, work.settings
    live = denoiser.base().open(denoiser.home(device))
    with denoiser.applied(live, device) as experts:
        module = chosen(experts, work.expert)
        lesson = Lesson(denoiser, experts, work.examples, settings, work.seed, device)
        with learning(module, settings, work.seed) as named:
            context: Any = Beside(device, told["state"])
            say_ready(folder, rank)
            group = joined(folder, rank, len(told["devices"]))
            loss, half = loss_of(work, lesson, module), denoiser.dtype != "float32"
            Training(context, settings, named, loss, half, group=group).run()


if __name__ == "__main__":
    main()
