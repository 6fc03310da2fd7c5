"""Constants: one value, set once and wired to several nodes."""

from __future__ import annotations

from graphflow.node import node
from graphflow.values import Seed


@node("std/number", fold=True)
def number(*, value: float = 0.0) -> float:
    """A number, such as a guidance scale."""
    return value


@node("std/integer", fold=True)
def integer(*, value: int = 0) -> int:
    """A whole number, such as a count of steps or frames."""
    return value


@node("std/text", fold=True)
def text(*, value: str = "") -> str:
    """A text, such as a prompt."""
    return value


@node("std/boolean", fold=True)
def boolean(*, value: bool = False) -> bool:
    """A yes or no."""
    return value


@node("std/seed", fold=True)
def seed(*, value: Seed = 0) -> int:
    """A random seed, 0..2^53-1, shared by every node it is wired to."""
    return value
