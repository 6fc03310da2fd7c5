"""What the nodes of a worker process may take before they are stopped."""

from __future__ import annotations

import os
from dataclasses import dataclass

CANCEL_SECONDS = 5.0
"""How long a cancelled step may take to reach a cancel point before its worker is killed: longer than one
denoising step of a large model, shorter than a person's patience."""

MEMORY_SHARE = 0.9
"""Part of the machine's memory that a worker may fill with data."""


@dataclass(frozen=True)
class Limits:
    """step_seconds: a step that runs longer is stopped with its worker; None is no limit.

    cancel_seconds: a step that has not ended so long after a cancel is stopped with its worker.
    memory_bytes: data a worker may hold, beyond which allocations fail; None is a share of the machine's
        memory for a worker on the CPU, and no limit for one on a GPU, whose driver reserves too much.
    """

    step_seconds: float | None = None
    cancel_seconds: float = CANCEL_SECONDS
    memory_bytes: int | None = None

    def memory(self, device: str) -> int | None:
        """Bytes a worker on `device` may hold; None is no limit."""
        if self.memory_bytes is not None or device != "cpu":
            return self.memory_bytes
        machine = _memory_of_machine()
        return int(machine * MEMORY_SHARE) if machine is not None else None


def _memory_of_machine() -> int | None:
    """Bytes of main memory, or None where it cannot be told."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
