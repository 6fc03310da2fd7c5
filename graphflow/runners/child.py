"""The worker process: an inline runner behind two pipes. Started by `runners.process`, never by hand.

It reads frames from its standard input and writes frames to its standard output, both moved out of reach
of nodes first: what a node prints goes to standard error. It ends when its input ends, that is when the
program that started it closes the pipe or dies.
"""

from __future__ import annotations

import faulthandler
import importlib
import os
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import astuple
from functools import partial
from pathlib import Path
from threading import Event as Flag
from typing import Any, NoReturn

from graphflow.cache import entryfile
from graphflow.cache.disk import DiskStore
from graphflow.cache.memory import MemoryCache
from graphflow.cache.records import EntryInfo, StoreNotice
from graphflow.cache.tiers import Cache
from graphflow.context import Settings
from graphflow.environment import detect
from graphflow.errors import GraphflowError, ResourceError, describe
from graphflow.execute import Done, Failed
from graphflow.keys import Environment
from graphflow.limited import die_with
from graphflow.pool import Pool
from graphflow.registry import Registry, load_registry
from graphflow.runners import Message
from graphflow.runners.inline import InlineRunner, InlineSession
from graphflow.runners.wire import Frame, Link, pack_message, unpack_work
from graphflow.values import CodecError, decode, encode


def main() -> NoReturn:
    """Serve until the input ends. Never returns: threads that hang must not keep the process."""
    link = _take_pipes()
    faulthandler.enable(all_threads=False)
    threading.excepthook = _end
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program, which then tells us
    status = 1
    try:
        frames = link.receive()
        first = next(frames, None)
        if first is not None and (child := _start(link, first)) is not None:
            for frame in frames:
                child.handle(frame)
        status = 0
    except BrokenPipeError:  # the program is gone
        pass
    except Exception:  # border: the message loop; the program shows the last lines of standard error
        traceback.print_exc()
    finally:
        os._exit(status)


def _take_pipes() -> Link:
    """Keep the pipes for frames; from now on standard input is empty and standard output is standard error.

    The new descriptors are not inherited by what a node may start.
    """
    incoming, outgoing = os.dup(0), os.dup(1)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.dup2(2, 1)
    os.close(empty)
    return Link(os.fdopen(incoming, "rb"), os.fdopen(outgoing, "wb", buffering=0))


def _start(link: Link, first: Frame) -> Child | None:
    """Make ready and say so; None after saying why not."""
    try:
        die_with(first["parent"])
        _limit_memory(first["memory_limit"])
        sys.path.extend(path for path in first["path"] if path not in sys.path)
        _check_environment(Environment(*first["environment"]), first["device"])
        child = Child(link, first)
    except GraphflowError as error:
        link.send("refused", code=error.error_code, message=error.message, hint=error.hint)
        return None
    link.send("ready", pid=os.getpid())
    return child


def _limit_memory(limit_bytes: int | None) -> None:
    """Let allocations fail beyond the limit: anonymous memory, not files that are mapped for reading."""
    if limit_bytes is None or sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        limit_bytes = min(limit_bytes, hard)
    with suppress(OSError, ValueError):  # a system that cannot limit
        resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, hard))


def _check_environment(planned: Environment, device: str) -> None:
    """Raises ResourceError if results made here would not be those that the plan's keys promise."""
    here = detect(device)
    if here != planned:
        raise ResourceError(
            f"the worker has {astuple(here)} (torch, diffusers, device), planned was {astuple(planned)}",
            hint="the installation changed; start the program again",
            code="resource.environment",
        )
    if here.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise ResourceError(
                f"the worker process cannot use {device}",
                hint="see 'graphflow doctor', or choose the device 'cpu'",
                code="resource.device",
            )


