"""Takes runs off the queue and executes them in threads; stores what they say, then tells it.

Nobody is told an event before it is stored: what a client has seen is there after any crash.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from queue import Empty, SimpleQueue
from statistics import mean
from threading import Condition, Event, Lock, Thread
from typing import Any, Literal

from graphflow import events, explain, workflow
from graphflow.errors import GraphflowError, StorageError, describe
from graphflow.history import History
from graphflow.outputs import results_of
from graphflow.queued import QueuedRun, Refused
from graphflow.result import Result
from graphflow.run import Run
from graphflow.server.paths import renamed, without_paths
from graphflow.server.sizes import sized
from graphflow.steps import Plan
from graphflow.workspace import Workspace

PASSING = (events.NodeProgress, events.NodePreview)
"""Events that are told, but neither stored nor numbered."""

LAST = (events.RunFinished, events.RunFailed, events.RunCancelled)
"""Events that end a run; they are stored in the same transaction as its state."""

BATCH = 500
"""Events stored in one transaction at most."""

MAX_FAILURES = 100
"""Failed items of a run that its results name; the events name all."""

RETRY_SECONDS = 1.0
"""Between tries to write when the disk is full: runs wait meanwhile, nothing is lost."""

STOP_SECONDS = 15.0
"""How long running nodes may take to stop when the program ends."""

Ended = Literal["finished", "failed", "cancelled"]

Tell = Callable[[Sequence[events.Event]], None]
"""Hears of events, from any thread."""


@dataclass
class _Active:
    """A run under way."""

    run: QueuedRun
    device: str = ""
    paths: dict[str, str] = field(default_factory=dict)
    """What nodes of inner workflows are called, by their ids in the run."""
    job: Run | None = None
    plan: Plan | None = None
    """Of the run, when it is over."""
    last: list[events.Event] = field(default_factory=list)
    told: list[events.Event] = field(default_factory=list)


class Journal:
    """Stores events in the order in which they come, many in one transaction, and tells them after."""

    def __init__(self, history: History, tell: Tell) -> None:
        self._history = history
        self._tell = tell
        self._queue: SimpleQueue[events.Event | Event | None] = SimpleQueue()
        self._closed = Event()
        self._seqs: dict[str, int] = {}
        self.trouble = ""
        """Why nothing can be stored at present."""
        self._thread = Thread(target=self._serve, name="graphflow-journal", daemon=True)
        self._thread.start()

    def put(self, event: events.Event) -> None:
        """Store and tell an event, soon."""
        self._queue.put(event)

    def flush(self) -> None:
        """Wait until all that was put is stored."""
        done = Event()
        self._queue.put(done)
        done.wait()

    def close(self) -> None:
        """Store what was put, and end."""
        self._closed.set()
        self._queue.put(None)
        self._thread.join(5.0)

    def persist(self, write: Callable[[], Any]) -> Any:
        """Do `write`, again and again while the disk refuses it. Raises StorageError only when closed."""
        while True:
            try:
                done = write()
                self.trouble = ""
                return done
            except StorageError as error:
                self.trouble = str(error)
                if self._closed.wait(RETRY_SECONDS):
                    raise

    def _serve(self) -> None:
        while (first := self._queue.get()) is not None:
            batch: list[events.Event | Event] = [first]
            with suppress(Empty):
                while len(batch) < BATCH:
                    one = self._queue.get_nowait()
                    if one is None:
                        self._queue.put(None)
                        break
                    batch.append(one)
            with suppress(StorageError):  # the program ends, and its disk is full
                self._store([one for one in batch if not isinstance(one, Event)])
            for one in batch:
                if isinstance(one, Event):
                    one.set()

    def _store(self, batch: Sequence[events.Event]) -> None:
        kept = [event for event in batch if not isinstance(event, PASSING)]
        numbered = iter(self.persist(lambda: self._history.append(kept)) if kept else ())
        told: list[events.Event] = []
        for event in batch:
            one = replace(event, seq=self._seq(event.run)) if isinstance(event, PASSING) else next(numbered)
            self._seqs[one.run] = one.seq
            told.append(one)
        self._tell(told)

    def _seq(self, run: str) -> int:
        if run not in self._seqs:
            self._seqs[run] = self._history.last_seq(run)
        return self._seqs[run]

    def forget(self, run: str) -> None:
        """A run is over."""
        self._seqs.pop(run, None)


class Dispatch:
    """Executes queued runs, `parallel` at a time on each device. `wake` after every change of the queue.

    A run takes the device that is free first; runs on one device share it, node by node.

    changed: hears of a run whose state changed, from any thread. worded: puts what nodes say of files into
    the words of those who sent them.
    """

    def __init__(
        self,
        workspace: Workspace,
        history: History,
        *,
        tell: Tell,
        changed: Callable[[str], None],
        worded: Callable[[str], str] = str,
        parallel: int = 1,
        checkpoint_seconds: float = 15.0,
    ) -> None:
        self.workspace = workspace
        self.history = history
        self.journal = Journal(history, tell)
        self.out_dir = workspace.data_dir / "output"
        self._tell = tell
        self._changed = changed
        self._worded = worded
        self._checkpoint_seconds = checkpoint_seconds
        self._lock = Lock()
        """Guards the next two; never held while anything is written."""
        self._active: dict[str, _Active] = {}
        self._watched: set[str] = set()
        self._wake = Condition()
        self._changes = 0
        """How often the queue changed, so that no change is slept through."""
        self._stopping = False
        self._warm = False
        self._threads = [
            Thread(target=self._serve, args=(device,), name=f"graphflow-run-{device}-{i}", daemon=True)
            for i in range(parallel)
            for device in workspace.devices
        ]

    def start(self) -> None:
        """Begin to take runs."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """The queue has changed."""
        with self._wake:
            self._changes += 1
            self._wake.notify_all()

    def warm(self) -> None:
        """Somebody is there: let the workers start, since a run will come soon."""
        if not self._warm:
            self._warm = True
            self.wake()

    def cancel(self, id: str) -> None:
        """Stop a run that is under way and marked in the history."""
        with self._lock:
            active = self._active.get(id)
            if active is not None and active.job is not None:
                active.job.cancel()

    def tell_end(self, ids: Sequence[str]) -> None:
        """Tell the last event of runs that were cancelled while they waited: nobody else does."""
        for id in ids:
            self._tell(self.history.events(id, self.history.last_seq(id) - 1))

    def watch(self, id: str, on: bool) -> None:
        """Whether anybody wants previews of a run: only then are they made."""
        with self._lock:
            self._watched.add(id) if on else self._watched.discard(id)
            active = self._active.get(id)
            if active is not None and active.job is not None:
                active.job.watched.set() if on else active.job.watched.clear()

    def stop(self) -> None:
        """Take no run any more and stop those under way; they go back to the queue. Waits for them."""
        self._stopping = True
        self.wake()
        with self._lock:
            jobs = [active.job for active in self._active.values() if active.job is not None]
        for job in jobs:
            job.cancel()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(STOP_SECONDS)
        self.journal.close()

    # ------------------------------------------------------------------------ one run

    def _serve(self, device: str) -> None:
        while (run := self._next(device)) is not None:
            active = _Active(run, device)
            with self._lock:
                self._active[run.id] = active
            self._changed(run.id)
            try:
                self._execute(active)
            finally:
                with self._lock:
                    del self._active[run.id]
                self.journal.forget(run.id)
                self._changed(run.id)

    def _next(self, device: str) -> QueuedRun | None:
        """The next run, when there is one; None when the program ends."""
        while not self._stopping:
            seen = self._changes
            try:
                run, again = self.history.take(), None
            except StorageError as error:
                self.journal.trouble = str(error)
                run, again = None, RETRY_SECONDS
            if run is not None:
                return run
            if self._warm:
                self.workspace.runner_of(device).warm()
            with self._wake:
                if self._changes == seen:
                    self._wake.wait(again)
        return None

    def _execute(self, active: _Active) -> None:
        state: Ended = "failed"
        code, message, results, fault = "", "", None, ""
        try:
            job = self._prepared(active)
            result = job.execute()
            active.plan = result.plan
            if result.status == "finished":
                results = results_of(job.graph, result, self.out_dir)
                failures = [asdict(failure) for failure in result.failures[:MAX_FAILURES]]
                results["failures"] = [
                    {
                        **one,
                        "node": active.paths.get(one["node"], one["node"]),
                        "message": self._worded(one["message"]),
                    }
                    for one in failures
                ]
                self._remember(active, job, result)
            elif result.failures:
                code, message = result.failures[0].code, result.failures[0].message
            state = result.status
        except GraphflowError as error:
            fault, message = error.error_code, str(error)
        except Exception as error:  # border: a fault of ours in one run must not end the queue
            traceback.print_exc()
            fault, message = "internal", describe(error)
        message = self._worded(message)
        if fault:
            code = fault
            active.last = [events.RunFailed(run=active.run.id, seconds=0.0, code=code, message=message)]
        self.journal.flush()
        with suppress(StorageError, Refused):  # recovery at the next start puts it right
            if state == "cancelled" and self._stopping and not self.history.get(active.run.id).cancelling:
                self.history.requeue(active.run)
                return
            ended = partial(self.history.finish, active.run, state, code=code, message=message)
            size = sized(active.plan, active.paths) if active.plan is not None else {}
            more = {"results": results, "told": active.last, "timings": _timings(active)}
            told = self.journal.persist(partial(ended, **more, sized=size))
            self._tell(told)

    def _prepared(self, active: _Active) -> Run:
        run = active.run

        document, active.paths = without_paths(workflow.parse(run.document))

        def listen(event: events.Event) -> None:
            if isinstance(event, (events.NodeFailed, events.NodeNotice, events.RunFailed)):
                event = replace(event, message=self._worded(event.message))
            if isinstance(event, LAST):
                active.last = [event]
                return
            if not isinstance(event, PASSING):
                active.told.append(event)
            self.journal.put(event)

        job = self.workspace.prepare(
            self.workspace.graph(document),
            out_dir=self.out_dir,
            on_event=renamed(listen, active.paths),
            targets=run.targets,
            on_error=run.on_error,
            checkpoint_seconds=self._checkpoint_seconds,
            device=active.device,
        )
        job.id = run.id
        with self._lock:
            active.job = job
            if run.id in self._watched:
                job.watched.set()
        if self._stopping or self.history.get(run.id).cancelling:  # said before there was a job to stop
            job.cancel()
        return job

    def _remember(self, active: _Active, job: Run, result: Result) -> None:
        """For the next explanation of a workflow of this name. A disk that is full costs only that."""
        if result.failures:
            return  # the plan lacks what failed
        with suppress(StorageError):
            explain.save(
                self.workspace.data_dir,
                identity(active.run.name),
                job.graph,
                result.plan,
                self.workspace.environment,
                active.told,
                out_dir=str(self.out_dir),
                names=active.paths,
            )


def _timings(active: _Active) -> dict[str, float]:
    """Mean seconds of a step of this run, by node type."""
    found: dict[str, list[float]] = {}
    for event in active.told if active.job is not None else ():
        node = active.job.graph.nodes.get(getattr(event, "node", "")) if active.job is not None else None
        if isinstance(event, events.NodeFinished) and node is not None:
            found.setdefault(node.spec.id, []).append(event.seconds)
    return {type: mean(seconds) for type, seconds in found.items()}


def identity(name: str) -> str:
    """What makes two runs of the server runs of the same workflow."""
    return f"server:{name}"
