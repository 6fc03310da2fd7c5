"""Guidance that is another at every step, in pipelines that take one number for all of them.

A pipeline multiplies the number with a tensor, and asks at each step whether it is more than 1: if not, it
leaves out the pass for the negative prompt. So it is given something that answers by the step it is at.
HunyuanVideo 1.0 and FramePack ask only once, before their first step; there a pass that is not wanted is
answered by the one before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from .families import Call, family
from .guidance import ScheduledGuidance


class Stepwise:
    """Stands for a guidance scale. Anything else that a pipeline does with it is an error, never a guess."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now

    def __mul__(self, other: Any) -> Any:
        return self.now() * other

    def __sub__(self, other: float) -> float:
        return self.now() - other

    def __gt__(self, other: float) -> bool:
        return self.now() > other


@contextmanager
def by_step(call: Call, pipe: Any, at: Callable[[], int], transformers: list[Any]) -> Iterator[Call]:
    """The call with scales that follow its schedule, while the pipeline runs; any other call as it is.

    at: the step that the pipeline is at, from 0; of its window, where it makes several. Between two windows
    the pipeline's `_current_timestep` must be None, as it is before the first.
    """
    guide = call.guide
    if not isinstance(guide, ScheduledGuidance):
        yield call
        return

    def scale(second: bool) -> float:
        if getattr(pipe, "_current_timestep", None) is None:  # not yet at a step: what any of them needs
            return max(guide.at(index, call.steps, second) for index in range(call.steps))
        return guide.at(at(), call.steps, second)

    first, second = Stepwise(lambda: scale(False)), Stepwise(lambda: scale(True))
    streams = call.latents.sound is not None
    chosen: dict[str, Any] = {"guidance": first, "guidance_2": second if call.two or streams else None}
    rules = family(call.latents.family)
    with ExitStack() as stack:
        for transformer in transformers if rules.doubles else ():
            stack.callback(transformer.register_forward_pre_hook(_alone, with_kwargs=True).remove)
        if "true_cfg" in rules.guides and first > 1:
            for transformer in transformers:
                stack.enter_context(_answered_once(transformer, at, lambda: scale(False) > 1))
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


@contextmanager
def _answered_once(transformer: Any, at: Callable[[], int], guided: Callable[[], bool]) -> Iterator[None]:
    """Where a step is not guided its second pass, for the negative prompt, gets the answer of the first: what
    the pipeline makes of both, `b + scale * (a - b)`, is then the first to the bit."""
    forward, own = transformer.forward, vars(transformer).get("forward")
    said: dict[int, Any] = {}

    def answered(*args: Any, **inputs: Any) -> Any:
        found = said.pop(at(), None)
        if found is None or guided():
            found = forward(*args, **inputs)
            said.clear()
            said[at()] = found
        return found

    transformer.forward = answered
    try:
        yield
    finally:
        if own is None:
            del transformer.forward
        else:
            transformer.forward = own
