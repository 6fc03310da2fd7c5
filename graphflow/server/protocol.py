"""What is said on the websocket: one msgpack map a frame, tagged by `type`, the same models on both sides.

Every request has an `id` that its one answer repeats; what has no `id` is told without being asked.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import msgpack
from pydantic import BaseModel, TypeAdapter, ValidationError

from graphflow.server.answers import *  # noqa: F403
from graphflow.server.answers import Answer
from graphflow.server.requests import *  # noqa: F403
from graphflow.server.requests import Request

PROTOCOL = 1
"""Raised when a message changes so that an older side would misread it."""

MAX_MAP, MAX_ARRAY = 20_000, 200_000
"""Entries of one map or array: a small frame must not unpack to much memory."""


class Codec:
    """Reads frames; made once, since building the checks takes a while. Each side builds its own only."""

    @cached_property
    def _requests(self) -> TypeAdapter[Request]:
        return TypeAdapter(Request)

    @cached_property
    def _answers(self) -> TypeAdapter[Answer]:
        return TypeAdapter(Answer)

    def request(self, frame: bytes) -> Request:
        """A client's message. Raises ValueError with a text for people."""
        found: Request = _checked(self._requests, frame)
        return found

    def answer(self, frame: bytes) -> Answer:
        """A server's message. Raises ValueError."""
        found: Answer = _checked(self._answers, frame)
        return found


def pack(message: BaseModel) -> bytes:
    """One message as one frame. Integers beyond 64 bits, which a frame cannot hold, become text."""
    raw = message.model_dump()
    try:
        return bytes(msgpack.packb(raw, use_bin_type=True))
    except OverflowError:
        return bytes(msgpack.packb(_fitting(raw), use_bin_type=True))


def _fitting(value: Any) -> Any:
    if isinstance(value, dict):
        return {_fitting(name): _fitting(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_fitting(one) for one in value]
    return str(value) if type(value) is int and not -(2**63) <= value < 2**64 else value


def peek_id(frame: bytes) -> int:
    """The `id` of a request that may be wrong otherwise; 0 if it has none."""
    try:
        raw = _unpacked(frame)
    except ValueError:
        return 0
    id = raw.get("id") if isinstance(raw, dict) else None
    return id if type(id) is int and 0 <= id < 2**53 else 0


def _unpacked(frame: bytes) -> Any:
    try:
        return msgpack.unpackb(frame, max_map_len=MAX_MAP, max_array_len=MAX_ARRAY, max_ext_len=0)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise ValueError(f"not one msgpack map: {error}") from None


def _checked(adapter: TypeAdapter[Any], frame: bytes) -> Any:
    raw = _unpacked(frame)
    try:
        return adapter.validate_python(raw)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[:5]
        texts = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found]
        raise ValueError("; ".join(texts)[:1_000]) from None
    except RecursionError:
        raise ValueError("nested too deep") from None
