"""Lists to compare a LoRA by."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from graphflow.node import node

Weight = Annotated[float, Field(ge=-10, le=10)]


@node("training/weight_list", fold=True)
def weight_list(*, weights: list[Weight]) -> list[float]:
    """Weights at which a LoRA is compared; 0 is the base model, 1 the LoRA as it was trained."""
    return [float(weight) for weight in weights]
