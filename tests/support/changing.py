"""A guidance scale that is another at every step, for a plain pipeline: that of guidance by the step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Changing:
    """Given as the scale, with `arguments` beside it."""

    def __init__(self, *scales: float, always: bool = False) -> None:
        """always: the pipeline makes both passes at every step, also where the scale is 1."""
        self._scales, self._always, self._step = scales, always, 0

    @property
    def arguments(self) -> dict[str, Callable[..., Any]]:
        return {"callback_on_step_end": self._told}

    def _told(self, pipe: Any, index: int, time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """A step is done; pipelines that make several windows count the steps of each."""
        self._step = (index + 1) % len(self._scales)
        return {}

    def __mul__(self, other: Any) -> Any:
        return self._scales[self._step] * other

    def __sub__(self, other: float) -> float:
        return self._scales[self._step] - other

    def __gt__(self, other: float) -> bool:
        return self._always or self._scales[self._step] > other
