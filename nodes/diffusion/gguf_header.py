"""Whether a GGUF file is whole, by its header: what it says of itself and of its tensors, none of them read.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from graphflow.errors import NodeError

MAGIC = b"GGUF"
"""How every such file begins."""

VERSIONS = (2, 3)

BLOCKS: Mapping[int, tuple[int, int]] = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 40),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 30: (1, 2),
}  # fmt: skip
"""By the format's number for a kind of tensor: numbers in a block, and bytes of one."""

_PLAIN = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a value, by its type."""
_UINT32, _STRING, _ARRAY = 4, 8, 9
_DEEPEST = 4
"""Arrays in arrays."""


def check_gguf(path: Path) -> None:
    """Raises NodeError if a GGUF file is broken, cut off, or none at all."""
    try:
        with path.open("rb") as file:
            _Header(file, path.stat().st_size).check()
    except (OSError, ValueError) as error:
        raise NodeError(
            f"{path.name} is not a GGUF file: {error}", where="file", hint="download it anew"
        ) from error


class _Header:
    """Reads on from the beginning. Raises ValueError where the file ends too early or makes no sense."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size

    def check(self) -> None:
        if self._bytes(len(MAGIC)) != MAGIC:
            raise ValueError("it begins otherwise")
        version, tensors, entries = self._int("<I"), self._int("<Q"), self._int("<Q")
        if version not in VERSIONS:
            raise ValueError(f"its version is {version}")
        alignment = 32
        for _ in range(entries):
            name, kind = self._string(), self._int("<I")
            if name == b"general.alignment" and kind == _UINT32:
                alignment = max(self._int("<I"), 1)
            else:
                self._skip_value(kind)
        end = max([self._tensor() for _ in range(tensors)], default=0)
        data = -(-self._file.tell() // alignment) * alignment
        if data + end > self._size:
            raise ValueError(f"it should be {data + end} bytes long and is {self._size}")

    def _tensor(self) -> int:
        """Where it ends, from where tensors begin; of a kind not known here, where it begins."""
        self._string()
        shape = [self._int("<Q") for _ in range(self._int("<I"))]
        kind, offset = self._int("<I"), self._int("<Q")
        numbers, size = BLOCKS.get(kind, (1, 0))
        return offset + math.prod(shape) // numbers * size

    def _skip_value(self, kind: int, depth: int = 0) -> None:
        if kind in _PLAIN:
            self._skip(_PLAIN[kind])
        elif kind == _STRING:
            self._string()
        elif kind == _ARRAY and depth < _DEEPEST:
            inner, count = self._int("<I"), self._int("<Q")
            if inner in _PLAIN:
                self._skip(_PLAIN[inner] * count)
            else:
                for _ in range(count):
                    self._skip_value(inner, depth + 1)
        else:
            raise ValueError(f"it has a value of type {kind}")

    def _string(self) -> bytes:
        return self._bytes(self._int("<Q"))

    def _int(self, kind: str) -> int:
        (number,) = struct.unpack(kind, self._bytes(struct.calcsize(kind)))
        return int(number)

    def _bytes(self, count: int) -> bytes:
        start = self._file.tell()
        self._skip(count)
        self._file.seek(start)
        return self._file.read(count)

    def _skip(self, count: int) -> None:
        if self._file.tell() + count > self._size:
            raise ValueError("it ends within its header")
        self._file.seek(count, 1)
