"""How much memory a value keeps alive: the figure for the budgets of caches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from graphflow.errors import NodeError, describe
from graphflow.rows import Rows
from graphflow.values import CodecError, Value, cannot_travel, is_tensor

if TYPE_CHECKING:
    from torch import Tensor

PLAIN_BYTES = 64
"""Bytes counted for a number, a reference or a small object's own overhead: about what CPython takes."""


def nbytes(value: object) -> int:
    """Bytes of memory that `value` keeps alive, about: storages of tensors, text, plain overhead.

    A view counts its whole storage, several views of one storage count it once. Cheap (nothing is
    encoded): the figure is for budgets. Raises CodecError for what cannot travel, as `encode` does.
    """
    try:
        return _nbytes(value, set())
    except (UnicodeEncodeError, RecursionError) as error:
        raise CodecError(f"a value cannot travel on a wire: {describe(error)}") from None


def _nbytes(value: Any, seen: set[int]) -> int:
    """As `nbytes`; `seen` holds the addresses of storages that are counted already."""
    kind = type(value)
    if value is None or kind in (bool, int, float):
        return PLAIN_BYTES
    if kind is str:
        return PLAIN_BYTES + (len(value) if value.isascii() else len(value.encode()))
    if kind is bytes:
        return PLAIN_BYTES + len(value)
    total = PLAIN_BYTES
    if kind is dict:
        for name, item in value.items():
            total += _nbytes(name, seen) + _nbytes(item, seen)
    elif kind is list or isinstance(value, tuple):
        for item in value:
            total += _nbytes(item, seen)
    elif isinstance(value, Rows):
        total += sum(
            _nbytes(block.packed, seen) + _nbytes([*block.tensors.values()], seen) for block in value.blocks
        )
    elif isinstance(value, Value):
        for name in kind.model_fields:
            total += _nbytes(getattr(value, name), seen)
    elif is_tensor(value):
        total += _tensor_bytes(value, seen)
    else:
        raise cannot_travel(kind)
    return total


def _tensor_bytes(tensor: Tensor, seen: set[int]) -> int:
    if str(tensor.layout) != "torch.strided":  # has no storage of its own
        return tensor.numel() * tensor.element_size()
    storage = tensor.untyped_storage()
    if storage.data_ptr() in seen:
        return 0
    seen.add(storage.data_ptr())
    return int(storage.nbytes())


def check_items(result: Mapping[str, Any], most: int) -> None:
    """Raises NodeError for values of more items, at all their levels, than memory has room to plan with."""
    count = 0
    stack: list[Any] = [result]
    while stack:
        value = stack.pop()
        count += len(value)
        if count > most:
            text = f"a value of more than {most} items is too large to plan with"
            raise NodeError(text, code="limit.value")
        parts = value.values() if isinstance(value, Mapping) else value
        stack.extend(part for part in parts if isinstance(part, (list, tuple, dict)))
