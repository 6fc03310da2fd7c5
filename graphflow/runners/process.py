"""Steps in a child process, so that a node that crashes, hangs or eats all memory costs itself only.

Values stay in the worker, which opens the same cache folder; here are keys, headers and states. A worker
is started when a step needs one and started again after it was lost. What a lost worker had in memory only
is computed again when a step asks for it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple
from itertools import count
from pathlib import Path
from threading import Event as Flag
from threading import RLock, Timer
from typing import Any

from graphflow.cache.records import StoreNotice
from graphflow.cache.tiers import Cache
from graphflow.context import Settings
from graphflow.environment import detect
from graphflow.errors import describe
from graphflow.execute import Done, Failed, Missed, Work, gather
from graphflow.refs import Ref
from graphflow.runners import Message, Noticed, Post, Progressed, Started, Stopped
from graphflow.runners.holdings import Holdings
from graphflow.runners.jobs import Blame, Job
from graphflow.runners.limits import Limits
from graphflow.runners.wire import Frame, pack_work, unpack_message
from graphflow.runners.worker import Ending, Worker
from graphflow.values import encode

CLOSE_SECONDS = 2.0
"""How long an idle worker may take to end."""

MAX_STARTS = 3
"""Workers that may be lost under a step before it had begun; then it fails too."""


class ProcessRunner:
    """Runs steps in one child process for one device, in the same lanes as the inline runner.

    cache: its disk folder and budgets are the worker's too. packs: folders with node packs.
    echo: show here what nodes print (the last lines are kept for error texts in any case).
    """

    def __init__(
        self,
        cache: Cache,
        *,
        device: str = "cpu",
        packs: Iterable[Path] = (),
        pool_bytes: int | None = None,
        cpu_slots: int | None = None,
        limits: Limits | None = None,
        echo: bool = True,
    ) -> None:
        self.cache = cache
        self.device = device
        self.packs = [os.path.abspath(pack) for pack in packs]
        self.pool_bytes = pool_bytes
        self.limits = limits or Limits()
        self.echo = echo
        self.environment = detect(device)
        self.slots: Mapping[str, int] = {"device": 1, "cpu": cpu_slots or os.cpu_count() or 1}
        self._lock = RLock()
        """Guards all below."""
        self._holdings = Holdings(cache, self.tell, self._lock)
        self._worker: Worker | None = None
        self._blame: Blame | None = None
        self._refusal: Failed | None = None
        """Why the last worker would not serve; stands until the next run."""
        self._sessions: dict[int, ProcessSession] = {}
        self._jobs: dict[tuple[int, str], Job] = {}
        self._suspects: set[tuple[int, str]] = set()
        """Ran together when a worker was lost: each runs alone now, so that the guilty one is known."""
        self._ids = count(1)
        self._closed = False

    def warm(self) -> None:
        """Start the worker, and let it import what nodes will need."""
        with self._lock:
            if self._worker is None and not self._closed:
                self._worker = self._start_worker()
                self._worker.send("warm")

    # ------------------------------------------------------------------------ results

    def has(self, key: str) -> bool:
        return self._holdings.has(key)

    def peek(self, key: str) -> Mapping[str, Any] | None:
        return self._holdings.peek(key)

    def notices(self, key: str) -> Sequence[str]:
        return self._holdings.notices(key)

    def fetch(self, ref: Ref) -> Any:
        """A value. Raises MissingInput if it was lost, ResourceError if it cannot be handed over."""
        return gather(ref, self._holdings)

    def pin(self, key: str) -> None:
        self._holdings.pin(key)

    def unpin(self, key: str) -> None:
        self._holdings.unpin(key)

    def discard(self, key: str) -> None:
        self._holdings.discard(key)

    # ------------------------------------------------------------------------ runs

    def start(self, settings: Settings, post: Post, watched: Flag) -> ProcessSession:
        with self._lock:
            session = ProcessSession(self, next(self._ids), settings, post, watched)
            self._sessions[session.id] = session
            self._refusal = None
            if self._worker is not None:
                self._worker.send("open", **session.frame())
        return session

    def submit(self, session: ProcessSession, work: Work) -> None:
        """Take a step; it goes to the worker at once unless suspects run alone."""
        try:
            job = Job(work, session, pack_work(work))
        except ValueError as error:
            session.post(Failed(work.key, "node.input", f"its inputs cannot travel: {describe(error)}"))
            return
        with self._lock:
            if session.cancelled:
                session.say(Stopped(work.key))
                return
            self._jobs[job.place] = job
            session.tell_watched()
            self._pump()

    def cancel(self, session: ProcessSession) -> None:
        """Ask for the end of a run's steps; those that do not listen are ended with the worker."""
        with self._lock:
            if session.cancelled:
                return
            session.cancelled = True
            self.tell("cancel", session=session.id)
            mine = [job for job in self._jobs.values() if job.session is session]
            for job in mine:
                if not job.sent:
                    self._finish(job, Stopped(job.work.key))
            if any(job.sent for job in mine):
                _timer(self.limits.cancel_seconds, self._overdue, session)

    def close_session(self, session: ProcessSession) -> None:
        """A run is over; steps that still run are cancelled."""
        self.cancel(session)
        with self._lock:
            session.closed = True
            self._sessions.pop(session.id, None)
            self._suspects = {place for place in self._suspects if place[0] != session.id}
            self.tell("close", session=session.id)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            worker = self._worker
        if worker is not None:
            worker.close(CLOSE_SECONDS)
        self._holdings.close()

    # ------------------------------------------------------------------------ the worker

    def _pump(self) -> None:
        """Send what may be sent; start a worker if there is none."""
        if not self._jobs or self._closed:
            return
        if self._refusal is not None:
            for job in list(self._jobs.values()):
                refusal = self._refusal
                self._finish(job, Failed(job.work.key, refusal.code, refusal.message, refusal.hint))
            return
        if self._worker is None:
            self._worker = self._start_worker()
        for job in self._next():
            job.sent = True
            job.starts += 1
            work = {**job.frame, "keep": job.work.keep or job.session.careful}
            self._worker.send("work", session=job.session.id, work=work)

    def _next(self) -> list[Job]:
        """Jobs to send now: all that wait, but a suspect only if nothing else waits or runs."""
        waiting = [job for job in self._jobs.values() if not job.sent]
        sent = [job for job in self._jobs.values() if job.sent]
        if any(job.place in self._suspects for job in sent):
            return []
        clear = [job for job in waiting if job.place not in self._suspects]
        return clear or (waiting[:1] if not sent else [])

    def _start_worker(self) -> Worker:
        worker = Worker(self._receive, self._ended, echo=self.echo)
        disk = self.cache.disk
        worker.send(
            "start",
            parent=os.getpid(),
            path=[path for path in sys.path if path],
            packs=self.packs,
            device=self.device,
            environment=astuple(self.environment),
            pool=self.pool_bytes,
            cache=None if disk is None else os.path.abspath(disk.root),
            disk_limit=None if disk is None else disk.limit,
            memory=self.cache.memory.budget,
            memory_limit=self.limits.memory(self.device),
            cpu_slots=self.slots["cpu"],
        )
        for session in self._sessions.values():
            worker.send("open", **session.frame())
        for key in self._holdings.pins():
            worker.send("pin", key=key)
        return worker

    def tell(self, do: str, **values: Any) -> bool:
        """Send a frame; False if there is no worker: a new one is told all that matters when it starts."""
        with self._lock:
            if self._worker is not None:
                self._worker.send(do, **values)
            return self._worker is not None

    def _receive(self, worker: Worker, frame: Frame) -> None:
        with self._lock:
            if worker is not self._worker:
                return
            match frame:
                case {"do": "message", "session": id, "message": raw}:
                    self._hear(id, unpack_message(raw), frame)
                case {"do": "dropped", "key": key}:
                    self._holdings.dropped(key)
                case {"do": "notice", "notice": notice}:
                    self.cache.notify(StoreNotice(*notice))
                case {"do": "fetched"}:
                    self._holdings.answered(frame)
                case {"do": "ready"}:
                    worker.ready = True
                case {"do": "refused", "code": code, "message": message, "hint": hint}:
                    self._refusal = Failed("", code, message, hint)

    def _hear(self, id: int, message: Message, frame: Frame) -> None:
        """Take a step's message from the worker."""
        if isinstance(message, Done) and "header" in frame:
            self._holdings.made(message.key, frame["header"], frame["plain"], message.notices)
        job = self._jobs.get((id, getattr(message, "key", "")))
        if job is None:
            return
        match message:
            case Started():
                self._begin(job)
            case Done() | Failed() | Missed() | Stopped():
                self._finish(job, message)
                self._pump()
            case _:
                if isinstance(message, Progressed):
                    job.session.tell_watched()
                job.session.say(message)

    def _begin(self, job: Job) -> None:
        job.started = True
        if not job.told:
            job.told = True
            job.session.say(Started(job.work.key))
        if self.limits.step_seconds is not None:
            job.timer = _timer(self.limits.step_seconds, self._expired, job)

    def _finish(self, job: Job, message: Message) -> None:
        job.stop_timer()
        self._jobs.pop(job.place, None)
        if not isinstance(message, Missed):  # it comes again
            self._suspects.discard(job.place)
        job.session.say(message)

    # ------------------------------------------------------------------------ its end

    def _expired(self, job: Job) -> None:
        """A step took longer than it may."""
        with self._lock:
            if job.started and self._jobs.get(job.place) is job:
                text = f"stopped after {self.limits.step_seconds:g} s, the limit for one step"
                self._kill(Blame([job], text, "worker.timeout"))

    def _overdue(self, session: ProcessSession) -> None:
        """A cancelled run's steps have had their time."""
        with self._lock:
            jobs = [job for job in self._jobs.values() if job.session is session and job.sent]
            if jobs:
                self._kill(Blame(jobs, message="a cancelled step of another run had to be killed"))

    def _kill(self, blame: Blame) -> None:
        if self._worker is not None and self._blame is None:
            self._blame = blame
            self._worker.kill()

    def _ended(self, worker: Worker, ending: Ending) -> None:
        with self._lock:
            blame, self._blame, self._worker = self._blame, None, None
            self._holdings.lost()
            if self._closed:
                return
            for session in self._sessions.values():
                session.careful = True
            running = [job for job in self._jobs.values() if job.started]
            for job in list(self._jobs.values()):
                job.stop_timer()
                job.sent = job.started = False
            if not worker.ready and blame is None and self._refusal is None:
                self._refusal = Failed("", "worker.start", f"{ending} before it was ready", ending.words)
            elif blame is not None:
                self._settle(blame)
            else:
                self._suspect(running, ending)
            self._restart(blame.message if blame is not None else str(ending))
            self._pump()

    def _restart(self, reason: str) -> None:
        """What did not cause the loss starts again, unless its run was cancelled; its run is told why."""
        for job in list(self._jobs.values()):
            if job.session.cancelled:
                self._finish(job, Stopped(job.work.key))
            elif job.told:
                text = f"{job.name} starts again: {reason}"
                job.session.say(Noticed("worker", text))

    def _settle(self, blame: Blame) -> None:
        """Steps that made us end the worker. The others start again."""
        for job in blame.jobs:
            key = job.work.key
            self._finish(job, Failed(key, blame.code, blame.message) if blame.code else Stopped(key))

    def _suspect(self, running: list[Job], ending: Ending) -> None:
        """A worker was lost: a step that ran alone did it; of several each must run alone to tell."""
        if len(running) > 1:
            self._suspects.update(job.place for job in running)
            return
        for job in running or [job for job in self._jobs.values() if job.starts >= MAX_STARTS]:
            during = "while running" if running else "again and again before it could run"
            code = "worker.killed" if ending.status < 0 else "worker.lost"
            self._finish(job, Failed(job.work.key, code, f"{ending} {during} {job.name}", ending.hint))


