"""What is in a safetensors file, by its header: names and shapes of tensors, without reading one."""

from __future__ import annotations

import functools
import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from graphflow.errors import NodeError

MAX_HEADER = 100_000_000
"""Largest safetensors header, the limit of the format's own reader."""


BITS: Mapping[str, int] = {
    "BOOL": 8, "U8": 8, "I8": 8, "I16": 16, "U16": 16, "I32": 32, "U32": 32, "I64": 64, "U64": 64,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64,
}  # fmt: skip
"""Of one number, by the format's names for its kinds."""


class TensorEntry(NamedTuple):
    """One tensor in a safetensors header."""

    dtype: str
    """By the format's name, such as `F32` or `BF16`."""
    shape: tuple[int, ...]

    @property
    def numbers(self) -> int:
        return math.prod(self.shape)


def read_header(path: Path) -> dict[str, TensorEntry]:
    """The header of a safetensors file, by tensor name. Raises NodeError if the file is broken or cut off."""
    try:
        if not path.is_file():  # to read a pipe would wait for ever
            raise ValueError("it is no file")
        size = path.stat().st_size
        if size < 8:
            raise ValueError(f"it has {size} bytes")
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(size - 8, MAX_HEADER):
                raise ValueError("its header is longer than allowed")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        entries = {name: TensorEntry(e["dtype"], _shape(e["shape"])) for name, e in header.items()}
        end = 8 + length + _end({name: e["data_offsets"] for name, e in header.items()}, entries)
        if end != size:
            raise ValueError(f"it should be {end} bytes long and is {size}")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, struct.error, RecursionError) as error:
        raise NodeError(
            f"{path.parent.name}/{path.name} is not a safetensors file: {error}",
            hint="copy or download it anew",
        ) from error
    return entries


def check_header(path: Path) -> None:
    """Raises NodeError if a safetensors file is broken or cut off; asked once, until the file changes."""
    state = path.stat()
    _sound_header(path, state.st_size, state.st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _sound_header(path: Path, size: int, modified: int) -> None:
    read_header(path)


def _shape(sizes: list[int]) -> tuple[int, ...]:
    if any(type(size) is not int or size < 0 for size in sizes):
        raise ValueError(f"a tensor has the shape {sizes}")
    return tuple(sizes)


def _end(places: Mapping[str, list[int]], entries: Mapping[str, TensorEntry]) -> int:
    """Where the last tensor ends, if they lie one after the other, each as long as its shape says."""
    end = 0
    for name, (start, stop) in sorted(places.items(), key=lambda place: place[1]):
        dtype = entries[name].dtype
        if dtype not in BITS:
            raise ValueError(f"{name} is of numbers of an unknown kind, {dtype!r}")
        if start != end or (stop - start) * 8 != entries[name].numbers * BITS[dtype]:
            raise ValueError(f"{name} does not lie where its shape and its neighbours say")
        end = stop
    return end
