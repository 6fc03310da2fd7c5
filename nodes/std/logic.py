"""Choices: only the chosen side is ever computed."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import Field

from graphflow.errors import NodeError
from graphflow.node import node

T = TypeVar("T")

_SELECTABLE = ("a", "b", "c", "d")


def _side(*, condition: bool) -> str:
    return "then" if condition else "otherwise"


def _selected(*, index: int) -> str:
    return _SELECTABLE[index]


@node("std/given", fold=True)
def given(*, text: str = "") -> bool:
    """Whether a text says anything: to choose by a parameter that may be left empty, such as a folder."""
    return bool(text.strip())


@node("std/choose", branch=_side)
def choose(then: T, otherwise: T, *, condition: bool) -> T:
    """`then` if the condition holds, else `otherwise`; the other side is not computed."""
    return then if condition else otherwise


@node("std/select", branch=_selected)
def select(
    a: T,
    b: T | None = None,
    c: T | None = None,
    d: T | None = None,
    *,
    index: Annotated[int, Field(ge=0, lt=len(_SELECTABLE))] = 0,
) -> T:
    """One of up to four inputs: 0 is a, 3 is d; the others are not computed.

    Raises NodeError if nothing is wired to the selected port.
    """
    chosen = (a, b, c, d)[index]
    if chosen is None:
        raise NodeError(
            f"nothing is wired to port {_SELECTABLE[index]!r}", hint="wire it or select another index"
        )
    return chosen