class ProcessSession:
    """One run in the process runner."""

    def __init__(self, runner: ProcessRunner, id: int, settings: Settings, post: Post, watched: Flag) -> None:
        self.runner = runner
        self.id = id
        self.settings = settings
        self.post = post
        self.watched = watched
        self.cancelled = False
        self.closed = False
        self.careful = False
        """A worker was lost: from now on all results go to disk, so that no further loss costs them."""
        self._watched_there = watched.is_set()

    def submit(self, work: Work) -> None:
        self.runner.submit(self, work)

    def cancel(self) -> None:
        self.runner.cancel(self)

    def close(self) -> None:
        self.runner.close_session(self)

    def say(self, message: Message) -> None:
        """Post, unless the run is over."""
        if not self.closed:
            self.post(message)

    def tell_watched(self) -> None:
        """Let the worker know if somebody began or ceased to watch."""
        on = self.watched.is_set()
        if on != self._watched_there:
            self._watched_there = on
            self.runner.tell("watch", session=self.id, on=on)

    def frame(self) -> Frame:
        """What a worker must know of this run."""
        self._watched_there = self.watched.is_set()
        return {
            "session": self.id,
            "out_dir": os.path.abspath(self.settings.out_dir),
            "checkpoint_seconds": self.settings.checkpoint_seconds,
            "provenance": encode(dict(self.settings.provenance)).header,
            "watched": self._watched_there,
        }


def _timer(seconds: float, call: Callable[..., None], *args: Any) -> Timer:
    timer = Timer(seconds, call, args)
    timer.daemon = True
    timer.start()
    return timer
