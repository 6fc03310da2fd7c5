"""Words that settings are made of, without anything heavy to import."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

Method = Literal["content", "adaptive", "hash"]
"""How cuts are found."""
Flow = Literal["dis", "farneback"]
"""How motion is measured."""
Stage = Annotated[str, Field(min_length=1, max_length=60)]
"""The name of a filter, as the funnel shows it."""
Where = Annotated[str, Field(min_length=1, max_length=2000)]
"""An expression over the columns."""
Strategy = Literal["first_last", "every_k", "best_late_sharp", "max_change_min_bg", "keyframes"]
"""Which frames of a clip become pairs."""
