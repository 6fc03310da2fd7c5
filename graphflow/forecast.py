"""How much memory a plan will need, told before anything is loaded. Pure: no files, no torch.

Recipes say what their weights weigh, nodes say what they need beside them (`graphflow.claims`). A strategy
says how all of it is placed and stored; the peak of a plan under a strategy is a sum and a maximum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, get_args

from graphflow.checks import Outlines, look, outline, recipes
from graphflow.claims import UNKNOWN, Estimate, Footprint, Placing
from graphflow.keys import canon
from graphflow.steps import Plan, Step
from graphflow.values import Recipe

PLACINGS: tuple[Placing, ...] = get_args(Placing)

IN_TURN = "in turn"
"""All of a model on the device while it is in use; the pool lets go of the others and loads them again."""

AS_PLANNED = ""
"""The placing, or the way of storing weights, that each recipe itself asks for."""

DEVICE_RESERVE = 600_000_000
"""Bytes of a GPU that its driver, its libraries and the blocks of torch's allocator take beside tensors."""

HOST_RESERVE = 2_000_000_000
"""Bytes of main memory that Python, torch and the system need beside weights and results."""

_PLACING_COST = {
    "": 1.0,
    "resident": 1.0,
    IN_TURN: 1.1,
    "model": 1.2,
    "block": 1.4,
    "leaf": 2.0,
    "sequential": 4.0,
}
_STORED_COST, _THRIFTY_COST = 1.15, 1.04
"""Expected slowdowns: good for an order, not for a clock. See docs/guide/memory.md."""


@dataclass(frozen=True)
class Model:
    """A model that a plan uses."""

    name: str
    """What it is, such as `Denoiser, first expert`."""
    placing: Placing
    footprints: Mapping[str, Footprint]
    """By way of storing the weights; under `""` as the recipe has them."""

    def footprint(self, stored: str) -> Footprint:
        """The model in one way of storing, or as it is if that way is not for it."""
        return self.footprints.get(stored, self.footprints[AS_PLANNED])


@dataclass(frozen=True)
class Need:
    """One node of a plan: the models it uses at once, and what it needs beside them."""

    node: str
    models: tuple[bytes, ...]
    estimate: Estimate | None
    """None if the node does not tell, or cannot yet."""

    def working(self, thrifty: bool) -> int:
        if self.estimate is None:
            return 0
        least = min(self.estimate.thrifty.values(), default=self.estimate.device)
        return min(least, self.estimate.device) if thrifty else self.estimate.device


@dataclass(frozen=True, slots=True)
class Strategy:
    """How the models of a plan are placed and stored, and whether nodes take settings that need less."""

    placing: str = AS_PLANNED
    """One of `PLACINGS`, or `IN_TURN`."""
    stored: str = AS_PLANNED
    thrifty: bool = False

    @property
    def cost(self) -> float:
        """Expected slowdown, for ranking only."""
        factor = _PLACING_COST[self.placing]
        factor *= _STORED_COST if self.stored else 1.0
        return factor * (_THRIFTY_COST if self.thrifty else 1.0)


@dataclass(frozen=True)
class Peak:
    """The highest point of a plan under a strategy."""

    strategy: Strategy
    device: int
    """Bytes on the device."""
    host: int
    """Bytes of main memory; on a machine without another device everything is in it."""
    node: str
    """Where the device is fullest."""
    by_node: Mapping[str, int] = field(default_factory=dict)
    """Bytes on the device while each node runs."""

    def fits(self, device_bytes: int, host_bytes: int) -> bool:
        """Whether it fits beside what the driver, Python and the system take."""
        room = device_bytes - DEVICE_RESERVE, host_bytes - HOST_RESERVE
        return self.device <= room[0] and self.host <= room[1]


