"""Guidance that is another at every step, in pipelines that take one number for all of them.

A pipeline multiplies the number with a tensor, and asks at each step whether it is more than 1: if not, it
leaves out the pass for the negative prompt. So it is given something that answers by the step it is at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from .families import Call, family
from .guidance import ScheduledGuidance
from .tap import Tap


class Stepwise:
    """Stands for a guidance scale. Anything else that a pipeline does with it is an error, never a guess."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now

    def __mul__(self, other: Any) -> Any:
        return self.now() * other

    def __gt__(self, other: float) -> bool:
        return self.now() > other


@contextmanager
def by_step(call: Call, pipe: Any, tap: Tap, transformers: list[Any]) -> Iterator[Call]:
    """The call with scales that follow its schedule, while the pipeline runs; any other call as it is."""
    guide = call.guide
    if not isinstance(guide, ScheduledGuidance):
        yield call
        return

    def scale(second: bool) -> float:
        if pipe._current_timestep is None:  # before the first step, to prepare what guided steps need
            return max(guide.at(index, call.steps, second) for index in range(call.steps))
        return guide.at(tap.start + tap.done, call.steps, second)

    first, second = Stepwise(lambda: scale(False)), Stepwise(lambda: scale(True))
    chosen: dict[str, Any] = {"guidance": first, "guidance_2": second if call.two else None, "guide": None}
    with ExitStack() as stack:
        for transformer in transformers if family(call.latents.family).doubles else ():
            stack.callback(transformer.register_forward_pre_hook(_alone, with_kwargs=True).remove)
        yield replace(call, **chosen)


def _alone(module: Any, args: tuple[Any, ...], inputs: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """In a step without guidance the clip stands alone, and so must all that was doubled before the first
    step; the negative half comes first."""
    clips = inputs["hidden_states"].shape[0]
    doubled = {
        name: value.chunk(2)[1]
        for name, value in inputs.items()
        if hasattr(value, "shape") and value.ndim and value.shape[0] == 2 * clips
    }
    return args, {**inputs, **doubled}