class Child:
    """The worker's end: does what frames ask, and answers."""

    def __init__(self, link: Link, first: Mapping[str, Any]) -> None:
        self.link = link
        self.registry: Registry = load_registry(map(Path, first["packs"]))
        len(self.registry.specs)  # imports every pack: a step may be handed a value of any pack's type
        root, limit = first["cache"], first["disk_limit"]
        disk = None if root is None else DiskStore(Path(root), limit_bytes=limit, notify=self.notice)
        memory = MemoryCache(first["memory"], dropped=self.dropped)
        self.cache = Cache(memory, disk, notify=self.notice)
        self.pool = Pool(first["device"], first["pool"])
        self.runner = InlineRunner(self.cache, self.pool, cpu_slots=first["cpu_slots"])
        self.sessions: dict[int, InlineSession] = {}

    def handle(self, frame: Frame) -> None:
        """Do what a frame asks; never waits for a step."""
        match frame:
            case {"do": "work", "session": id, "work": work}:
                self.submit(id, work)
            case {"do": "open", "session": id}:
                self.open(id, frame)
            case {"do": "cancel", "session": id}:
                self.sessions[id].cancel()
            case {"do": "close", "session": id}:
                self.sessions.pop(id).close()
            case {"do": "watch", "session": id, "on": on}:
                flag = self.sessions[id].watched
                flag.set() if on else flag.clear()
            case {"do": "pin", "key": key}:
                self.cache.pin(key)
            case {"do": "unpin", "key": key}:
                self.cache.unpin(key)
            case {"do": "discard", "key": key}:
                self.cache.discard(key)
            case {"do": "fetch", "id": id, "key": key, "folders": folders}:
                threading.Thread(
                    target=self.fetch, args=(id, key, folders), name="graphflow-fetch", daemon=True
                ).start()
            case {"do": "warm"}:
                _import_torch()
            case _:
                raise AssertionError(f"unknown frame {frame.get('do')!r}")

    def open(self, id: int, frame: Frame) -> None:
        """Begin a run."""
        settings = Settings(
            Path(frame["out_dir"]),
            checkpoint_seconds=frame["checkpoint_seconds"],
            provenance=decode(frame["provenance"], {}),
        )
        watched = Flag()
        if frame["watched"]:
            watched.set()
        session = self.runner.start(settings, partial(self.post, id), watched)
        self.sessions[id] = session

    def submit(self, id: int, frame: Frame) -> None:
        """Queue a step."""
        try:
            work = unpack_work(frame, self.registry)
        except GraphflowError as error:
            self.post(id, Failed(frame["key"], error.error_code, error.message, error.hint))
        except ValueError as error:  # a value that this process cannot read
            self.post(id, Failed(frame["key"], "worker.node", describe(error)))
        else:
            self.sessions[id].submit(work)

    def post(self, id: int, message: Message) -> None:
        """Send a step's message; a result goes with its header, so that the other side can look at it."""
        extra: dict[str, Any] = {}
        if isinstance(message, Done) and (held := self.cache.memory.get(message.key)) is not None:
            with suppress(CodecError):  # good for steps here, but it cannot be shown elsewhere
                header, tensors = encode(held.outputs)
                extra = {"header": header, "plain": not tensors}
        self.send("message", session=id, message=pack_message(message), **extra)

    def notice(self, notice: StoreNotice) -> None:
        """Pass on what the cache has to say."""
        self.send("notice", notice=astuple(notice))

    def dropped(self, key: str) -> None:
        """Tell that memory no longer holds a result."""
        self.send("dropped", key=key)

    def fetch(self, id: int, key: str, folders: list[str]) -> None:
        """Put a result into a file in the first folder that has room, for the other side to map."""
        path, reason = None, ""
        try:
            outputs = self.cache.get(key)
            if outputs is not None:
                path = _spool(key, outputs, folders)
        except (CodecError, GraphflowError, OSError, MemoryError) as error:
            reason = describe(error)
        self.send("fetched", id=id, path=path, reason=reason)

    def send(self, do: str, **values: Any) -> None:
        """Send a frame; without a reader there is nothing left to do."""
        try:
            self.link.send(do, **values)
        except BrokenPipeError:
            os._exit(1)
        except (OSError, ValueError) as error:
            print(f"graphflow worker: {describe(error)}", file=sys.stderr, flush=True)
            os._exit(1)


def _import_torch() -> None:
    """So that the first step need not wait for it. Not beside a step, which would see half of it."""
    with suppress(ImportError):  # a step will say what is missing
        importlib.import_module("torch")


def _end(failed: threading.ExceptHookArgs) -> NoReturn:
    """End with a thread: the program would wait for what it was to say, which may be that memory is gone."""
    if issubclass(failed.exc_type, MemoryError):
        os.write(2, b"graphflow worker: out of memory\n")
    else:
        threading.__excepthook__(failed)
    os._exit(1)


def _spool(key: str, outputs: Mapping[str, Any], folders: list[str]) -> str:
    """Write a result into one of the folders; gives the path. Raises OSError if none has room."""
    encoded = encode(dict(outputs))
    size = len(encoded.header) + sum(t.numel() * t.element_size() for t in encoded.tensors.values())
    folder = next((f for f in folders if shutil.disk_usage(f).free > 2 * size), folders[-1])
    path = os.path.join(folder, f"{key}-{os.urandom(4).hex()}")
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        entryfile.write(fd, "entry", key, encoded, EntryInfo("", 0, 0.0, 0.0))
    except BaseException:
        os.unlink(path)
        raise
    finally:
        os.close(fd)
    return path


if __name__ == "__main__":
    main()