@dataclass(frozen=True)
class Forecast:
    """What a plan will need, by node; mapped nodes stand once, with their largest item."""

    models: Mapping[bytes, Model]
    needs: tuple[Need, ...]
    users: Mapping[bytes, tuple[str, ...]] = field(default_factory=dict)
    """Nodes that use each model, in the order of the plan."""

    @property
    def unknown(self) -> list[str]:
        """Nodes that use a model and do not tell what they need beside it, or whose model tells no size."""
        silent = [need.node for need in self.needs if need.models and need.estimate is None]
        sizeless = {token for token, model in self.models.items() if not model.footprints[AS_PLANNED].whole}
        return [*silent, *(n.node for n in self.needs if sizeless & set(n.models) and n.node not in silent)]

    def peak(self, strategy: Strategy = Strategy(), *, shared: bool = False) -> Peak:
        """The highest point under a strategy, with nodes in the order of the plan.

        shared: the device is main memory itself, as on a machine without a GPU, so results are in it too.
        """
        by_node: dict[str, int] = {}
        staying: dict[bytes, int] = {}
        for need in self.needs:
            own = sum(self._on_device(token, strategy) for token in need.models)
            others = sum(size for token, size in staying.items() if token not in need.models)
            results = need.estimate.host if need.estimate and shared else 0
            by_node[need.node] = own + others + need.working(strategy.thrifty) + results
            staying |= {token: self._staying(token, strategy) for token in need.models}
        node = max(by_node, key=lambda id: by_node[id], default="")
        wholes = [model.footprint(strategy.stored).whole for model in self.models.values()]
        results = max((need.estimate.host for need in self.needs if need.estimate), default=0)
        return Peak(strategy, by_node.get(node, 0), max(wholes, default=0) + results, node, by_node)

    def _on_device(self, token: bytes, strategy: Strategy) -> int:
        """Bytes on the device while the model is in use."""
        found = self.models[token].footprint(strategy.stored)
        if strategy.placing == IN_TURN and found.turn:
            return found.turn
        return found.on_device(_offload(strategy.placing or self.models[token].placing))

    def _staying(self, token: bytes, strategy: Strategy) -> int:
        """Bytes on the device from the first use on, while others work."""
        resident = (strategy.placing or self.models[token].placing) == "resident"
        return self.models[token].footprint(strategy.stored).whole if resident else 0

    def strategies(self) -> list[Strategy]:
        """Every strategy that can be asked for and makes a difference here, expected fastest first."""
        ways = sorted((list(model.footprints) for model in self.models.values()), key=len, reverse=True)
        stored = list(dict.fromkeys(way for one in ways for way in one))
        thrifty = [False, True] if any(n.estimate and n.estimate.thrifty for n in self.needs) else [False]
        found = [
            Strategy(*chosen)
            for chosen in product(("resident", IN_TURN, *PLACINGS[1:]), stored, thrifty)
            if self._possible(*chosen[:2])
        ]
        return sorted(found, key=lambda one: (one.cost, stored.index(one.stored)))

    def _possible(self, placing: str, stored: str) -> bool:
        """Whether every model can be placed so when it is stored so, and blocks are there if they are asked
        for."""
        found = [model.footprint(stored) for model in self.models.values()]
        if placing == "block" and not any(one.block for one in found):
            return False
        return all(_offload(placing) in one.placings for one in found)

    def ranked(self, device_bytes: int, host_bytes: int) -> list[tuple[Peak, bool]]:
        """Every strategy's peak and whether it fits: first those that fit, in the expected order of speed."""
        peaks = [(peak, peak.fits(device_bytes, host_bytes)) for peak in map(self.peak, self.strategies())]
        return sorted(peaks, key=lambda found: not found[1])


def _offload(placing: str) -> Placing:
    """What a recipe is asked for: models that take turns are resident while theirs lasts."""
    return next((known for known in PLACINGS if known == placing), "resident")


def forecast(
    plan: Plan, keys: Iterable[str] | None = None, *, known: Mapping[bytes, Model] | None = None
) -> Forecast:
    """What the steps of a plan will need.

    keys: those steps alone, such as the ones to run; None for all. known: models of an earlier forecast, so
    that they are not weighed again.
    """
    wanted = set(plan.steps) if keys is None else set(keys)
    models: dict[bytes, Model] = {}
    needs: dict[str, Need] = {}
    users: dict[bytes, dict[str, None]] = {}
    ordered = sorted(plan.steps.values(), key=lambda step: step.order)
    outlines = look(ordered, {}).outlines
    for step in ordered:
        estimate = step.spec.forecast(_known(step, outlines)) if step.spec.forecast is not None else None
        used = _recipes(step)
        if step.key not in wanted or not (used or estimate):
            continue
        for token, recipe in used.items():
            if token not in models:
                models[token] = (known or {}).get(token) or _model(recipe)
        for node in dict.fromkeys((step.node, *(node for node, _ in plan.twins.get(step.key, ())))):
            needs[node] = _larger(needs.get(node), Need(node, tuple(used), estimate), models)
            for token in used:
                users.setdefault(token, {})[node] = None
    return Forecast(models, tuple(needs.values()), {token: tuple(nodes) for token, nodes in users.items()})


def _larger(before: Need | None, after: Need, models: Mapping[bytes, Model]) -> Need:
    """Of two items of a mapped node the one that needs more."""

    def weight(need: Need) -> int:
        return need.working(False) + sum(models[token].footprints[AS_PLANNED].whole for token in need.models)

    return after if before is None or weight(after) > weight(before) else before


def _known(step: Step, outlines: Outlines) -> dict[str, Any]:
    """A step's inputs as far as they are known before it runs."""
    found = {name: outline(step, name, outlines) for name in (*step.settings, *step.inputs)}
    return {name: value for name, value in found.items() if value is not UNKNOWN}


def _recipes(step: Step) -> dict[bytes, Recipe]:
    """The models that a step uses, by what is loaded; two states of one model are one."""
    return {canon(recipe.base()): recipe for recipe in recipes(step)}


def _model(recipe: Recipe) -> Model:
    return Model(recipe.label(), recipe.placing(), recipe.footprints())
