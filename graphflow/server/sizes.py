"""How large the work of a step is, as far as it is declared before it runs: frames, width, height, steps.

The expected time of a step is the measured one of earlier steps in proportion to each of these. That is a
rule of thumb: a part of the work does not grow at all, and attention grows faster. So it is told as "about",
with what it was scaled by.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import prod
from statistics import median
from typing import Any

from graphflow.made import Measured, Sized
from graphflow.refs import Const, Many, Out, Ref
from graphflow.steps import Plan, Step
from graphflow.values import Recipe, Value

CLIP = ("frames", "width", "height")
"""Sizes of a clip: those of what comes in are those of what goes out, unless a setting says otherwise."""

NAMES = (*CLIP, "steps")
"""Steps are a node's own: what it makes took many, not what others make of it."""

Sizes = Mapping[str, float]


def sizes(plan: Plan) -> dict[str, Sizes]:
    """The declared sizes of every step of a plan, by key; empty where none is declared."""
    found: dict[str, Sizes] = {}
    for step in sorted(plan.steps.values(), key=lambda step: step.order):
        found[step.key] = {**_native(step), **_coming_in(step, found), **_set(step)}
    return found


def sized(plan: Plan, names: Mapping[str, str]) -> dict[str, Sized]:
    """The type and sizes of every node of a plan that declares any. names: what nodes are called, by id."""
    found: dict[str, Sized] = {}
    for key, known in sizes(plan).items():
        step = plan.steps[key]
        if known:
            found.setdefault(names.get(step.node, step.node), Sized(step.spec.id, dict(known)))
    return found


def expected(now: Sizes, measured: Iterable[Measured]) -> float:
    """Seconds that a step of these sizes is expected to take; at least one measurement."""
    return median(one.seconds * prod(_ratios(now, one.sizes).values()) for one in measured)


def scaled_by(now: Sizes, measured: Iterable[Measured]) -> list[str]:
    """The sizes in which a step differs from one that was measured."""
    differing = {name for one in measured for name, ratio in _ratios(now, one.sizes).items() if ratio != 1}
    return [name for name in NAMES if name in differing]


def _ratios(now: Sizes, then: Sizes) -> dict[str, float]:
    return {name: now[name] / then[name] for name in now.keys() & then.keys()}


def _native(step: Step) -> Sizes:
    """What settings that are left empty take from a model's `native` settings."""
    found: Sizes = {}
    for ref in step.inputs.values():
        if isinstance(ref, Const) and isinstance(ref.value, Recipe):
            native = getattr(ref.value, "native", None)
            own = {name: getattr(native, name, None) for name in NAMES if name in step.spec.settings}
            found = {**_numbers(own), **found}
    return found


def _coming_in(step: Step, known: Mapping[str, Sizes]) -> Sizes:
    found: dict[str, float] = {}
    for name, ref in step.inputs.items():
        if name in step.spec.ports:
            for one in _of(ref, known):
                found = {**one, **found}
    return {name: size for name, size in found.items() if name in CLIP}


def _of(ref: Ref, known: Mapping[str, Sizes]) -> Iterator[Sizes]:
    match ref:
        case Out(key=key):
            yield known.get(key, {})
        case Many(items=items):
            for item in items:
                yield from _of(item, known)
        case Const(value=Value() as value) if not isinstance(value, Recipe):
            yield _numbers({name: getattr(value, name, None) for name in CLIP})


def _set(step: Step) -> Sizes:
    wired = {name: ref.value for name, ref in step.inputs.items() if isinstance(ref, Const)}
    return _numbers({name: wired.get(name, step.settings.get(name)) for name in NAMES})


def _numbers(found: Mapping[str, Any]) -> Sizes:
    numbers = {n: v for n, v in found.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
    return {name: float(value) for name, value in numbers.items() if value > 0}
