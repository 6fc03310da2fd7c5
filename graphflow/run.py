"""One run: plan, feed the schedule, hand steps to the runner, say what happens. One loop, one mailbox.

The loop owns all state of the run; runners and callers only post into the mailbox.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from queue import Empty, SimpleQueue
from threading import Event as Flag
from typing import Any, Literal

from graphflow import events
from graphflow.context import Settings
from graphflow.environment import versions
from graphflow.errors import port_of, shorten
from graphflow.execute import Done, Failed, Missed, MissingInput, Work, stands
from graphflow.graph import Graph
from graphflow.keys import Environment
from graphflow.known import Known
from graphflow.origins import Owed
from graphflow.plan import plan
from graphflow.record import provenance, resolved
from graphflow.refs import keys_in, without_gone
from graphflow.result import Failure, Result, lost_something, skipped, spoilt
from graphflow.runners import Message, Noticed, Previewed, Progressed, Runner, Started, Stopped
from graphflow.schedule import Schedule
from graphflow.steps import Facts, Plan, Step
from graphflow.telling import Listener, Teller

MAX_MISSES = 3
"""How often one result may be lost and computed again before the step that wants it fails."""

CANCEL_GRACE = 0.8
"""Seconds a cancelled run waits for its steps to reach a cancel point."""


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
        known: Known | None = None,
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
        known = known or Known()
        self._schedule = Schedule(runner.slots, known.models)
        self._failed: set[str] = set()
        self._facts = Facts(
            stored=self._stored,
            peek=self._peek,
            failed=self._failed,
            environment=environment or Environment(),
            kind=environment.device if environment else "",
            out_dir=str(settings.out_dir),
            nonce=self.id,
            known=known,
        )
        self._failures: dict[tuple[str, tuple[int, ...]], Failure] = {}
        self._done: dict[str, bool] = {}
        """Steps that have a result, in order; True if it is good for this run only."""
        self._hits: set[str] = set()
        """Those of them that another process had computed."""
        self._misses: Counter[str] = Counter()
        self._pinned: set[str] = set()
        self._cached_told: set[str] = set()
        self._owed: Owed = {}
        self._twins_told: set[tuple[str, tuple[int, ...]]] = set()
        self._dirty = self._stopping = self._cancelled = False

    @cached_property
    def _record(self) -> dict[str, Any]:
        """What every saved file of this run carries; made only if one is saved."""
        return {"workflow": resolved(self.graph), "versions": versions()}

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
        self._teller = Teller(self.id, self._listener)
        for id in self.targets or ():
            self.graph.nodes[id]
        self._teller.emit(events.RunAccepted, workflow=self.graph.document.name)
        session = self.runner.start(self.settings, self._mailbox.put, self.watched)
        self._session = session
        try:
            self._adopt(self.plan())
            self._teller.emit(events.RunStarted, steps=len(self._plan.todo), cached=len(self._plan.stored))
            self._tell()
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
            while not (self._cancelled or self._mailbox.empty()):
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
        """Plan with what is known now. What is waited for and has run, but cannot be read, runs again."""
        planned = self.plan()
        lost = [key for key in planned.waiting if key in self._done]
        for key in lost:
            self._lost(key)
        self._adopt(self.plan() if lost else planned)
        self._tell()

    def _adopt(self, planned: Plan) -> None:
        self._dirty = False
        self._plan = planned
        planned.refs = {}  # large, and only an explanation looks at them
        self._schedule.adopt(planned)
        outputs = {key for ref in planned.outputs.values() for key in keys_in(ref)}
        self._kept = outputs | planned.waiting
        self._counted = set(planned.todo)
        self._readers = Counter(dep for key in planned.todo for dep in planned.steps[key].deps)
        wanted = self._readers.keys() | self._kept
        self._pin(wanted)
        for key in self._pinned - wanted:
            self._pinned.discard(key)
            self.runner.unpin(key)

    def _pin(self, keys: Iterable[str]) -> None:
        for key in set(keys) - self._pinned:
            self._pinned.add(key)
            self.runner.pin(key)

    def _tell(self) -> None:
        """Say what planning found: failures and results in the cache."""
        for (node, item), error in self._plan.failed_items.items():
            port = port_of(error, node)
            self._fail(Failure(node, item, error.error_code, error.message, error.hint, port))
        for node, text in self._plan.notices.items():
            self._teller.notice(node, (), [text])
        for key in self._plan.stored:
            if key not in self._done and key not in self._cached_told:
                self._cached_told.add(key)
                self._emit_node(events.NodeCached, key, key=key)
                self._noticed(key, self.runner.notices(key) if self._plan.steps[key].spec.context else ())
                self._tell_twins(key)

    def _tell_twins(self, key: str) -> None:
        """Nodes and items that are the same work as a step find its result in the cache."""
        for node, item in self._plan.twins.get(key, ()):
            if (node, item) not in self._twins_told:
                self._twins_told.add((node, item))
                self._teller.emit(events.NodeCached, node=node, item=item, key=key)
                self._teller.notice(node, item, self._teller.notices.get(key, ()))

    def _noticed(self, key: str, told: Sequence[str]) -> None:
        """What a node told of a step, now or when its result was made."""
        if told:
            self._teller.notices[key] = told
            self._teller.notice(self._schedule.steps[key].node, self._schedule.steps[key].item, told)

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
            case Failed(key=key, code=code, message=text, hint=hint, port=port):
                step = self._schedule.steps[key]
                self._failed.add(key)
                self._fail(Failure(step.node, step.item, code, text, hint, port))
                self._schedule.fail(key)
                self._release(step)
            case Missed(key=key, absent=absent):
                self._missed(key, absent)
            case Noticed(kind=kind, message=text):
                self._teller.emit(events.CacheNotice, kind=kind, message=text)
            case Stopped() | _Cancel():
                self._cancelled = True

    def _finished(self, done: Done) -> None:
        step = self._schedule.steps[done.key]
        self._done[done.key] = done.volatile
        if done.hit:
            self._hits.add(done.key)
        self._noticed(done.key, done.notices)
        facts = {"seconds": done.seconds, "bytes": done.bytes, "stored": done.stored, "key": done.key}
        self._emit_node(events.NodeFinished, done.key, **facts)
        self._tell_twins(done.key)
        self._schedule.done(done.key)
        self._release(step)

    def _release(self, step: Step) -> None:
        """Let go of inputs that nobody else will read."""
        if step.key not in self._counted:
            return  # a later plan does not want it any more
        self._counted.discard(step.key)
        for dep in step.deps:
            self._readers[dep] -= 1
            if self._readers[dep] <= 0 and dep not in self._kept and dep in self._pinned:
                self._pinned.discard(dep)
                self.runner.unpin(dep)

    def _missed(self, key: str, absent: str) -> None:
        if absent in self._schedule.available and not self._schedule.made_since(key, absent):
            self._lost(absent)  # else another step has missed it before
        again = self._schedule.missed(key, absent)
        self._counted.update(again)
        self._pin(again)
        for one in again:
            self._readers.update(self._schedule.steps[one].deps)
            self._pin(self._schedule.steps[one].deps)

    def _lost(self, key: str) -> None:
        """A result cannot be read back: it is computed again, or has failed if that happens too often."""
        step = self._schedule.steps[key]
        self._done.pop(key, None)
        self._hits.discard(key)
        self._misses[key] += 1
        if self._misses[key] > MAX_MISSES:
            self._failed.add(key)
            self._schedule.fail(key)
            self._fail(Failure(step.node, step.item, "cache.lost", "its result was lost again and again"))
            return
        self.runner.discard(key)
        text = f"a result of {step.node!r} could not be read back and is computed again"
        self._teller.emit(events.CacheNotice, kind="lost", message=text)

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
                case Started(key=key):
                    self._emit_node(events.NodeStarted, key)
                case Stopped(key=key) | Failed(key=key) | Missed(key=key):
                    self._schedule.running.discard(key)
                case Done():
                    self._finished(message)

    # ------------------------------------------------------------------------ helpers

    def _stored(self, step: Step) -> bool:
        spec = step.spec
        if step.key in self._done:
            return True
        if step.key in self._schedule.running:
            return False  # its result may be there already, but it has not been told
        if spec.effect is not None:
            outputs = self.runner.peek(step.key) if self.runner.has(step.key) else None
            return outputs is not None and stands(spec, outputs)
        return spec.cache and self.runner.has(step.key)

    def _peek(self, key: str) -> Mapping[str, Any] | None:
        return self.runner.peek(key) if key not in self._failed else None

    def _work(self, step: Step) -> Work:
        saves, told, steps = step.spec.effect is not None, self._teller.notices, self._schedule.steps
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
            provenance=provenance(self._record, step, steps, told, self._owed) if saves else {},
        )

    def _fail(self, one: Failure) -> None:
        if (one.node, one.item) in self._failures:
            return
        one = replace(one, message=shorten(one.message), hint=shorten(one.hint))
        self._failures[one.node, one.item] = one
        self._dirty = True
        self._teller.emit(events.NodeFailed, **vars(one))
        if self.on_error == "stop":
            self._stopping = True

    def _emit_node(self, event: type[events.Event], step_key: str, /, **fields: Any) -> None:
        step = self._schedule.steps[step_key]
        self._teller.emit(event, node=step.node, item=step.item, **fields)

    # ------------------------------------------------------------------------ the end

    def _finish(self) -> Result:
        seconds = time.monotonic() - self._teller.started
        failures = list(self._failures.values())
        computed = len(self._done) - len(self._hits)
        hits = len(self._cached_told) + len(self._hits)
        result = Result("finished", self._plan, self.runner, seconds, computed, failures)
        self._discard_volatile(result)
        if self._cancelled:
            result.status = "cancelled"
            self._teller.emit(events.RunCancelled, seconds=seconds)
            return result
        nodes = {self._schedule.steps[key].node for key in (*self._done, *self._plan.stored)}
        pending = {self._schedule.steps[key].node for key in self._schedule.pending}
        for id, reason in skipped(self.graph, self._plan, failures, nodes, pending):
            self._teller.emit(events.NodeSkipped, node=id, reason=reason)
        if self._stopping or lost_something(self._plan, failures, nodes):
            result.status = "failed"
            first = failures[0]
            self._teller.emit(
                events.RunFailed, seconds=seconds, code=first.code, message=f"{first.node}: {first.message}"
            )
        else:
            self._teller.emit(
                events.RunFinished, seconds=seconds, computed=computed, cached=hits, failed=len(failures)
            )
        return result

    def _discard_volatile(self, result: Result) -> None:
        """What is good for this run only goes with the result, and out of the cache."""
        tainted = spoilt(self._done, self._schedule.steps)
        for name, ref in self._plan.outputs.items() if tainted else ():
            if not tainted.isdisjoint(keys_in(ref)):
                with suppress(MissingInput):
                    result.held[name] = self.runner.fetch(without_gone(ref))
        for key in tainted:
            self.runner.discard(key)
