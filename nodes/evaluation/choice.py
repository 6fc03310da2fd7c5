"""Choosing by a score."""

from __future__ import annotations

from typing import Generic, Literal, NamedTuple, TypeVar

from graphflow.errors import NodeError
from graphflow.node import node

from .measure import Prefer, sign_of, value_of
from .values import Scores

T = TypeVar("T")


class Best(NamedTuple, Generic[T]):
    """The chosen item, its score, and its place in the list, counted from 0."""

    item: T
    score: float
    place: int


@node("evaluation/best")
def best(items: list[T], scores: list[float], *, prefer: Literal["highest", "lowest"] = "highest") -> Best[T]:
    """The item with the highest (or lowest) score; of equal ones the first.

    Raises NodeError if the lists are empty or differ in length.
    """
    if not items or len(items) != len(scores):
        raise NodeError(
            f"{len(items)} items and {len(scores)} scores",
            hint="give one score an item, and at least one item",
        )
    sign = 1 if prefer == "highest" else -1
    index = max(range(len(scores)), key=lambda i: (sign * scores[i], -i))
    return Best(items[index], scores[index], index)


@node("evaluation/best_by", depends=(".measure", ".values"))
def best_by(items: list[T], scores: list[Scores], *, metric: str, prefer: Prefer = "better") -> Best[T]:
    """The item that is best by one metric, such as the best of several takes; of equal ones the first.

    prefer: `better` goes by the metric's own direction. Raises NodeError if the lists are empty or differ in
    length, or if a clip has no such metric.
    """
    found = [value_of(one, metric) for one in scores]
    if found and sign_of(found[0], prefer) < 0:
        return best(items, [one.value for one in found], prefer="lowest")
    return best(items, [one.value for one in found])
