"""One entry, one file: a genuine safetensors file that says whose it is and proves that it is whole.

    8 bytes    length of the JSON, little endian
    JSON       {"__metadata__": {"crc32", "header_crc32", "graphflow", "kind", "key", "node", "version",
               "seconds", "created"}, name: {"dtype", "shape", "data_offsets"}, ..., "header": {...}},
               padded with spaces so that data starts at a multiple of 64 bytes
    data       the tensors, widest type first (so that each is aligned), then the bytes of `header`:
               the msgpack header of `values.encode`

`header_crc32` covers the JSON (both sums taken as zeros) and `header`; `crc32` covers the tensors. So a
header alone can be read and proved without touching the tensors, and no byte is left uncovered.
This module imports neither torch nor safetensors until a tensor is met.
"""

from __future__ import annotations

import json
import os
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import FileIO
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from graphflow.cache.records import EntryInfo
from graphflow.errors import StorageError
from graphflow.files import faultpoint, write_all
from graphflow.values import Encoded

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = "1"
"""Version of this layout. Files of another version are left alone and count as absent."""

MAX_HEADER_BYTES = 25 * 2**20
"""Largest JSON and largest msgpack header, in bytes. safetensors allows 100 MB; values need a few kB."""

MAX_TENSORS = 50_000
"""Most tensors in one entry: 100 000 make a header that costs seconds to parse."""

PIECE_BYTES = 8 * 2**20
"""Bytes copied at a time of tensors that are not dense or not in main memory: bounds the extra memory."""

READ_BYTES = 2**20
"""Bytes read at a time to check a sum: stays in the processor's cache, so it costs no more than mapping."""

PIECES_AHEAD = 4
"""Pieces that may wait for their checksum, so at most 40 MB are held for tensors that must be copied."""

THREAD_FROM_BYTES = 4 * 2**20
"""Below this a checksum in line is faster than starting a thread (about 0.1 ms; crc32 does 5 GB/s)."""

ALIGNMENT = 64
"""Where data starts, in bytes: a cache line, what torch gives its own tensors."""

_ZERO = b"00000000"
_BEFORE_CRC = b'{"__metadata__":{"crc32":"'
_BETWEEN = b'","header_crc32":"'
_CRC = slice(len(_BEFORE_CRC), len(_BEFORE_CRC) + 8)
_HEADER_CRC = slice(_CRC.stop + len(_BETWEEN), _CRC.stop + len(_BETWEEN) + 8)

_DTYPES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "float8_e8m0fnu": "F8_E8M0",
    "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
    "complex64": "C64",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}
"""torch's names to safetensors' names: all types that both know and that fill whole bytes."""

Kind = Literal["entry", "checkpoint"]


class Corrupt(ValueError):
    """The file is not a whole, genuine entry under its own name; the message says why."""


class OtherFormat(ValueError):
    """The file is whole, but of a format version that this program does not know."""


@dataclass(frozen=True, slots=True)
class Head:
    """All of a file but its tensors."""

    kind: str
    key: str
    info: EntryInfo
    header: bytes
    """The msgpack header, for `values.decode`."""
    tensors: Mapping[str, tuple[int, ...]]
    """Their shapes by name."""
    crc32: str
    data_start: int
    """Byte at which the tensors begin."""
    tensor_bytes: int
    size: int
    """Bytes of the whole file."""
    used: float
    """When last used, in seconds since 1970: the file's time of change, which the store sets when it reads.

    The time of access would do, but listings change it too and some mounts never do.
    """


# ------------------------------------------------------------------------------------- writing


def write(fd: int, kind: Kind, key: str, value: Encoded, info: EntryInfo) -> int:
    """Write an entry into an open empty file, from the tensors' own memory; gives the bytes written.

    Does not sync. Raises StorageError for what the format cannot hold, OSError when writing fails.
    """
    order = sorted(value.tensors.items(), key=lambda item: -item[1].element_size())
    head, total = _head_bytes(kind, key, value.header, order, info)
    write_all(fd, head)
    faultpoint("entry.head_written")
    with Checksum(threaded=total > THREAD_FROM_BYTES) as checksum:
        for _, tensor in order:
            for piece in _pieces(tensor):
                checksum.add(piece)
                write_all(fd, piece)
            faultpoint("entry.tensor_written")
        write_all(fd, value.header)
        faultpoint("entry.before_crc")
        if not checksum.done():
            os.fsync(fd)  # the disk works while the sum is finished; the last sync then finds little to do
        os.lseek(fd, 8 + _CRC.start, os.SEEK_SET)
        write_all(fd, _hex(checksum.result()))
        faultpoint("entry.after_crc")
    return total


