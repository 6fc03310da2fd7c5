"""One message that stands for all events of a run, for those who missed too many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from graphflow import events
from graphflow.events import Event
from graphflow.queued import QueuedRun
from graphflow.server.protocol import Snapshot

_WORDS = {
    events.NodeCached: "cached",
    events.NodeFinished: "done",
    events.NodeFailed: "failed",
    events.NodeSkipped: "skipped",
}


def snapshot(run: QueuedRun, told: Iterable[Event]) -> Snapshot:
    """What became of each node. A run that was begun again counts from there. Pure."""
    counts: dict[str, Counter[str]] = {}
    notices: dict[str, dict[str, None]] = {}
    under_way: set[tuple[str, tuple[int, ...]]] = set()
    seq = 0
    for event in told:
        seq = event.seq
        if isinstance(event, events.RunAccepted):
            counts.clear()
            notices.clear()
            under_way.clear()
        elif isinstance(event, events.NodeNotice):
            notices.setdefault(event.node, {})[event.message] = None
        elif isinstance(event, events.NodeStarted):
            under_way.add((event.node, event.item))
        elif isinstance(
            event, (events.NodeCached, events.NodeFinished, events.NodeFailed, events.NodeSkipped)
        ):
            under_way.discard((event.node, event.item))
            counts.setdefault(event.node, Counter())[_WORDS[type(event)]] += 1
    for node, _ in under_way if not run.over else ():
        counts.setdefault(node, Counter())["running"] += 1
    return Snapshot(
        run=run.id,
        seq=seq,
        state=run.state,
        nodes={node: dict(found) for node, found in counts.items()},
        notices={node: list(told) for node, told in notices.items()},
    )
