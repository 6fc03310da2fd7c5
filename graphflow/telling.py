"""What a run says, one thing after the other: numbered, timed, and what nodes tell people only once.

A notice is kept with the result that it is about, so it is told again when the result comes from the cache.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from graphflow import events

MAX_OF_STEP = 5
"""Notices of one step; more are left out."""

MAX_CHARACTERS = 300
"""Longest notice."""

MAX_OF_RUN = 1000
"""Notices of one run; a mapped node may have as many items."""

Listener = Callable[[events.Event], None]


class Teller:
    """Tells a listener of one run, if there is one."""

    def __init__(self, run: str, listener: Listener | None) -> None:
        self.run = run
        self.listener = listener
        self.started = time.monotonic()
        self.notices: dict[str, Sequence[str]] = {}
        """Of steps that have told any, by key."""
        self._seq = 0
        self._noticed: set[tuple[str, tuple[int, ...], str]] = set()

    def emit(self, event: type[events.Event], **fields: Any) -> None:
        """Tell of one thing."""
        self._seq += 1
        if self.listener is not None:
            now = round(time.monotonic() - self.started, 6)
            self.listener(event(run=self.run, seq=self._seq, time=now, **fields))

    def notice(self, node: str, item: tuple[int, ...], told: Sequence[str]) -> None:
        """Tell what a node told, unless that was told before."""
        for text in told:
            one = (node, item, text)
            if one not in self._noticed and len(self._noticed) < MAX_OF_RUN:
                self._noticed.add(one)
                self.emit(events.NodeNotice, node=node, item=item, message=text)
