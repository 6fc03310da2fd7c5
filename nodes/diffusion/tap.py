"""A scheduler that reports every step, and can run only some of the steps of a whole denoise.

A standard pipeline calls `set_timesteps` once, loops over `timesteps` and calls `step` in each turn.
That is all we need: show the pipeline a part of the timesteps and it runs that part; look at what
passes through `step` and we have progress, previews and checkpoints. The pipeline is not changed.

The tap is a subclass made at run time and the scheduler's class is swapped for it. A wrapper object
would not do: pipelines inspect the scheduler's signatures, and some deep-copy it.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

_POSITION = ("_step_index", "_begin_index")
"""Follow from the first step; never part of what a sampler remembers."""

_COPIES = "copies"
"""Entry of a history with those of copies."""


@dataclass(frozen=True)
class Step:
    """One step of a denoise, just done."""

    index: int
    """Place in the whole denoise, from 0."""
    sigma: Any
    """Noise level before the step; (1, tokens, 1) where every token has its own."""
    sample: Any
    """Latents before the step."""
    output: Any
    """What the denoiser said, after guidance."""
    latents: Any
    """Latents after the step."""

    def expected(self) -> Any:
        """The clean latents the denoiser foresees, for models that predict a velocity.

        Where the scheduler saw only a part of the latents, the latents as they are.
        """
        whole = self.sample.shape == self.latents.shape
        return self.sample - self.sigma * self.output if whole else self.latents


@dataclass
class Tap:
    """What a tapped scheduler keeps beside its own state; one for each run."""

    on_step: Callable[[Step], None]
    start: int
    end: int
    """One past the last step to run."""
    history: Mapping[str, Any]
    """The result of `history_of` after the step before `start`; empty if there was none."""
    generator: Any
    """Where a solver that adds noise draws it from; without one it would use the global generator."""
    skipped: int = 0
    """Steps at the front that the pipeline itself cuts off, as video to video does; `start` counts them."""
    ends: Callable[[Any], int] | None = None
    """Finds `end` where it follows from the timesteps: given the scheduler, as soon as it has them all."""
    whole: tuple[Any, Any] = (None, None)
    """Timesteps and sigmas of the whole denoise."""
    levels: list[float] = field(default_factory=list)
    """The sigmas as numbers."""
    fresh: Mapping[str, Any] = field(default_factory=dict)
    """The scheduler's attributes before its first step."""
    done: int = 0
    copies: list[Any] = field(default_factory=list)
    """Copies that the pipeline made of the scheduler, to step other latents with, such as those of sound."""

    def at(self) -> int:
        """The step of the whole denoise that comes next, or that the pipeline is at."""
        return self.start + self.done


def tapped(scheduler: Any, tap: Tap) -> Any:
    """`scheduler`, changed in place to run the steps that `tap` names and report each to it."""
    base: Any = type(scheduler)
    scheduler.__class__ = _tapped_class(base)
    scheduler._tap = tap
    return scheduler


def history_of(scheduler: Any) -> dict[str, Any]:
    """All that a tapped scheduler has changed in itself since its first step: a multistep solver's memory.
    Under `copies` the same of its copies."""
    changed = changes(scheduler._tap.fresh, scheduler)
    history = {name: value for name, value in changed.items() if name not in (*_POSITION, "_tap")}
    copies = [history_of(twin) for twin in scheduler._tap.copies]
    return {**history, _COPIES: copies} if any(copies) else history


def attributes(scheduler: Any) -> dict[str, Any]:
    """All attributes of a scheduler; lists, which it writes into, are copied."""
    held = vars(scheduler).items()
    return {name: list(value) if isinstance(value, list) else value for name, value in held}


def changes(before: Mapping[str, Any], scheduler: Any) -> dict[str, Any]:
    """The attributes of a scheduler that are not as they were."""
    now = attributes(scheduler)
    return {
        name: value for name, value in now.items() if name not in before or not _same(before[name], value)
    }


def _same(before: Any, now: Any) -> bool:
    """Whether an attribute is as it was; schedulers replace their tensors and never write into them."""
    if isinstance(before, list) and isinstance(now, list):
        return len(before) == len(now) and all(a is b for a, b in zip(before, now, strict=True))
    return before is now


def _silent_copy(scheduler: Any, memo: dict[int, Any]) -> Any:
    """A deep copy that makes the same steps, tells nobody of them, and remembers for itself."""
    tap = scheduler._tap
    made: Any = object.__new__(type(scheduler))
    own = dict(enumerate(tap.history.get(_COPIES, []))).get(len(tap.copies), {})
    held = {name: value for name, value in vars(scheduler).items() if name != "_tap"}
    silent = replace(tap, on_step=lambda step: None, history=own, fresh={}, copies=[])
    vars(made).update(copy.deepcopy(held, memo), _tap=silent)
    tap.copies.append(made)
    return made


@functools.cache
def _tapped_class(base: Any) -> Any:
    """The subclass of `base` that consults its `_tap`."""

    takes_generator = "generator" in inspect.signature(base.step).parameters

    class Tapped(base):  # type: ignore[misc]
        _tap: Tap
        timesteps: Any
        sigmas: Any

        @functools.wraps(base.set_timesteps)  # pipelines read the signature to see what is supported
        def set_timesteps(self, *args: Any, **kwargs: Any) -> None:
            base.set_timesteps(self, *args, **kwargs)
            tap = self._tap
            tap.whole, tap.done = (self.timesteps, self.sigmas), 0
            tap.levels = self.sigmas.tolist()
            tap.end = tap.ends(self) if tap.ends is not None else tap.end
            shown = tap.start - tap.skipped
            self.timesteps = self.timesteps[shown : tap.end]
            self.sigmas = self.sigmas[shown:]  # pipelines read sigmas[i] beside timesteps[i]
            tap.fresh = attributes(self)
            base.set_begin_index(self, tap.start)
            for name, value in tap.history.items():
                if name != _COPIES:
                    setattr(self, name, list(value) if isinstance(value, list) else value)

        def __deepcopy__(self, memo: dict[int, Any]) -> Any:
            return _silent_copy(self, memo)

        def set_begin_index(self, begin_index: int = 0) -> None:
            base.set_begin_index(self, begin_index + self._tap.start - self._tap.skipped)

        @functools.wraps(base.step)
        def step(self, model_output: Any, timestep: Any, sample: Any, *args: Any, **kwargs: Any) -> Any:
            tap = self._tap
            if takes_generator:
                kwargs.setdefault("generator", tap.generator)
            shown = self.timesteps, self.sigmas
            self.timesteps, self.sigmas = tap.whole  # solvers look at the whole schedule, such as its length
            try:
                result = base.step(self, model_output, timestep, sample, *args, **kwargs)
            finally:
                self.timesteps, self.sigmas = shown
            index = tap.at()
            tap.done += 1
            latents = result[0] if isinstance(result, tuple) else result.prev_sample
            level, output, tokens = tap.levels[index], model_output, kwargs.get("per_token_timesteps")
            if tokens is not None:  # pipelines that give them negate the output too
                level, output = tokens.unsqueeze(-1) / self.config.num_train_timesteps, -model_output
            tap.on_step(Step(index, level, sample, output, latents))
            return result

    Tapped.__name__, Tapped.__qualname__ = base.__name__, base.__qualname__  # saved configs name it
    return Tapped
