"""Steps in threads of this process: one for the device, as many as cores for the rest."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event as Flag
from threading import Lock, Thread
from typing import Any

from graphflow.cache.tiers import Cache
from graphflow.context import Settings
from graphflow.errors import Cancelled
from graphflow.execute import Bench, Work, execute, gather
from graphflow.pool import Pool
from graphflow.refs import Ref
from graphflow.runners import Message, Post, Previewed, Progressed, Started, Stopped
from graphflow.schedule import lane_of


class InlineRunner:
    """Runs steps in daemon threads.

    Its limits: a node that never reaches a cancel point cannot be stopped and keeps its lane's thread after
    a cancel; one that crashes or exits takes the program with it; memory has no limit. See `ProcessRunner`.
    """

    def __init__(self, cache: Cache, pool: Pool, *, cpu_slots: int | None = None) -> None:
        self.cache = cache
        self.pool = pool
        self.slots: Mapping[str, int] = {"device": 1, "cpu": cpu_slots or os.cpu_count() or 1}
        self.lanes = {name: _Lane(name, slots) for name, slots in self.slots.items()}

    def start(self, settings: Settings, post: Post, watched: Flag) -> InlineSession:
        return InlineSession(self, Bench(self.cache, self.pool, settings), post, watched)

    def warm(self) -> None:
        """Nothing: what nodes need is imported in this process when one asks for it."""

    def has(self, key: str) -> bool:
        return self.cache.has(key)

    def peek(self, key: str) -> Mapping[str, Any] | None:
        return self.cache.peek(key)

    def notices(self, key: str) -> Sequence[str]:
        return self.cache.notices(key)

    def fetch(self, ref: Ref) -> Any:
        return gather(ref, self.cache)

    def pin(self, key: str) -> None:
        self.cache.pin(key)

    def unpin(self, key: str) -> None:
        self.cache.unpin(key)

    def discard(self, key: str) -> None:
        self.cache.discard(key)

    def close(self) -> None:
        for lane in self.lanes.values():
            lane.close()


class InlineSession:
    """One run in the inline runner."""

    def __init__(self, runner: InlineRunner, bench: Bench, post: Post, watched: Flag) -> None:
        self.runner = runner
        self.bench = bench
        self.post = post
        self.watched = watched
        self.cancelled = Flag()

    def submit(self, work: Work) -> None:
        self.runner.lanes[lane_of(work.spec)].put(_Job(work, self))

    def cancel(self) -> None:
        self.cancelled.set()

    def close(self) -> None:
        self.cancelled.set()


@dataclass(frozen=True, slots=True)
class _Job:
    work: Work
    session: InlineSession

    def run(self) -> Message:
        """The last message of the step, which is not posted yet."""
        work, session = self.work, self.session
        if session.cancelled.is_set():
            return Stopped(work.key)
        session.post(Started(work.key))
        try:
            return execute(work, session.bench, self, session.cancelled, session.watched)
        except Cancelled:
            return Stopped(work.key)

    def progress(self, done: int, total: int, eta: float | None) -> None:
        self.session.post(Progressed(self.work.key, done, total, eta))

    def preview(self, media_type: str, data: bytes) -> None:
        self.session.post(Previewed(self.work.key, media_type, data))


class _Lane:
    """A queue of jobs and the threads that serve it; one more is started when all are busy."""

    def __init__(self, name: str, slots: int) -> None:
        self._name = name
        self._slots = slots
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._lock = Lock()
        self._threads = 0
        self._open = 0
        """Jobs that wait or run."""

    def put(self, job: _Job) -> None:
        """Hand over a job."""
        with self._lock:
            self._open += 1
            if self._threads < min(self._open, self._slots):
                self._threads += 1
                Thread(target=self._serve, name=f"graphflow-{self._name}", daemon=True).start()
        self._queue.put(job)

    def close(self) -> None:
        """Let the threads end; a later job starts new ones."""
        with self._lock:
            for _ in range(self._threads):
                self._queue.put(None)
            self._threads = 0

    def _serve(self) -> None:
        while (job := self._queue.get()) is not None:
            message = job.run()
            with self._lock:  # before the message, which may bring a job for this thread
                self._open -= 1
            job.session.post(message)
            del job, message  # holds no result alive while waiting
