"""What stands on a wire while planning: a known value, or the name of one that a step will make."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphflow.keys import UnkeyableError, canon, short_token


@dataclass(frozen=True, slots=True)
class Const:
    """A value known while planning. `token` is what it contributes to keys."""

    value: Any
    token: bytes
    sources: tuple[str, ...] = field(default=(), compare=False)
    """Keys of the steps whose results it was read from: what it is owed to, no part of what it is."""


@dataclass(frozen=True, slots=True)
class Out:
    """One output of a step. `index` picks an item of a list output, level by level."""

    key: str
    output: str
    index: tuple[int, ...] = ()

    @property
    def token(self) -> bytes:
        place = b"".join([b".%d" % i for i in self.index])
        return b"o" + self.key.encode() + self.output.encode() + place


@dataclass(frozen=True, slots=True)
class Many:
    """A list whose items are known one by one."""

    items: tuple[Ref, ...]

    @property
    def token(self) -> bytes:
        return b"l%d:" % len(self.items) + b"".join(
            [b"%d:" % len(t) + t for t in (i.token for i in self.items)]
        )


@dataclass(frozen=True, slots=True)
class Gone:
    """A value that will never be: its step failed or depends on one that did."""

    token: bytes = b"gone"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not known yet: the length of a list, or a choice, that the step `key` decides."""

    key: str
    token: bytes = b"waiting"


Ref = Const | Out | Many | Gone | Waiting


def const(value: Any, sources: tuple[str, ...] = ()) -> Const:
    """A known value. Raises UnkeyableError for tensors and other values without canonical bytes."""
    return Const(value, short_token(canon(value)), sources)


def many(items: Sequence[Ref]) -> Ref:
    """A list of refs; plain data if every item is, so that equal lists meet in one key."""
    if all(type(item) is Const for item in items):
        return const([item.value for item in items], sources_in(items))  # type: ignore[union-attr]
    for item in items:
        if type(item) is Waiting:
            return item
    return Many(tuple(items))


def peeked(ref: Out, outputs: Any, sources: tuple[str, ...] = ()) -> Ref:
    """A step's output once its plain structure is known: by value if it is plain data, else by name.

    sources: the step's key alone; given by who peeks at many items, for them to share.
    """
    value = outputs[ref.output]
    for i in ref.index:
        value = value[i]
    try:
        return const(value, sources or (ref.key,))
    except UnkeyableError:
        return ref


def sources_in(refs: Iterable[Ref]) -> tuple[str, ...]:
    """Keys of the steps that known values among some refs were read from."""
    return tuple({key: None for ref in refs if isinstance(ref, Const) for key in ref.sources})


def keys_in(ref: Ref) -> Iterator[str]:
    """Keys of every step that a ref needs."""
    waiting: list[Ref] = [ref]
    while waiting:
        match waiting.pop():
            case Out(key=key):
                yield key
            case Many(items=items):
                waiting.extend(items)


def without_gone(ref: Ref) -> Ref:
    """A list without its lost items, at every level; Gone if none is left of a list that had some."""
    if not isinstance(ref, Many):
        return ref
    kept = [item for item in map(without_gone, ref.items) if not isinstance(item, Gone)]
    return many(kept) if kept or not ref.items else Gone()
