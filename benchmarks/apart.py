"""The time that models take themselves, told apart from all the rest.

Two ways to make one clip call the same models equally often. What those calls take varies from clip to clip
by several per cent on a busy machine, which hides what the ways differ in; so it is measured apart, and
counts alike on both sides. A model that one side calls more often counts among the rest.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple
from unittest import mock

import torch

ENTRIES = ("forward", "encode", "decode")
"""Methods by which pipelines use a model."""


class Spent(NamedTuple):
    """What one clip took, in seconds of the wall: what somebody waits for."""

    total: float
    inside: Mapping[str, tuple[float, ...]]
    """Of them in models, call by call, by class; empty on a GPU, which computes while Python goes on."""

    def of(self, models: Collection[str]) -> float:
        """Seconds in these models."""
        return sum(sum(self.inside[name]) for name in models)


class Apart:
    """A clock that knows the models of a pipeline; one thread at a time may use them.

    models: every module of their classes counts, whoever loaded it.
    """

    def __init__(self, models: Iterable[Any], device: str = "cpu") -> None:
        self.device = device
        classes = {type(model) for model in models if isinstance(model, torch.nn.Module)}
        self._places = [(cls, name) for cls in classes for name in ENTRIES if hasattr(cls, name)]
        self._inside: dict[str, list[float]] = {}
        self._depth = 0

    def measure(self, make: Callable[[], Any]) -> tuple[Any, Spent]:
        """What `make` makes, and what it took."""
        self._inside = {cls.__name__: [] for cls, _ in self._places} if self.device == "cpu" else {}
        with ExitStack() as stack:
            for cls, name in self._places:
                stack.enter_context(mock.patch.object(cls, name, self._timed(cls, name)))
            began = self._clock()
            made = make()
            total = self._clock() - began
        return made, Spent(total, {name: tuple(calls) for name, calls in self._inside.items()})

    def _clock(self) -> float:
        """Seconds of the wall, once the GPU has done what it was given."""
        if self.device != "cpu":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def _timed(self, cls: type, name: str) -> Callable[..., Any]:
        method = getattr(cls, name)

        @functools.wraps(method)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._depth += 1
            began = time.perf_counter()
            try:
                return method(*args, **kwargs)
            finally:
                self._depth -= 1
                if self._depth == 0 and self._inside:  # encode and decode call forward
                    self._inside[cls.__name__].append(time.perf_counter() - began)

        return timed


class Comparison(NamedTuple):
    """One way to make a clip beside the plain call: medians of the rounds, in seconds."""

    models: float
    """In the models, on both sides alike."""
    plain: float
    """Outside of them, by the plain call."""
    other: float
    """Outside of them, by the other way."""

    @property
    def ratio(self) -> float:
        """The other way's time to the plain call's."""
        return (self.models + self.other) / (self.models + self.plain)


def compare(plain: list[Spent], other: list[Spent]) -> Comparison:
    """The rounds of the plain call and of another way, at least one of each."""
    both = [*plain, *other]
    alike = [name for name in both[0].inside if len({len(spent.inside[name]) for spent in both}) == 1]
    outside = [statistics.median(spent.total - spent.of(alike) for spent in side) for side in (plain, other)]
    return Comparison(statistics.median(spent.of(alike) for spent in both), *outside)
