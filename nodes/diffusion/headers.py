"""What is in a safetensors file, by its header: names and shapes of tensors, without reading one."""

from __future__ import annotations

import functools
import json
import math
import struct
from pathlib import Path
from typing import NamedTuple

from graphflow.errors import NodeError

MAX_HEADER = 100_000_000
"""Largest safetensors header, the limit of the format's own reader."""


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
        end = 8 + length + max((e["data_offsets"][1] for e in header.values()), default=0)
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
    math.prod(sizes)  # raises TypeError for anything but numbers
    return tuple(sizes)
