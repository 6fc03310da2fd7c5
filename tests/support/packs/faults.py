"""Nodes that misbehave, for tests of what a run makes of it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal, NoReturn

from graphflow.node import Context, node
from graphflow.values import Recipe


class Unreadable(Exception):
    """Its own text fails, and not even with an Exception."""

    def __str__(self) -> str:
        raise KeyboardInterrupt


class Rude(BaseException):
    """Not an Exception."""


Death = Literal["abort", "segv", "exit", "kill"]


def _die(how: Death) -> NoReturn:
    match how:
        case "abort":
            os.abort()
        case "segv":
            ctypes.string_at(0)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(7)
    raise AssertionError("still alive")


@node("faults/die")
def die(x: int, *, how: Death) -> int:
    _die(how)


@node("faults/die_on")
def die_on(x: int, *, bad: int, together: str, count: int) -> int:
    """Waits until `count` of these run, then one kills the process."""
    folder = Path(together)
    (folder / str(x)).touch()
    until = time.monotonic() + 20
    while len(list(folder.iterdir())) < count and time.monotonic() < until:
        time.sleep(0.01)
    if x == bad:
        _die("exit")
    time.sleep(0.5)
    return x


@node("faults/die_once")
def die_once(x: int, *, marker: str) -> int:
    if not Path(marker).exists():
        Path(marker).touch()
        _die("kill")
    return x


@node("faults/hang")
def hang(x: int, ctx: Context, *, holding: bool = False) -> int:
    """Says that it has begun and never reaches another cancel point; `holding` also keeps the
    interpreter's lock."""
    ctx.progress(0, 1)
    if holding:
        ctypes.PyDLL(None).sleep(300)
    time.sleep(300)
    return x


@node("faults/eat")
def eat(x: int, *, piece: int = 2**24) -> int:
    """Allocate without end."""
    held = []
    while True:
        held.append(bytearray(piece))


HELD: list[object] = []


@node("faults/keep_all")
def keep_all(x: int) -> int:
    """Allocate to the last byte and never give it back: nothing can be said any more."""
    for piece in (2**24, 2**16, 2**10, 64):
        try:
            while True:
                HELD.append(bytearray(piece))
        except MemoryError:
            pass
    while True:
        HELD.append(object())


@node("faults/eat_tensors")
def eat_tensors(x: int) -> int:
    import torch

    held = []
    while True:
        held.append(torch.ones(2**22))


@node("faults/shout")
def shout(x: int) -> int:
    """Writes to standard output by every way there is."""
    print("noise " * 100)
    os.write(1, b"\x00\xff raw noise \n" * 100)
    subprocess.run([sys.executable, "-c", "print('noise of a child')"], check=True)
    sys.__stdout__.write("more\n")
    return x


@node("faults/leave_child")
def leave_child(x: int) -> int:
    """Starts a process that outlives the step, then dies."""
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(8)"])
    _die("exit")


@node("faults/raises")
def raises(x: int, *, what: str) -> int:
    match what:
        case "huge":
            raise ValueError("x" * 10_000_000)
        case "unreadable":
            raise Unreadable
        case "rude":
            raise Rude("not an Exception")
        case "surrogate":
            raise ValueError("half a \ud800 pair")
        case "stop":
            raise StopIteration
        case "exit":
            sys.exit(3)
        case "interrupt":
            raise KeyboardInterrupt
        case "generator":
            raise GeneratorExit
        case "memory":
            raise MemoryError
        case "recursion":
            return raises(x, what=what)
    raise AssertionError(what)


@node("faults/returns")
def returns(x: int, *, what: str) -> int:
    """Something else than it declares."""
    return {"function": _die, "set": {1, 2}, "module": sys}[what]  # type: ignore[return-value]


@node("faults/whoami")
def whoami(x: int) -> int:
    """The process that runs nodes."""
    return os.getpid()


@node("faults/tell")
def tell(x: int, ctx: Context, *, seconds: float = 0.0) -> int:
    """Tells something; what takes a while is kept on the disk."""
    time.sleep(seconds)
    ctx.notice(f"{x} is small")
    return x


@node("faults/slow")
def slow(x: int, ctx: Context, *, seconds: float = 0.2, log: str = "") -> int:
    """Worth keeping on disk; says in `log` that it ran."""
    time.sleep(seconds)
    if log:
        with Path(log).open("a") as file:
            file.write(f"{x}\n")
    return x + 1


class Engine(Recipe):
    """A model that is nothing."""

    def open(self, device: str) -> str:
        return device


@node("faults/engine", fold=True)
def engine() -> Engine:
    return Engine()


@node("faults/train")
def train(x: int, engine: Engine, ctx: Context, *, log: str) -> int:
    """Needs the device; says in `log` that it ran."""
    with ctx.use(engine):
        return slow(x, ctx, seconds=0.2, log=log)
