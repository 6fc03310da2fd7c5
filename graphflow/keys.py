"""Content keys: canonical bytes that never collide, and the sha256 of them.

Every value is written with a type tag and its length, so `1`, `True`, `1.0` and `"1"` all differ and no
two different structures share their bytes. Stable across processes, machines and Python versions:
tests/golden/keys.json holds them fixed.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from graphflow.rows import Rows
from graphflow.values import Value, is_tensor

KEY_VERSION = b"graphflow-key-1"
"""Changes when the layout of keys changes, which makes every stored result a miss."""


class UnkeyableError(TypeError):
    """A value has no canonical bytes and so cannot stand in a key."""


@dataclass(frozen=True)
class Environment:
    """What of the machine changes numbers: library minors and the class of device."""

    torch: str = ""
    diffusers: str = ""
    device: str = "cpu"

    def token(self) -> bytes:
        return canon([self.torch, self.diffusers, self.device])


def canon(value: Any) -> bytes:
    """Canonical bytes of plain data or a tensor-free Value.

    -0.0 equals 0.0. Raises UnkeyableError for NaN, infinities, tensors, unknown types and what is nested
    without end.
    """
    try:
        return _canon(value)
    except RecursionError:
        raise UnkeyableError("a value is nested too deep to stand in a content key") from None


def _canon(value: Any) -> bytes:
    kind = type(value)
    if value is None:
        return b"N"
    if kind is bool:
        return b"T" if value else b"F"
    if kind is int:
        text = b"%d" % value
        return b"i%d:%b" % (len(text), text)
    if kind is float:
        if not math.isfinite(value):
            raise UnkeyableError(f"{value} cannot stand in a content key; use a finite number")
        return b"f" + struct.pack(">d", value + 0.0)
    if kind is str:
        text = value.encode("utf-8", "surrogatepass")
        return b"s%d:%b" % (len(text), text)
    if kind is bytes:
        return b"b%d:%b" % (len(value), value)
    if kind is list or kind is Rows:
        return b"l%d:%b" % (len(value), b"".join([_canon(item) for item in value]))
    return _canon_rest(value, kind)


def _canon_rest(value: Any, kind: type) -> bytes:
    if isinstance(value, tuple):
        return b"t%d:%b" % (len(value), b"".join([_canon(item) for item in value]))
    if kind is dict:
        pairs = sorted((_canon(k), _canon(v)) for k, v in value.items())
        return b"d%d:%b" % (len(pairs), b"".join([k + v for k, v in pairs]))
    if kind in (set, frozenset):
        items = sorted(_canon(item) for item in value)
        return b"e%d:%b" % (len(items), b"".join(items))
    if isinstance(value, Value):
        return b"v" + _canon(value.type_name()) + _canon(value.key_fields())
    if isinstance(value, Enum):
        return b"m" + _canon(f"{kind.__module__}.{kind.__qualname__}") + _canon(value.value)
    if is_tensor(value):
        raise UnkeyableError("a tensor cannot stand in a content key; it is known by the step that made it")
    raise UnkeyableError(f"a {kind.__name__} cannot stand in a content key")


def digest(value: Any) -> str:
    """sha256 of the canonical bytes, 64 hex characters."""
    return hashlib.sha256(canon(value)).hexdigest()


def short_token(token: bytes) -> bytes:
    """The token itself if short, else its sha256: bounds the size of what a key is made from."""
    return token if len(token) <= 128 else b"h" + hashlib.sha256(token).digest()


def step_key(static: bytes, parts: Iterable[tuple[str, bytes]]) -> str:
    """Key of one step: the node's own token and the tokens of what is wired into it, by name."""
    pieces = [KEY_VERSION, b"%d:" % len(static), static]
    for name, token in sorted(parts):
        encoded = name.encode()
        pieces.append(b"%d:%b%d:%b" % (len(encoded), encoded, len(token), token))
    return hashlib.sha256(b"".join(pieces)).hexdigest()