def _head_bytes(
    kind: Kind, key: str, header: bytes, order: list[tuple[str, Tensor]], info: EntryInfo
) -> tuple[bytes, int]:
    """The length and JSON with the header's sum filled in, and the size of the whole file."""
    sizes = [t.numel() * t.element_size() for _, t in order] + [len(header)]
    spans = list(pairwise(accumulate(sizes, initial=0)))
    document: dict[str, Any] = {"__metadata__": _metadata(kind, key, info)}
    for (name, tensor), span in zip(order, spans, strict=False):
        document[name] = {"dtype": _dtype(tensor), "shape": list(tensor.shape), "data_offsets": span}
    document["header"] = {"dtype": "U8", "shape": [len(header)], "data_offsets": spans[-1]}
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    largest = max(len(text), len(header))
    if largest > MAX_HEADER_BYTES or len(order) > MAX_TENSORS:
        raise StorageError(
            f"a value with {len(order):,} tensors and a header of {largest:,} bytes cannot be stored",
            code="storage.limit",
            hint=f"at most {MAX_TENSORS:,} tensors and {MAX_HEADER_BYTES:,} bytes; put numbers into tensors",
        )
    head = bytearray(text)
    head[_HEADER_CRC] = _hex(zlib.crc32(header, zlib.crc32(text)))
    return len(text).to_bytes(8, "little") + head, 8 + len(text) + spans[-1][1]


def _metadata(kind: Kind, key: str, info: EntryInfo) -> dict[str, str]:
    told = {"notices": json.dumps(info.notices)} if info.notices else {}
    return {
        "crc32": _ZERO.decode(),
        "header_crc32": _ZERO.decode(),
        "graphflow": FORMAT,
        "kind": kind,
        "key": key,
        "node": info.node,
        "version": str(info.version),
        "seconds": repr(info.seconds),
        "created": repr(info.created),
        **told,
    }


def _dtype(tensor: Tensor) -> str:
    name = str(tensor.dtype).removeprefix("torch.")
    if name not in _DTYPES or str(tensor.layout) != "torch.strided" or tensor.device.type == "meta":
        raise StorageError(
            f"a {name} tensor ({tensor.layout}, {tensor.device}) cannot be stored",
            code="storage.type",
            hint="convert it to a dense tensor of a common type",
        )
    return _DTYPES[name]


def _pieces(tensor: Tensor) -> Iterator[memoryview]:
    """The tensor's bytes in row-major order; views where it is dense and on the CPU, else small copies."""
    import torch

    tensor = tensor.detach()
    size = tensor.numel() * tensor.element_size()
    lazy = tensor.is_conj() or tensor.is_neg()  # views whose bytes are not yet what they stand for
    if tensor.is_contiguous() and tensor.device.type == "cpu" and not lazy:
        flat = tensor.as_strided((tensor.numel(),), (1,))  # `view` refuses odd strides of single elements
        if size:
            yield memoryview(flat.view(torch.uint8).numpy().data)
    elif size <= PIECE_BYTES:
        yield from _pieces(tensor.resolve_conj().resolve_neg().cpu().contiguous())
    elif tensor.shape[0] == 1:
        yield from _pieces(tensor[0])
    else:
        rows = max(1, PIECE_BYTES * tensor.shape[0] // size)
        for start in range(0, tensor.shape[0], rows):
            yield from _pieces(tensor[start : start + rows])


class Checksum:
    """crc32 of pieces in order, in a second thread beside the writing: zlib frees the interpreter lock."""

    def __init__(self, *, threaded: bool) -> None:
        self._pool = ThreadPoolExecutor(1) if threaded else None
        self._waiting: deque[Future[None]] = deque()
        self._value = 0

    def __enter__(self) -> Checksum:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def add(self, piece: memoryview) -> None:
        """Take the next piece, which must not change; waits if too many are on their way."""
        if self._pool is None:
            self._update(piece)
            return
        if len(self._waiting) >= PIECES_AHEAD:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(self._update, piece))

    def done(self) -> bool:
        """Whether `result` would give its answer at once."""
        return all(future.done() for future in self._waiting)

    def result(self) -> int:
        """The sum of all pieces so far."""
        while self._waiting:
            self._waiting.popleft().result()
        return self._value

    def _update(self, piece: memoryview) -> None:
        self._value = zlib.crc32(piece, self._value)


