"""What passes between a runner and its worker process: frames of msgpack, and steps and messages in them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from threading import Lock
from typing import Any, BinaryIO

import msgpack
from pydantic import TypeAdapter

from graphflow.errors import ResourceError
from graphflow.execute import Done, Failed, Missed, Work
from graphflow.node import NodeSpec
from graphflow.refs import Const, Many, Out, Ref
from graphflow.registry import Registry
from graphflow.runners import Message, Noticed, Previewed, Progressed, Started, Stopped
from graphflow.values import CodecError, decode, encode

MAX_FRAME_BYTES = 2**30
"""Longest frame. Tensors never travel in frames, so this is only passed by a mistake."""

Frame = dict[str, Any]
"""One msgpack map; `do` says what it is."""

_MESSAGES = {
    kind.__name__: kind for kind in (Started, Progressed, Previewed, Stopped, Noticed, Done, Failed, Missed)
}


class Link:
    """Frames over two pipes: 4 bytes of length, little endian, then one msgpack map."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self.incoming = incoming
        self.outgoing = outgoing
        self._lock = Lock()

    def send(self, do: str, **values: Any) -> None:
        """Write a frame; it has left this process when this returns. Raises OSError if nobody reads."""
        self.write([pack(do, **values)])

    def write(self, frames: Iterable[bytes]) -> None:
        """Write packed frames. Raises OSError if nobody reads."""
        data = memoryview(b"".join(frames))
        with self._lock:
            while data:
                data = data[os.write(self.outgoing.fileno(), data) :]

    def receive(self) -> Iterator[Frame]:
        """Every frame until the other side closes or dies. Raises ValueError for what is no frame."""
        while len(head := self.incoming.read(4)) == 4:
            length = int.from_bytes(head, "little")
            if length > MAX_FRAME_BYTES:
                raise ValueError(f"a frame of {length:,} bytes")
            data = self.incoming.read(length)
            if len(data) < length:
                return
            yield msgpack.unpackb(data, raw=False, unicode_errors="surrogatepass")


def pack(do: str, **values: Any) -> bytes:
    """A frame's bytes. Raises ValueError for one that is too long."""
    # A node may put anything into its error or progress: what msgpack does not know goes as its text.
    body = msgpack.packb({"do": do, **values}, unicode_errors="surrogatepass", default=str)
    if len(body) > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {len(body):,} bytes; at most {MAX_FRAME_BYTES:,}")
    return len(body).to_bytes(4, "little") + bytes(body)


# ------------------------------------------------------------------------------------- messages


def pack_message(message: Message) -> Frame:
    """A message as plain data."""
    kind = type(message)
    return {"type": kind.__name__, "fields": {f.name: getattr(message, f.name) for f in fields(kind)}}


def unpack_message(frame: Mapping[str, Any]) -> Message:
    """The message in plain data. Raises KeyError or TypeError if there is none."""
    found: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in frame["fields"].items()
    }
    return _MESSAGES[frame["type"]](**found)


# ---------------------------------------------------------------------------------------- steps


def pack_work(work: Work) -> Frame:
    """A step as plain data. Raises CodecError for an input that cannot travel."""
    return {
        "key": work.key,
        "content": work.content,
        "node": work.node,
        "item": work.item,
        "type": work.spec.id,
        "source": work.spec.source_hash,
        "settings": {name: _pack_setting(work.spec, name, value) for name, value in work.settings.items()},
        "inputs": {name: _pack_ref(ref) for name, ref in work.inputs.items()},
        "keep": work.keep,
        "fingerprint": work.fingerprint,
        "provenance": encode(dict(work.provenance)).header,
    }


def unpack_work(frame: Mapping[str, Any], registry: Registry) -> Work:
    """The step in plain data. Raises ResourceError if this process has not the same node."""
    spec = registry.get(frame["type"])
    if spec is None:
        raise ResourceError(
            f"the worker process has no node {frame['type']!r}",
            hint="; ".join(f"pack {failure.pack}: {failure.reason}" for failure in registry.failures)
            or "put its pack into a pack folder or install it",
            code="worker.node",
        )
    if spec.source_hash != frame["source"]:
        raise ResourceError(
            f"the source of {spec.id} changed after this program had loaded it",
            hint="start the program again",
            code="worker.node",
        )
    return Work(
        key=frame["key"],
        content=frame["content"],
        node=frame["node"],
        item=tuple(frame["item"]),
        spec=spec,
        settings={name: _unpack_setting(spec, name, data) for name, data in frame["settings"].items()},
        inputs={name: _unpack_ref(ref) for name, ref in frame["inputs"].items()},
        keep=frame["keep"],
        fingerprint=frame["fingerprint"],
        provenance=decode(frame["provenance"], {}),
    )


def _pack_setting(spec: NodeSpec, name: str, value: Any) -> bytes | str:
    """A value's header; as JSON text what is no value but a setting may be, such as an enum."""
    try:
        return encode(value).header
    except CodecError:
        return TypeAdapter(spec.settings[name]).dump_json(value).decode()


def _unpack_setting(spec: NodeSpec, name: str, data: bytes | str) -> Any:
    if isinstance(data, bytes):
        return decode(data, {})
    return TypeAdapter(spec.settings[name]).validate_json(data, strict=True)


def _pack_ref(ref: Ref) -> list[Any]:
    match ref:
        case Const(value=value, token=token):
            return ["const", encode(value).header, token]
        case Out(key=key, output=output, index=index):
            return ["out", key, output, index]
        case Many(items=items):
            return ["many", [_pack_ref(item) for item in items]]
    raise AssertionError(f"{ref} is not an input")


def _unpack_ref(data: list[Any]) -> Ref:
    match data:
        case ["const", header, token]:
            return Const(decode(header, {}), token)
        case ["out", key, output, index]:
            return Out(key, output, tuple(index))
        case ["many", items]:
            return Many(tuple(_unpack_ref(item) for item in items))
    raise AssertionError(f"{data!r} is not a reference")
