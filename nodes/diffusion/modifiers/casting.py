"""Layers stored in 8-bit floating point and brought to full precision only while they work.

The way there loses bits that no way back restores, so a model is cast once, when it is opened, and two
recipes share a cast model only if they agree on everything before it.
"""

from __future__ import annotations

from typing import Any, Literal

from graphflow.values import Value

NEVER = ("embed", "norm", "proj_out")
"""Parts of the names of layers that diffusers' video models keep out of casting."""


Storage = Literal["float8_e4m3fn", "float8_e5m2"]


class Casting(Value):
    """The 8-bit number between uses of a layer: e4m3 keeps more digits, e5m2 larger numbers."""

    storage: Storage = "float8_e4m3fn"


def cast(module: Any, casting: Casting, compute: str) -> None:
    """Store the layers of a diffusers module so, for good; embeddings of patches and norms stay as they are.

    compute: the dtype in which the layers work. LoRAs must be loaded before: peft cannot add layers to
    8-bit ones.
    """
    import torch

    module.enable_layerwise_casting(
        storage_dtype=getattr(torch, casting.storage), compute_dtype=getattr(torch, compute)
    )


def is_cast(name: str) -> bool:
    """Whether the weight called `name` is stored in one byte a number."""
    return name.endswith((".weight", ".bias")) and not any(part in name for part in NEVER)
