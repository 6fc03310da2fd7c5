"""Steps in threads of this process: one for the device, as many as cores for the rest."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event as Flag
from threading import Thread
from typing import Any

from graphflow.cache.tiers import Cache
from graphflow.context import Settings
from graphflow.errors import Cancelled
from graphflow.execute import Bench, Work, execute, gather
from graphflow.pool import Pool
from graphflow.refs import Ref
from graphflow.runners import Post, Previewed, Progressed, Started, Stopped
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
        self._queues: dict[str, SimpleQueue[_Job | None]] = {lane: SimpleQueue() for lane in self.slots}
        self._threads: dict[str, list[Thread]] = {lane: [] for lane in self.slots}

    def start(self, settings: Settings, post: Post, watched: Flag) -> InlineSession:
        return InlineSession(self, Bench(self.cache, self.pool, settings), post, watched)

    def has(self, key: str) -> bool:
        return self.cache.has(key)

    def peek(self, key: str) -> Mapping[str, Any] | None:
        return self.cache.peek(key)

    def fetch(self, ref: Ref) -> Any:
        return gather(ref, self.cache)

    def pin(self, key: str) -> None:
        self.cache.pin(key)

    def unpin(self, key: str) -> None:
        self.cache.unpin(key)

    def discard(self, key: str) -> None:
        self.cache.discard(key)

    def close(self) -> None:
        for lane, threads in self._threads.items():
            for _ in threads:
                self._queues[lane].put(None)
            threads.clear()

    def enqueue(self, lane: str, job: _Job) -> None:
        """Hand a job to a lane's threads; a thread is started when all of the lane's may be busy."""
        threads = self._threads[lane]
        if len(threads) < self.slots[lane]:
            thread = Thread(target=_serve, args=(self._queues[lane],), name=f"graphflow-{lane}", daemon=True)
            threads.append(thread)
            thread.start()
        self._queues[lane].put(job)


class InlineSession:
    """One run in the inline runner."""

    def __init__(self, runner: InlineRunner, bench: Bench, post: Post, watched: Flag) -> None:
        self.runner = runner
        self.bench = bench
        self.post = post
        self.watched = watched
        self.cancelled = Flag()

    def submit(self, work: Work) -> None:
        self.runner.enqueue(lane_of(work.spec), _Job(work, self))

    def cancel(self) -> None:
        self.cancelled.set()

    def close(self) -> None:
        self.cancelled.set()


@dataclass(frozen=True, slots=True)
class _Job:
    work: Work
    session: InlineSession

    def run(self) -> None:
        work, session = self.work, self.session
        if session.cancelled.is_set():
            session.post(Stopped(work.key))
            return
        session.post(Started(work.key))
        try:
            outcome = execute(work, session.bench, self, session.cancelled, session.watched)
        except Cancelled:
            session.post(Stopped(work.key))
        else:
            session.post(outcome)

    def progress(self, done: int, total: int, eta: float | None) -> None:
        self.session.post(Progressed(self.work.key, done, total, eta))

    def preview(self, media_type: str, data: bytes) -> None:
        self.session.post(Previewed(self.work.key, media_type, data))


def _serve(queue: SimpleQueue[_Job | None]) -> None:
    while (job := queue.get()) is not None:
        job.run()
        del job  # holds no result alive while waiting