# ------------------------------------------------------------------------------------- reading


def read_head(path: str | Path) -> Head:
    """Read and prove all of a file but its tensors. Raises Corrupt, OtherFormat or OSError."""
    with open(path, "rb") as file:
        found = os.fstat(file.fileno())
        size = found.st_size
        length = int.from_bytes(_exactly(file, 8), "little")
        if length > min(MAX_HEADER_BYTES, size - 8):
            raise Corrupt(f"a header of {length} bytes in a file of {size}")
        text = _exactly(file, length)
        if not text.startswith(_BEFORE_CRC) or text[_CRC.stop : _HEADER_CRC.start] != _BETWEEN:
            raise Corrupt("not a graphflow entry")
        document = _parse(text)
        start, span = 8 + length, _span(document.get("header"))
        if span.stop - span.start > MAX_HEADER_BYTES or start + span.stop != size:
            raise Corrupt(f"the parts do not add up to its {size} bytes")
        file.seek(start + span.start)
        header = _exactly(file, span.stop - span.start)
    blank = bytearray(text)
    blank[_CRC] = blank[_HEADER_CRC] = _ZERO
    if _hex(zlib.crc32(header, zlib.crc32(blank))) != text[_HEADER_CRC]:
        raise Corrupt("the header's checksum does not match")
    metadata = document.pop("__metadata__")
    if metadata["graphflow"] != FORMAT:
        raise OtherFormat(f"format {metadata['graphflow']}; this program reads {FORMAT}")
    return Head(
        kind=metadata["kind"],
        key=metadata["key"],
        info=_info(metadata),
        header=header,
        tensors={name: tuple(entry["shape"]) for name, entry in document.items() if name != "header"},
        crc32=text[_CRC].decode("latin-1"),
        data_start=start,
        tensor_bytes=span.start,
        size=size,
        used=found.st_mtime,
    )


def _info(metadata: dict[str, str]) -> EntryInfo:
    return EntryInfo(
        node=metadata["node"],
        version=int(metadata["version"]),
        seconds=float(metadata["seconds"]),
        created=float(metadata["created"]),
        notices=tuple(map(str, json.loads(metadata.get("notices", "[]")))),
    )


def check_tensors(path: str | Path, head: Head) -> None:
    """Prove the tensors' bytes against the checksum. Raises Corrupt or OSError.

    Reads instead of mapping: a page that the disk cannot deliver is then an error, not a dead process.
    """
    crc = 0
    if head.tensor_bytes:
        with open(path, "rb", buffering=0) as file:
            file.seek(head.data_start)
            crc = _sum_of(file, head.tensor_bytes)
    if _hex(crc) != head.crc32.encode("latin-1"):
        raise Corrupt("the checksum of the data does not match")


def _sum_of(file: FileIO, left: int) -> int:
    crc, buffer = 0, memoryview(bytearray(min(READ_BYTES, left)))
    while left:
        count = file.readinto(buffer[:left])
        if not count:
            raise Corrupt("the file is cut short")
        crc, left = zlib.crc32(buffer[:count], crc), left - count
    return crc


def map_tensors(path: str | Path, head: Head) -> Mapping[str, Tensor]:
    """The tensors, mapped from the file: nothing is read until it is used, nothing is copied.

    Raises Corrupt or OSError. Writing into one changes memory only, never the file.
    """
    if not head.tensors:
        return {}
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in head.tensors}
    except SafetensorError as error:
        raise Corrupt(str(error)) from error
    except RuntimeError as error:  # torch's word for a file that is gone by now, or for no memory to map it
        raise (OSError if os.path.exists(path) else FileNotFoundError)(str(error)) from error


def _exactly(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) != length:
        raise Corrupt("the file is cut short")
    return data


def _parse(text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Corrupt("its JSON cannot be read") from error
    if not isinstance(document, dict) or len(document) > MAX_TENSORS + 2:
        raise Corrupt("its JSON is not a table of tensors")
    return document


def _span(part: object) -> slice:
    """Where a tensor lies in the data."""
    match part:
        case {"data_offsets": [int(start), int(stop)]} if 0 <= start <= stop:
            return slice(start, stop)
    raise Corrupt("it has no header tensor")


def _hex(crc: int) -> bytes:
    return b"%08x" % crc
