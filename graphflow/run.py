"""One run: plan, feed the schedule, hand steps to the runner, say what happens. One loop, one mailbox.

The loop owns all state of the run; runners and callers only post into the mailbox.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from queue import Empty, SimpleQueue
from threading import Event as Flag
from typing import Any, Literal

from graphflow import events, workflow
from graphflow.context import Settings, provenance_of
from graphflow.environment import versions
from graphflow.execute import Done, Failed, Missed, Work
from graphflow.graph import Graph
from graphflow.keys import Environment
from graphflow.plan import plan
from graphflow.refs import Gone, keys_in, without_gone
from graphflow.result import Failure, Result
from graphflow.runners import Message, Noticed, Previewed, Progressed, Runner, Started, Stopped
from graphflow.schedule import Schedule
from graphflow.steps import Facts, Plan, Step

MAX_MISSES = 3
"""How often one result may be lost and computed again before the step that wants it fails."""

CANCEL_GRACE = 0.8
"""Seconds a cancelled run waits for its steps to reach a cancel point."""

MAX_PROVENANCE_KEYS = 200
"""Keys of earlier steps that a saved file names; a file must stay a file, not a log."""

Listener = Callable[[events.Event], None]


@dataclass(frozen=True)
class _Cancel:
    """Posted by `Run.cancel`."""


class Run:
    """One run of a graph.

    targets: node ids to bring to an end; None for outputs and effects.
    on_event: called in order, from the thread of `execute`.
    on_error: `skip` lets independent work go on and gives collectors the good items; `stop` starts
        nothing new after the first failure.
    """

    def __init__(
        self,
        graph: Graph,
        runner: Runner,
        settings: Settings,
        *,
        environment: Environment | None = None,
        targets: Iterable[str] | None = None,
        on_event: Listener | None = None,
        on_error: Literal["skip", "stop"] = "skip",
        watch: bool = False,
        memo: dict[bytes, Any] | None = None,
    ) -> None:
        self.id = uuid.uuid4().hex
        self.graph = graph
        self.runner = runner
        self.settings = settings
        self.targets = list(targets) if targets is not None else None
        self.on_error = on_error
        self.watched = Flag()
        if watch:
            self.watched.set()
        self._listener = on_event
        self._mailbox: SimpleQueue[Message | _Cancel] = SimpleQueue()
        self._seq = 0
        self._schedule = Schedule(runner.slots)
        self._failed: set[str] = set()
        self._facts = Facts(
            stored=self._stored,
            peek=self._peek,
            failed=self._failed,
            environment=environment or Environment(),
            out_dir=str(settings.out_dir),
            nonce=self.id,
            memo=memo if memo is not None else {},
        )
        self._failures: dict[tuple[str, tuple[int, ...]], Failure] = {}
        self._done: dict[str, Done] = {}
        self._misses: Counter[str] = Counter()
        self._pinned: set[str] = set()
        self._cached_told: set[str] = set()
        self._dirty = False
        self._stopping = False
        self._cancelled = False

    @cached_property
    def _record(self) -> dict[str, Any]:
        """What every saved file of this run carries; made only if one is saved."""
        return {"workflow": _resolved(self.graph), "versions": versions()}

    # ------------------------------------------------------------------------ from outside

    def cancel(self) -> None:
        """Ask the run to stop; may be called from any thread or a signal handler."""
        self._mailbox.put(_Cancel())

    def notice(self, kind: str, message: str) -> None:
        """Pass on what the cache has to say; may be called from any thread."""
        self._mailbox.put(Noticed(kind, message))

    def plan(self) -> Plan:
        """What would run now; computes nothing."""
        return plan(self.graph, self._facts, self.targets)

    def execute(self) -> Result:
        """Run to the end. Raises DocumentError or KeyError only before anything was started."""
        self._clock = time.monotonic()
        self._emit(events.RunAccepted, workflow=self.graph.document.name)
        session = self.runner.start(self.settings, self._mailbox.put, self.watched)
        self._session = session
        try:
            self._replan()
            self._emit(events.RunStarted, steps=len(self._plan.todo), cached=len(self._plan.stored))
            self._tell_cached()
            self._loop()
        finally:
            session.close()
            for key in self._pinned:
                self.runner.unpin(key)
        return self._finish()

    # ------------------------------------------------------------------------ the loop

    def _loop(self) -> None:
        while True:
            while not self._stopping and (step := self._schedule.next()) is not None:
                self._session.submit(self._work(step))
            if not self._schedule.running:
                if self._stopping or not self._more():
                    return
                continue
            self._handle(self._mailbox.get())
            if self._cancelled:
                self._drain()
                return
            if self._plan.waiting and not (self._plan.waiting - self._done.keys() - self._failed):
                self._replan()

    def _more(self) -> bool:
        """Nothing runs and nothing can start: plan again if that may bring new work."""
        if not self._dirty and not self._plan.waiting:
            return False
        before = set(self._plan.todo)
        self._replan()
        return not self._schedule.idle or set(self._plan.todo) != before

    def _replan(self) -> None:
        self._dirty = False
        self._plan = plan(self.graph, self._facts, self.targets)
        for node, error in self._plan.failures.items():
            self._fail(node, (), error.error_code, error.message, error.hint)
        self._schedule.adopt(self._plan)
        wanted = {dep for key in self._plan.todo for dep in self._plan.steps[key].deps} | self._plan.waiting
        wanted |= {key for ref in self._plan.outputs.values() for key in keys_in(ref)}
        for key in wanted - self._pinned:
            self.runner.pin(key)
        for key in self._pinned - wanted:
            self.runner.unpin(key)
        self._pinned = wanted
        self._readers = Counter(dep for key in self._plan.todo for dep in self._plan.steps[key].deps)
        self._kept = {key for ref in self._plan.outputs.values() for key in keys_in(ref)} | self._plan.waiting
        if self._seq > 1:
            self._tell_cached()

    def _handle(self, message: Message | _Cancel) -> None:
        match message:
            case Started(key=key):
                self._emit_node(events.NodeStarted, key)
            case Progressed(key=key, done=done, total=total, eta=eta):
                self._emit_node(events.NodeProgress, key, done=done, total=total, eta=eta)
            case Previewed(key=key, media_type=media_type, data=data):
                self._emit_node(events.NodePreview, key, media_type=media_type, data=data)
            case Done():
                self._finished(message)
            case Failed(key=key, code=code, message=text, hint=hint):
                step = self._schedule.steps[key]
                self._failed.add(key)
                self._fail(step.node, step.item, code, text, hint)
                self._schedule.fail(key)
                self._release(step)
            case Missed(key=key, absent=absent):
                self._missed(key, absent)
            case Noticed(kind=kind, message=text):
                self._emit(events.CacheNotice, kind=kind, message=text)
            case Stopped() | _Cancel():
                self._cancelled = True

    def _finished(self, done: Done) -> None:
        step = self._schedule.steps[done.key]
        self._done[done.key] = done
        if done.hit:
            self._emit_node(events.NodeCached, done.key)
        else:
            self._emit_node(
                events.NodeFinished, done.key, seconds=done.seconds, bytes=done.bytes, stored=done.stored
            )
        self._schedule.done(done.key)
        self._release(step)

    def _release(self, step: Step) -> None:
        """Let go of inputs that nobody else will read."""
        for dep in step.deps:
            self._readers[dep] -= 1
            if self._readers[dep] <= 0 and dep not in self._kept and dep in self._pinned:
                self._pinned.discard(dep)
                self.runner.unpin(dep)

    def _missed(self, key: str, absent: str) -> None:
        self._misses[absent] += 1
        if self._misses[absent] > MAX_MISSES:
            self._handle(Failed(key, "cache.lost", "a result it needs was lost again and again"))
            return
        self.runner.discard(absent)
        self._schedule.missed(key, absent)

    def _drain(self) -> None:
        """After a cancel: wait a little for steps to reach a cancel point."""
        self._session.cancel()
        until = time.monotonic() + CANCEL_GRACE
        while self._schedule.running:
            try:
                message = self._mailbox.get(timeout=max(0.0, until - time.monotonic()))
            except Empty:
                return
            match message:
                case Stopped(key=key) | Failed(key=key) | Missed(key=key):
                    self._schedule.running.discard(key)
                case Done():
                    self._finished(message)

    # ------------------------------------------------------------------------ helpers

    def _stored(self, step: Step) -> bool:
        spec = step.spec
        if step.key in self._done:
            return True
        if spec.effect is not None:
            outputs = self.runner.peek(step.key) if self.runner.has(step.key) else None
            return outputs is not None and spec.effect(outputs)
        return spec.cache and self.runner.has(step.key)

    def _peek(self, key: str) -> Mapping[str, Any] | None:
        return self.runner.peek(key) if key not in self._failed else None

    def _work(self, step: Step) -> Work:
        provenance: Mapping[str, Any] = {}
        if step.spec.effect is not None:
            provenance = provenance_of(self._record, step.content, step.node, self._ancestors(step))
        return Work(
            key=step.key,
            content=step.content,
            node=step.node,
            item=step.item,
            spec=step.spec,
            settings=step.settings,
            inputs=step.inputs,
            keep=step.key in self._kept,
            fingerprint=step.fingerprint,
            provenance=provenance,
        )

    def _ancestors(self, step: Step) -> dict[str, str]:
        """Keys of the steps that led here, nearest first."""
        found: dict[str, str] = {}
        queue = list(step.deps)
        for key in queue:
            before = self._schedule.steps[key]
            name = ".".join([before.node, *map(str, before.item)])
            if name not in found:
                found[name] = key
                queue.extend(before.deps)
            if len(found) >= MAX_PROVENANCE_KEYS:
                break
        return found

    def _fail(self, node: str, item: tuple[int, ...], code: str, message: str, hint: str) -> None:
        if (node, item) in self._failures:
            return
        self._failures[node, item] = Failure(node, item, code, message, hint)
        self._dirty = True
        self._emit(events.NodeFailed, node=node, item=item, code=code, message=message, hint=hint)
        if self.on_error == "stop":
            self._stopping = True

    def _emit(self, event: type[events.Event], **fields: Any) -> None:
        self._seq += 1
        if self._listener is not None:
            now = round(time.monotonic() - self._clock, 6)
            self._listener(event(run=self.id, seq=self._seq, time=now, **fields))

    def _emit_node(self, event: type[events.Event], key: str, **fields: Any) -> None:
        if self._listener is None:
            self._seq += 1
            return
        step = self._schedule.steps[key]
        self._emit(event, node=step.node, item=step.item, **fields)

    def _tell_cached(self) -> None:
        for key in self._plan.stored:
            if key not in self._done and key not in self._cached_told:
                self._cached_told.add(key)
                self._emit_node(events.NodeCached, key)

    # ------------------------------------------------------------------------ the end

    def _finish(self) -> Result:
        seconds = time.monotonic() - self._clock
        failures = list(self._failures.values())
        computed = sum(not done.hit for done in self._done.values())
        for done in self._done.values():
            if done.volatile:
                self.runner.discard(done.key)
        if self._cancelled:
            self._emit(events.RunCancelled, seconds=seconds)
            return Result("cancelled", self._plan, self.runner, seconds, computed, failures)
        if failures:
            self._tell_skipped()
        if self._lost_something():
            first = failures[0]
            self._emit(
                events.RunFailed, seconds=seconds, code=first.code, message=f"{first.node}: {first.message}"
            )
            return Result("failed", self._plan, self.runner, seconds, computed, failures)
        self._emit(
            events.RunFinished,
            seconds=seconds,
            computed=computed,
            cached=len(self._cached_told),
            failed=len(failures),
        )
        return Result("finished", self._plan, self.runner, seconds, computed, failures)

    def _lost_something(self) -> bool:
        """Whether an output or target as a whole could not be made (single items may be missing)."""
        if not self._failures:
            return False
        if self._stopping:
            return True
        refs = [
            *self._plan.outputs.values(),
            *(ref for t in self._plan.targets.values() for ref in t.values()),
        ]
        return any(isinstance(without_gone(ref), Gone) for ref in refs)

    def _tell_skipped(self) -> None:
        finished = {self._schedule.steps[key].node for key in self._done}
        lost = [id for id in self.graph.nodes if id in self._plan.gone or id in self._pending_nodes()]
        reason = f"needs {next(iter(self._failures.values())).node}, which failed"
        for id in lost:
            if id not in finished and (id, ()) not in self._failures:
                self._emit(events.NodeSkipped, node=id, reason=reason)

    def _pending_nodes(self) -> set[str]:
        return {self._schedule.steps[key].node for key in self._schedule.pending}


def _resolved(graph: Graph) -> dict[str, Any]:
    """The document as JSON with the seeds that were drawn written into it, so that it replays."""
    import json

    raw: dict[str, Any] = json.loads(workflow.dump(graph.document))
    for place, seed in graph.seeds.items():
        node, _, setting = place.rpartition(".")
        if node in raw["nodes"]:
            raw["nodes"][node].setdefault("params", {})[setting] = seed
    return raw
