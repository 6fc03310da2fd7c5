"""Compilation of a transformer's repeated blocks: one of each kind is compiled, all of them use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from graphflow.errors import NodeError
from graphflow.values import Value

Backend = Literal["inductor", "aot_eager", "eager", "cudagraphs"]


class Compilation(Value):
    """How torch.compile works on each block."""

    backend: Backend = "inductor"
    """`inductor` makes fast code; `eager` and `aot_eager` only trace, to find out what goes wrong."""
    dynamic: bool = False
    """One code for all sizes, instead of one for each."""


def check_compilation(compilation: Compilation, model: type, device: str) -> None:
    """Raises NodeError if the blocks of a model class cannot be compiled."""
    if not getattr(model, "_repeated_blocks", None):
        raise NodeError(f"{model.__name__} does not name its repeated blocks", where="compile")
    check_backend(compilation, device)


def check_backend(compilation: Compilation, device: str) -> None:
    """Raises NodeError for a backend that `device`, or its kind, does not have."""
    if compilation.backend == "cudagraphs" and not device.startswith("cuda"):
        raise NodeError(
            f"backend 'cudagraphs' needs an NVIDIA GPU; this run computes on {device!r}",
            where="compile",
            hint="choose inductor",
        )


@contextmanager
def compiled(module: Any, compilation: Compilation) -> Iterator[None]:
    """The module's blocks compiled; what was compiled once is found again the next time."""
    blocks = [part for part in module.modules() if type(part).__name__ in module._repeated_blocks]
    try:
        module.compile_repeated_blocks(backend=compilation.backend, dynamic=compilation.dynamic or None)
        yield
    finally:
        for block in blocks:
            block._compiled_call_impl = None
