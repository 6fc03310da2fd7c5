"""Arithmetic on settings: whole numbers stay whole."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from graphflow.errors import NodeError
from graphflow.node import node

N = TypeVar("N", int, float)

Relation = Literal["<", "<=", "==", "!=", ">=", ">"]

_RELATIONS: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {
        "<": operator.lt,
        "<=": operator.le,
        "==": operator.eq,
        "!=": operator.ne,
        ">=": operator.ge,
        ">": operator.gt,
    }
)


@node("std/add", fold=True)
def add(a: N, b: N) -> N:
    """a + b. Raises NodeError if the result is not a finite number."""
    return _finite(a + b)


@node("std/multiply", fold=True)
def multiply(a: N, b: N) -> N:
    """a * b. Raises NodeError if the result is not a finite number."""
    return _finite(a * b)


@node("std/clamp", fold=True)
def clamp(value: N, *, low: float = 0.0, high: float = 1.0) -> N:
    """`value`, but not below `low` nor above `high`; a whole number stays whole.

    Raises NodeError if no number lies between `low` and `high`.
    """
    if isinstance(value, int):
        low, high = math.ceil(low), math.floor(high)
    if low > high:
        raise NodeError(f"nothing lies between {low} and {high}", hint="set low below high")
    return min(max(value, type(value)(low)), type(value)(high))


@node("std/compare", fold=True)
def compare(a: int | float | str, b: int | float | str, *, relation: Relation = "<") -> bool:
    """Whether `a relation b` holds, for two numbers or two texts.

    Raises NodeError for a number and a text.
    """
    if isinstance(a, str) != isinstance(b, str):
        raise NodeError("a number and a text cannot be compared", hint="wire two numbers or two texts")
    return _RELATIONS[relation](a, b)


def _finite(value: N) -> N:
    if isinstance(value, float) and not math.isfinite(value):
        raise NodeError("the result is too large for a number")
    return value
