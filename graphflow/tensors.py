"""Tensors as fields of values, without importing torch."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, WithJsonSchema

if TYPE_CHECKING:
    from torch import Tensor as Tensor
else:

    def _check_tensor(value: object) -> object:
        if not is_tensor(value):
            raise ValueError(f"expected a torch tensor, found {type(value).__name__}")
        return value

    Tensor = Annotated[
        Any, AfterValidator(_check_tensor), WithJsonSchema({"type": "object", "title": "tensor"})
    ]


def is_tensor(value: object) -> bool:
    """True if `value` is a torch tensor; never imports torch: without it, and while it is being imported by
    another thread, there are no tensors."""
    tensor = getattr(sys.modules.get("torch"), "Tensor", None)
    return tensor is not None and isinstance(value, tensor)


class _Outline(str):
    """Stands for a tensor where a value is shown."""

    __repr__ = str.__str__


def outlined(value: object) -> object:
    """A value, or what is in it, with tensors told by dtype and shape."""
    if is_tensor(value):
        return _Outline(f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}")  # type: ignore[attr-defined]
    if isinstance(value, dict):
        return {name: outlined(item) for name, item in value.items()}
    return [*map(outlined, value)] if type(value) is list else value
