"""How many items came in, and what each filter left of them."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from typing import Annotated

from pydantic import Field

from graphflow.node import Context, node
from graphflow.values import Value, rows

from .values import I


class Stage(Value):
    """One filter of a funnel."""

    name: str
    entered: int
    refused: int
    reasons: list[tuple[str, int]]
    """The most frequent reasons, without their figures."""


class Funnel(Value):
    """What became of a list of items."""

    entered: int
    kept: int
    stages: list[Stage]


REASONS = 5
"""Reasons of a stage that are told."""
TOLD = 3
"""Of them, in a sentence."""


@node("dataset/funnel", depends=(".values",))
def funnel(items: list[I]) -> Funnel:
    """Count what each filter refused, in the order in which items met them."""
    return funnel_of(items)


def funnel_of(items: list[I]) -> Funnel:
    """As the node; `items` are those kept and those refused together."""
    left = len(items)
    stages = []
    why: dict[str, Counter[str]] = defaultdict(Counter)
    for item in items:
        why[item.rejected][item.reason.partition(":")[0]] += 1
    for name in _order(items):
        refused = why[name].total()
        stages.append(Stage(name=name, entered=left, refused=refused, reasons=why[name].most_common(REASONS)))
        left -= refused
    return Funnel(entered=len(items), kept=left, stages=stages)


FIRST = ("read", "length")
"""What is refused where clips are cut, before any filter; who passes there carries no mark of it."""


def _order(items: list[I]) -> list[str]:
    """Names of all filters, each after those that any item met before it."""
    before: dict[str, set[str]] = {}
    for item in items:
        path = [*item.passed, *([item.rejected] if item.rejected else [])]
        for place, name in enumerate(path):
            before.setdefault(name, set()).update(path[:place])
    order: list[str] = []
    while len(order) < len(before):
        ready = [name for name in before if name not in order and before[name] <= {*order, name}]
        left = ready or [name for name in before if name not in order]
        order.append(min(left, key=lambda n: (FIRST.index(n) if n in FIRST else len(FIRST), len(before[n]))))
    return order


@node("dataset/kept", depends=(".values",))
def kept_items(items: list[I], ctx: Context, *, most: Annotated[int, Field(ge=1)] | None = None) -> list[I]:
    """The items that no filter refused, in order; what was refused is told, with the reasons. most: the first
    so many."""
    found = funnel_of(items)
    if found.kept < found.entered:
        why = "; ".join(
            f"{stage.name} {stage.refused}{_because(stage)}" for stage in found.stages if stage.refused
        )
        ctx.notice(f"{found.entered - found.kept} of {found.entered} are left out: {why}")
    return rows(itertools.islice((item for item in items if not item.rejected), most))


def _because(stage: Stage) -> str:
    """Some of a stage's reasons, in brackets."""
    reasons = [reason for reason, _ in stage.reasons[:TOLD] if reason]
    return f" ({', '.join(reasons)})" if reasons else ""


def text(found: Funnel) -> str:
    """The funnel as a Markdown table."""
    lines = ["| stage | in | refused | left | why |", "|---|---|---|---|---|"]
    for stage in found.stages:
        why = "; ".join(f"{reason} ({count})" for reason, count in stage.reasons).replace("|", "\\|")
        left = stage.entered - stage.refused
        lines.append(f"| {stage.name} | {stage.entered} | {stage.refused} | {left} | {why} |")
    lines.append(f"| **kept** | {found.entered} | {found.entered - found.kept} | **{found.kept}** | |")
    return "\n".join(lines)
