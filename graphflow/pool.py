"""Live resources: opened once, shared, evicted by a byte budget. The one owner of every change to a module.

A recipe's base is what is loaded; its state (LoRA, casting, attention, tiling, ...) is applied when a
node takes it and undone when the node gives it back. One user at a time has a module, in exactly one state.
"""

from __future__ import annotations

import gc
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from threading import Condition, Lock, get_ident
from typing import Any

from graphflow.errors import ResourceError
from graphflow.keys import canon
from graphflow.values import Recipe

CPU_SHARE = 0.6
"""Part of the machine's memory that models may fill; the rest is for activations and results."""


@dataclass
class _Opened:
    live: Any
    size: int
    home: str
    """Where it stays while nobody uses it: the pool's device, or `cpu` for one that is offloaded."""
    used: int = 0
    """Place in the order of last use; a counter, not a clock."""
    lock: Lock = field(default_factory=Lock)
    users: int = 0
    owner: int | None = None
    """The thread that has it now."""


class Pool:
    """Opens recipes on one device and keeps them while they fit.

    budget_bytes: how much the opened bases may hold together on the device; None for a share of its memory.
        What stays in main memory beside another device may fill a share of that.
    """

    def __init__(self, device: str = "cpu", budget_bytes: int | None = None) -> None:
        self.device = device
        self._budget = budget_bytes
        self.opened: Counter[str] = Counter()
        """How often each kind of recipe was loaded, by type name: a batch should load each model once."""
        self._live: dict[bytes, _Opened] = {}
        self._clock = 0
        self._changed = Condition()

    @cached_property
    def budget(self) -> int:
        """Bytes that opened bases may hold on the device; asked of the device when first needed."""
        return self._budget if self._budget is not None else default_budget(self.device)

    @cached_property
    def _budget_beside(self) -> int:
        return default_budget("cpu")

    @contextmanager
    def use(self, recipe: Recipe) -> Iterator[Any]:
        """The live object in the recipe's state, for one user at a time.

        Raises what the recipe's `check` and `open` raise, such as MissingModel.
        """
        recipe.check(self.device)
        base = recipe.base()
        token = canon(base)
        entry = self._take(base, token, recipe.home(self.device))
        try:
            if entry.owner == get_ident():
                raise ResourceError(f"a node took the module of {base.type_name()} twice at once")
            with entry.lock:
                entry.owner = get_ident()
                try:
                    with self._state(entry, recipe, token) as live:
                        yield live
                finally:
                    entry.owner = None
        finally:
            with self._changed:
                entry.users -= 1
                self._changed.notify_all()

    @contextmanager
    def _state(self, entry: _Opened, recipe: Recipe, token: bytes) -> Iterator[Any]:
        """The live object in the recipe's state. One whose state cannot be undone is never lent again."""
        inside: BaseException | None = None
        try:
            with recipe.applied(entry.live, self.device) as live:
                try:
                    yield live
                except BaseException as error:
                    inside = error
                    raise
        except BaseException as error:
            if error is not inside:
                with self._changed:
                    self._live.pop(token, None)
            raise

    def clear(self) -> int:
        """Drop everything that nobody uses; returns the bytes let go."""
        with self._changed:
            freed = self._evict(lambda: True)
        _collect()
        return freed

    @property
    def held_bytes(self) -> int:
        """Bytes of everything opened, wherever it stays."""
        return sum(entry.size for entry in self._live.values())

    def _take(self, base: Recipe, token: bytes, home: str) -> _Opened:
        with self._changed:
            entry = self._live.get(token)
            if entry is None:
                size = base.memory_bytes()
                self._make_room(size, home)
                entry = _Opened(base.open(home), size, home)
                self._live[token] = entry
                self.opened[base.type_name()] += 1
            elif entry.home != home:  # its last user placed it elsewhere; the recipe's state will move it
                self._make_room(entry.size, home)
                entry.home = home
            self._clock += 1
            entry.used = self._clock
            entry.users += 1
            return entry

    def _make_room(self, size: int, home: str) -> None:
        """Drop what nobody uses until `size` more bytes fit at `home`."""
        budget = self.budget if home == self.device else self._budget_beside

        def held() -> int:
            return sum(entry.size for entry in self._live.values() if entry.home == home)

        if self._evict(lambda: held() + size > budget, home):
            _collect()

    def _evict(self, wanted: Callable[[], bool], home: str | None = None) -> int:
        """Drop idle entries (those at `home` only), least recently used first, while `wanted()`."""
        freed = 0
        idle = sorted(
            (e.used, token)
            for token, e in self._live.items()
            if not e.users and (home is None or e.home == home)
        )
        for _, token in idle:
            if not wanted():
                break
            freed += self._live.pop(token).size
        return freed


def default_budget(device: str) -> int:
    """Bytes models may hold: a share of main memory, or 90 % of what the device has.

    Raises ResourceError for a device that cannot be used.
    """
    if device.startswith("cuda"):
        import torch

        try:
            return int(torch.cuda.mem_get_info(device)[1] * 0.9)
        except (RuntimeError, AssertionError, ValueError) as error:
            hint = "choose another device, such as cpu, or install the GPU driver and a torch for it"
            raise ResourceError(f"device {device!r} cannot be used: {error}", hint=hint) from None
    try:
        return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * CPU_SHARE)
    except (AttributeError, ValueError, OSError):
        return 8 * 2**30


def _collect() -> None:
    gc.collect()
    cuda = getattr(sys.modules.get("torch"), "cuda", None)  # None also while a thread is importing torch
    if cuda is not None and cuda.is_available():
        cuda.empty_cache()
