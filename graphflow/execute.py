"""Run one step: gather its inputs, call the node, publish its outputs. Every runner calls this function."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from threading import Event as Flag
from typing import Any, Protocol, cast

from pydantic import ValidationError

from graphflow.cache.records import EntryInfo
from graphflow.cache.tiers import Cache
from graphflow.context import Settings, Signals, StepContext
from graphflow.errors import Cancelled, GraphflowError, NodeError, ResourceError, describe, told
from graphflow.keys import canon
from graphflow.node import NodeSpec
from graphflow.pool import Pool
from graphflow.refs import Const, Many, Out, Ref
from graphflow.rows import Parts, Rows
from graphflow.settings import check_wired_setting
from graphflow.sizes import nbytes
from graphflow.values import CodecError, rows


@dataclass(frozen=True, slots=True)
class Work:
    """All a runner needs to run one step."""

    key: str
    content: str
    """Names what is computed; see `plan.Step`."""
    node: str
    item: tuple[int, ...]
    spec: NodeSpec
    settings: Mapping[str, Any]
    inputs: Mapping[str, Ref]
    keep: bool
    """The result is asked for by name and must outlive the process."""
    fingerprint: bytes = b""
    """State of the outside world when the run was planned, for nodes that read it."""
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    """A step's result is in the cache."""

    key: str
    seconds: float
    bytes: int
    stored: str
    hit: bool = False
    """Another process had computed it in the meantime."""
    volatile: bool = False
    """Its source changed while it ran: good for this run, not to be kept."""
    notices: tuple[str, ...] = ()
    """What the node told people."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A step failed; the text is for people."""

    key: str
    code: str
    message: str
    hint: str = ""
    port: str = ""
    """The input that it is about, if the error names one."""


@dataclass(frozen=True, slots=True)
class Missed:
    """A step could not read an input that was believed to be in the cache."""

    key: str
    absent: str


Outcome = Done | Failed | Missed


