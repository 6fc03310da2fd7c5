"""How a run is told as it goes: plain lines, or JSON for programs. Terminals get `bars`."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from graphflow import events
from graphflow.cli.output import bytes_text, seconds_text, warn
from graphflow.events import Event

ITEM_SECONDS = 1.0
"""Items of a mapped node are told at most this often."""

MAX_CACHED = 40
"""Nodes from the cache that are named; a graph may have thousands."""

MAX_LINES = 200
"""Lines about steps before they come only now and then."""


class Reporter:
    """Listens to a run. Keeps its events, progress left out, for the summary and the timeline."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __enter__(self) -> Reporter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def __call__(self, event: Event) -> None:
        if not isinstance(event, (events.NodeProgress, events.NodePreview)):
            self.events.append(event)
        self.tell(event)

    def tell(self, event: Event) -> None:
        """Show one event."""


class JsonReporter(Reporter):
    """One JSON event a line on stdout."""

    def tell(self, event: Event) -> None:
        sys.stdout.write(events.to_json(event) + "\n")
        sys.stdout.flush()


class PlainReporter(Reporter):
    """One line for what matters; failures and notices go to stderr."""

    def __init__(self) -> None:
        super().__init__()
        self._cached: set[str] = set()
        self._noticed: set[tuple[str, str]] = set()
        self._told: dict[str, float] = {}
        self._lines = 0

    def line(self, text: str) -> None:
        """One line of the ordinary kind."""
        print(text, flush=True)

    def tell(self, event: Event) -> None:
        match event:
            case events.RunStarted(steps=steps, cached=cached) if steps or cached:
                self.line(f"{steps} to run, {cached} in the cache" if steps else f"all {cached} in the cache")
            case events.NodeCached(node=node) if node not in self._cached:
                self._cached.add(node)
                if len(self._cached) <= MAX_CACHED:
                    self.line(f"cached    {node}")
                elif len(self._cached) == MAX_CACHED + 1:
                    self.line("cached    ... and others")
            case events.NodeStarted(node=node, item=()) if self._lines < MAX_LINES:
                self._lines += 1
                self.line(f"started   {node}")
            case events.NodeFinished(node=node, item=()) if self._lines < MAX_LINES:
                self._lines += 1
                self.line(f"finished  {node}  {seconds_text(event.seconds)}  {bytes_text(event.bytes)}")
            case events.NodeFinished():
                self._now_and_then(event)
            case _:
                self.trouble(event)

    def trouble(self, event: Event) -> None:
        """Failures and notices."""
        match event:
            case events.NodeFailed(node=node):
                place = named(node, event.item) + (f".{event.port}" if event.port else "")
                warn(f"failed    {place}: {event.message} [{event.code}]")
                if event.hint:
                    warn(f"          {event.hint}")
            case events.NodeNotice(node=node, message=message) if (node, message) not in self._noticed:
                self._noticed.add((node, message))  # all items of a mapped node may say the same
                warn(f"notice    {node}: {message}")
            case events.CacheNotice(message=message):
                warn(f"notice    {message}")

    def _now_and_then(self, event: events.NodeFinished) -> None:
        """Items of a mapped node, and steps of a very large graph, are told at most once a second."""
        now = time.monotonic()
        told = event.node if event.item else ""
        if now - self._told.get(told, -ITEM_SECONDS) >= ITEM_SECONDS:
            self._told[told] = now
            self.line(f"finished  {named(event.node, event.item)}  {seconds_text(event.seconds)}")


def named(node: str, item: tuple[int, ...]) -> str:
    """A node and which of its items.

    >>> named("save", (2, 0))
    'save[2][0]'
    """
    return node + "".join(f"[{i}]" for i in item)
