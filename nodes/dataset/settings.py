"""Words that settings are made of, without anything heavy to import."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from graphflow.errors import NodeError


def _understood(where: str) -> str:
    """What would fail for each of thousands of items is refused once, with the settings."""
    from .expression import condition

    try:
        condition(where)
    except NodeError as error:
        raise PydanticCustomError("condition", "{reason}", {"reason": error.message}) from error
    return where


Method = Literal["content", "adaptive", "hash"]
"""How cuts are found."""
Flow = Literal["dis", "farneback"]
"""How motion is measured."""
Stage = Annotated[str, Field(min_length=1, max_length=60)]
"""The name of a filter, as the funnel shows it."""
Where = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_understood)]
"""An expression over the columns."""
Strategy = Literal["first_last", "every_k", "best_late_sharp", "max_change_min_bg", "keyframes"]
"""Which frames of a clip become pairs."""