class MissingInput(Exception):
    """An input is not in the cache (any more)."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(key)


@dataclass(frozen=True)
class Bench:
    """Where steps are run: the things a worker owns."""

    cache: Cache
    pool: Pool
    settings: Settings


def execute(work: Work, bench: Bench, signals: Signals, cancelled: Flag, watched: Flag) -> Outcome:
    """Run one step. Raises Cancelled; every other ending is returned as an Outcome."""
    try:
        if work.spec.cache and bench.cache.disk is not None:
            with bench.cache.lease(work.key, lambda: _check(cancelled)):
                if _made_meanwhile(work, bench.cache):
                    return Done(work.key, 0.0, 0, "disk", hit=True, notices=bench.cache.notices(work.key))
                return _compute(work, bench, signals, cancelled, watched)
        return _compute(work, bench, signals, cancelled, watched)
    except Cancelled:
        raise
    except MissingInput as missing:
        return Missed(work.key, missing.key)
    except GraphflowError as error:
        port = error.where if error.where in work.spec.ports or error.where in work.spec.settings else ""
        return Failed(work.key, error.error_code, told(error), error.hint, port)
    except MemoryError as error:
        error.__traceback__ = None  # frees what the node's frames hold, before anything else needs memory
        return Failed(work.key, "resource.memory", _memory_text(error), _MEMORY_HINT)
    except BaseException as error:  # border: step execution; a node is foreign code and may raise anything
        if _is_out_of_memory(error):
            return Failed(work.key, "resource.memory", _memory_text(error), _MEMORY_HINT)
        return Failed(work.key, "node", describe(error))


def _made_meanwhile(work: Work, cache: Cache) -> bool:
    """Whether another process stored the result while this one planned or waited; effects must also stand."""
    outputs = cache.get(work.key) if cache.has(work.key) else None
    return outputs is not None and stands(work.spec, outputs)


def stands(spec: NodeSpec, outputs: Mapping[str, Any]) -> bool:
    """Whether what a step did outside is still there; always for a node without an effect."""
    if spec.effect is None:
        return True
    try:
        return bool(spec.effect(outputs))
    except Exception:  # border: a node's own code; what cannot be checked is done anew
        return False


def _check(cancelled: Flag) -> None:
    if cancelled.is_set():
        raise Cancelled


TOLD_BYTES = 2**20
"""A result of which its node told something is kept on the disk up to this size, so that it is told again."""

_MEMORY_HINT = "use fewer frames, a smaller size or an offload strategy"


def _compute(work: Work, bench: Bench, signals: Signals, cancelled: Flag, watched: Flag) -> Done:
    arguments = _arguments(work, bench.cache)
    _check(cancelled)
    told: list[str] = []
    if work.spec.context is not None:
        arguments[work.spec.context] = StepContext(
            work.key,
            work.content,
            bench.cache,
            bench.pool,
            bench.settings,
            signals,
            cancelled,
            watched,
            work.provenance,
            told,
        )
    started = time.perf_counter()
    result = _call(work.spec, arguments, bench.pool)
    seconds = time.perf_counter() - started
    outputs, size = _checked(work.spec, result)
    volatile = work.fingerprint != _fingerprint(work.spec, arguments)
    del arguments, result
    info = EntryInfo(work.spec.id, work.spec.version, seconds, time.time(), tuple(told))
    worth = bool(told) and size <= TOLD_BYTES
    keep = (work.keep or worth or work.spec.effect is not None) and not volatile
    stored = bench.cache.put(work.key, outputs, info, keep=keep, size=size)
    bench.cache.drop_checkpoint(work.key)
    return Done(work.key, seconds, size, stored, volatile=volatile, notices=info.notices)


def _arguments(work: Work, cache: Cache) -> dict[str, Any]:
    arguments = dict(work.settings)
    for name, ref in work.inputs.items():
        value = gather(ref, cache)
        if name in work.spec.settings:
            try:
                value = check_wired_setting(work.spec, name, value)
            except ValidationError as error:
                text = error.errors(include_url=False)[0]["msg"]
                raise NodeError(f"setting {name!r}: {text}", code="setting.invalid") from None
        arguments[name] = value
    return arguments


class Results(Protocol):
    """Where results are read from."""

    def get(self, key: str) -> Mapping[str, Any] | None:
        """The outputs of a step by name, or None."""


def gather(ref: Ref, cache: Results) -> Any:
    """The value a ref stands for. Raises MissingInput if the cache lost it."""
    match ref:
        case Const(value=value):
            return value
        case Out(key=key, output=output, index=index):
            outputs = cache.get(key)
            if outputs is None:
                raise MissingInput(key)
            value = outputs[output]
            for i in index:
                value = value[i]
            return value
        case Many(items=items):
            return _together(gather(item, cache) for item in items)
    raise AssertionError(f"{ref} cannot be gathered")


def _together(items: Iterator[Any]) -> Any:
    """Items as a list; packed lists are packed as one while they come, so that many small ones are never
    there at once."""
    first = [*islice(items, 1)]
    if not (first and isinstance(first[0], Rows)):
        return [*first, *items]
    lengths: list[int] = []

    def each() -> Iterator[Any]:
        for one in chain(first, items):
            lengths.append(len(one))
            yield from one

    whole = cast("Rows[Any]", rows(each()))
    return Parts(whole, lengths)


def _call(spec: NodeSpec, arguments: Mapping[str, Any], pool: Pool) -> Any:
    """Call the node; after running out of memory empty the pool and try once more."""
    try:
        return spec.function(**arguments)
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error) or not pool.clear():
            raise
    try:
        return spec.function(**arguments)
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        raise ResourceError(_memory_text(error), hint=_MEMORY_HINT, code="resource.memory") from error


def _memory_text(error: BaseException) -> str:
    """What ran out; Python's own MemoryError says nothing more than its name."""
    text = describe(error)
    return "MemoryError: the node needs more memory than it may take" if text == "MemoryError" else text


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def _checked(spec: NodeSpec, result: Any) -> tuple[dict[str, Any], int]:
    """The outputs by name and their bytes. Raises NodeError if they are not as declared or cannot travel."""
    outputs = spec.checked(result)
    try:
        return outputs, nbytes(outputs)
    except CodecError as error:
        raise NodeError(str(error), code="node.output") from None


def _fingerprint(spec: NodeSpec, arguments: Mapping[str, Any]) -> bytes:
    if spec.fingerprint is None:
        return b""
    return canon(spec.fingerprint(**{name: arguments[name] for name in spec.settings}))
