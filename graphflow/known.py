"""What planning found out and need not ask again in the next run, such as what a model's configs say."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

from graphflow.refs import Const
from graphflow.values import Recipe

V = TypeVar("V")

LIMIT = 256
"""Entries of each kind; a workflow has a handful of models."""


class Recent(Generic[V]):
    """A table of limited length that forgets what nobody asked for longest. For several threads."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._entries: OrderedDict[bytes, V] = OrderedDict()
        self._lock = Lock()

    def get(self, token: bytes) -> V | None:
        """The entry, or None."""
        with self._lock:
            if token in self._entries:
                self._entries.move_to_end(token)
            return self._entries.get(token)

    def __len__(self) -> int:
        """Entries that are there."""
        with self._lock:
            return len(self._entries)

    def __setitem__(self, token: bytes, value: V) -> None:
        """Add an entry, or replace it."""
        with self._lock:
            self._entries[token] = value
            self._entries.move_to_end(token)
            if len(self._entries) > self._limit:
                self._entries.popitem(last=False)


@dataclass(frozen=True)
class Known:
    """Lasts as long as a workspace. Nothing in it depends on what nodes read, except by fingerprint."""

    folds: Recent[dict[str, Const]] = field(default_factory=Recent)
    """Results of folded nodes that read outside, by settings and fingerprint."""
    models: Recent[bytes] = field(default_factory=Recent)
    """Canonical bytes of what is loaded for a recipe, by the recipe's token."""
    whole: Recent[Recipe] = field(default_factory=Recent)
    """Models whose files were found whole, by identity. They come from `folds`, where a loader that finds
    other files leaves another one."""
