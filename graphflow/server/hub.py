"""Passes what happens on to every client that wants to know. Lives on the loop, is told from any thread."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Lock
from typing import Protocol

from graphflow.errors import GraphflowError
from graphflow.events import Event
from graphflow.history import History
from graphflow.server.infos import run_info
from graphflow.server.protocol import Changed, Kept, Paused, Told, pack


class Listener(Protocol):
    """A client's side of the hub."""

    client: str
    """Its name; empty before it greeted."""

    def hear(self, event: Event, frame: bytes) -> None:
        """An event of a run that may be watched."""

    def hear_changed(self, run: str, frame: bytes) -> None:
        """A run's state changed."""

    def hear_paused(self, frame: bytes) -> None:
        """The queue was paused or goes on."""

    def hear_kept(self, name: str, frame: bytes) -> None:
        """A kept workflow changed."""


class Hub:
    """All clients. `previews(run, on)` hears when the first wants a run's previews, or the last no more."""

    def __init__(self, history: History, previews: Callable[[str, bool], None]) -> None:
        self.listeners: set[Listener] = set()
        self._history = history
        self._previews = previews
        self._wanted: Counter[str] = Counter()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._in_order = Lock()
        """From the reading of a state to its posting, so that an older one never comes after a newer."""

    def start(self) -> None:
        """Belong to the loop that runs now."""
        self._loop = asyncio.get_running_loop()

    def clients(self) -> frozenset[str]:
        """Names of those that are connected."""
        return frozenset(one.client for one in list(self.listeners))

    def tell(self, told: Sequence[Event]) -> None:
        """Events that are stored."""
        self._post(lambda: self._tell(told))

    def changed(self, *runs: str) -> None:
        """Runs whose state or place has changed."""
        for run in runs:
            self._changed(run)

    def _changed(self, run: str) -> None:
        with self._in_order, suppress(GraphflowError):
            frame = pack(Changed(run=run_info(self._history.get(run), self._history.last_seq(run))))
            self._post(lambda: self._each(lambda one: one.hear_changed(run, frame)))

    def paused(self, on: bool) -> None:
        """The queue was paused or goes on."""
        frame = pack(Paused(on=on))
        self._post(lambda: self._each(lambda one: one.hear_paused(frame)))

    def kept(self, name: str, version: str | None) -> None:
        """A kept workflow has this version now, or is gone."""
        frame = pack(Kept(name=name, version=version))
        self._post(lambda: self._each(lambda one: one.hear_kept(name, frame)))

    def want_previews(self, run: str, count: int) -> None:
        """One client more (1) or less (-1) wants a run's previews."""
        before = self._wanted[run] > 0
        self._wanted[run] += count
        now = self._wanted[run] > 0
        if not now:
            del self._wanted[run]
        if before != now:
            self._previews(run, now)

    def _post(self, call: Callable[[], object]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: the program ends
                self._loop.call_soon_threadsafe(call)

    def _each(self, call: Callable[[Listener], None]) -> None:
        for one in list(self.listeners):
            call(one)

    def _tell(self, told: Sequence[Event]) -> None:
        for event in told if self.listeners else ():
            frame = pack(Told(event=event))
            for one in list(self.listeners):
                one.hear(event, frame)
